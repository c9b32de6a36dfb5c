package lint

import (
	"regexp"

	"github.com/unitstamp/unitstamp/pkg/containerrun"
	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us045 = Rule{
	ID: "US045", Name: "host-access", Severity: diag.Info,
	Summary: "the container can take over the host",
	Check: func(u *Unit, report func(Problem)) {
		for _, c := range u.commands {
			if !c.Image || c.verb == "pull" {
				continue
			}
			for _, o := range c.Invocation.Options {
				what := hostAccess(o)
				if what == "" {
					continue
				}
				report(Problem{Span: c.optionSpan(o), Message: what, Hint: "see that the image deserves it, or give it only what it needs"})
			}
		}
	},
}

var (
	socketMount = regexp.MustCompile(`(^|source=|src=)(/var)?/run/(docker|podman/podman|containerd/containerd)\.sock(:|,|$)`)
	rootMount   = regexp.MustCompile(`^/:/`)
)

// hostAccess says what an option lets the container do, or "".
func hostAccess(o containerrun.Option) string {
	switch o.Name {
	case "--privileged":
		if o.Value == "" || isTrue(o.Value) {
			return "--privileged gives the container all that root may do on the host"
		}
	case "--pid":
		if o.Value == "host" {
			return "--pid=host lets the container see and signal every process of the host"
		}
	case "-v", "--volume", "--mount":
		switch {
		case socketMount.MatchString(o.Value):
			return "who can write to the engine's socket is root on the host, whether it is mounted read-only or not"
		case rootMount.MatchString(o.Value) && !roMount.MatchString(o.Value):
			return "the container may write to all of the host's files"
		}
	}
	return ""
}

var roMount = regexp.MustCompile(`:([^:]*,)?ro(,|$)`)
