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
	if c.limits.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.limits.Timeout)
		defer cancel()
	}
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
			c.blame(j, c.cause(ctx, err))
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
			return c.cause(ctx, ctx.Err())
		case <-poll.C:
			p, err := c.properties(ctx, j.unit)
			if err != nil {
				return c.cause(ctx, err)
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
func (c *changer) cause(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return apply.Unitf("not done within %v", c.limits.Timeout)
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
	if c.limits.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.limits.Timeout)
		defer cancel()
	}
	for {
		p, err := c.properties(ctx, unit)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", unit, c.cause(ctx, err))
		}
		if p.job() == 0 {
			return p, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w", unit, c.cause(ctx, ctx.Err()))
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
