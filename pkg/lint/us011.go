package lint

import (
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us011 = Rule{
	ID: "US011", Name: "no-terminal", Severity: diag.Error,
	Summary: "docker run -i -t wants a terminal, and a service has none",
	Check: func(u *Unit, report func(Problem)) {
		if !u.complete() || strings.HasPrefix(u.value("Service", "StandardInput"), "tty") {
			return
		}
		for _, c := range u.commands {
			if !c.Image || c.verb != "run" || c.client != "docker" || c.Shell || c.Invocation.Issue != nil || c.program() == "systemd-docker" {
				continue
			}
			tty, t := c.flag("-t", "--tty")
			input, i := c.flag("-i", "--interactive")
			_, detached := c.flag("-d", "--detach")
			_, attached := c.Invocation.Option("-a", "--attach")
			if !t || !i || detached || attached || wrapped(c) {
				continue
			}
			what := input.Name + " " + tty.Name
			if input.Arg == tty.Arg {
				what = c.Words[tty.Arg].Text
			}
			report(Problem{
				Span:    c.optionSpan(tty),
				Message: "docker refuses " + what + " where its input is no terminal: the input device is not a TTY",
				Hint:    "leave both out, or at least -t",
			})
		}
	},
}

// wrapped reports whether another program runs the command; some of them make a
// terminal.
func wrapped(c *command) bool {
	return c.Words[0].Span.Start > valueSpan(c.Item).Start+len(c.Prefix)
}
