package lint

import "github.com/unitstamp/unitstamp/pkg/diag"

var us018 = Rule{
	ID: "US018", Name: "outlives-service", Severity: diag.Warning,
	Summary: "stopping the service ends the client and leaves the container running",
	Check: func(u *Unit, report func(Problem)) {
		if !u.complete() || u.serviceType() == "oneshot" || u.doc.Last("Service", "ExecStop") != nil || u.doc.Last("Service", "ExecStopPost") != nil {
			return
		}
		for _, c := range u.runs() {
			if c.client != "docker" || c.program() == "systemd-docker" || len(c.Invocation.Splices) > 0 {
				continue
			}
			if _, detached := c.flag("-d", "--detach"); detached {
				continue
			}
			tty, hasTTY := c.flag("-t", "--tty")
			proxy, hasProxy := c.Invocation.Option("--sig-proxy")
			switch {
			case hasTTY:
				report(Problem{
					Span:    c.optionSpan(tty),
					Message: "with " + tty.Name + " docker run does not pass systemd's signal on, and no ExecStop= stops the container: it outlives the service",
					Hint:    "leave " + tty.Name + " out, or add ExecStop= with docker stop",
				})
			case hasProxy && proxy.Value == "false":
				report(Problem{
					Span:    c.optionSpan(proxy),
					Message: "without --sig-proxy docker run does not pass systemd's signal on, and no ExecStop= stops the container: it outlives the service",
					Hint:    "add ExecStop= with docker stop",
				})
			default:
				report(Problem{
					Span: c.span(), Minor: true,
					Message: "there is no ExecStop=: a container that does not end by SIGTERM outlives the service",
					Hint:    "add ExecStop= with docker stop and the container's name",
				})
			}
		}
	},
}
