// Package lint holds the rules of `unitstamp check`: what goes wrong in units that
// run containers, and how to mend it.
//
// One rule is one file here, us012.go, one page, docs/rules/US012.md, and one archive
// of examples, testdata/US012.txtar. rules.go lists them.
//
//	Read      bytes -> a Unit, and what the rules say about it by itself
//	Conclude  all units of a call -> findings, after comparing and ignoring
//	Fix       bytes -> bytes with every safe mend made
package lint

import (
	"cmp"
	"slices"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
)

// A Rule is one thing to look for.
type Rule struct {
	// ID is US and three digits, Name what people call it, in kebab case.
	ID, Name string
	// Severity is what a finding counts unless the configuration says otherwise. An
	// Error is wrong whatever else is true.
	Severity diag.Severity
	// Summary says in one line what is wrong with what it finds.
	Summary string
	// Optional tells that it finds nothing unless the settings say what to look for.
	Optional bool
	// Check looks at one unit; Compare looks at all units of a call. A rule has one of
	// them; the rules about ignore comments have none, see ignore.go.
	Check   func(u *Unit, report func(Problem))
	Compare func(units []*Unit, report func(*Unit, Problem))
}

// A Problem is what a rule has to say about a place.
type Problem struct {
	Span source.Span
	// Message says what is wrong: lower case, no full stop, the input quoted. Hint tells
	// the cure.
	Message, Hint string
	// Fix mends it, if that is possible without guessing; else it is nil.
	Fix []source.Edit
	// Minor makes it an info, where the rule's severity would be too much.
	Minor bool
}

// A Finding is a problem with its rule and its place in words.
type Finding struct {
	diag.Finding
	Fix []source.Edit
}

// problem is a Problem with the rule that found it.
type problem struct {
	Problem
	rule *Rule
}

// Conclude compares the units of a call with each other and returns the findings of
// each, by place; those that are ignored are left out.
func Conclude(units []*Unit) [][]Finding {
	index := make(map[*Unit]int, len(units))
	more := make([][]problem, len(units))
	for i, u := range units {
		index[u] = i
	}
	rules := Rules()
	for i := range rules {
		rule := &rules[i]
		if rule.Compare == nil {
			continue
		}
		rule.Compare(units, func(u *Unit, p Problem) {
			more[index[u]] = append(more[index[u]], problem{p, rule})
		})
	}
	all := make([][]Finding, len(units))
	for i, u := range units {
		all[i] = u.findings(more[i])
	}
	return all
}

// findings makes findings of a unit's problems.
func (u *Unit) findings(more []problem) []Finding {
	list := u.ignore(append(slices.Clone(u.problems), more...))
	var findings []Finding
	for _, p := range list {
		severity, on := u.Settings.severity(p.rule, p.Minor)
		if !on {
			continue
		}
		findings = append(findings, Finding{diag.At(u.File, p.Span, severity, p.rule.ID, p.Message, p.Hint), p.Fix})
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Span.Start, b.Span.Start), cmp.Compare(a.Rule, b.Rule))
	})
	return slices.CompactFunc(findings, func(a, b Finding) bool {
		return a.Span == b.Span && a.Rule == b.Rule && a.Message == b.Message
	})
}
