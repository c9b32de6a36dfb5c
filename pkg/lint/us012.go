package lint

import (
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us012 = Rule{
	ID: "US012", Name: "restart-policy", Severity: diag.Warning,
	Summary: "both the engine and systemd restart the container",
	Check: func(u *Unit, report func(Problem)) {
		if u.remains() || u.serviceType() == "oneshot" {
			return // whoever starts it and leaves may want the engine to look after it
		}
		for _, c := range u.runs() {
			o, ok := c.Invocation.Option("--restart")
			if _, detached := c.flag("-d", "--detach"); !ok || o.Value == "no" || o.Value == "" || detached || c.program() == "systemd-docker" {
				continue
			}
			report(Problem{
				Span:    c.optionSpan(o),
				Message: "--restart=" + strconv.Quote(o.Value) + " makes " + c.client + " restart what systemd starts and stops: the two work against each other",
				Hint:    "leave it out, and set Restart= in [Service]",
			})
		}
	},
}
