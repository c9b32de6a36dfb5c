package main

import (
	"context"

	cliflags "github.com/urfave/cli/v2"

	"github.com/unitstamp/unitstamp/docs/rules"
	"github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/lint"
)

func rulesCommand() *cli.Command {
	return &cli.Command{
		Name:        "rules",
		Usage:       "list what check looks for",
		Description: "Prints number, severity, name and summary of every rule, separated by tabs.",
		Flags:       []cliflags.Flag{&cliflags.BoolFlag{Name: "json", Usage: "print one JSON document"}},
		Run:         runRules,
		Failure:     func(error) any { return []ruleEntry{} },
	}
}

// ruleEntry is one rule in rules --json and rule --json.
type ruleEntry struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	Severity diag.Severity `json:"severity"`
	Summary  string        `json:"summary"`
	Optional bool          `json:"optional"`
	Page     string        `json:"page,omitempty"`
}

func newRuleEntry(r lint.Rule) ruleEntry {
	return ruleEntry{ID: r.ID, Name: r.Name, Severity: r.Severity, Summary: r.Summary, Optional: r.Optional}
}

func runRules(_ context.Context, call *cli.Call) error {
	if len(call.Files) > 0 {
		return cli.Errorf(cli.Usage, "rules takes no arguments, got %q", call.Files[0]).WithHint("unitstamp rule %s explains one", call.Files[0])
	}
	entries := []ruleEntry{}
	for _, r := range lint.Rules() {
		entries = append(entries, newRuleEntry(r))
	}
	if call.Bool("json") {
		return call.JSON(entries)
	}
	for _, e := range entries {
		if err := call.Printf("%s\t%s\t%s\t%s\n", e.ID, e.Severity, e.Name, e.Summary); err != nil {
			return err
		}
	}
	return nil
}

func ruleCommand() *cli.Command {
	return &cli.Command{
		Name:        "rule",
		Usage:       "explain a rule of check",
		Args:        "RULE",
		Description: "Prints the page about a rule, named by its number or its name, with an example and the cure.",
		Flags:       []cliflags.Flag{&cliflags.BoolFlag{Name: "json", Usage: "print one JSON document"}},
		Run:         runRule,
		Failure:     func(error) any { return ruleEntry{} },
	}
}

func runRule(_ context.Context, call *cli.Call) error {
	if len(call.Files) != 1 {
		return cli.Errorf(cli.Usage, "rule wants the number or name of one rule").WithHint("unitstamp rules lists them")
	}
	r, ok := lint.Lookup(call.Files[0])
	if !ok {
		return cli.Errorf(cli.Usage, "unknown rule %q", call.Files[0]).WithHint("unitstamp rules lists them")
	}
	entry := newRuleEntry(r)
	entry.Page = rules.Page(r.ID)
	if call.Bool("json") {
		return call.JSON(entry)
	}
	return call.Data([]byte(entry.Page))
}
