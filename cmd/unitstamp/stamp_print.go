package main

import (
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/stamp"
)

// stampReport is the document of stamp --json.
type stampReport struct {
	Tag      string         `json:"tag"`
	Files    []fileReport   `json:"files"`
	Findings []diag.Finding `json:"findings"`
	Error    string         `json:"error,omitempty"`
}

type fileReport struct {
	File    string         `json:"file"`
	Changed bool           `json:"changed"`
	Changes []stamp.Change `json:"changes"`
	Diff    string         `json:"diff,omitempty"`
}

// printsUnits reports whether the stamped units themselves are the output.
func (s *stamping) printsUnits() bool {
	for _, flag := range []string{"write", "diff", "list", "check", "json"} {
		if s.call.Bool(flag) {
			return false
		}
	}
	return s.call.String("output") == ""
}

// print writes the data that was asked for to stdout.
func (s *stamping) print(verdict stamp.Verdict, findings []finding) error {
	call := s.call
	if call.Bool("json") {
		return call.JSON(s.jsonReport(verdict, findings))
	}
	if verdict != stamp.Ready {
		return nil
	}
	for i := range s.results {
		if s.results[i].edits > 0 && call.Bool("list") {
			if err := call.Printf("%s\n", s.inputs[i].shown); err != nil {
				return err
			}
		}
		p := s.results[i].toPrint()
		if err := call.Data([]byte(p.diff)); err != nil {
			return err
		}
		if err := call.Data(p.output); err != nil {
			return err
		}
	}
	return nil
}

func (s *stamping) jsonReport(verdict stamp.Verdict, findings []finding) stampReport {
	report := stampReport{Tag: s.request.Tag, Files: []fileReport{}, Findings: []diag.Finding{}}
	for i := range s.results {
		p := s.results[i].toPrint()
		file := fileReport{File: s.inputs[i].shown, Changed: s.results[i].edits > 0, Changes: p.changes, Diff: p.diff}
		if verdict != stamp.Ready { // nothing was changed, and nothing would be
			file.Changed, file.Changes, file.Diff = false, nil, ""
		}
		if file.Changes == nil {
			file.Changes = []stamp.Change{}
		}
		report.Files = append(report.Files, file)
	}
	for _, f := range findings {
		report.Findings = append(report.Findings, f.Finding)
	}
	return report
}

func unifiedDiff(name string, before, after []byte) string {
	name = strings.TrimPrefix(filepath.ToSlash(name), "/")
	text := string(diff.Diff("a/"+name, before, "b/"+name, after))
	_, text, _ = strings.Cut(text, "\n") // the line "diff a b"
	return text
}
