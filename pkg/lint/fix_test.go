package lint

import (
	"bytes"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/corpus"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// Fix leaves all as it is but what it mends, and finds nothing to mend afterwards.
func TestFixRealUnits(t *testing.T) {
	for _, f := range corpus.Units(t) {
		name := unitname.FromPath(f.Name)
		fixed := fix(t, f, Settings{})
		if bytes.Equal(fixed, f.Bytes) {
			continue
		}
		findings := check([]*source.File{f}, Settings{})
		last := 0
		for _, finding := range findings {
			for _, e := range finding.Fix {
				// Before the first mend, and after the last, nothing differs.
				if last == 0 && !bytes.Equal(fixed[:e.Span.Start], f.Bytes[:e.Span.Start]) {
					t.Errorf("%s: the bytes before %d differ", f.Name, e.Span.Start)
				}
				last = max(last, e.Span.End)
			}
		}
		if before, after := Read(f, name, Settings{}), Read(&source.File{Name: f.Name, Bytes: fixed}, name, Settings{}); before.refused == nil && after.refused != nil {
			t.Errorf("%s: after the mend systemd refuses the unit: %s", f.Name, after.refused.Message)
		}
	}
}

// An accident is a change of a unit as copying and editing make it.
type accident struct {
	name, rule string
	// happen changes the text around a plain word of a docker run, and returns false
	// where it cannot.
	happen func(text string, word source.Span) (string, bool)
}

var accidents = []accident{
	{"em dash", "US001", func(text string, word source.Span) (string, bool) {
		return replaceAt(text, word, "--", "—", func(name string) bool { return len(name) > 1 })
	}},
	{"en dash and hyphen", "US001", func(text string, word source.Span) (string, bool) {
		return replaceAt(text, word, "--", "–-", func(name string) bool { return len(name) > 1 })
	}},
	{"en dash for one", "US001", func(text string, word source.Span) (string, bool) {
		return replaceAt(text, word, "-", "–", func(name string) bool { return len(name) == 1 && name != "-" })
	}},
	{"one dash too few", "US003", func(text string, word source.Span) (string, bool) {
		return replaceAt(text, word, "--", "-", func(name string) bool {
			name, _, _ = strings.Cut(name, "=")
			return name == "rm" || name == "name" || name == "link" || name == "volumes-from" || name == "privileged"
		})
	}},
	{"no-break space", "US008", func(text string, word source.Span) (string, bool) {
		if text[word.Start-1] != ' ' || word.Start < 2 || strings.IndexByte(" \t\n\\", text[word.Start-2]) >= 0 {
			return "", false
		}
		return text[:word.Start-1] + "\u00a0" + text[word.Start:], true
	}},
	{"zero width space", "US008", func(text string, word source.Span) (string, bool) {
		return text[:word.End] + "\u200b" + text[word.End:], true
	}},
	{"blank after backslash", "US004", func(text string, word source.Span) (string, bool) {
		if !strings.HasPrefix(text[word.End:], " \\\n") {
			return "", false
		}
		return text[:word.End+2] + " " + text[word.End+2:], true
	}},
}

func replaceAt(text string, word source.Span, from, to string, fits func(name string) bool) (string, bool) {
	name, ok := strings.CutPrefix(text[word.Start:word.End], from)
	if !ok || strings.HasPrefix(name, "-") || !fits(name) {
		return "", false
	}
	return text[:word.Start] + to + name + text[word.End:], true
}

// Every accident in a real unit is found, and Fix takes it back to the byte.
func TestFixTakesAccidentsBack(t *testing.T) {
	counts := map[string]int{}
	for _, f := range corpus.Units(t) {
		done := map[string]bool{} // once in a unit
		name := unitname.FromPath(f.Name)
		sound, _, err := Fix(f, name, Settings{})
		if err != nil {
			t.Fatal(err)
		}
		u := Read(&source.File{Name: f.Name, Bytes: sound}, name, Settings{})
		for _, c := range u.commands {
			at, ok := c.image()
			if !ok || c.Shell || c.client != "docker" || c.verb != "run" {
				continue
			}
			for i := 2; i <= at; i++ {
				w := c.Words[i]
				if _, verbatim := w.Place(0, max(1, len(w.Text))); !verbatim || w.Variables || string(w.Span.Of(sound)) != w.Text {
					continue
				}
				if before := sound[w.Span.Start-1]; before == '"' || before == '\'' {
					continue // between quotes they may be meant
				}
				if w.Text[0] == '-' && i > 0 && c.Invocation.Issue == nil && !isOption(c, i) {
					continue // the value of an option before it
				}
				for _, a := range accidents {
					if a.rule != "US008" && (i == at || !isOption(c, i)) && a.rule != "US004" {
						continue
					}
					planted, ok := a.happen(string(sound), w.Span)
					if !ok || done[a.name] {
						continue
					}
					done[a.name] = true
					counts[a.name]++
					file := &source.File{Name: f.Name, Bytes: []byte(planted)}
					if findings := check([]*source.File{file}, Settings{}); !has(findings, a.rule) {
						t.Errorf("%s: %s at %q is not found", f.Name, a.name, w.Text)
						continue
					}
					if fixed, _, err := Fix(file, name, Settings{}); err != nil || !bytes.Equal(fixed, sound) {
						t.Errorf("%s: %s at %q is not taken back (error %v):\n%s", f.Name, a.name, w.Text, err, fixed)
					}
				}
			}
		}
	}
	for _, a := range accidents {
		if corpus.Shared(t) != "" && counts[a.name] < 20 {
			t.Errorf("%s: only %d planted", a.name, counts[a.name])
		}
	}
	t.Log(counts)
}

func isOption(c *command, word int) bool {
	for _, o := range c.Invocation.Options {
		if o.Arg == word {
			return true
		}
	}
	return false
}

func has(findings []Finding, rule string) bool {
	for _, f := range findings {
		if f.Rule == rule {
			return true
		}
	}
	return false
}

// Nothing that is found lies outside the file, whatever the file is.
func FuzzCheck(f *testing.F) {
	f.Add("[Service]\nExecStart=/usr/bin/docker run —rm “a b” x/a \\ \n  y\n# unitstamp: ignore=US001\n")
	f.Add("[Service]\nExecStart=/bin/sh -c 'docker run -name %q $X:$Y'\nExecStop=a ; b |c\n")
	f.Fuzz(func(t *testing.T, text string) {
		file := &source.File{Name: "a@b.service", Bytes: []byte(text)}
		for _, finding := range check([]*source.File{file}, Settings{Expect: Stamped, Branches: []string{"a"}, Registries: []string{"b"}}) {
			spans := []source.Span{finding.Span}
			for _, e := range finding.Fix {
				spans = append(spans, e.Span)
			}
			for _, s := range spans {
				if s.Start < 0 || s.End < s.Start || s.End > len(text) {
					t.Fatalf("%s: the span %v lies outside %d bytes", finding.Rule, s, len(text))
				}
			}
		}
		fixed, _, err := Fix(file, unitname.FromPath(file.Name), Settings{})
		if err != nil {
			t.Fatal(err)
		}
		again, mended, err := Fix(&source.File{Name: file.Name, Bytes: fixed}, unitname.FromPath(file.Name), Settings{})
		if err != nil || len(mended) > 0 || !bytes.Equal(again, fixed) {
			t.Fatalf("a second Fix mends %d findings, error %v:\n%q\n%q", len(mended), err, fixed, again)
		}
		if _, err := unitfile.Parse(&source.File{Bytes: fixed}); err != nil {
			if _, before := unitfile.Parse(file); before == nil {
				t.Fatalf("after the mend systemd refuses the unit: %v\n%q", err, fixed)
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	files := corpus.Units(b)
	for b.Loop() {
		check(files, Settings{})
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(len(files)), "µs/unit")
}
