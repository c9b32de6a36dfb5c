package lint

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/unitstamp/unitstamp/pkg/containerrun"
	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

var us001 = Rule{
	ID: "US001", Name: "typographic-dash", Severity: diag.Error,
	Summary: "an option begins with a dash that no program reads as one",
	Check: func(u *Unit, report func(Problem)) {
		for i := range u.found.Calls {
			call := &u.found.Calls[i]
			for k := 1; k < len(call.Words); k++ {
				if p, ok := badDash(call, k); ok {
					report(p)
				}
			}
		}
	},
}

// dashNames are what editors and web pages make of "-" and "--".
var dashNames = map[rune]string{
	'\u2010': "hyphen", '\u2011': "non-breaking hyphen", '\u2012': "figure dash", '\u2013': "en dash", '\u2014': "em dash",
	'\u2015': "horizontal bar", '\u2212': "minus sign", '\ufe58': "small em dash", '\ufe63': "small hyphen-minus", '\uff0d': "fullwidth hyphen-minus",
}

// badDash looks at one word: dashes, one of them typographic, before a letter.
func badDash(call *unitimage.Call, k int) (Problem, bool) {
	word := call.Words[k]
	if len(word.Text) == 0 || word.Text[0] != '-' && word.Text[0] < utf8.RuneSelf {
		return Problem{}, false
	}
	name := strings.TrimLeftFunc(word.Text, func(r rune) bool { return r == '-' || dashNames[r] != "" })
	head := word.Text[:len(word.Text)-len(name)]
	at := strings.IndexFunc(head, func(r rune) bool { return r != '-' })
	first, _ := utf8.DecodeRuneInString(name)
	if at < 0 || !unicode.IsLetter(first) || strings.ContainsAny(name, " \t") {
		return Problem{}, false
	}
	dash, size := utf8.DecodeRuneInString(head[at:])
	span, _ := word.Place(at, at+size)
	option, _, _ := strings.Cut(name, "=") // the value may be a secret
	p := Problem{
		Span:    span,
		Message: fmt.Sprintf("%q begins with U+%04X (%s), which no program reads as an option", head+option, dash, dashNames[dash]),
		Hint:    "write it with - or --",
	}
	if meant := meantDashes(call, k, head, name); meant != "" {
		p.Hint = "write " + meant + option
		if place, ok := word.Place(0, len(head)); ok {
			p.Fix = []source.Edit{{Span: place, New: meant}}
		}
	}
	return p, true
}

// meantDashes tells which dashes were typed before an editor replaced them, or ""
// if that is anybody's guess. Editors make one dash of two; where the name is
// longer than a letter and one dash is left, the client must take one of the two
// readings and refuse the other.
func meantDashes(call *unitimage.Call, k int, head, name string) string {
	option, _, _ := strings.Cut(name, "=")
	switch {
	case utf8.RuneCountInString(option) == 1:
		return "-"
	case utf8.RuneCountInString(head) > 1 || head == "\u2014" || head == "\u2015":
		return "--"
	}
	one, two := readsOption(call, k, "-"+name), readsOption(call, k, "--"+name)
	switch {
	case one && !two:
		return "-"
	case two && !one:
		return "--"
	}
	return ""
}

// readsOption reports whether a container client takes a word of its command line
// for options that it has.
func readsOption(call *unitimage.Call, k int, text string) bool {
	if !call.Image {
		return false
	}
	args := call.Args()
	args[k] = containerrun.Arg{Text: text}
	inv, _ := containerrun.Parse(args)
	for _, o := range inv.Options {
		if o.Arg == k {
			return inv.Issue == nil || inv.Issue.Arg > k
		}
	}
	return false
}
