package unitimage

import (
	"maps"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/execline"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// wordText is a word of a value, its bytes traced to the file.
func wordText(value unitfile.Value, w execline.Word) text {
	if start, end, ok := w.Verbatim(0, len(w.Text)); ok {
		if span, ok := value.Span(start, end); ok { // quotes round the whole, at most
			return plainText(w.Text, span.Start)
		}
	}
	var b builder
	b.s.Grow(len(w.Text))
	for p := range w.Pieces {
		if p.Verbatim {
			appendValue(&b, value, p.ValueStart, p.ValueEnd)
			continue
		}
		site := source.Span{Start: value.Offset(p.ValueStart), End: value.Offset(p.ValueEnd-1) + 1}
		b.add(w.Text[p.Start:p.End], site.Start, derived, site)
	}
	return b.text()
}

// appendValue adds value[i:j]. A word holds a continuation only inside quotes; its
// blank is derived.
func appendValue(b *builder, value unitfile.Value, i, j int) {
	for p := range value.Pieces(i, j) {
		if p.Verbatim {
			b.add(value.Text[p.Start:p.End], p.File, verbatim, source.Span{})
			continue
		}
		b.add(value.Text[p.Start:p.End], p.File, derived, source.Span{})
	}
}

// expandSpecifiers replaces what the unit's name tells. Other specifiers stay as
// written, of unknown value. used reports whether there was any; bad is the offset
// of a specifier that systemd refuses, or -1.
func expandSpecifiers(t text, name unitname.Name) (out text, used bool, bad int) {
	if strings.IndexByte(t.s, '%') < 0 {
		return t, false, -1
	}
	var b builder
	b.s.Grow(len(t.s) + 16)
	bad = -1
	done := 0
	for i := 0; i+1 < len(t.s); i++ {
		if t.s[i] != '%' {
			continue
		}
		letter := t.s[i+1]
		site := t.site(i, i+2)
		value, ok := name.Specifier(letter)
		switch {
		case letter == '%':
			b.join(t.slice(done, i))
			b.add("%", site.Start, derived, site)
		case ok:
			b.join(t.slice(done, i))
			b.add(value, site.Start, derived, site)
			used = true
		case unitname.KnownSpecifier(letter):
			b.join(t.slice(done, i))
			b.add(t.s[i:i+2], site.Start, unknown, site)
			used = true
		case isAlphanumeric(letter):
			if bad < 0 {
				bad = i
			}
			continue
		default:
			continue
		}
		i++
		done = i + 1
	}
	b.join(t.slice(done, len(t.s)))
	return b.text(), used, bad
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// A variable is what the unit sets a variable to.
type variable struct {
	value text
	// specifier tells that a specifier stands in the value.
	specifier bool
}

// environment is what the unit itself says about variables.
type environment struct {
	set map[string]variable
	// files are the paths of EnvironmentFile=, and passed tells of PassEnvironment=:
	// what sets variables, or sets them otherwise, from outside the unit.
	files  []string
	passed bool
}

// open tells that the unit is not all there is to say about variables.
func (e environment) open() bool { return len(e.files) > 0 || e.passed }

// readEnvironment reads Environment= and UnsetEnvironment= of a section. Several
// assignments a line, later ones win, an empty value clears all before it.
func readEnvironment(doc *unitfile.Document, section string, name unitname.Name) environment {
	var env environment
	var unset []string
	for it := range doc.Assignments {
		if it.Section != section {
			continue
		}
		switch it.Key {
		case "Environment":
			if it.Value.Text == "" {
				clear(env.set)
			}
			words, _ := execline.Words(it.Value.Text)
			for _, w := range words {
				t, specifier, _ := expandSpecifiers(wordText(it.Value, w), name)
				if equals := strings.IndexByte(t.s, '='); equals > 0 {
					if env.set == nil {
						env.set = map[string]variable{}
					}
					env.set[t.s[:equals]] = variable{t.slice(equals+1, len(t.s)), specifier}
				}
			}
		case "UnsetEnvironment":
			if it.Value.Text == "" {
				unset = nil
			}
			words, _ := execline.Words(it.Value.Text)
			for _, w := range words {
				unset = append(unset, w.Text)
			}
		case "EnvironmentFile":
			if it.Value.Text == "" {
				env.files = nil
			} else {
				env.files = append(env.files, strings.TrimPrefix(it.Value.Text, "-"))
			}
		case "PassEnvironment":
			env.passed = it.Value.Text != ""
		}
	}
	for _, u := range unset {
		name, value, exact := strings.Cut(u, "=")
		if v, ok := env.set[name]; ok && (!exact || v.value.s == value) {
			delete(env.set, name)
		}
	}
	return env
}

// with is the environment of a program behind env or sudo, which sets variables
// given by words of the command line.
func (e environment) with(args []argument, assignments []int) environment {
	if len(assignments) == 0 {
		return e
	}
	set := maps.Clone(e.set)
	if set == nil {
		set = map[string]variable{}
	}
	for _, i := range assignments {
		t := args[i].text
		equals := strings.IndexByte(t.s, '=')
		if t.known(0, len(t.s)) {
			set[t.s[:equals]] = variable{value: t.slice(equals+1, len(t.s))}
		} else {
			delete(set, t.s[:equals])
		}
	}
	e.set = set
	return e
}

// An argument is a word of a command line as the program will get it.
type argument struct {
	text text
	// site is where it is written.
	site source.Span
	// variables tells that variables stand in it; specifiers, that specifiers do.
	variables, specifiers bool
	// splits tells that it becomes any number of words.
	splits bool
	// scripted tells that the script sets one of the variables to what is not known.
	scripted bool
}

// appendExpanded adds a word with the variables that systemd expands in it: one
// argument, or those that $NAME splits into.
func appendExpanded(args []argument, word text, specifiers bool, env environment) []argument {
	if strings.IndexByte(word.s, '$') < 0 {
		return append(args, argument{text: word, specifiers: specifiers})
	}
	list := execline.Variables(word.s)
	if len(list) == 0 && !strings.Contains(word.s, "$$") {
		return append(args, argument{text: word, specifiers: specifiers})
	}
	if len(list) == 1 && list[0].Splits {
		v, ok := env.set[list[0].Name]
		if !ok {
			return append(args, argument{text: unknownText(word), variables: true, splits: true})
		}
		words, _ := execline.Words(v.value.s)
		for _, w := range words {
			var b builder
			b.joinAt(subWord(v.value, w), word.site(0, len(word.s)))
			args = append(args, argument{text: b.text(), variables: true, specifiers: v.specifier})
		}
		return args
	}
	var b builder
	out := argument{variables: len(list) > 0, specifiers: specifiers}
	done := 0
	for _, v := range list {
		appendUndollared(&b, word.slice(done, v.Start))
		if known, ok := env.set[v.Name]; ok {
			b.joinAt(known.value, word.site(v.Start, v.End))
			out.specifiers = out.specifiers || known.specifier
		} else {
			b.join(unknownText(word.slice(v.Start, v.End)))
		}
		done = v.End
	}
	appendUndollared(&b, word.slice(done, len(word.s)))
	out.text = b.text()
	return append(args, out)
}

// unknownText is a text of which nothing is known but how it is written.
func unknownText(t text) text {
	site := t.site(0, len(t.s))
	return text{s: t.s, runs: []run{{0, site.Start, unknown, site}}}
}

// subWord is a word that was read from the text t.
func subWord(t text, w execline.Word) text {
	if w.Plain() {
		return t.slice(w.Start, w.End)
	}
	var b builder
	for p := range w.Pieces {
		if p.Verbatim {
			b.join(t.slice(p.ValueStart, p.ValueEnd))
			continue
		}
		site := t.site(p.ValueStart, p.ValueEnd)
		b.add(w.Text[p.Start:p.End], site.Start, derived, site)
	}
	return b.text()
}

// appendUndollared adds a text with each $$ made one dollar.
func appendUndollared(b *builder, t text) {
	for {
		i := strings.Index(t.s, "$$")
		if i < 0 {
			b.join(t)
			return
		}
		b.join(t.slice(0, i))
		site := t.site(i, i+2)
		b.add("$", site.Start, derived, site)
		t = t.slice(i+2, len(t.s))
	}
}
