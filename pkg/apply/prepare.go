package apply

import (
	"context"
	"iter"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/plan"
)

// prepare prepares every step, and leaves out those that it fails for and those
// that need one of them.
func (r *runner) prepare(ctx context.Context, groups [][]*plan.Step) (ready [][]*plan.Step, good bool) {
	if r.Prepare == nil {
		return groups, true
	}
	failures := map[string]Failure{}
	for s := range flatten(groups) {
		began := r.Now()
		if ctx.Err() != nil || len(failures) > 0 && !r.KeepGoing {
			break
		}
		if err := r.Prepare(ctx, s); err != nil {
			failures[s.Unit] = Failure{Err: err, Untouched: true}
			r.end(s, Failed, err.Error(), began, isWorld(err))
		}
	}
	for _, group := range groups {
		able, unable := split(group, failures)
		for _, s := range unable {
			if _, ended := r.results[s]; !ended {
				r.results[s] = Result{Step: s, Outcome: Skipped, Reason: "not begun: it needs " + strings.Join(needed(unable, s, failures), ", ")}
			}
		}
		if len(able) > 0 {
			ready = append(ready, able)
		}
	}
	return ready, len(failures) == 0
}

func flatten(groups [][]*plan.Step) iter.Seq[*plan.Step] {
	return func(yield func(*plan.Step) bool) {
		for _, group := range groups {
			for _, s := range group {
				if !yield(s) {
					return
				}
			}
		}
	}
}
