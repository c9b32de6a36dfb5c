package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// report is the JSON document of plan and apply.
type report struct {
	Engine  string         `json:"engine"`
	Owner   string         `json:"owner"`
	Actions []action       `json:"actions"`
	Summary map[string]int `json:"summary"`
	Error   string         `json:"error,omitempty"`
}

type action struct {
	Unit    string  `json:"unit"`
	Action  string  `json:"action"`
	From    string  `json:"from"`
	To      string  `json:"to"`
	Reason  string  `json:"reason"`
	Result  string  `json:"result"`
	Seconds float64 `json:"seconds"`
	Diff    string  `json:"diff,omitempty"`
}

// document is what happened, for programs.
func document(call *door.Call, s *session, results []apply.Result, err error) report {
	doc := report{Engine: s.kind, Owner: s.opts.Owner, Actions: []action{}, Summary: summary(results)}
	for _, r := range results {
		a := action{
			Unit: r.Step.Unit, Action: string(r.Step.Action), From: r.Step.From, To: r.Step.To,
			Reason: r.Reason, Result: string(r.Outcome), Seconds: math.Round(r.Took.Seconds()*1000) / 1000,
		}
		if call.Bool("diff") {
			a.Diff = diffOf(r.Step)
		}
		doc.Actions = append(doc.Actions, a)
	}
	if err != nil {
		doc.Error = err.Error()
	}
	return doc
}

// summary counts actions and results; every word is there.
func summary(results []apply.Result) map[string]int {
	n := map[string]int{}
	for _, word := range []plan.Action{plan.Create, plan.Update, plan.Delete, plan.Start, plan.Restart, plan.Reload, plan.None, plan.Adopt, plan.Conflict} {
		n[string(word)] = 0
	}
	for _, word := range []apply.Outcome{apply.Planned, apply.Done, apply.Failed, apply.RolledBack, apply.Skipped} {
		n[string(word)] = 0
	}
	for _, r := range results {
		n[string(r.Step.Action)]++
		n[string(r.Outcome)]++
	}
	return n
}

// failure is the JSON document of a run that came to nothing.
func failure(err error) any {
	return report{Actions: []action{}, Summary: summary(nil), Error: err.Error()}
}

// printPlan prints a plan for people: what acts first, in its order.
func printPlan(call *door.Call, p *plan.Plan) error {
	rows := make([][]string, 0, len(p.Steps))
	for _, s := range p.Steps {
		rows = append(rows, []string{string(s.Action), s.Unit, buildsText(s), s.Reason})
	}
	if err := call.Printf("%s", table(rows)); err != nil {
		return err
	}
	if call.Bool("diff") {
		for _, s := range p.Steps {
			if s.Acts() {
				if err := call.Printf("%s", diffOf(s)); err != nil {
					return err
				}
			}
		}
	}
	n := p.Count()
	var parts []string
	for _, word := range []plan.Action{plan.Create, plan.Adopt, plan.Update, plan.Reload, plan.Restart, plan.Start, plan.Delete, plan.Conflict} {
		if n[word] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[word], word))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing to do"}
	}
	return call.Printf("plan: %s, %d unchanged\n", strings.Join(parts, ", "), n[plan.None])
}

// printReport prints how the steps that acted ended.
func printReport(call *door.Call, results []apply.Result) error {
	var rows [][]string
	n := map[apply.Outcome]int{}
	for _, r := range results {
		if r.Step.Acts() {
			n[r.Outcome]++
			rows = append(rows, []string{string(r.Outcome), r.Step.Unit, buildsText(r.Step), seconds(r.Took), r.Reason})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := call.Printf("\n%s", table(rows)); err != nil {
		return err
	}
	var parts []string
	for _, word := range []apply.Outcome{apply.Done, apply.RolledBack, apply.Failed, apply.Skipped} {
		if n[word] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[word], word))
		}
	}
	return call.Printf("apply: %s\n", strings.Join(parts, ", "))
}

// ended is one line about a step that ended.
func ended(r apply.Result) string {
	text := fmt.Sprintf("%s %s: %s (%s)", r.Step.Action, builds(r.Step), r.Outcome, seconds(r.Took))
	if r.Outcome != apply.Done {
		text += ": " + r.Reason
	}
	return text
}

// builds names a unit with its builds.
func builds(s *plan.Step) string {
	if b := buildsText(s); b != "" {
		return s.Unit + " " + b
	}
	return s.Unit
}

func buildsText(s *plan.Step) string { return fromTo(s.From, s.To) }

func fromTo(from, to string) string {
	switch {
	case from == to, from == "":
		return to
	case to == "":
		return from
	}
	return from + " -> " + to
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// table sets rows in columns; the last column is as wide as it is.
func table(rows [][]string) string {
	var width []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], len(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if width[i] > 0 {
				fmt.Fprintf(&line, "%-*s  ", width[i], cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// diffOf is a unified diff of a step's files, values that may be secret masked.
func diffOf(s *plan.Step) string {
	var b strings.Builder
	for _, c := range s.Changes {
		before, after := content(c.Before), content(c.After)
		from, to := "a/"+c.Path, "b/"+c.Path
		if c.Before == nil {
			from = "/dev/null"
		}
		if c.After == nil {
			to = "/dev/null"
		}
		for line := range strings.Lines(string(diff.Diff(from, []byte(before), to, []byte(after)))) {
			if !strings.HasPrefix(line, "diff ") {
				b.WriteString(door.MaskSecrets(line))
			}
		}
	}
	return b.String()
}

func content(f *plan.File) string {
	switch {
	case f == nil:
		return ""
	case f.Link != "":
		return "link to " + f.Link + "\n"
	}
	return string(f.Data)
}
