package lint

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

var us008 = Rule{
	ID: "US008", Name: "invisible-character", Severity: diag.Error,
	Summary: "a character that looks like a blank, or like nothing, is part of a word",
	Check: func(u *Unit, report func(Problem)) {
		for i := range u.doc.Items {
			if it := &u.doc.Items[i]; it.Kind != unitfile.Comment && it.Kind != unitfile.Blank {
				text := string(it.KeySpan.Of(u.File.Bytes))
				invisible(text, nil, func(i, j int) (source.Span, bool) {
					return source.Span{Start: it.KeySpan.Start + i, End: it.KeySpan.Start + j}, true
				}, report)
			}
		}
		for _, e := range u.execs {
			if text := e.item.Value.Text; !isASCII(text) {
				invisible(text, outsideQuotes(text), e.item.Value.Span, report)
			}
		}
		for _, call := range u.found.Calls {
			if !call.Shell {
				continue
			}
			for _, w := range call.Words {
				if strings.IndexByte(w.Text, ' ') < 0 && !w.Variables { // else it is a quoted text
					invisible(w.Text, nil, w.Place, report)
				}
			}
		}
	},
}

// invisibles are blanks that separate nothing, to be replaced by one that does, and
// characters without width, to be removed.
var invisibles = map[rune]struct{ name, replace string }{
	'\u00a0': {"no-break space", " "}, '\u2000': {"en quad", " "}, '\u2001': {"em quad", " "}, '\u2002': {"en space", " "},
	'\u2003': {"em space", " "}, '\u2004': {"three-per-em space", " "}, '\u2005': {"four-per-em space", " "}, '\u2006': {"six-per-em space", " "},
	'\u2007': {"figure space", " "}, '\u2008': {"punctuation space", " "}, '\u2009': {"thin space", " "}, '\u200a': {"hair space", " "},
	'\u202f': {"narrow no-break space", " "}, '\u205f': {"medium mathematical space", " "}, '\u3000': {"ideographic space", " "},
	'\u00ad': {"soft hyphen", ""}, '\u200b': {"zero width space", ""}, '\u200c': {"zero width non-joiner", ""}, '\u200d': {"zero width joiner", ""},
	'\u200e': {"left-to-right mark", ""}, '\u200f': {"right-to-left mark", ""}, '\u2060': {"word joiner", ""}, '\ufeff': {"zero width no-break space", ""},
	'\u202a': {"left-to-right embedding", ""}, '\u202b': {"right-to-left embedding", ""}, '\u202c': {"pop directional formatting", ""},
	'\u202d': {"left-to-right override", ""}, '\u202e': {"right-to-left override", ""}, '\u2066': {"left-to-right isolate", ""},
	'\u2067': {"right-to-left isolate", ""}, '\u2068': {"first strong isolate", ""}, '\u2069': {"pop directional isolate", ""},
}

// invisible looks through a text; where outside is given, only at what it allows.
func invisible(text string, outside []bool, place func(i, j int) (source.Span, bool), report func(Problem)) {
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if what, ok := invisibles[r]; ok && (outside == nil || outside[i]) {
			span, verbatim := place(i, i+size)
			p := Problem{Span: span, Message: fmt.Sprintf("U+%04X (%s) is part of the word that it stands in", r, what.name), Hint: "remove it"}
			if what.replace == " " {
				p.Message = fmt.Sprintf("U+%04X (%s) looks like a blank, but separates nothing", r, what.name)
				p.Hint = "write a blank"
			}
			if verbatim {
				p.Fix = []source.Edit{{Span: span, New: what.replace}}
			}
			report(p)
		}
		i += size
	}
}

// holdsInvisible reports whether a text would be another one without what this rule
// finds.
func holdsInvisible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { _, ok := invisibles[r]; return ok })
}
