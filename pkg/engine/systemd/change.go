package systemd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	systemd "github.com/coreos/go-systemd/v22/dbus"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/engine/dir"
	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// Change makes sure that there is room for the files, stops what has to be stopped by
// its old file, puts the files in their places, enables and disables, has systemd read everything once, and starts, restarts
// and reloads. Timers, sockets and paths are stopped before and started after
// everything else.
func (e *Engine) Change(ctx context.Context, group []*plan.Step, limits apply.Limits) map[string]apply.Failure {
	c := &changer{Engine: e, limits: limits, failures: map[string]apply.Failure{}, group: group}
	if err := e.Record(group, true); err != nil {
		return dir.FailAll(group, apply.Failure{Err: err, Untouched: true})
	}
	if err := c.stage(); err != nil {
		return dir.FailAll(group, apply.Failure{Err: err, Untouched: true})
	}
	c.stop(ctx)
	if !c.write(ctx) {
		return c.failures
	}
	c.act(ctx)
	c.restore(ctx)
	return c.failures
}

// changer carries one group through.
type changer struct {
	*Engine
	limits   apply.Limits
	group    []*plan.Step
	failures map[string]apply.Failure
	staged   map[*plan.Step]*dir.Staged // the files of each step, until they are in their places
	// lost are units that are up and go down with one that stays down.
	lost map[string]*plan.Step
	// along are units that are up and go down together with those of the
	// group: they are to be up again at the end. The value is the unit to blame.
	along map[string]string
}

func (c *changer) fail(unit string, err error) {
	if _, first := c.failures[unit]; !first {
		c.failures[unit] = apply.Failure{Err: err}
	}
}

// stage writes the files of all steps beside their places.
func (c *changer) stage() error {
	c.staged = map[*plan.Step]*dir.Staged{}
	for _, s := range c.group {
		staged, err := c.Stage(s.Changes)
		if err != nil {
			return errors.Join(err, c.abandon())
		}
		c.staged[s] = staged
	}
	return nil
}

// abandon removes what is still staged.
func (c *changer) abandon() error {
	var errs []error
	for _, s := range c.group {
		if staged := c.staged[s]; staged != nil {
			errs = append(errs, staged.Abandon())
			delete(c.staged, s)
		}
	}
	return errors.Join(errs...)
}

// isTrigger reports whether a unit starts others by itself.
func isTrigger(name string) bool {
	switch unitname.Kind(name) {
	case "timer", "socket", "path":
		return true
	}
	return false
}

// stop takes down, by their old files, the triggers, what is to be deleted, and
// what is stopped and started instead of restarted.
func (c *changer) stop(ctx context.Context) {
	c.along, c.lost = map[string]string{}, map[string]*plan.Step{}
	var triggers, units []job
	for _, s := range c.group {
		// a second change of a unit by the same run puts it back
		for _, name := range c.displaced[s.Unit] {
			c.along[name] = s.Unit
		}
		delete(c.displaced, s.Unit)
		for _, trigger := range s.Triggers {
			triggers = append(triggers, job{unit: trigger, blame: s.Unit, do: stopUnit, stop: true})
			c.along[trigger] = s.Unit
		}
		for _, target := range s.Targets {
			switch {
			case s.Effect == plan.DoRestart && !isTrigger(target):
				c.noteDependents(ctx, s.Unit, target)
				continue
			case s.Effect != plan.DoRestart && s.Effect != plan.DoCycle && s.Effect != plan.DoStop:
				continue
			}
			if s.Effect != plan.DoStop {
				c.noteDependents(ctx, s.Unit, target)
			} else {
				c.noteLost(ctx, s, target)
			}
			j := job{unit: target, blame: s.Unit, do: stopUnit, stop: true}
			if !isTrigger(target) {
				units = append(units, j)
				continue
			}
			triggers = append(triggers, j)
			if unitname.Kind(target) == "socket" {
				// a socket does not start while its service runs
				units = append(units, c.stopServices(ctx, s, target)...)
			}
		}
	}
	c.run(ctx, triggers)
	c.run(ctx, units)
}

// stopServices are the jobs that stop what a socket started.
func (c *changer) stopServices(ctx context.Context, s *plan.Step, socket string) []job {
	p, err := c.properties(ctx, socket)
	if err != nil {
		c.fail(s.Unit, err)
		return nil
	}
	if p.flag("Accept") {
		return nil // a connection has a service of its own, which does not need the socket
	}
	var jobs []job
	for _, service := range p.list("Triggers") {
		if q, err := c.properties(ctx, service); err == nil && q.up() {
			jobs = append(jobs, job{unit: service, blame: s.Unit, do: stopUnit, stop: true})
			if s.Action != plan.Delete {
				c.along[service] = s.Unit
			}
		}
	}
	return jobs
}

// noteDependents notes what is up and goes down or restarts with a unit.
func (c *changer) noteDependents(ctx context.Context, blame, unit string) {
	c.dependents(ctx, unit, func(name string) bool {
		if _, seen := c.along[name]; seen {
			return false
		}
		c.along[name] = blame
		return true
	})
}

// noteLost notes what is up and goes down with a unit that stays down.
func (c *changer) noteLost(ctx context.Context, s *plan.Step, unit string) {
	c.dependents(ctx, unit, func(name string) bool {
		if c.lost[name] != nil {
			return false
		}
		c.lost[name] = s
		return true
	})
}

// dependents shows what is up and goes down with a unit, and what goes down with that
// where it is new.
func (c *changer) dependents(ctx context.Context, unit string, isNew func(name string) bool) {
	for todo := []string{unit}; len(todo) > 0; todo = todo[1:] {
		p, err := c.properties(ctx, todo[0])
		if err != nil {
			continue // not loaded: nothing depends on it
		}
		for _, name := range slices.Concat(p.list("RequiredBy"), p.list("BoundBy"), p.list("ConsistsOf"), p.list("RequisiteOf")) {
			if name == unit {
				continue
			}
			if q, err := c.properties(ctx, name); err == nil && q.up() && isNew(name) {
				todo = append(todo, name)
			}
		}
	}
}

// write changes the files of the steps that have not failed, and has systemd
// read them. It reports whether there is any sense in going on.
func (c *changer) write(ctx context.Context) bool {
	var steps []*plan.Step
	for _, s := range c.group {
		if _, failed := c.failures[s.Unit]; !failed {
			steps = append(steps, s)
		}
	}
	for _, s := range steps {
		if s.Disable || s.Enable && s.WasEnabled {
			err := c.ask(ctx, func(conn *systemd.Conn) error {
				_, err := conn.DisableUnitFilesContext(ctx, []string{s.Unit}, c.runtime())
				return err
			})
			if err != nil && !gone(err) {
				c.fail(s.Unit, fmt.Errorf("disable: %w", unitFault(err)))
			}
		}
	}
	if err := c.settle(steps); err != nil {
		for _, s := range steps {
			c.failures[s.Unit] = apply.Failure{Err: err}
		}
		return false
	}
	for _, s := range steps {
		if s.Enable {
			err := c.ask(ctx, func(conn *systemd.Conn) error {
				_, _, err := conn.EnableUnitFilesContext(ctx, []string{s.Unit}, c.runtime(), true)
				return err
			})
			if err != nil {
				c.fail(s.Unit, fmt.Errorf("enable: %w", unitFault(err)))
			}
		}
	}
	if err := c.ask(ctx, func(conn *systemd.Conn) error { return conn.ReloadContext(ctx) }); err != nil {
		for _, s := range steps {
			c.fail(s.Unit, fmt.Errorf("daemon-reload: %w", err))
		}
		return false
	}
	return true
}

// settle puts the files of some steps in their places, and no others.
func (c *changer) settle(steps []*plan.Step) error {
	for _, s := range steps {
		staged := c.staged[s]
		delete(c.staged, s)
		if err := staged.Settle(); err != nil {
			return errors.Join(err, c.abandon())
		}
	}
	return c.abandon()
}

// runtime tells that the unit folder is one that ends with the boot.
func (c *changer) runtime() bool { return strings.HasPrefix(c.Path, "/run/") }

// gone tells that a unit file to disable is not there.
func gone(err error) bool {
	return strings.Contains(err.Error(), "does not exist") || strings.Contains(err.Error(), "No such file")
}

// act starts, restarts and reloads, triggers last.
func (c *changer) act(ctx context.Context) {
	var units, triggers []job
	for _, s := range c.group {
		if _, failed := c.failures[s.Unit]; failed {
			continue
		}
		if s.Action == plan.Delete && (s.Effect == plan.DoStop || s.Effect == plan.DoNothing) {
			for _, target := range s.Targets {
				c.forget(ctx, target)
			}
			continue
		}
		for _, target := range s.Targets {
			j := job{unit: target, blame: s.Unit}
			switch s.Effect {
			case plan.DoStart, plan.DoCycle:
				j.do = startUnit
			case plan.DoRestart:
				j.do = restartUnit
			case plan.DoReload:
				j.do = reloadUnit
			case plan.DoStop:
				c.forget(ctx, target)
				continue
			default:
				continue
			}
			p, err := c.loaded(ctx, target)
			if err != nil {
				c.fail(s.Unit, err)
				continue
			}
			c.noteDisplaced(ctx, s.Unit, p)
			c.hold(ctx, target)
			if s.Effect != plan.DoReload {
				c.forget(ctx, target) // so that an old failure, or many starts, do not forbid this one
			}
			if isTrigger(target) {
				triggers = append(triggers, j)
			} else {
				units = append(units, j)
			}
		}
	}
	c.run(ctx, units)
	c.run(ctx, triggers)
}

// forget clears a unit's failure; that there is none to clear is no error.
func (c *changer) forget(ctx context.Context, unit string) {
	_ = c.ask(ctx, func(conn *systemd.Conn) error { return conn.ResetFailedUnitContext(ctx, unit) })
}

// noteDisplaced notes what is up and will make way for a unit that is started.
func (c *changer) noteDisplaced(ctx context.Context, unit string, p properties) {
	for _, name := range slices.Concat(p.list("Conflicts"), p.list("ConflictedBy")) {
		if q, err := c.properties(ctx, name); err == nil && q.up() {
			if c.displaced == nil {
				c.displaced = map[string][]string{}
			}
			c.displaced[unit] = append(c.displaced[unit], name)
		}
	}
}

// loaded fails on a unit that systemd could not make sense of.
func (c *changer) loaded(ctx context.Context, unit string) (properties, error) {
	p, err := c.properties(ctx, unit)
	if err != nil {
		return nil, unitFault(err)
	}
	if load := p.text("LoadState"); load != "loaded" {
		why := ""
		if e, ok := p["LoadError"].([]any); ok && len(e) == 2 && e[1] != "" {
			why = fmt.Sprintf(": %v", e[1])
		}
		return nil, apply.Unitf("systemd cannot load it: %s%s", load, why)
	}
	return p, nil
}

// restore brings back what went down along with the group.
func (c *changer) restore(ctx context.Context) {
	var jobs []job
	for _, s := range c.group {
		for _, target := range s.Targets {
			delete(c.along, target)
		}
	}
	for name, blame := range c.along {
		p, err := c.settled(ctx, name)
		switch {
		case err != nil:
			c.fail(blame, err)
		case !p.up() && p.text("LoadState") == "loaded":
			jobs = append(jobs, job{unit: name, blame: blame, do: startUnit})
		}
	}
	slices.SortFunc(jobs, func(a, b job) int { return strings.Compare(a.unit, b.unit) })
	c.run(ctx, jobs)
	c.tellLost(ctx)
}

// tellLost says in the steps that stopped a unit what went down with it.
func (c *changer) tellLost(ctx context.Context) {
	for _, s := range c.group {
		for _, target := range s.Targets {
			delete(c.lost, target)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.lost)) {
		if p, err := c.settled(ctx, name); err == nil && !p.up() {
			c.lost[name].Reason += ", " + name + " went down with it"
		}
	}
}
