package lint

import (
	"regexp"
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

var us027 = Rule{
	ID: "US027", Name: "date-format", Severity: diag.Warning,
	Summary: "systemd replaces the percent signs of a date's format",
	Check: func(u *Unit, report func(Problem)) {
		for _, e := range u.execs {
			text := e.item.Value.Text
			for _, m := range dateFormat.FindAllStringSubmatchIndex(text, -1) {
				format := text[m[2]:m[3]]
				for i := range specifiers(format) {
					if !unitname.KnownSpecifier(format[i+1]) {
						continue // systemd refuses it, see US007
					}
					span, ok := e.item.Value.Span(m[2]+i, m[2]+i+2)
					p := Problem{
						Span:    span,
						Message: strconv.Quote(format[i:i+2]) + " is a specifier: systemd replaces it before date sees it",
						Hint:    "write %" + format[i:i+2],
					}
					if ok {
						p.Fix = []source.Edit{{Span: source.Span{Start: span.Start, End: span.Start}, New: "%"}}
					}
					report(p)
				}
			}
		}
	},
}

// dateFormat is a call of date with a format.
var dateFormat = regexp.MustCompile("\\bdate\\s+(?:-[^\\s]+\\s+)*[\"'\\\\]*\\+([^\\s\"'`)]*)")
