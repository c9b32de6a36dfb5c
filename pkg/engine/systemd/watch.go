package systemd

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// watchPoll is how often a unit is looked at while it has to stay up.
const watchPoll = 200 * time.Millisecond

// Watch returns when each target of the step is up by the rules of its kind:
// a oneshot that ends has ended well; timers, sockets, paths, targets, mounts
// are active; other services stay active in one and the same invocation, or end well
// where a timer, socket or path starts them again, those whose program is a container's client from when the container runs.
func (e *Engine) Watch(ctx context.Context, step *plan.Step, limits apply.Limits) error {
	switch step.Effect {
	case plan.DoNothing, plan.DoStop:
		return nil
	}
	if step.Action == plan.Delete {
		return nil
	}
	errs := make([]error, len(step.Targets))
	var all sync.WaitGroup
	for i, target := range step.Targets {
		all.Go(func() { errs[i] = e.watch(ctx, target, step.Effect, limits) })
	}
	all.Wait()
	for i, err := range errs {
		if err != nil && step.Targets[i] != step.Unit {
			return fmt.Errorf("%s: %w", step.Targets[i], err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) watch(ctx context.Context, unit string, effect plan.Effect, limits apply.Limits) error {
	first, err := e.properties(ctx, unit)
	if err != nil {
		return unitFault(err)
	}
	if first.unmet() {
		return nil // systemd skipped it as its conditions tell it to
	}
	if unitname.Kind(unit) != "service" {
		if first.text("ActiveState") != "active" {
			return apply.Unitf("not active but %s", died(first))
		}
		return nil
	}
	if first.text("Type") == "oneshot" && !first.flag("RemainAfterExit") {
		if first.text("ActiveState") == "failed" || first.text("Result") != "success" {
			return apply.Unitf("it did not end well: %s", died(first))
		}
		return nil
	}
	restarts := uint32(0)
	if effect == plan.DoReload {
		restarts = first.restarts()
	}
	var container *watched
	if f := foregroundOf(first); f != nil && e.Containers != nil && effect != plan.DoReload {
		container = &watched{foreground: f, look: e.Containers}
		limits.Timeout = patience(limits, first.ownTime(starting))
	}
	return stays(ctx, first, restarts, container, limits, func() (properties, error) { return e.properties(ctx, unit) })
}

// stays returns when a service has stayed up in the invocation that is there
// first, for as long as wanted from when its container runs, if it has one.
func stays(ctx context.Context, first properties, restarts uint32, container *watched, limits apply.Limits, look func() (properties, error)) error {
	began := time.Now()
	since := began // when all was as it should be; the zero time is not yet
	if container != nil {
		since = time.Time{}
	}
	for p := first; ; {
		lasted := time.Since(began).Round(100 * time.Millisecond)
		switch {
		case p.restarts() > restarts:
			return apply.Unitf("it does not stay up: systemd restarted it %d times within %v; %s", p.restarts()-restarts, lasted, died(p))
		case p.text("ActiveState") == "inactive" && p.text("Result") == "success" && len(p.list("TriggeredBy")) > 0:
			return nil // it is started again when there is work for it
		case p.text("ActiveState") != "active" && p.text("ActiveState") != "reloading":
			return apply.Unitf("it does not stay up: %s after %v", died(p), lasted)
		case p.invocation() != first.invocation():
			return apply.Unitf("it does not stay up: it was started anew within %v", lasted)
		}
		if since.IsZero() {
			runs, err := container.runs(ctx)
			switch {
			case err != nil:
				since, container = began, nil
			case runs:
				since = time.Now()
			case limits.Timeout > 0 && time.Since(began) >= limits.Timeout:
				return apply.Unitf("its container %q does not run within %v", container.name, limits.Timeout)
			}
		}
		left := watchPoll
		if !since.IsZero() {
			left = limits.Stable - time.Since(since)
		}
		if left <= 0 {
			if container != nil && !container.lasts(ctx) {
				return apply.Unitf("it does not stay up: its container %q did not run on for %v", container.name, limits.Stable)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(left, watchPoll)):
		}
		var err error
		if p, err = look(); err != nil {
			return unitFault(err)
		}
	}
}
