package report

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/lint"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// run checks files of which the names say what they are for.
func run(files ...string) Run {
	r := Run{Version: "v1", FailOn: diag.Error}
	for _, rule := range lint.Rules() {
		r.Rules = append(r.Rules, Rule{rule.ID, rule.Name, rule.Summary, rule.Severity, "# " + rule.ID})
	}
	var units []*lint.Unit
	for i := 0; i < len(files); i += 2 {
		f := &source.File{Name: files[i], Bytes: []byte(files[i+1])}
		units = append(units, lint.Read(f, unitname.FromPath(f.Name), lint.Settings{}))
	}
	for i, findings := range lint.Conclude(units) {
		result := Result{File: units[i].File}
		for _, f := range findings {
			result.Findings = append(result.Findings, Finding(f))
		}
		r.Results = append(r.Results, result)
	}
	return r
}

const (
	bad = "[Service]\n# grüße 𝄞\nExecStart=/usr/bin/docker run -e G=grüße𝄞 —rm x/a\nExecStop=/usr/bin/docker stop “a”\n"
	// One finding twice on lines of the same text.
	twice = "[Service]\nExecStartPre=/usr/bin/docker kill a\nExecStartPre=/usr/bin/docker kill a\nExecStart=/bin/true\n"
	good  = "[Service]\nExecStart=/bin/true\n"
)

func write(t *testing.T, format string, r Run) []byte {
	t.Helper()
	data, err := Write(format, r)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := Write(format, r)
	if string(again) != string(data) {
		t.Errorf("%s: a second time it is another one", format)
	}
	return data
}

func TestText(t *testing.T) {
	form := regexp.MustCompile(`^[^:\n]+:\d+:\d+: (error|warning|info): .+ \[US\d{3}\]$`)
	r := run("a.service", bad, "b.service", good)
	lines := strings.Split(strings.TrimSuffix(string(write(t, "text", r)), "\n"), "\n")
	for _, line := range lines {
		if !form.MatchString(line) {
			t.Errorf("not of the form: %s", line)
		}
	}
	if len(lines) != len(r.Results[0].Findings) {
		t.Errorf("%d lines for %d findings", len(lines), len(r.Results[0].Findings))
	}
}

func TestUnknownFormat(t *testing.T) {
	_, err := Write("html", Run{})
	if err == nil || !strings.Contains(err.Error(), "github, gitlab, json, junit, sarif, text") {
		t.Errorf("error %v", err)
	}
}

func TestJSON(t *testing.T) {
	var d struct {
		Files    []string
		Findings []struct {
			Rule                             string
			Line, Column, EndLine, EndColumn int
			Fixable                          bool
		}
		Summary Summary
	}
	if err := json.Unmarshal(write(t, "json", run("a.service", bad, "b.service", good)), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Files) != 2 || d.Summary.Errors != 2 {
		t.Errorf("files %v, summary %+v", d.Files, d.Summary)
	}
	f := d.Findings[0]
	for _, f = range d.Findings {
		if f.Rule == "US001" {
			break
		}
	}
	if f.Line != 3 || f.Column != 48 || f.EndLine != 3 || f.EndColumn != 51 || !f.Fixable {
		t.Errorf("%+v", f)
	}
	for _, empty := range []Run{{}, run("a.service", good)} {
		if text := string(write(t, "json", empty)); !strings.Contains(text, `"findings": []`) {
			t.Errorf("no findings: %s", text)
		}
	}
}

// The rules are those of actions/toolkit's parser: a message ends at the line's end,
// a property at a comma, and %0A stands for a line's end.
func TestGitHub(t *testing.T) {
	form := regexp.MustCompile(`^::(error|warning|notice) ([a-zA-Z]+=[^,:\r\n]+(,[a-zA-Z]+=[^,:\r\n]+)*)::([^\r\n]+)$`)
	text := string(write(t, "github", run("odd,name:50%.service", bad)))
	for line := range strings.Lines(text) {
		match := form.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if match == nil {
			t.Errorf("not of the form: %s", line)
			continue
		}
		for property := range strings.SplitSeq(match[2], ",") {
			name, value, _ := strings.Cut(property, "=")
			if !slices.Contains([]string{"file", "line", "endLine", "col", "endColumn", "title"}, name) {
				t.Errorf("unknown property %q", name)
			}
			if name == "file" && value != "odd%2Cname%3A50%25.service" {
				t.Errorf("file %q", value)
			}
		}
	}
	if !strings.Contains(text, "%0Awrite --rm\n") {
		t.Errorf("the hint is not on a line of its own:\n%s", text)
	}
}

// GitLab's documentation asks for description, check_name, fingerprint, severity of
// a list, location.path without "./" and location.lines.begin.
func TestGitLab(t *testing.T) {
	read := func(files ...string) (issues []codeQuality) {
		if err := json.Unmarshal(write(t, "gitlab", run(files...)), &issues); err != nil {
			t.Fatal(err)
		}
		return issues
	}
	issues := read("./a.service", twice, "sub/b.service", bad)
	seen := map[string]bool{}
	for _, i := range issues {
		if i.Description == "" || i.CheckName == "" || i.Location.Lines.Begin < 1 || strings.HasPrefix(i.Location.Path, "./") ||
			!slices.Contains([]string{"info", "minor", "major", "critical", "blocker"}, i.Severity) {
			t.Errorf("%+v", i)
		}
		if seen[i.Fingerprint] {
			t.Errorf("the fingerprint %s stands twice", i.Fingerprint)
		}
		seen[i.Fingerprint] = true
	}
	// Lines before it, other findings and other blanks do not change a fingerprint.
	moved := read("./a.service", strings.Replace(twice, "[Service]\n", "# one\n# two\n[Service]\n", 1), "sub/b.service", strings.Replace(bad, "ExecStart=/usr/bin/docker run", "ExecStart =  /usr/bin/docker  run", 1))
	for _, i := range moved {
		if i.CheckName == "US014" && !seen[i.Fingerprint] {
			t.Errorf("%s at line %d has a new fingerprint", i.CheckName, i.Location.Lines.Begin)
		}
	}
	if text := string(write(t, "gitlab", Run{})); text != "[]\n" {
		t.Errorf("no findings: %q", text)
	}
}

func TestJUnit(t *testing.T) {
	r := run("a<&>\x01.service", twice, "b.service", good, "c.service", bad)
	data := write(t, "junit", r)
	decoder := xml.NewDecoder(strings.NewReader(string(data)))
	for {
		if _, err := decoder.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	var all testSuites
	if err := xml.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Suites) != 3 || len(all.Suites[1].Cases) != 1 || all.Suites[1].Cases[0].Failure != nil {
		t.Fatalf("%+v", all)
	}
	tests, failures := 0, 0
	for _, suite := range all.Suites {
		failed := 0
		for _, c := range suite.Cases {
			if c.Failure != nil {
				failed++
			}
			if c.Name == "" || c.ClassName == "" {
				t.Errorf("%+v", c)
			}
		}
		if suite.Tests != len(suite.Cases) || suite.Failures != failed {
			t.Errorf("%s counts %d and %d", suite.Name, suite.Tests, suite.Failures)
		}
		tests, failures = tests+suite.Tests, failures+failed
	}
	if all.Tests != tests || all.Failures != failures || failures != 3 { // a dash, a quote, the name of the first file
		t.Errorf("counts %d and %d, sums are %d and %d", all.Tests, all.Failures, tests, failures)
	}
	r.FailOn = diag.Warning
	if err := xml.Unmarshal(write(t, "junit", r), &all); err != nil || all.Failures <= failures {
		t.Errorf("with warnings %d failures", all.Failures)
	}
}
