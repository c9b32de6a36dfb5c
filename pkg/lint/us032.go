package lint

import (
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us032 = Rule{
	ID: "US032", Name: "restart-limit", Severity: diag.Info,
	Summary: "a service that is to restart always gives up after five quick failures",
	Check: func(u *Unit, report func(Problem)) {
		restart := u.doc.Last("Service", "Restart")
		if !u.complete() || restart == nil || restart.Value.Text != "always" && restart.Value.Text != "on-failure" || len(u.commands) == 0 {
			return
		}
		for it := range u.doc.Assignments {
			switch it.Key {
			case "RestartSec", "StartLimitInterval", "StartLimitIntervalSec", "StartLimitBurst":
				return
			}
		}
		report(Problem{
			Span:    valueSpan(restart),
			Message: "without RestartSec= systemd waits 100 ms between restarts, and after 5 starts within 10 s it gives up: Restart=" + strconv.Quote(restart.Value.Text) + " is not for ever",
			Hint:    "set RestartSec=, such as 5s, or StartLimitIntervalSec=0 in [Unit]",
		})
	},
}
