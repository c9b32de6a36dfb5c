package report

import (
	"bytes"
	"encoding/json"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

// Document is the JSON form of a run.
type Document struct {
	Files    []string `json:"files"`
	Findings []Entry  `json:"findings"`
	Summary  Summary  `json:"summary"`
	// Error is why the run ended early.
	Error string `json:"error,omitempty"`
}

// An Entry is a finding in a Document. The end is exclusive.
type Entry struct {
	diag.Finding
	EndLine   int  `json:"endLine"`
	EndColumn int  `json:"endColumn"`
	Fixable   bool `json:"fixable"`
}

// A Summary counts findings.
type Summary struct {
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Infos    int `json:"infos"`
	Fixed    int `json:"fixed"`
}

// NewDocument makes the document of a run.
func NewDocument(run Run) Document {
	d := Document{Files: []string{}, Findings: []Entry{}}
	for _, r := range run.Results {
		d.Files = append(d.Files, r.File.Name)
		for _, f := range r.Findings {
			end := r.File.Position(f.Span.End)
			d.Findings = append(d.Findings, Entry{f.Finding, end.Line, end.Column, f.Fix != nil})
		}
	}
	d.Summary.Errors, d.Summary.Warnings, d.Summary.Infos = run.Count()
	d.Summary.Fixed = run.Fixed
	return d
}

// JSON is one document.
func JSON(run Run) ([]byte, error) { return marshal(NewDocument(run)) }

// marshal writes JSON for people as well: indented, with < and & as they are.
func marshal(document any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(document)
	return out.Bytes(), err
}
