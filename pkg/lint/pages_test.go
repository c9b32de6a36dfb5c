package lint

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

var update = flag.Bool("update", false, "write what is found into the pages and archives")

// page is a page of docs/rules, taken apart.
type page struct {
	text       string
	settings   Settings
	bad, good  []*source.File
	output     string // the fenced block with what check prints
	outputSpan [2]int
}

var fence = regexp.MustCompile("(?ms)^```(ini|yaml|text) ?([^\\n]*)\\n(.*?)^```$")

func readPage(t *testing.T, id string) page {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "rules", id+".md"))
	if err != nil {
		t.Fatal(err)
	}
	p := page{text: string(data)}
	right := strings.Index(p.text, "\n## Right\n")
	if right < 0 {
		t.Fatal("there is no heading \"Right\"")
	}
	for _, m := range fence.FindAllStringSubmatchIndex(p.text, -1) {
		language, name, body := p.text[m[2]:m[3]], p.text[m[4]:m[5]], p.text[m[6]:m[7]]
		switch {
		case language == "yaml":
			config, err := ParseConfig(name, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			p.settings = config.For("web.service")
		case language == "text":
			p.output, p.outputSpan = body, [2]int{m[6], m[7]}
		case m[0] < right:
			p.bad = append(p.bad, &source.File{Name: name, Bytes: []byte(body)})
		default:
			p.good = append(p.good, &source.File{Name: name, Bytes: []byte(body)})
		}
	}
	return p
}

// check runs all rules over files of one call.
func check(files []*source.File, settings Settings) []Finding {
	var units []*Unit
	for _, f := range files {
		units = append(units, Read(f, unitname.FromPath(f.Name), settings))
	}
	var all []Finding
	for _, findings := range Conclude(units) {
		all = append(all, findings...)
	}
	return all
}

func line(f Finding) string {
	return fmt.Sprintf("%s:%d:%d: %s: %s [%s]\n", f.File, f.Line, f.Column, f.Severity, f.Message, f.Rule)
}

// Every rule has a page whose wrong example it finds, as the page says, and whose
// right example has nothing wrong with it at all.
func TestPages(t *testing.T) {
	for _, rule := range Rules() {
		t.Run(rule.ID, func(t *testing.T) {
			p := readPage(t, rule.ID)
			head := "# " + rule.ID + " " + rule.Name + "\n\n" + strings.ToUpper(rule.Severity.String()[:1]) + rule.Severity.String()[1:] + ": " + rule.Summary + ".\n"
			if !strings.HasPrefix(p.text, head) {
				t.Errorf("the page does not begin with:\n%s", head)
			}
			var got string
			fixable := false
			for _, f := range check(p.bad, p.settings) {
				if f.Rule == rule.ID {
					got += line(f)
					fixable = fixable || f.Fix != nil
				}
			}
			if got == "" {
				t.Error("the wrong example is not found")
			}
			if *update && got != p.output {
				text := p.text[:p.outputSpan[0]] + got + p.text[p.outputSpan[1]:]
				if err := os.WriteFile(filepath.Join("..", "..", "docs", "rules", rule.ID+".md"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != p.output {
				t.Errorf("check prints:\n%sthe page says:\n%s", got, p.output)
			}
			if says := strings.Contains(p.text, "check --fix"); says != fixable {
				t.Errorf("the page says that --fix mends it: %v, but it is %v", says, fixable)
			}
			if len(p.good) == 0 {
				t.Error("there is no right example")
			}
			for _, f := range check(p.good, p.settings) {
				if f.Rule == rule.ID || f.Severity > diag.Info {
					t.Errorf("the right example: %s", line(f))
				}
			}
		})
	}
}

// Every page is about a rule.
func TestNoPageWithoutRule(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "rules", "US*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pages {
		if _, ok := Lookup(strings.TrimSuffix(filepath.Base(path), ".md")); !ok {
			t.Errorf("%s is about no rule", path)
		}
	}
}

// The list of the rules says what the rules themselves say.
func TestListOfRules(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "rules", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules() {
		severity := r.Severity.String()
		if r.Optional {
			severity += " (on request)"
		}
		if row := fmt.Sprintf("\n| [%s](%s.md) | %s | %s | ", r.ID, r.ID, r.Name, severity); !strings.Contains(string(data), row) {
			t.Errorf("there is no row %q", row)
		}
	}
	if rows := strings.Count(string(data), "\n| [US"); rows != len(Rules()) {
		t.Errorf("%d rows for %d rules", rows, len(Rules()))
	}
}
