// Package report writes the findings of a check in the forms that people, CI
// systems and code hosts read.
package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
)

// A Run is one run of check.
type Run struct {
	// Version is the program's.
	Version string
	// Results has an entry for every file that was looked at, also for those without
	// findings.
	Results []Result
	// Fixed is how many findings were mended, and are not in Results.
	Fixed int
	// FailOn is the severity from which on a finding fails the run.
	FailOn diag.Severity
	// Rules are those that were looked for, in order.
	Rules []Rule
}

// A Rule is what a finding's Rule stands for.
type Rule struct {
	ID, Name, Summary string
	Severity          diag.Severity
	// Page explains it, in Markdown.
	Page string
}

// A Result is what was found in one file.
type Result struct {
	File     *source.File
	Findings []Finding
}

// A Finding is one with the edits that mend it; without them it cannot be mended.
type Finding struct {
	diag.Finding
	Fix []source.Edit
}

// formats are the forms that a run can be written in.
var formats = map[string]func(Run) ([]byte, error){
	"text": Text, "json": JSON, "sarif": SARIF, "github": GitHub, "gitlab": GitLab, "junit": JUnit,
}

// Formats are the names of the forms, sorted.
func Formats() []string { return slices.Sorted(maps.Keys(formats)) }

// Write writes a run in the form of a name.
func Write(format string, run Run) ([]byte, error) {
	write, ok := formats[format]
	if !ok {
		return nil, fmt.Errorf("unknown format %q; known are %s", format, strings.Join(Formats(), ", "))
	}
	return write(run)
}

// Text is a line for each finding: FILE:LINE:COL: SEVERITY: MESSAGE [RULE].
func Text(run Run) ([]byte, error) {
	var out strings.Builder
	for _, r := range run.Results {
		for _, f := range r.Findings {
			fmt.Fprintf(&out, "%s:%d:%d: %s: %s [%s]\n", f.File, f.Line, f.Column, f.Severity, f.Message, f.Rule)
		}
	}
	return []byte(out.String()), nil
}

// Count counts the findings by severity.
func (run Run) Count() (errors, warnings, infos int) {
	for _, r := range run.Results {
		for _, f := range r.Findings {
			switch f.Severity {
			case diag.Error:
				errors++
			case diag.Warning:
				warnings++
			default:
				infos++
			}
		}
	}
	return errors, warnings, infos
}

// Fails reports whether a finding is as severe as FailOn.
func (run Run) Fails() bool {
	for _, r := range run.Results {
		for _, f := range r.Findings {
			if f.Severity >= run.FailOn {
				return true
			}
		}
	}
	return false
}

// fingerprints names each finding of a file by what it says and the text of its
// line, not by the line's number: it stays while other lines come and go. The same
// finding on lines of the same text is told apart by counting.
func fingerprints(r Result) []string {
	seen := map[string]int{}
	list := make([]string, len(r.Findings))
	for i, f := range r.Findings {
		line := strings.Join(strings.Fields(string(r.File.Line(f.Line))), " ")
		key := strings.Join([]string{r.File.Name, f.Rule, line}, "\x00")
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", key, seen[key]))
		seen[key]++
		list[i] = hex.EncodeToString(sum[:16])
	}
	return list
}
