package lint

import "github.com/unitstamp/unitstamp/pkg/diag"

var us015 = Rule{
	ID: "US015", Name: "no-name", Severity: diag.Info,
	Summary: "a container without a name cannot be stopped or looked at by the unit",
	Check: func(u *Unit, report func(Problem)) {
		if !u.complete() || u.serviceType() == "oneshot" {
			return
		}
		for _, c := range u.runs() {
			_, named := c.Invocation.Option("--name")
			_, cid := c.Invocation.Option("--cidfile")
			if named || cid || c.client == "podman" || len(c.Invocation.Splices) > 0 || c.program() == "systemd-docker" {
				continue
			}
			report(Problem{
				Span:    c.span(),
				Message: "the container has no --name: no ExecStop= can stop it, and a second one may come up beside a first that was left behind",
				Hint:    "add --name, such as --name %p",
			})
		}
	},
}
