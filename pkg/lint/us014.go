package lint

import (
	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us014 = Rule{
	ID: "US014", Name: "fails-first-start", Severity: diag.Warning,
	Summary: "cleaning up before the start fails where there is nothing to clean up",
	Check: func(u *Unit, report func(Problem)) {
		for _, c := range u.commands {
			if c.Item.Key != "ExecStartPre" || c.Image || c.Shell || c.ignoresFailure() || !isRemoval(c.verb) {
				continue
			}
			names, options := c.names()
			if c.verb == "rm" && hasOption(options, "-f", "--force") || hasOption(options, "-i", "--ignore", "--help") || len(names) == 0 {
				continue
			}
			report(Problem{
				Span:    c.span(),
				Message: c.client + " " + c.verb + " fails where there is no such container, and the service does not start",
				Hint:    "write ExecStartPre=-" + c.Words[0].Text + " …: with the '-' systemd goes on",
			})
		}
	},
}
