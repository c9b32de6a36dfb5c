package lint

import (
	"strings"
	"testing"
)

func TestParseConfig(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"comments", "# nothing\n", ""},
		{"the example", Example, ""},
		{"all", "rules: {US034: off, unpinned-image: error}\nregistries: [quay.io]\nbranches: [\"release/*\"]\nexpect: stamped\npaths:\n  - files: [a/**]\n    expect: unstamped\n", ""},
		{"unknown key", "rules: {}\nrulez: {}\n", `x.yaml:2:1: unknown key "rulez"; known are branches, expect, paths, registries, rules`},
		{"unknown rule", "rules:\n  US999: off\n", `x.yaml:2:3: unknown rule "US999"`},
		{"unknown level", "rules:\n  US010: maybe\n", `x.yaml:2:10: the level of US010 is "maybe"; known are off, info, warning, error`},
		{"a rule twice", "rules:\n  US010: off\n  detached: off\n", `x.yaml:3:3: US010 stands twice, by its number and by its name`},
		{"a key twice", "expect: stamped\nexpect: stamped\n", `x.yaml:2:1: "expect" stands twice`},
		{"unknown expectation", "expect: perhaps\n", `x.yaml:1:9: "expect" is "perhaps"; known are stamped and unstamped`},
		{"no list", "registries: quay.io\n", `x.yaml:1:13: "registries" must be a list`},
		{"no mapping", "- a\n", `x.yaml:1:1: the file must be a mapping of names to values`},
		{"no files", "paths:\n  - expect: stamped\n", `x.yaml:2:5: an entry of "paths" needs "files", a list of patterns such as legacy/**`},
		{"unknown key of a path", "paths:\n  - files: [a]\n    paths: []\n", `x.yaml:3:5: unknown key "paths"; known are branches, expect, files, registries, rules`},
		{"bad pattern", "branches: [\"[\"]\n", `x.yaml:1:12: the pattern "[" cannot be read`},
		{"no YAML", "expect: stamped\na: b: c\n", `x.yaml:2:1: mapping values are not allowed in this context`},
		{"no YAML at all", "a: b: c\n", `x.yaml: mapping values are not allowed in this context`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config, err := ParseConfig("x.yaml", []byte(tt.text))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("error %q, want %q", got, tt.want)
			}
			if (err == nil) == (config == nil) {
				t.Error("config and error do not exclude each other")
			}
		})
	}
}

// Every line of the example that is commented out is right when it is not.
func TestExampleUncommented(t *testing.T) {
	var lines []string
	for line := range strings.Lines(Example) {
		if rest, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "# "); ok && (strings.Contains(rest, ": ") || strings.HasSuffix(rest, ":\n") || strings.HasPrefix(strings.TrimSpace(rest), "- ")) && !strings.HasSuffix(strings.TrimSpace(rest), ".") {
			line = line[:strings.Index(line, "#")] + rest
		}
		lines = append(lines, line)
	}
	text := strings.Join(lines, "")
	config, err := ParseConfig("x.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	if s := config.For("legacy/a/b.service"); s.Levels["US003"] != Warning || s.Levels["US034"] != Off || s.Levels["US040"] != Error || s.Expect != Stamped || len(s.Branches) != 2 || len(s.Registries) != 2 {
		t.Errorf("the example means %+v", s)
	}
}

func TestConfigFor(t *testing.T) {
	config, err := ParseConfig("x.yaml", []byte(`
rules: {US001: off, US002: info}
expect: stamped
branches: [develop]
paths:
  - files: [legacy/**, "*.socket"]
    rules: {US002: error}
    branches: [master]
  - files: [legacy/new/*.service]
    rules: {US001: warning}
    expect: unstamped
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		file         string
		us001, us002 Level
		expect       Expectation
		branch       string
	}{
		{"a.service", Off, Info, Stamped, "develop"},
		{"a/legacy/b.service", Off, Info, Stamped, "develop"},
		{"legacy/b.service", Off, Error, Stamped, "master"},
		{"legacy/new/b.service", Warning, Error, Unstamped, "master"},
		{"legacy/new/deep/b.service", Off, Error, Stamped, "master"},
		{"deep/er/b.socket", Off, Error, Stamped, "master"},
	} {
		s := config.For(tt.file)
		if s.Levels["US001"] != tt.us001 || s.Levels["US002"] != tt.us002 || s.Expect != tt.expect || s.Branches[0] != tt.branch {
			t.Errorf("%s: %+v", tt.file, s)
		}
	}
	var none *Config
	if s := none.For("a"); s.Levels != nil || s.Expect != Anything {
		t.Errorf("no config says %+v", s)
	}
}

func TestRulesAreInOrder(t *testing.T) {
	names := map[string]bool{}
	last := ""
	for _, r := range Rules() {
		if r.ID <= last {
			t.Errorf("%s stands after %s", r.ID, last)
		}
		last = r.ID
		if names[r.Name] || r.Name == "" || r.Summary == "" || strings.HasSuffix(r.Summary, ".") {
			t.Errorf("%s: name %q, summary %q", r.ID, r.Name, r.Summary)
		}
		names[r.Name] = true
		if r.Check != nil && r.Compare != nil {
			t.Errorf("%s both checks and compares", r.ID)
		}
	}
}

func TestSectionsOf(t *testing.T) {
	for line := range strings.Lines(directiveList) {
		name, sections, _ := strings.Cut(strings.TrimSpace(line), " ")
		if got := strings.Join(sectionsOf(name), " "); got != sections {
			t.Errorf("%s: got %q, want %q", name, got, sections)
		}
	}
	for _, name := range []string{"", "A", "ExecStar", "ExecStartX", "zzz", "execstart"} {
		if got := sectionsOf(name); got != nil {
			t.Errorf("%q: got %v", name, got)
		}
	}
}
