// Package diag holds what is said about a user's text: a finding as a value.
// Rooms that look at text return findings; only the doors print them.
package diag

import (
	"cmp"
	"slices"

	"github.com/unitstamp/unitstamp/pkg/source"
)

// A Severity tells how much a finding matters.
type Severity int

// From least to most.
const (
	Info Severity = iota
	Warning
	Error
)

// String is the word used in every output: info, warning, error.
func (s Severity) String() string {
	return [...]string{"info", "warning", "error"}[s]
}

// MarshalText makes the word the JSON form as well.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Finding is one thing that somebody should know about a file.
type Finding struct {
	// File is the path as the user gave it.
	File string `json:"file"`
	// Position of the first byte that is to blame.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Span is what is to blame, for snippets and for mending.
	Span     source.Span `json:"-"`
	Severity Severity    `json:"severity"`
	// Rule is a short name in kebab case, or a lint rule's number.
	Rule string `json:"rule"`
	// Message says what is wrong: lower case, no full stop, the input quoted.
	Message string `json:"message"`
	// Hint tells the cure; it may be empty.
	Hint string `json:"hint"`
}

// At makes a finding about a span of a file.
func At(f *source.File, span source.Span, severity Severity, rule, message, hint string) Finding {
	pos := f.Position(span.Start)
	return Finding{
		File: f.Name, Line: pos.Line, Column: pos.Column, Span: span,
		Severity: severity, Rule: rule, Message: message, Hint: hint,
	}
}

// Sort orders findings by place, keeping the order of those at one place, so
// that the same input always gives the same output. Files keep the order in
// which they first appear.
func Sort(findings []Finding) {
	rank := map[string]int{}
	for _, f := range findings {
		if _, seen := rank[f.File]; !seen {
			rank[f.File] = len(rank)
		}
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank[a.File], rank[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// Worst is the highest severity among the findings, and false if there are none.
func Worst(findings []Finding) (Severity, bool) {
	if len(findings) == 0 {
		return Info, false
	}
	worst := Info
	for _, f := range findings {
		worst = max(worst, f.Severity)
	}
	return worst, true
}
