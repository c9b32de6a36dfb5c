package lint

import (
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us053 = Rule{
	ID: "US053", Name: "oneshot-restart", Severity: diag.Error,
	Summary: "systemd refuses to restart oneshot services that succeed",
	Check: func(u *Unit, report func(Problem)) {
		restart := u.doc.Last("Service", "Restart")
		if !u.complete() || restart == nil || u.serviceType() != "oneshot" {
			return
		}
		if value := restart.Value.Text; value == "always" || value == "on-success" {
			report(Problem{
				Span:    valueSpan(restart),
				Message: "Restart=" + strconv.Quote(value) + " is not allowed with Type=oneshot: systemd refuses the unit",
				Hint:    "set Restart=on-failure, or another type",
			})
		}
	},
}
