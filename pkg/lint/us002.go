package lint

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
)

var us002 = Rule{
	ID: "US002", Name: "curly-quote", Severity: diag.Error,
	Summary: "a typographic quote stands where a quote is meant",
	Check: func(u *Unit, report func(Problem)) {
		for _, e := range u.execs {
			text := e.item.Value.Text
			if isASCII(text) {
				continue
			}
			outside := outsideQuotes(text)
			for i := 0; i < len(text); {
				i = curlyQuotes(e, outside, i, report)
			}
		}
		for _, call := range u.found.Calls {
			for _, w := range call.Words {
				if call.Shell && !isASCII(w.Text) {
					curlyInScript(w.Text, func(i, j int) (source.Span, bool) { return w.Place(i, j) }, report)
				}
			}
		}
	},
}

// straight maps typographic quotes to those that systemd and shells know.
var straight = map[rune]string{
	'\u201c': `"`, '\u201d': `"`, '\u201e': `"`, '\u201f': `"`, '\u2033': `"`, '\uff02': `"`,
	'\u2018': "'", '\u2019': "'", '\u201a': "'", '\u201b': "'", '\u2032': "'", '\uff07': "'",
}

// curlyQuotes finds the next typographic quote that opens at or after an offset of
// a value, and returns where to go on. A quote opens at a word's start or after its
// '='; elsewhere it may well be an apostrophe.
func curlyQuotes(e exec, outside []bool, from int, report func(Problem)) int {
	text := e.item.Value.Text
	r, size := utf8.DecodeRuneInString(text[from:])
	if straight[r] == "" || !outside[from] || from > 0 && strings.IndexByte(" \t=", text[from-1]) < 0 {
		return from + size
	}
	closing, closingSize := closingQuote(text, outside, from+size, straight[r])
	if closing < 0 && straight[r] == "'" {
		return from + size // 'tis an apostrophe
	}
	open, ok := e.item.Value.Span(from, from+size)
	p := Problem{
		Span:    open,
		Message: fmt.Sprintf("the quote U+%04X (%c) is a character like any other to systemd: it quotes nothing", r, r),
		Hint:    "write " + straight[r],
	}
	next := from + size
	if closing >= 0 {
		next = closing + closingSize
		end, endOK := e.item.Value.Span(closing, next)
		if inner := text[from+size : closing]; ok && endOK && !strings.ContainsAny(inner, `"'\`) {
			p.Fix = []source.Edit{{Span: open, New: straight[r]}, {Span: end, New: straight[r]}}
		}
	}
	report(p)
	return next
}

// closingQuote finds the typographic quote that closes: the next of the same kind
// at a word's end.
func closingQuote(text string, outside []bool, from int, kind string) (at, size int) {
	for i := from; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if straight[r] == kind && outside[i] && (i+n == len(text) || strings.IndexByte(" \t", text[i+n]) >= 0) {
			return i, n
		}
		i += n
	}
	return -1, 0
}

// curlyInScript looks at a word of a script, where quotes within quotes make a mend
// a guess.
func curlyInScript(text string, place func(i, j int) (source.Span, bool), report func(Problem)) {
	at := 0
	if equals := strings.IndexByte(text, '='); equals >= 0 {
		at = equals + 1
	}
	for _, i := range []int{0, at} {
		r, size := utf8.DecodeRuneInString(text[i:])
		if straight[r] != `"` || strings.ContainsAny(text, " \t") { // with a blank in it, it was quoted
			continue
		}
		span, _ := place(i, i+size)
		report(Problem{
			Span:    span,
			Message: fmt.Sprintf("the quote U+%04X (%c) is a character like any other to the shell: it quotes nothing", r, r),
			Hint:    "write \\x22 for a \" inside a script, or ' where the script stands in \"…\"",
		})
		return
	}
}

// isASCII is the quick look that most texts need no other than.
func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// outsideQuotes tells of each byte of a value whether it stands outside '…' and
// "…", as systemd reads them.
func outsideQuotes(text string) []bool {
	outside := make([]bool, len(text))
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		outside[i] = quote == 0
		switch {
		case c == '\\':
			if i++; i < len(text) {
				outside[i] = quote == 0
			}
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		}
	}
	return outside
}
