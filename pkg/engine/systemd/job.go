package systemd

import (
	"context"
	"errors"
	"fmt"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/unitstamp/unitstamp/pkg/apply"
)

// jobPoll is how often a job that has not ended is looked at, in case that its
// end was missed, as when the bus was restarted.
const jobPoll = time.Second

// A job is something that systemd is asked to do with a unit.
type job struct {
	unit  string
	blame string // the unit of the step that it is done for
	do    func(*systemd.Conn, context.Context, string, string, chan<- string) (int, error)
	stop  bool // a unit that is not loaded is as good as stopped
}

var (
	startUnit   = (*systemd.Conn).StartUnitContext
	stopUnit    = (*systemd.Conn).StopUnitContext
	restartUnit = (*systemd.Conn).RestartUnitContext
	reloadUnit  = (*systemd.Conn).ReloadUnitContext
)

// run asks for all jobs, so that systemd orders them, and waits for their
// results. Failures are noted with the step that each is for.
func (c *changer) run(ctx context.Context, jobs []job) {
	ctx, cancel := within(ctx, c.patience(ctx, jobs))
	defer cancel()
	results := make([]chan string, len(jobs))
	for i, j := range jobs {
		// buffered, so that a result nobody waits for any more blocks nothing
		results[i] = make(chan string, 1)
		err := c.order(ctx, func(conn *systemd.Conn) error {
			_, err := j.do(conn, ctx, j.unit, "replace", results[i])
			return err
		})
		if err != nil {
			results[i] = nil
			if j.stop && isNoSuchUnit(err) {
				continue
			}
			c.blame(j, cause(ctx, err))
		}
	}
	for i, j := range jobs {
		if results[i] == nil {
			continue
		}
		if err := c.wait(ctx, j, results[i]); err != nil {
			c.blame(j, err)
		}
	}
}

// patience is how long the jobs may take. A restart stops and starts; so may a start,
// where what runs is still on its way down.
func (c *changer) patience(ctx context.Context, jobs []job) time.Duration {
	if !c.limits.Usual {
		return c.limits.Timeout
	}
	var own []time.Duration
	for _, j := range jobs {
		takes := starting | stopping
		if j.stop {
			takes = stopping
		}
		if p, err := c.properties(ctx, j.unit); err == nil { // a unit that is not there has no time
			own = append(own, p.ownTime(takes))
		}
	}
	return patience(c.limits, own...)
}

// isNoSuchUnit tells that systemd has no such unit loaded.
func isNoSuchUnit(err error) bool {
	var answer dbus.Error
	return errors.As(err, &answer) && answer.Name == "org.freedesktop.systemd1.NoSuchUnit"
}

func (c *changer) blame(j job, err error) {
	if j.unit != j.blame {
		err = fmt.Errorf("%s: %w", j.unit, err)
	}
	c.fail(j.blame, err)
}

// wait returns when a job has ended, with the reason if it did not end well.
func (c *changer) wait(ctx context.Context, j job, result <-chan string) error {
	poll := time.NewTicker(jobPoll)
	defer poll.Stop()
	idle := 0
	for {
		select {
		case word := <-result:
			return c.result(ctx, j.unit, word)
		case <-ctx.Done():
			return cause(ctx, ctx.Err())
		case <-poll.C:
			p, err := c.properties(ctx, j.unit)
			if err != nil {
				return cause(ctx, err)
			}
			if p.job() != 0 {
				idle = 0
			} else if idle++; idle > 2 {
				return c.byState(p)
			}
		}
	}
}

// cause is what an error comes to: the unit's failure if its time was over or
// if systemd says so, else what it is.
func cause(ctx context.Context, err error) error {
	var unit *apply.UnitError
	if errors.As(context.Cause(ctx), &unit) {
		return unit
	}
	return unitFault(err)
}

// byState judges a job whose result was missed.
func (c *changer) byState(p properties) error {
	if p.text("ActiveState") == "failed" {
		return apply.Unitf("%s", died(p))
	}
	return nil
}

// result turns systemd's word for the end of a job into an error, nil if it is
// a good one.
func (c *changer) result(ctx context.Context, unit, word string) error {
	switch word {
	case "done", "skipped":
		return nil
	case "dependency":
		return apply.Unitf("a unit that it needs did not start")
	case "canceled":
		return apply.Unitf("its job was cancelled by another one")
	}
	p, err := c.properties(ctx, unit)
	if err != nil {
		return apply.Unitf("job %s", word)
	}
	return apply.Unitf("job %s, %s", word, died(p))
}

// settled is a unit's properties once no job is under way for it.
func (c *changer) settled(ctx context.Context, unit string) (properties, error) {
	var cancel context.CancelFunc
	for first := true; ; first = false {
		p, err := c.properties(ctx, unit)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", unit, cause(ctx, err))
		}
		if p.job() == 0 {
			return p, nil
		}
		if first {
			ctx, cancel = within(ctx, patience(c.limits, p.ownTime(starting|stopping)))
			defer cancel()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w", unit, cause(ctx, ctx.Err()))
		case <-time.After(watchPoll):
		}
	}
}

// died says in what state a unit is, and how its program ended.
func died(p properties) string {
	text := p.text("ActiveState") + "/" + p.text("SubState")
	if result := p.text("Result"); result != "" && result != "success" {
		text += ", " + result
	}
	code, _ := p["ExecMainCode"].(int32)
	status, _ := p["ExecMainStatus"].(int32)
	const exited, killed, dumped = 1, 2, 3 // CLD_EXITED, CLD_KILLED, CLD_DUMPED
	switch {
	case code == exited && status != 0:
		text += fmt.Sprintf(", exit status %d", status)
	case code == killed, code == dumped:
		text += fmt.Sprintf(", signal %d", status)
	}
	return text
}
