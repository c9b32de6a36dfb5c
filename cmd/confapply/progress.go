package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// progress tells how a run goes: a line for each step that ends, and for what is under
// way a line that changes on a terminal, one for each step that begins elsewhere.
type progress struct {
	call  *door.Call
	run   running
	begun int
}

// running is what is known of the steps that are under way; a value for those who draw.
type running struct {
	kind   string // of engine
	stable time.Duration
	total  int // steps of the run that act
	steps  []underWay
}

type underWay struct {
	step   *plan.Step
	number int
	phase  apply.Phase
	since  time.Time // when it reached the phase
}

func newProgress(call *door.Call, s *session, p *plan.Plan) *progress {
	total := 0
	for _, step := range p.Steps {
		if step.Acts() {
			total++
		}
	}
	return &progress{call: call, run: running{kind: s.kind, stable: s.limits.Stable, total: total}}
}

func (p *progress) begin(step *plan.Step) {
	p.begun++
	p.run.steps = append(p.run.steps, underWay{step: step, number: p.begun, since: time.Now()})
	if !p.show() {
		p.call.Note("%s %s …", step.Action, builds(step))
	}
}

func (p *progress) reach(step *plan.Step, phase apply.Phase) {
	for i, u := range p.run.steps {
		if u.step == step {
			p.run.steps[i].phase, p.run.steps[i].since = phase, time.Now()
		}
	}
	p.show()
}

func (p *progress) end(r apply.Result) {
	p.run.steps = slices.DeleteFunc(p.run.steps, func(u underWay) bool { return u.step == r.Step })
	p.show()
	p.call.Note("%s", ended(r))
}

func (p *progress) done() { p.call.Progress(nil) }

// show reports whether there is a line that changes.
func (p *progress) show() bool {
	if len(p.run.steps) == 0 {
		return p.call.Progress(nil)
	}
	now := p.run
	now.steps = slices.Clone(now.steps)
	return p.call.Progress(now.status)
}

// status says which steps are under way and what they wait for. Of several it names those
// that the others wait for.
func (r running) status(now time.Time) (doing, how string) {
	slowest := slices.DeleteFunc(slices.Clone(r.steps), func(u underWay) bool { return u.phase == apply.Settled })
	if len(slowest) == 0 {
		slowest = r.steps
	}
	first, last := r.steps[0], r.steps[len(r.steps)-1]
	if len(r.steps) == 1 {
		return fmt.Sprintf("[%d/%d] %s %s", first.number, r.total, first.step.Action, first.step.Unit), r.how(first, now)
	}
	var names []string
	for _, u := range slowest[:min(2, len(slowest))] {
		names = append(names, u.step.Unit)
	}
	text := strings.Join(names, ", ")
	if more := len(slowest) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("[%d-%d/%d] %d of %d: %s", first.number, last.number, r.total, len(slowest), len(r.steps), text), r.how(slowest[0], now)
}

func (r running) how(u underWay, now time.Time) string {
	took := now.Sub(u.since)
	switch {
	case u.phase == apply.Watching && u.step.Action != plan.Delete && r.kind != "dir":
		if left := r.stable - took + time.Second - 1; left > 0 { // the engine's look at it takes time, too
			return "up, stable in " + lasted(left)
		}
		return "not stable yet, " + lasted(took)
	case u.phase == apply.Settled:
		return ""
	case u.phase == apply.Restoring:
		return "rolling back, " + lasted(took)
	}
	switch r.kind {
	case "systemd":
		return "waiting for the job, " + lasted(took)
	case "fleet":
		return "waiting for the cluster, " + lasted(took)
	}
	return "writing, " + lasted(took)
}

// lasted is a time in whole seconds.
func lasted(d time.Duration) string { return d.Truncate(time.Second).String() }
