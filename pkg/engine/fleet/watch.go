package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// moves is how often a unit may come to be elsewhere while it is watched.
const moves = 3

// Watch returns when a unit that was changed has been up for as long as wanted on
// every machine that is to have it. Records that are missing for a moment are borne
// with, as fleet loses some now and then; one that tells of anything else than up is
// not, unless it is of a machine that the unit was not on before: when a fleetd is
// away for long its units are moved, and when it is back units come to it.
func (e *Engine) Watch(ctx context.Context, s *plan.Step, limits apply.Limits) error {
	ch := e.begun(s.Unit)
	if ch == nil || s.Action == plan.Delete || s.Effect == plan.DoNothing || s.Effect == plan.DoStop || limits.Stable == 0 {
		return nil
	}
	w := e.expect(ch.goal, false)
	if w.desired != launched || w.ends {
		return nil
	}
	began := time.Now()
	missing := began // since when nothing is known
	answered := began
	var homes []string // where it is known to have been up
	for moved := 0; ; {
		seen, err := e.sight(ctx, w)
		lasted := time.Since(began)
		var miss *lost
		if !errors.As(err, &miss) {
			answered = time.Now()
		}
		if homes == nil {
			homes = seen.on
		}
		elsewhere := seen.machine != "" && !slices.Contains(homes, seen.machine) && moved < moves
		switch {
		case miss != nil:
			// an outage says nothing about the unit, and for a while after it
			// fleet knows nothing
			missing = time.Now().Add(lease / 2)
			if time.Since(answered) > workPatience {
				return err
			}
		case err != nil:
			return err
		case seen.phase == silent:
		case seen.phase == up:
			missing = time.Now()
			if lasted >= limits.Stable {
				return nil
			}
		case elsewhere:
			moved++
			homes = append(slices.Clip(homes), seen.on...)
			homes = append(homes, seen.machine)
			if err := e.await(ctx, w, limits); err != nil {
				return err
			}
			began = time.Now()
			missing = began
			continue
		case seen.phase == stale:
			return errors.New("somebody else has changed it in this moment")
		default:
			return apply.Unitf("it does not stay up: %s after %v", seen.text, lasted.Round(100*time.Millisecond))
		}
		if time.Since(missing) > lease {
			return fmt.Errorf("%s, for %v", seen.text, lease)
		}
		left := limits.Stable - lasted
		if left <= 0 {
			left = poll
		}
		if err := sleep(ctx, min(left, poll)); err != nil {
			return err
		}
	}
}

// dependents are the owned units that are up and that systemd takes down together
// with a unit, when fleet restarts that. fleet does not start them again.
func (c *changer) dependents(ctx context.Context, name string) ([]string, error) {
	c.Engine.mu.Lock()
	var bound []string
	for todo := []string{name}; len(todo) > 0; todo = todo[1:] {
		for other, u := range c.units {
			o := u.options()
			if other == name || slices.Contains(bound, other) || u.DesiredState != launched || o.owner(other) != c.owner {
				continue
			}
			for _, key := range []string{"Requires", "Requisite", "BindsTo", "PartOf"} {
				if slices.Contains(strings.Fields(strings.Join(o.values("Unit", key), " ")), todo[0]) {
					bound = append(bound, other)
					todo = append(todo, other)
					break
				}
			}
		}
	}
	c.Engine.mu.Unlock()
	slices.Sort(bound)
	var alive []string
	for _, other := range slices.Compact(bound) {
		states, err := c.records(ctx, other)
		if err != nil {
			return nil, err
		}
		for _, s := range states {
			if s.Active == "active" {
				alive = append(alive, other)
				break
			}
		}
	}
	return alive, nil
}

// revive starts again what went down along with a unit, unless it is still to be
// changed itself.
func (c *changer) revive(ctx context.Context, along []string) error {
	if len(along) == 0 {
		return nil
	}
	if err := sleep(ctx, 3*poll); err != nil { // states are told once a second
		return err
	}
	for _, name := range along {
		now, err := c.read(ctx, name)
		if err != nil {
			return err
		}
		if c.begun(name) == nil && slices.ContainsFunc(c.group, func(s *plan.Step) bool { return s.Unit == name }) {
			c.mu.Lock()
			c.left = append(c.left, name)
			c.mu.Unlock()
			continue
		}
		if now == nil || now.DesiredState != launched {
			continue
		}
		w := c.expect(*now, false)
		down, err := c.wentDown(ctx, w)
		if err != nil {
			return err
		}
		if !down {
			continue
		}
		for _, state := range []string{inactive, launched} {
			if err := c.setState(ctx, now, state); err != nil {
				return fmt.Errorf("%s went down with it: %w", name, err)
			}
			if state == inactive {
				if err := c.gone(ctx, name, stopPatience); err != nil {
					return fmt.Errorf("%s went down with it: %w", name, err)
				}
			}
		}
		w.fresh = true
		if err := c.await(ctx, w, c.limits); err != nil {
			return fmt.Errorf("%s went down with it: %w", name, err)
		}
	}
	return nil
}

// wentDown reports whether a unit has gone down, when it has stopped stopping.
func (c *changer) wentDown(ctx context.Context, w expectation) (bool, error) {
	began := time.Now()
	for {
		seen, err := patient(ctx, workPatience, func(ctx context.Context) (sight, error) { return c.sight(ctx, w) })
		if err != nil || seen.phase != coming || time.Since(began) > stopPatience {
			return seen.phase == wrong, err
		}
		if err := sleep(ctx, poll); err != nil {
			return false, err
		}
	}
}

// reviveLeft starts what went down with another and then was not changed after all.
func (c *changer) reviveLeft(ctx context.Context) {
	group := c.group
	c.group = nil
	defer func() { c.group = group }()
	for _, name := range c.left {
		if f, failed := c.failures[name]; failed && f.Untouched {
			if err := c.revive(ctx, []string{name}); err != nil {
				c.failures[name] = apply.Failure{Err: errors.Join(f.Err, err), Untouched: true}
			}
		}
	}
}
