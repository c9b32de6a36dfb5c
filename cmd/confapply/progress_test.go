package main

import (
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

func TestRunningStatus(t *testing.T) {
	began := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	step := func(number int, name string, action plan.Action, phase apply.Phase) underWay {
		return underWay{step: &plan.Step{Unit: name, Action: action}, number: number, phase: phase, since: began}
	}
	a := func(phase apply.Phase) underWay { return step(3, "a.service", plan.Restart, phase) }
	b := func(phase apply.Phase) underWay { return step(4, "b.service", plan.Update, phase) }
	c := func(phase apply.Phase) underWay { return step(5, "c.service", plan.Update, phase) }
	gone := step(7, "a.service", plan.Delete, apply.Watching)
	for _, tt := range []struct {
		kind  string
		after time.Duration
		steps []underWay
		want  string
	}{
		{"systemd", 4900 * time.Millisecond, []underWay{a(apply.Changing)}, "[3/7] restart a.service|waiting for the job, 4s"},
		{"systemd", 65 * time.Second, []underWay{a(apply.Changing)}, "[3/7] restart a.service|waiting for the job, 1m5s"},
		{"fleet", 0, []underWay{a(apply.Changing)}, "[3/7] restart a.service|waiting for the cluster, 0s"},
		{"dir", 0, []underWay{a(apply.Changing)}, "[3/7] restart a.service|writing, 0s"},
		{"dir", 0, []underWay{a(apply.Watching)}, "[3/7] restart a.service|writing, 0s"},
		{"dir", 0, []underWay{a(apply.Settled)}, "[3/7] restart a.service|"},
		{"systemd", 0, []underWay{a(apply.Watching)}, "[3/7] restart a.service|up, stable in 5s"},
		{"systemd", 4900 * time.Millisecond, []underWay{a(apply.Watching)}, "[3/7] restart a.service|up, stable in 1s"},
		{"systemd", 5100 * time.Millisecond, []underWay{a(apply.Watching)}, "[3/7] restart a.service|up, stable in 0s"},
		{"systemd", 9 * time.Second, []underWay{a(apply.Watching)}, "[3/7] restart a.service|not stable yet, 9s"},
		{"systemd", time.Second, []underWay{a(apply.Settled)}, "[3/7] restart a.service|"},
		{"systemd", time.Second, []underWay{a(apply.Restoring)}, "[3/7] restart a.service|rolling back, 1s"},
		{"systemd", time.Second, []underWay{gone}, "[7/7] delete a.service|waiting for the job, 1s"},
		{"systemd", time.Second, []underWay{a(0), b(0)}, "[3-4/7] 2 of 2: a.service, b.service|waiting for the job, 1s"},
		{"systemd", time.Second, []underWay{a(0), b(0), c(0)}, "[3-5/7] 3 of 3: a.service, b.service and 1 more|waiting for the job, 1s"},
		{"systemd", time.Second, []underWay{a(apply.Settled), b(apply.Settled), c(apply.Watching)}, "[3-5/7] 1 of 3: c.service|up, stable in 4s"},
		{"systemd", time.Second, []underWay{a(apply.Settled), b(apply.Settled)}, "[3-4/7] 2 of 2: a.service, b.service|"},
	} {
		doing, how := running{kind: tt.kind, stable: 5 * time.Second, total: 7, steps: tt.steps}.status(began.Add(tt.after))
		if got := doing + "|" + how; got != tt.want {
			t.Errorf("%s, %v: %q, want %q", tt.kind, tt.after, got, tt.want)
		}
	}
}
