package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

const (
	// together is how many units are worked on at once.
	together = 16
	// deletions is how many units are deleted at once.
	deletions = 3
	// stopPatience is how long a unit may take to end: a little more than systemd
	// gives it by default.
	stopPatience = 2 * time.Minute
)

// Change carries out the steps of a group: those that wait for each other in
// order, the others together, but never two updates on one machine. It returns when
// each unit is up with the hash of what was sent, or gone.
func (e *Engine) Change(ctx context.Context, group []*plan.Step, limits apply.Limits) map[string]apply.Failure {
	c := &changer{Engine: e, limits: limits, failures: map[string]apply.Failure{}, group: group}
	slots := make(chan struct{}, together)
	done := map[string]chan struct{}{}
	var all sync.WaitGroup
	for _, s := range inOrder(group) {
		var before []string
		for _, name := range slices.Concat(s.Waits, s.Needs, around(group, s)) {
			if done[name] != nil { // only those earlier in the order: no circles
				before = append(before, name)
			}
		}
		waits := make([]chan struct{}, 0, len(before))
		for _, name := range before {
			waits = append(waits, done[name])
		}
		finished := make(chan struct{})
		done[s.Unit] = finished
		all.Go(func() {
			defer close(finished)
			for _, w := range waits {
				<-w
			}
			if bad := c.failed(before); bad != "" && s.Action != plan.Delete {
				c.fail(s.Unit, apply.Failure{Err: apply.Unitf("not begun: %s, which it waits for, failed", bad), Untouched: true})
				return
			}
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := c.step(ctx, s); err != nil {
				var kept *untouched
				c.fail(s.Unit, apply.Failure{Err: err, Untouched: errors.As(err, &kept)})
			}
		})
	}
	all.Wait()
	c.reviveLeft(ctx)
	return c.failures
}

// around are the units of a group that come before one because of timers, sockets
// and paths: these are deleted first, so that none starts it meanwhile, and made
// and changed last, when what they start is there.
func around(group []*plan.Step, s *plan.Step) []string {
	var names []string
	for _, other := range group {
		first := isTrigger(other.Unit) == (s.Action == plan.Delete)
		if other.Group == s.Group && first && isTrigger(other.Unit) != isTrigger(s.Unit) {
			names = append(names, other.Unit)
		}
	}
	return names
}

func isTrigger(name string) bool {
	return slices.Contains([]string{"path", "socket", "timer"}, unitname.Kind(name))
}

// inOrder sorts a group so that each unit comes after those that it waits for or
// requires: a unit would go down with one that is replaced after it. Circles are
// broken at the first of the group.
func inOrder(group []*plan.Step) []*plan.Step {
	var order []*plan.Step
	seen := map[*plan.Step]bool{}
	var visit func(*plan.Step)
	visit = func(s *plan.Step) {
		if seen[s] {
			return
		}
		seen[s] = true
		before := slices.Concat(s.Waits, s.Needs, around(group, s))
		for _, other := range group {
			if slices.Contains(before, other.Unit) {
				visit(other)
			}
		}
		order = append(order, s)
	}
	for _, s := range group {
		visit(s)
	}
	return order
}

// untouched is an error of a step that changed nothing.
type untouched struct{ error }

func (u *untouched) Unwrap() error { return u.error }

// changer carries one group through.
type changer struct {
	*Engine
	limits apply.Limits
	group  []*plan.Step

	mu       sync.Mutex
	failures map[string]apply.Failure
	left     []string // what went down with another, and was to be changed itself
}

func (c *changer) fail(unit string, f apply.Failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures[unit] = f
}

func (c *changer) failed(units []string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range units {
		if _, bad := c.failures[name]; bad {
			return name
		}
	}
	return ""
}

// step is one unit's change.
func (c *changer) step(ctx context.Context, s *plan.Step) error {
	if ch := c.begun(s.Unit); ch != nil {
		return c.restore(ctx, s, ch)
	}
	now, err := c.read(ctx, s.Unit)
	if err != nil {
		return &untouched{err}
	}
	if err := c.asPlanned(s, now); err != nil {
		return &untouched{err}
	}
	switch {
	case s.Action == plan.Delete:
		return c.remove(ctx, s, now)
	case len(s.Changes) == 0:
		return c.launch(ctx, s, now)
	}
	return c.write(ctx, s, now)
}

func (e *Engine) begun(unit string) *change {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changes[unit]
}

// begin notes what a unit was before its change.
func (e *Engine) begin(unit string, before *apiUnit, sent apiUnit) *change {
	e.mu.Lock()
	defer e.mu.Unlock()
	ch := &change{before: before, sent: sent, goal: sent}
	e.changes[unit] = ch
	return ch
}

// aim notes what a unit is to come to from now on.
func (e *Engine) aim(unit string, goal apiUnit) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes[unit].goal = goal
}

// asPlanned fails when a unit is not what the plan was made for: somebody else is
// at work.
func (e *Engine) asPlanned(s *plan.Step, now *apiUnit) error {
	seen, was := s.Base[s.Unit]
	for _, c := range s.Changes {
		if was = c.Before != nil; was {
			seen = *c.Before
		}
	}
	switch {
	case !was && now == nil:
		return nil
	case !was:
		return errors.New("it was put there by somebody else since the plan was made")
	case now == nil && s.Action == plan.Delete:
		return nil
	case now == nil:
		return errors.New("it was removed by somebody else since the plan was made")
	case !e.show(now, nil).Equal(seen):
		return errors.New("it was changed by somebody else since the plan was made")
	case s.Before != nil && now.options().owner(s.Unit) != e.owner:
		return fmt.Errorf("it is not owner %q's any more since the plan was made", e.owner)
	}
	return nil
}

// write creates or updates a unit.
func (c *changer) write(ctx context.Context, s *plan.Step, now *apiUnit) error {
	want, err := c.wanted(s, now)
	if err != nil {
		return &untouched{err}
	}
	if now == nil {
		c.begin(s.Unit, nil, want)
		if err := c.send(ctx, want, nil); err != nil {
			return c.refused(s.Unit, err)
		}
		return c.await(ctx, c.expect(want, true), c.limits)
	}
	if r := requirementsOf(s.Unit, want.options()); want.DesiredState == launched && r.nowhere(c.knownMachines()) {
		return &untouched{fmt.Errorf("left as it is: %s", r.away())}
	}
	along, release, err := c.hold(ctx, now)
	if err != nil {
		return &untouched{err}
	}
	defer release()
	c.begin(s.Unit, now, want).along = along
	if err := c.send(ctx, want, now); err != nil {
		return c.refused(s.Unit, err)
	}
	began := time.Now()
	if err := c.await(ctx, c.expect(want, false), c.limits); err != nil {
		return err
	}
	c.remark(ctx, s, now, began)
	return c.revive(ctx, along)
}

// refused forgets a change that fleet would not take.
func (e *Engine) refused(unit string, err error) error {
	var no *refusal
	if !errors.As(err, &no) {
		return err
	}
	e.mu.Lock()
	delete(e.changes, unit)
	e.mu.Unlock()
	return &untouched{apply.Unitf("%s", no.Error())}
}

// wanted is the unit to send: the options of the file with the owner's mark, and
// the state that the plan asks for.
func (e *Engine) wanted(s *plan.Step, now *apiUnit) (apiUnit, error) {
	at := slices.IndexFunc(s.Changes, func(c plan.Change) bool { return c.Path == s.Unit && c.After != nil })
	if at < 0 {
		return apiUnit{}, fmt.Errorf("the plan has no file for %s", s.Unit)
	}
	o, err := normalise(s.Unit, s.Changes[at].After.Data)
	if err != nil {
		return apiUnit{}, err
	}
	u := apiUnit{Name: s.Unit, Options: o.marked(s.Unit, e.owner).inAPI(), DesiredState: loaded}
	switch {
	case unitname.IsTemplate(s.Unit):
		u.DesiredState = inactive
	case s.Effect == plan.DoStart, s.Effect == plan.DoRestart, s.Effect == plan.DoCycle, s.Effect == plan.DoReload:
		u.DesiredState = launched
	case s.Effect == plan.DoNothing && now != nil:
		u.DesiredState = now.DesiredState // stopped by hand, it stays so
	}
	return u, nil
}

// hold takes the machines that a unit is on for this update alone. With them it
// returns the owned units that go down together with it.
func (c *changer) hold(ctx context.Context, u *apiUnit) (along []string, release func(), err error) {
	release, err = c.updating.take(ctx, c.on(u))
	if err != nil {
		return nil, nil, err
	}
	along, err = c.dependents(ctx, u.Name)
	if err != nil {
		release()
		return nil, nil, err
	}
	return along, release, nil
}

// remove deletes a unit and waits until no machine has it any more.
func (c *changer) remove(ctx context.Context, s *plan.Step, now *apiUnit) error {
	if now == nil {
		return nil
	}
	began := time.Now()
	if err := c.destroy(ctx, s.Unit); err != nil {
		return err
	}
	c.remark(ctx, s, now, began)
	return nil
}

// launch starts a unit whose options are as they should be. One that fleet takes
// for running and that has failed or ended is unloaded first, because to fleet
// there is nothing to do.
func (c *changer) launch(ctx context.Context, s *plan.Step, now *apiUnit) error {
	whole := apiUnit{Name: s.Unit, Options: now.Options, DesiredState: launched}
	c.begin(s.Unit, now, whole)
	if now.DesiredState == launched {
		states, err := c.records(ctx, s.Unit)
		if err != nil {
			return &untouched{err}
		}
		down := slices.ContainsFunc(slices.Collect(maps.Values(states)), func(st unitState) bool { return badness(st) >= 2 })
		if !down { // its agent has not come to it yet
			return c.await(ctx, c.expect(whole, false), c.limits)
		}
		if err := c.setState(ctx, now, inactive); err != nil {
			return err
		}
		if err := c.gone(ctx, s.Unit, stopPatience); err != nil {
			return err
		}
	}
	if err := c.setState(ctx, now, launched); err != nil {
		return err
	}
	w := c.expect(whole, true)
	w.idle = now.DesiredState == loaded
	return c.await(ctx, w, c.limits)
}

// restore puts back what a change of this run found.
func (c *changer) restore(ctx context.Context, s *plan.Step, ch *change) error {
	now, err := c.read(ctx, s.Unit)
	if err != nil {
		return err
	}
	ours := now != nil && slices.Equal(now.options().joined(), ch.sent.options())
	switch {
	case ch.before == nil && now == nil:
		return nil
	case ch.before == nil && ours:
		return c.destroy(ctx, s.Unit)
	case ch.before == nil:
		return errors.New("somebody else has changed it, it is left as it is")
	}
	back := apiUnit{Name: s.Unit, Options: ch.before.Options, DesiredState: ch.before.DesiredState}
	c.aim(s.Unit, back)
	asItWas := now != nil && slices.Equal(now.options(), ch.before.options())
	switch {
	case asItWas && now.DesiredState == back.DesiredState:
	case asItWas:
		err = c.setState(ctx, now, back.DesiredState)
	case now == nil:
		// where it is still running it would be taken for up, and then end; but a
		// machine that is blocked is not waited for
		var deaf *blocked
		if err = c.gone(ctx, s.Unit, lease); err == nil || errors.As(err, &deaf) {
			err = c.send(ctx, back, nil)
		}
	case !ours:
		return errors.New("somebody else has changed it, it is left as it is")
	default:
		along, release, held := c.hold(ctx, now)
		if held != nil {
			return held
		}
		defer release()
		if err = c.send(ctx, back, now); err == nil && s.Effect == plan.DoCycle {
			err = c.await(ctx, c.expect(back, false), c.limits)
		}
		return errors.Join(err, c.revive(ctx, slices.Concat(ch.along, along)))
	}
	if err == nil && s.Effect == plan.DoCycle {
		err = c.await(ctx, c.expect(back, false), c.limits)
	}
	return errors.Join(err, c.revive(ctx, ch.along))
}
