package lint

import (
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us010 = Rule{
	ID: "US010", Name: "detached", Severity: diag.Error,
	Summary: "docker run -d ends at once, and the service with it",
	Check: func(u *Unit, report func(Problem)) {
		if !u.complete() || u.remains() || !endsWithMain(u) {
			return
		}
		for _, c := range u.runs() {
			o, on := c.flag("-d", "--detach")
			if !on || c.client == "podman" || c.program() == "systemd-docker" {
				continue
			}
			report(Problem{
				Span: c.optionSpan(o),
				Message: strconv.Quote(o.Name) + ": " + c.client + " run ends as soon as the container runs; with Type=" + u.serviceType() +
					" systemd takes that for the end of the service, and stops it",
				Hint: "leave " + o.Name + " out",
			})
		}
	},
}

// endsWithMain reports whether the service is over when its command is. That is
// not so for oneshot, and may not be for forking with a PID file.
func endsWithMain(u *Unit) bool {
	switch u.serviceType() {
	case "simple", "exec", "idle", "notify", "notify-reload":
		return true
	case "forking":
		return u.value("Service", "PIDFile") == ""
	}
	return false
}
