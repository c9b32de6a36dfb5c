package execline

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// words prints a line's commands: one list of quoted words a command, the prefix
// and argv[0] in front.
func words(line Line) []string {
	var out []string
	for _, c := range line.Commands {
		var b strings.Builder
		b.WriteString(c.Prefix)
		if c.Argv0 != nil {
			fmt.Fprintf(&b, "(%s)", c.Argv0.Text)
		}
		for i, w := range c.Words {
			if i > 0 {
				b.WriteByte('|')
			}
			b.WriteString(w.Text)
		}
		out = append(out, b.String())
	}
	return out
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		value string
		want  []string
	}{
		{`/bin/a b  c`, []string{"/bin/a|b|c"}},
		{`a`, []string{"a"}},
		{"/bin/a\tb\x0bc\u00a0d", []string{"/bin/a|b\x0bc\u00a0d"}},
		{`"/bin/a" ""`, []string{"/bin/a|"}},
		{`/bin/a a"b c"d'e f'g`, []string{"/bin/a|ab cde fg"}},
		{`/bin/a '"' "'"`, []string{`/bin/a|"|'`}},
		{`/bin/a \a\b\f\n\r\t\v\\\"\'\s`, []string{"/bin/a|\a\b\f\n\r\t\v\\\"' "}},
		{`/bin/a \x41\u00e4\U0001F600\101`, []string{"/bin/a|Aä😀A"}},
		{`/bin/a '\x41' "\x41"`, []string{"/bin/a|A|A"}},
		{`/bin/a \x4 \400 \q`, []string{`/bin/a|\x4|\400|\q`}},
		{`/bin/a \q\x41 b\x41`, []string{`/bin/a|\qA|bA`}},
		{`/bin/a \x00 \000 \u0000`, []string{`/bin/a|\x00|\000|\u0000`}},
		{`/bin/a b\`, []string{`/bin/a|b\`}},
		{`-/bin/a`, []string{"-/bin/a"}},
		{`-:@!!/bin/a zero one`, []string{"-:@!!(zero)/bin/a|one"}},
		{`!:!/bin/a`, []string{"!:!/bin/a"}},
		{`+/bin/a`, []string{"+/bin/a"}},
		{`"-/bin/a b"`, []string{"-/bin/a b"}},
		{`\x2d/bin/a`, []string{"-/bin/a"}},
		{`--a`, []string{"--a"}},
		{`/bin/a ; /bin/b c`, []string{"/bin/a", "/bin/b|c"}},
		{`/bin/a b; c ;d`, []string{"/bin/a|b;|c|;d"}},
		{`/bin/a \; ";" ';'`, []string{"/bin/a|;|;|;"}},
		{`/bin/a ;`, []string{"/bin/a"}},
		{`; /bin/a ; ";" \x3b /bin/b`, []string{"/bin/a", "/bin/b"}},
		{`/bin/a # b ; -/bin/c`, []string{"/bin/a|#|b", "-/bin/c"}},
	} {
		line := Parse(tt.value)
		if got := words(line); !reflect.DeepEqual(got, tt.want) || line.Problem != nil {
			t.Errorf("Parse(%s) = %q, %v, want %q", tt.value, got, line.Problem, tt.want)
		}
		checkLine(t, tt.value, line)
	}
	for _, empty := range []string{"", " ", "\t"} {
		if line := Parse(empty); !line.Reset || line.Commands != nil {
			t.Errorf("Parse(%q) = %+v, want a reset", empty, line)
		}
	}
}

func TestParseProblems(t *testing.T) {
	for _, tt := range []struct {
		value string
		rule  string
		start int
		fatal bool
		want  []string
	}{
		{`/bin/a "b`, "unbalanced-quotes", 7, true, nil},
		{`-/bin/a 'b c`, "unbalanced-quotes", 8, false, nil},
		{`"/bin/a`, "unbalanced-quotes", 0, false, nil},
		{`/bin/a "\"`, "unbalanced-quotes", 7, true, nil},
		{`/bin/a ; /bin/b don't`, "unbalanced-quotes", 19, true, []string{"/bin/a"}},
		{`- /bin/a`, "empty-command", 0, false, nil},
		{`@ /bin/a`, "empty-command", 0, true, nil},
		{`@/bin/a`, "empty-command", 1, true, nil},
		{`@/bin/a ; b`, "empty-command", 1, true, nil},
		{`./a`, "command-path", 0, true, nil},
		{`-bin/`, "command-path", 1, false, nil},
	} {
		line := Parse(tt.value)
		if got := words(line); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Parse(%s) = %q, want %q", tt.value, got, tt.want)
		}
		if tt.rule == "" {
			continue
		}
		if p := line.Problem; p == nil || p.Rule != tt.rule || p.Start != tt.start || p.Fatal != tt.fatal {
			t.Errorf("Parse(%s): problem %+v, want %s at %d, fatal %v", tt.value, p, tt.rule, tt.start, tt.fatal)
		}
	}
}

func TestVerbatim(t *testing.T) {
	const value = `/bin/sh -c "run 'a\x41b' x"y`
	w := Parse(value).Commands[0].Words[2]
	if w.Text != "run 'aAb' xy" || w.Plain() {
		t.Fatalf("word %q", w.Text)
	}
	for _, tt := range []struct {
		i, j int
		want string // "" means not verbatim
	}{{0, 3, "run"}, {4, 6, "'a"}, {6, 7, ""}, {5, 8, ""}, {7, 9, "b'"}, {10, 12, ""}, {11, 12, "y"}} {
		start, end, ok := w.Verbatim(tt.i, tt.j)
		if ok != (tt.want != "") || ok && value[start:end] != tt.want {
			t.Errorf("Verbatim(%d, %d) = %q, %v, want %q", tt.i, tt.j, value[start:end], ok, tt.want)
		}
	}
	if at := w.Offset(6); value[at:at+4] != `\x41` {
		t.Errorf("Offset(6) points at %q", value[at:])
	}
}

func TestVariables(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []Variable
	}{
		{"plain", nil},
		{"$A", []Variable{{"A", 0, 2, true}}},
		{"${A}", []Variable{{"A", 0, 4, false}}},
		{"x${A}:${B_1}", []Variable{{"A", 1, 5, false}, {"B_1", 6, 12, false}}},
		{"a:$A", nil},
		{"$$A", nil},
		{"$${A}", nil},
		{"$$${A}", []Variable{{"A", 2, 6, false}}},
		{"${A", nil},
		{"$", nil},
		{"${A:-b}", []Variable{{"A:-b", 0, 7, false}}},
	} {
		if got := Variables(tt.text); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Variables(%q) = %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestWords(t *testing.T) {
	got, problem := Words(`A=1 "B=two words" ; 'C`)
	var texts []string
	for _, w := range got {
		texts = append(texts, w.Text)
	}
	if want := []string{"A=1", "B=two words", ";"}; !reflect.DeepEqual(texts, want) || problem == nil || problem.Start != 20 {
		t.Errorf("Words = %q, %+v, want %q", texts, problem, want)
	}
}

// checkLine holds what is true of every line.
func checkLine(t *testing.T, value string, line Line) {
	t.Helper()
	last := 0
	check := func(w Word) {
		if w.Start < last || w.End < w.Start || w.End > len(value) {
			t.Fatalf("%q: word %q at %d to %d, after %d", value, w.Text, w.Start, w.End, last)
		}
		last = w.End
		for i := range len(w.Text) {
			start, end, ok := w.Verbatim(i, i+1)
			if ok && value[start:end] != w.Text[i:i+1] {
				t.Fatalf("%q: byte %d of %q is said to be %q", value, i, w.Text, value[start:end])
			}
			if at := w.Offset(i); at < w.Start || at >= w.End || !ok && value[at] != '\\' {
				t.Fatalf("%q: byte %d of %q is said to be at %d", value, i, w.Text, at)
			}
		}
		if at := w.Offset(len(w.Text)); at < w.Start || at > w.End {
			t.Fatalf("%q: the end of %q is said to be at %d", value, w.Text, at)
		}
	}
	for _, c := range line.Commands {
		for i, w := range c.Words {
			check(w)
			if i == 0 && c.Argv0 != nil {
				check(*c.Argv0)
			}
		}
	}
	if p := line.Problem; p != nil && (p.Start < 0 || p.End < p.Start || p.End > len(value)) {
		t.Fatalf("%q: problem at %d to %d", value, p.Start, p.End)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`-/usr/bin/docker run --name x -e "A=b c" myrepo/x`, `@/bin/a "b\x41" ; -!!/bin/c \; '`, `/bin/a a"b c"d\q\u00e4 ${A} $B`,
		`"-/bin/\x41" \x2d`, `!!!a`, `\`, `"`, `""`, `a ""`, `:\s/x`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		checkLine(t, value, Parse(value))
		for _, v := range Variables(value) {
			if v.Start < 0 || v.End > len(value) || v.End <= v.Start {
				t.Fatalf("Variables(%q): %v", value, v)
			}
		}
	})
}
