// Package apply carries out a plan through an engine: group by group it
// changes, waits until what changed is up and stays up, and puts back what does
// not come up.
package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/unitstamp/unitstamp/pkg/plan"
)

// ErrLocked is what Engine.Lock returns when somebody else is at work on the
// same target.
var ErrLocked = errors.New("another run is at work on the same target")

// A UnitError is a failure that is the unit's own: it did not start, it died.
// Other errors are the world's: the disk, the bus.
type UnitError struct{ Reason string }

func (e *UnitError) Error() string { return e.Reason }

// Unitf makes a *UnitError.
func Unitf(format string, args ...any) error {
	return &UnitError{fmt.Sprintf(format, args...)}
}

// A Failure is a step that was not carried out.
type Failure struct {
	Err error
	// Untouched tells that everything is as it was before.
	Untouched bool
}

// Limits are how long to wait.
type Limits struct {
	// Timeout is how long one unit may take until its manager says that it is
	// up or down; 0 leaves that to the unit's own limits.
	Timeout time.Duration
	// Usual tells that nobody has chosen Timeout: it gives way to a unit that may
	// take longer by its own word.
	Usual bool
	// Stable is how long a unit has to stay up to count.
	Stable time.Duration
}

// An Engine knows one kind of target.
type Engine interface {
	// Check refuses, before anything is observed or changed, wanted units that
	// this kind of target cannot take.
	Check(wanted []plan.Unit) error
	// Observe tells what is there: at the paths of the wanted units, of the
	// owned ones, and what runs.
	Observe(ctx context.Context, wanted []plan.Unit) (*plan.Observed, error)
	// Lock keeps other runs away from the target until release is called. When
	// another one is at work it returns ErrLocked, or waits if told so.
	Lock(ctx context.Context, wait bool) (release func() error, err error)
	// Change carries out the steps of one group together, and returns when the
	// manager says that the units are up, or down. The entries of the record are
	// pending from before the first change on. Failures are by unit. What else
	// came up on the way may be added to a step's Reason.
	Change(ctx context.Context, group []*plan.Step, limits Limits) map[string]Failure
	// Watch returns when the targets of a step have been up for as long as
	// wanted, each by the rules of its kind, or with the reason why not.
	Watch(ctx context.Context, step *plan.Step, limits Limits) error
	// Commit writes into the record that the steps are done and good.
	Commit(steps []*plan.Step) error
}

// An Outcome is the one word for how a step ended.
type Outcome string

// The outcomes.
const (
	Planned    Outcome = "planned"
	Done       Outcome = "done"
	Failed     Outcome = "failed"
	RolledBack Outcome = "rolled-back"
	Skipped    Outcome = "skipped"
)

// A Result is how one step ended.
type Result struct {
	Step    *plan.Step
	Outcome Outcome
	// Reason is the plan's reason, or why it failed.
	Reason string
	Took   time.Duration
	// World tells that the failure is not the unit's own.
	World bool
}

// A Phase is what a step that has begun and has not ended waits for.
type Phase int

// The phases, in their order; a step goes from Changing to Watching or to Settled.
const (
	Changing  Phase = iota // its change: until its manager says that it is up or down
	Watching               // staying up
	Settled                // good or failed, it waits for the others of its batch
	Restoring              // being put back
)

// Params say how to carry out a plan. Engine, Plan and Now are needed.
type Params struct {
	Engine Engine
	Plan   *plan.Plan
	Limits Limits
	// Batch is how many groups that do not wait for each other are carried out
	// at once; 0 is 1.
	Batch int
	// KeepGoing goes on with the next group after a failure.
	KeepGoing bool
	// Prepare, if not nil, does for each step that acts what can be done while
	// everything still runs. It is called for all of them before anything is
	// changed; a step that it fails for is not begun.
	Prepare func(context.Context, *plan.Step) error
	Now     func() time.Time
	// Begin and End are called, if not nil, before and after each step that
	// acts, and Reach between them for each phase after Changing; one at a time.
	Begin func(*plan.Step)
	Reach func(*plan.Step, Phase)
	End   func(Result)
}

// Run carries out a plan and says how each of its steps ended, in the plan's
// order. When ctx is cancelled, the group at hand is put back and the rest is
// skipped.
func Run(ctx context.Context, p Params) []Result {
	r := &runner{Params: p, results: map[*plan.Step]Result{}}
	groups, good := r.prepare(ctx, p.Plan.Groups())
	stopped := !good && !p.KeepGoing
	for _, group := range batches(groups, p.Batch) {
		if stopped || ctx.Err() != nil {
			for _, s := range group {
				r.results[s] = Result{Step: s, Outcome: Skipped, Reason: notBegun(ctx)}
			}
			continue
		}
		if !r.group(ctx, group) && !p.KeepGoing {
			stopped = true
		}
	}
	results := make([]Result, 0, len(p.Plan.Steps))
	for _, s := range p.Plan.Steps {
		result, acted := r.results[s]
		if !acted {
			result = Result{Step: s, Outcome: Done, Reason: s.Reason}
			if s.Action == plan.Conflict {
				result.Outcome = Skipped
			}
		}
		results = append(results, result)
	}
	return results
}

// notBegun says why a step was not begun.
func notBegun(ctx context.Context) string {
	if ctx.Err() != nil {
		return "not begun: interrupted"
	}
	return "not begun: an earlier step failed"
}

// interruption gives the error of what was cut short by the end of ctx words.
func interruption(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return errors.New("interrupted")
	}
	return err
}

// batches joins up to n groups that follow each other and do not wait for each
// other. Deletions stay by themselves.
func batches(groups [][]*plan.Step, n int) [][]*plan.Step {
	var joined [][]*plan.Step
	size := 0
	for _, group := range groups {
		if last := len(joined) - 1; size > 0 && size < n && independent(joined[last], group) {
			joined[last] = append(slices.Clip(joined[last]), group...)
			size++
			continue
		}
		joined = append(joined, group)
		size = 1
	}
	return joined
}

func independent(batch, group []*plan.Step) bool {
	if group[0].Action == plan.Delete {
		return false
	}
	return !slices.ContainsFunc(group, func(s *plan.Step) bool {
		return slices.ContainsFunc(batch, func(b *plan.Step) bool { return slices.Contains(s.Waits, b.Unit) })
	})
}

type runner struct {
	Params
	results map[*plan.Step]Result
}

// group carries out one group and reports whether all of it is good.
func (r *runner) group(ctx context.Context, group []*plan.Step) bool {
	began := r.Now()
	for _, s := range group {
		s.At = began.UTC().Truncate(time.Second)
		if s.After != nil {
			s.After.At = s.At
		}
		if r.Begin != nil {
			r.Begin(s)
		}
	}
	failures := r.Engine.Change(ctx, group, r.Limits)
	for name, f := range failures {
		failures[name] = Failure{Err: interruption(ctx, f.Err), Untouched: f.Untouched}
	}
	for _, s := range group {
		if _, failed := failures[s.Unit]; failed {
			r.reach(s, Settled)
		} else {
			r.reach(s, Watching)
		}
	}
	for name, err := range r.watch(ctx, group, failures, func(s *plan.Step) { r.reach(s, Settled) }) {
		failures[name] = Failure{Err: interruption(ctx, err)}
	}
	good, bad := split(group, failures)
	if err := r.Engine.Commit(good); err != nil {
		for _, s := range good {
			r.end(s, Failed, fmt.Sprintf("it is up, but the record could not be written: %v", err), began, true)
		}
		good = nil
		if len(bad) == 0 {
			return false
		}
	}
	for _, s := range good {
		r.end(s, Done, s.Reason, began, false)
	}
	if len(bad) == 0 {
		return true
	}
	r.putBack(context.WithoutCancel(ctx), bad, failures, began)
	return false
}

// watch waits for all steps at once; it leaves out those that failed already. Each
// that is known of is told, one at a time.
func (r *runner) watch(ctx context.Context, group []*plan.Step, failed map[string]Failure, known func(*plan.Step)) map[string]error {
	var mu sync.Mutex
	errs := map[string]error{}
	var all sync.WaitGroup
	for _, s := range group {
		if _, bad := failed[s.Unit]; bad {
			continue
		}
		all.Go(func() {
			err := r.Engine.Watch(ctx, s, r.Limits)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs[s.Unit] = err
			}
			known(s)
		})
	}
	all.Wait()
	return errs
}

// split parts the steps that are good from those that failed or need one that
// did: a unit that requires another goes back together with it.
func split(group []*plan.Step, failures map[string]Failure) (good, bad []*plan.Step) {
	needing := map[string][]string{} // who needs a unit
	for _, s := range group {
		for _, name := range s.Needs {
			needing[name] = append(needing[name], s.Unit)
		}
	}
	reached := map[string]bool{}
	for todo := slices.Collect(maps.Keys(failures)); len(todo) > 0; todo = todo[1:] {
		if name := todo[0]; !reached[name] {
			reached[name] = true
			todo = append(todo, needing[name]...)
		}
	}
	for _, s := range group {
		if reached[s.Unit] {
			bad = append(bad, s)
		} else {
			good = append(good, s)
		}
	}
	return good, bad
}

// putBack restores what was there before the steps, looks whether it is there
// and up, and says how it went.
func (r *runner) putBack(ctx context.Context, bad []*plan.Step, failures map[string]Failure, began time.Time) {
	var reversed []*plan.Step
	why := map[string]string{}
	for _, s := range bad {
		f, own := failures[s.Unit]
		why[s.Unit] = "together with what it needs: " + strings.Join(needed(bad, s, failures), ", ")
		if own {
			why[s.Unit] = f.Err.Error()
		}
		// A deletion that failed is not undone: what is still there, stays.
		if f.Untouched || s.Action == plan.Delete {
			if s.Action != plan.Delete {
				// Where even this fails, the entry stays pending, and the
				// next run looks again.
				_ = r.Engine.Commit([]*plan.Step{s.Reverse()})
			}
			r.end(s, Failed, why[s.Unit], began, own && isWorld(f.Err))
			continue
		}
		r.reach(s, Restoring)
		reversed = append(reversed, s.Reverse())
	}
	if len(reversed) == 0 {
		return
	}
	failed := r.Engine.Change(ctx, reversed, r.Limits)
	for name, err := range r.watch(ctx, reversed, failed, func(*plan.Step) {}) {
		failed[name] = Failure{Err: err}
	}
	if err := r.verify(ctx, reversed, failed); err != nil {
		for _, s := range reversed {
			failed[s.Unit] = Failure{Err: err}
		}
	}
	var restored []*plan.Step
	for _, s := range reversed {
		if _, f := failed[s.Unit]; !f {
			restored = append(restored, s)
		}
	}
	if err := r.Engine.Commit(restored); err != nil {
		for _, s := range restored {
			failed[s.Unit] = Failure{Err: fmt.Errorf("the record could not be written: %w", err)}
		}
	}
	for _, s := range bad {
		if _, done := r.results[s]; done {
			continue
		}
		f, own := failures[s.Unit]
		world := own && isWorld(f.Err)
		if back, f := failed[s.Unit]; f {
			r.end(s, Failed, fmt.Sprintf("%s; what was there before could not be put back: %v", why[s.Unit], back.Err), began, world || isWorld(back.Err))
			continue
		}
		r.end(s, RolledBack, why[s.Unit]+restoredText(s), began, world)
	}
}

// restoredText says what a roll-back came to.
func restoredText(s *plan.Step) string {
	switch {
	case s.Fresh:
		return "; removed again"
	case s.From != "":
		return "; back at " + s.From
	}
	return "; back at what was there before"
}

// verify looks at the target after a roll-back: every file is what it was.
func (r *runner) verify(ctx context.Context, reversed []*plan.Step, failed map[string]Failure) error {
	var units []plan.Unit
	for _, s := range reversed {
		files := plan.Files{}
		for _, c := range s.Changes {
			files[c.Path] = plan.File{}
		}
		units = append(units, plan.Unit{Name: s.Unit, Files: files})
	}
	observed, err := r.Engine.Observe(ctx, units)
	if err != nil {
		return err
	}
	for _, s := range reversed {
		if _, known := failed[s.Unit]; known {
			continue
		}
		for _, c := range s.Changes {
			f, there := observed.Files[c.Path]
			if there != (c.After != nil) || there && !f.Equal(*c.After) {
				failed[s.Unit] = Failure{Err: fmt.Errorf("%s is not what it was", c.Path)}
			}
		}
	}
	return nil
}

// needed lists what one of the bad steps needs, however far, and what failed.
func needed(bad []*plan.Step, s *plan.Step, failures map[string]Failure) []string {
	needs := map[string][]string{}
	for _, b := range bad {
		needs[b.Unit] = b.Needs
	}
	var names []string
	seen := map[string]bool{s.Unit: true}
	for todo := s.Needs; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		if _, failed := failures[name]; failed {
			names = append(names, name)
		}
		todo = slices.Concat(todo, needs[name])
	}
	slices.Sort(names)
	return names
}

func isWorld(err error) bool {
	var unit *UnitError
	return err != nil && !errors.As(err, &unit)
}

func (r *runner) reach(s *plan.Step, phase Phase) {
	if r.Reach != nil {
		r.Reach(s, phase)
	}
}

func (r *runner) end(s *plan.Step, outcome Outcome, reason string, began time.Time, world bool) {
	result := Result{Step: s, Outcome: outcome, Reason: reason, Took: r.Now().Sub(began), World: world}
	r.results[s] = result
	if r.End != nil {
		r.End(result)
	}
}
