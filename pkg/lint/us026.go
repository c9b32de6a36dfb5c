package lint

import "github.com/unitstamp/unitstamp/pkg/diag"

var us026 = Rule{
	ID: "US026", Name: "conflicting-options", Severity: diag.Error,
	Summary: "docker refuses --rm together with --restart",
	Check: func(u *Unit, report func(Problem)) {
		for _, c := range u.commands {
			if !c.Image || c.client != "docker" || c.Invocation.Issue != nil {
				continue
			}
			_, rm := c.flag("--rm")
			restart, ok := c.Invocation.Option("--restart")
			if !rm || !ok || restart.Value == "" || restart.Value == "no" || placeholder(restart.Value) {
				continue
			}
			report(Problem{
				Span:    c.optionSpan(restart),
				Message: "docker refuses --restart together with --rm: a container that is removed cannot be restarted",
				Hint:    "leave --restart out, and set Restart= in [Service]",
			})
		}
	},
}
