package stamp

import (
	"slices"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/imageref"
)

// A Verdict is what all outcomes together come to. With any but Ready, nothing is
// written.
type Verdict uint8

// The verdicts.
const (
	// Ready: what is to be changed can be written; it may be nothing.
	Ready Verdict = iota
	// Problems: there are findings of severity error.
	Problems
	// Unreadable: systemd refuses one of the units.
	Unreadable
)

// A Summary adds outcomes up.
type Summary struct {
	target     Target
	matched    []string
	errors     bool
	unreadable bool
}

// NewSummary makes the summary of stamping a target.
func NewSummary(target Target) *Summary { return &Summary{target: target} }

// Add takes the outcome of one unit.
func (s *Summary) Add(o *Outcome) {
	s.unreadable = s.unreadable || o.Unreadable
	if worst, ok := diag.Worst(o.Findings); ok && worst == diag.Error {
		s.errors = true
	}
	for _, repository := range o.Matched {
		if !slices.Contains(s.matched, repository) {
			s.matched = append(s.matched, repository)
		}
	}
}

// Verdict concludes. missing are the repositories that no file refers to; what a
// unit that systemd refuses refers to cannot be told, so that none is missing then.
func (s *Summary) Verdict() (verdict Verdict, missing []diag.Finding) {
	if s.unreadable {
		return Unreadable, nil
	}
	var names []string
	for full, typed := range s.target.names {
		if !slices.Contains(s.matched, full) {
			names = append(names, typed)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		missing = append(missing, diag.Finding{
			Severity: diag.Error, Rule: "image-not-found", Message: "no file refers to the repository \"" + name + "\"",
			Hint: "unitstamp images FILE lists what is found; " + imageref.Familiar(name) + " must be spelt as there",
		})
	}
	if s.errors || len(missing) > 0 {
		return Problems, missing
	}
	return Ready, nil
}
