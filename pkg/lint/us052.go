package lint

import "github.com/unitstamp/unitstamp/pkg/diag"

var us052 = Rule{
	ID: "US052", Name: "several-commands", Severity: diag.Error,
	Summary: "systemd refuses several ExecStart= commands but in oneshot services",
	Check: func(u *Unit, report func(Problem)) {
		if !u.complete() || u.serviceType() == "oneshot" {
			return
		}
		count := 0
		for _, e := range u.execs {
			if e.item.Section != "Service" || e.item.Key != "ExecStart" {
				continue
			}
			if e.line.Reset {
				count = 0
			}
			for _, c := range e.line.Commands {
				if count++; count > 1 {
					report(Problem{
						Span:    wordSpan(e.item, c.Words[0]),
						Message: "a second command in ExecStart=: with Type=" + u.serviceType() + " systemd refuses the unit",
						Hint:    "move all but the last to ExecStartPre=, or set Type=oneshot",
					})
				}
			}
		}
	},
}
