package main

import (
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

func TestMetrics(t *testing.T) {
	began := time.Unix(1700000000, 0)
	step := func(name string, action plan.Action) *plan.Step {
		return &plan.Step{Unit: name, Action: action, From: "57-develop", To: "59-develop"}
	}
	text := metrics(&ran{began: began, ended: began.Add(1250 * time.Millisecond), code: 1, results: []apply.Result{
		{Step: step("z.service", plan.Update), Outcome: apply.Done},
		{Step: step("b.service", plan.Update), Outcome: apply.RolledBack},
		{Step: step("c.service", plan.Update), Outcome: apply.Failed},
		{Step: step("d.service", plan.Delete), Outcome: apply.Done},
		{Step: &plan.Step{Unit: "a.service", Action: plan.None, To: "\"\\\n", Drifted: true}, Outcome: apply.Done},
	}}, "systemd", "me")
	for _, want := range []string{
		`confapply_last_run_timestamp_seconds{engine="systemd",owner="me"} 1700000001.25`,
		`confapply_last_run_duration_seconds{engine="systemd",owner="me"} 1.25`,
		`confapply_last_run_units{engine="systemd",owner="me",result="changed"} 2`,
		`confapply_last_run_units{engine="systemd",owner="me",result="failed"} 1`,
		`confapply_last_run_units{engine="systemd",owner="me",result="rolled-back"} 1`,
		`confapply_last_run_units{engine="systemd",owner="me",result="unchanged"} 1`,
		`confapply_drifted_units{engine="systemd",owner="me"} 1`,
		`confapply_unit_info{engine="systemd",owner="me",unit="a.service",desired="\"\\\n",running=""} 1
confapply_unit_info{engine="systemd",owner="me",unit="b.service",desired="59-develop",running="57-develop"} 1
confapply_unit_info{engine="systemd",owner="me",unit="c.service",desired="59-develop",running="57-develop"} 1
confapply_unit_info{engine="systemd",owner="me",unit="z.service",desired="59-develop",running="59-develop"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("missing: %s\nin:\n%s", want, text)
		}
	}
}
