package lint

import (
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/containerrun"
	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
)

var us003 = Rule{
	ID: "US003", Name: "single-dash-option", Severity: diag.Error,
	Summary: "a long option stands behind a single dash",
	Check: func(u *Unit, report func(Problem)) {
		for _, c := range u.commands {
			args := c.Args()
			inv := c.Invocation
			// The client stops at the first; each is mended in turn to find the next.
			for inv.Issue != nil && inv.Issue.Kind == containerrun.LegacyOption {
				at, option := inv.Issue.Arg, inv.Issue.Text
				p := Problem{
					Span:    c.Words[at].Span,
					Message: "the option " + strconv.Quote(option) + " is read by docker 1.12 and later, podman and nerdctl as single letters, not as a long option",
					Hint:    "write -" + option,
				}
				if len(option) == 2 {
					p.Message = "the option " + strconv.Quote(option) + " is gone since docker 1.12"
					p.Hint = "leave it out"
					report(p)
					break
				}
				args[at].Text = "-" + args[at].Text
				next, _ := containerrun.Parse(args)
				if next.Issue == nil || next.Issue.Arg > at {
					if place, ok := c.Words[at].Place(0, 1); ok {
						p.Fix = []source.Edit{{Span: place, New: "--"}}
					}
				}
				report(p)
				if next.Issue != nil && next.Issue.Arg <= at {
					break
				}
				inv = next
			}
		}
	},
}
