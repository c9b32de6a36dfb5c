package report

import (
	"encoding/xml"
	"fmt"
)

type testSuites struct {
	XMLName  xml.Name    `xml:"testsuites"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Suites   []testSuite `xml:"testsuite"`
}

type testSuite struct {
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Cases    []testCase `xml:"testcase"`
}

type testCase struct {
	Name      string   `xml:"name,attr"`
	ClassName string   `xml:"classname,attr"`
	File      string   `xml:"file,attr"`
	Line      int      `xml:"line,attr,omitempty"`
	Failure   *failure `xml:"failure"`
	Output    string   `xml:"system-out,omitempty"`
}

type failure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// JUnit is a test suite for each file and a test case for each finding, failed if
// it fails the run. A file without findings is one case that passes, so that a
// list of tests is never empty.
func JUnit(run Run) ([]byte, error) {
	all := testSuites{Name: "unitstamp check"}
	for _, r := range run.Results {
		suite := testSuite{Name: r.File.Name}
		for _, f := range r.Findings {
			c := testCase{
				Name: fmt.Sprintf("%s at %d:%d", f.Rule, f.Line, f.Column), ClassName: f.Rule, File: f.File, Line: f.Line,
			}
			text := fmt.Sprintf("%s:%d:%d: %s: %s [%s]", f.File, f.Line, f.Column, f.Severity, f.Message, f.Rule)
			if f.Hint != "" {
				text += "\nhint: " + f.Hint
			}
			if f.Severity >= run.FailOn {
				c.Failure = &failure{Message: f.Message, Type: f.Severity.String(), Text: text}
				suite.Failures++
			} else {
				c.Output = text
			}
			suite.Cases = append(suite.Cases, c)
		}
		if len(suite.Cases) == 0 {
			suite.Cases = []testCase{{Name: "unitstamp check", ClassName: "unitstamp", File: r.File.Name}}
		}
		suite.Tests = len(suite.Cases)
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Suites = append(all.Suites, suite)
	}
	body, err := xml.MarshalIndent(all, "", "  ")
	return append([]byte(xml.Header), append(body, '\n')...), err
}
