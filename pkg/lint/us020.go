package lint

import "github.com/unitstamp/unitstamp/pkg/diag"

var us020 = Rule{
	ID: "US020", Name: "start-detached", Severity: diag.Error,
	Summary: "docker start ends at once, and the service with it",
	Check: func(u *Unit, report func(Problem)) {
		if !u.complete() || u.remains() || !endsWithMain(u) {
			return
		}
		for _, c := range u.commands {
			if c.Item.Key != "ExecStart" || c.Shell || c.Image || c.verb != "start" || c.client == "podman" {
				continue
			}
			names, options := c.names()
			if len(names) == 0 || hasOption(options, "-a", "--attach", "-i", "--interactive", "--help") {
				continue
			}
			report(Problem{
				Span: c.span(),
				Message: c.client + " start ends as soon as the container runs; with Type=" + u.serviceType() +
					" systemd takes that for the end of the service, and stops it",
				Hint: "write " + c.client + " start -a, which stays until the container ends",
			})
		}
	},
}
