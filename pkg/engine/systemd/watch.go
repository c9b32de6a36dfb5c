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
// are active; other services stay active in one and the same invocation.
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
		all.Go(func() { errs[i] = e.watch(ctx, target, step.Effect, limits.Stable) })
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

func (e *Engine) watch(ctx context.Context, unit string, effect plan.Effect, stable time.Duration) error {
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
	began := time.Now()
	for p := first; ; {
		lasted := time.Since(began).Round(100 * time.Millisecond)
		switch {
		case p.restarts() > restarts:
			return apply.Unitf("it does not stay up: systemd restarted it %d times within %v; %s", p.restarts()-restarts, lasted, died(p))
		case p.text("ActiveState") != "active" && p.text("ActiveState") != "reloading":
			return apply.Unitf("it does not stay up: %s after %v", died(p), lasted)
		case p.invocation() != first.invocation():
			return apply.Unitf("it does not stay up: it was started anew within %v", lasted)
		}
		left := stable - time.Since(began)
		if left <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(left, watchPoll)):
		}
		if p, err = e.properties(ctx, unit); err != nil {
			return unitFault(err)
		}
	}
}
