package lint

import (
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

var us007 = Rule{
	ID: "US007", Name: "unknown-specifier", Severity: diag.Error,
	Summary: "systemd refuses a command with a specifier that it does not know",
	Check: func(u *Unit, report func(Problem)) {
		for _, e := range u.execs {
			for _, c := range e.line.Commands {
				what := ": systemd refuses the unit"
				if c.IgnoresFailure() {
					what = ": systemd drops the command"
				}
				for _, w := range c.Words {
					for i := range specifiers(w.Text) {
						letter := w.Text[i+1]
						if unitname.KnownSpecifier(letter) || !alphanumeric(letter) {
							continue
						}
						span, _ := partSpan(e.item, w, i, i+2)
						report(Problem{
							Span:    span,
							Message: "unknown specifier " + strconv.Quote(w.Text[i:i+2]) + what,
							Hint:    "write %% for a percent sign",
						})
					}
				}
			}
		}
	},
}

// specifiers calls yield for the offset of every '%' of a text that stands before
// another character and for no '%' itself.
func specifiers(text string) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := 0; i+1 < len(text); i++ {
			if text[i] != '%' {
				continue
			}
			if text[i+1] != '%' && !yield(i) {
				return
			}
			i++
		}
	}
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
