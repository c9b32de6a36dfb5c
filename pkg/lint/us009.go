package lint

import "github.com/unitstamp/unitstamp/pkg/diag"

var us009 = Rule{
	ID: "US009", Name: "unit-refused", Severity: diag.Error,
	Summary: "systemd refuses the file as a whole",
	Check: func(u *Unit, report func(Problem)) {
		if u.refused != nil {
			report(Problem{Span: u.refused.Span, Message: u.refused.Message, Hint: u.refused.Hint})
		}
	},
}
