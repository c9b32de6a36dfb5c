package lint

import "github.com/unitstamp/unitstamp/pkg/diag"

var us030 = Rule{
	ID: "US030", Name: "pull-timeout", Severity: diag.Warning,
	Summary: "a pull must be through before systemd's default start timeout",
	Check: func(u *Unit, report func(Problem)) {
		if !u.complete() || u.serviceType() == "oneshot" {
			return // no timeout by default
		}
		for range u.values("Service", "TimeoutStartSec", "TimeoutSec") {
			return
		}
		for _, c := range u.commands {
			if c.Item.Key != "ExecStartPre" || !c.Image || c.verb != "pull" {
				continue
			}
			report(Problem{
				Span:    c.span(),
				Message: "the pull is part of the start, and systemd ends each of its commands after " + defaultTimeout.String() + " by default",
				Hint:    "set TimeoutStartSec=, such as 10min, or infinity",
			})
			return
		}
	},
}
