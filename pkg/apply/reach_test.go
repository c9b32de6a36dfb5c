package apply_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// TestReach: what is told of a step between its beginning and its end.
func TestReach(t *testing.T) {
	m := newModel()
	var wanted []plan.Unit
	for name, text := range map[string]string{"broken": "broken", "dies": "dies", "good": "good"} {
		name += ".service"
		wanted = append(wanted, plan.Unit{Name: name, Files: plan.Files{name: {Data: []byte("[Service]\nX=" + text + "\n")}}})
	}
	slices.SortFunc(wanted, func(a, b plan.Unit) int { return strings.Compare(a.Name, b.Name) })
	told := map[string][]string{}
	busy := false
	tell := func(s *plan.Step, what string) {
		if busy {
			t.Error("told of two things at once")
		}
		busy = true
		told[s.Unit] = append(told[s.Unit], what)
		busy = false
	}
	apply.Run(t.Context(), apply.Params{
		Engine: m, Plan: makePlan(t, m, wanted, plan.Options{}), Batch: 3, Now: time.Now,
		Begin: func(s *plan.Step) { tell(s, "begin") },
		Reach: func(s *plan.Step, phase apply.Phase) {
			tell(s, map[apply.Phase]string{apply.Watching: "watching", apply.Settled: "settled", apply.Restoring: "restoring"}[phase])
		},
		End: func(r apply.Result) { tell(r.Step, string(r.Outcome)) },
	})
	for unit, want := range map[string]string{
		"broken.service": "begin settled restoring rolled-back",
		"dies.service":   "begin watching settled restoring rolled-back",
		"good.service":   "begin watching settled done",
	} {
		if got := strings.Join(told[unit], " "); got != want {
			t.Errorf("%s: %s, want %s", unit, got, want)
		}
	}
}
