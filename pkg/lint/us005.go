package lint

import (
	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
)

var us005 = Rule{
	ID: "US005", Name: "command-refused", Severity: diag.Error,
	Summary: "systemd cannot take a command line apart",
	Check: func(u *Unit, report func(Problem)) {
		for _, e := range u.execs {
			p := e.line.Problem
			if p == nil {
				continue
			}
			message := p.Message + ": systemd refuses the unit"
			if !p.Fatal {
				message = p.Message + ": systemd drops the command"
			}
			span := source.Span{Start: e.item.Value.Offset(p.Start), End: e.item.Value.Offset(max(p.Start, p.End-1)) + 1}
			report(Problem{Span: span, Message: message, Hint: p.Hint})
		}
	},
}
