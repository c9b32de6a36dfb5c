package lint

import "github.com/unitstamp/unitstamp/pkg/diag"

var us054 = Rule{
	ID: "US054", Name: "no-command", Severity: diag.Error,
	Summary: "systemd refuses a service that runs nothing",
	Check: func(u *Unit, report func(Problem)) {
		if !u.complete() || len(u.doc.Items) == 0 {
			return
		}
		var starts, stops bool
		for _, e := range u.execs {
			if e.item.Section == "Service" && e.line.Problem == nil {
				starts = (starts || e.item.Key == "ExecStart") && !(e.item.Key == "ExecStart" && e.line.Reset)
				stops = (stops || e.item.Key == "ExecStop") && !(e.item.Key == "ExecStop" && e.line.Reset)
			}
			if e.line.Problem != nil {
				return // US005 says enough
			}
		}
		if starts || (stops || u.value("Unit", "SuccessAction") != "" && u.value("Unit", "SuccessAction") != "none") &&
			(u.serviceType() == "oneshot" || u.remains()) {
			return
		}
		for i := range u.doc.Items {
			if it := &u.doc.Items[i]; it.Section == "Service" || i == len(u.doc.Items)-1 {
				report(Problem{Span: it.KeySpan, Message: "the service has no ExecStart=: systemd refuses the unit", Hint: "add ExecStart="})
				return
			}
		}
	},
}
