package lint

import "github.com/unitstamp/unitstamp/pkg/diag"

var us056 = Rule{
	ID: "US056", Name: "script-syntax", Severity: diag.Warning,
	Summary: "a shell script in a command cannot be read",
	Check: func(u *Unit, report func(Problem)) {
		for _, d := range u.found.Doubts {
			if d.Rule == "script-syntax" {
				report(Problem{Span: d.Span, Message: d.Message, Hint: d.Hint})
			}
		}
	},
}
