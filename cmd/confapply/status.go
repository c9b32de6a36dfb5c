package main

import (
	"cmp"
	"context"
	"slices"

	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// statusReport is the JSON document of status.
type statusReport struct {
	Engine string       `json:"engine"`
	Owner  string       `json:"owner"`
	Units  []unitStatus `json:"units"`
	Error  string       `json:"error,omitempty"`
}

type unitStatus struct {
	Unit string `json:"unit"`
	// Desired and Running are builds; Running is that of the files on the
	// target.
	Desired string `json:"desired"`
	Running string `json:"running"`
	// State is the manager's word, "" for an engine that runs nothing.
	State  string `json:"state"`
	Agrees bool   `json:"agrees"`
	Reason string `json:"reason"`
}

func statusFailure(err error) any {
	return statusReport{Units: []unitStatus{}, Error: err.Error()}
}

func runStatus(ctx context.Context, call *door.Call) error {
	s, err := begin(ctx, call)
	if err != nil {
		return err
	}
	defer s.close()
	// With repair, everything that does not agree is a step that acts.
	s.opts.Repair, s.opts.AllowEmpty = true, true
	p, observed, err := s.plan(ctx)
	if err != nil {
		return err
	}
	doc := statusReport{Engine: s.kind, Owner: s.opts.Owner, Units: []unitStatus{}}
	disagree := false
	for _, step := range byName(p) {
		state := observed.States[step.Unit]
		u := unitStatus{
			Unit: step.Unit, Desired: step.To, Running: step.From, Reason: step.Reason,
			Agrees: !step.Acts() && step.Action != plan.Conflict && !step.Drifted && !state.Unknown,
		}
		if state.Active != "" {
			u.State = state.Active + "/" + state.Sub
		}
		disagree = disagree || !u.Agrees
		doc.Units = append(doc.Units, u)
	}
	if call.Bool("json") {
		err = call.JSON(doc)
	} else {
		err = printStatus(call, doc)
	}
	switch {
	case err != nil:
		return err
	case p.Matched == 0 && !s.opts.Select.All():
		return verdict(call, s, p)
	case disagree && call.Bool("check"):
		return door.Exit(door.No)
	}
	return nil
}

func printStatus(call *door.Call, doc statusReport) error {
	rows := [][]string{{"UNIT", "DESIRED", "RUNNING", "STATE", "AGREES", "REASON"}}
	for _, u := range doc.Units {
		agrees := "yes"
		if !u.Agrees {
			agrees = "no"
		}
		rows = append(rows, []string{u.Unit, orDash(u.Desired), orDash(u.Running), orDash(u.State), agrees, u.Reason})
	}
	return call.Printf("%s", table(rows))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// byName are the steps of a plan by unit.
func byName(p *plan.Plan) []*plan.Step {
	return slices.SortedFunc(slices.Values(p.Steps), func(a, b *plan.Step) int { return cmp.Compare(a.Unit, b.Unit) })
}
