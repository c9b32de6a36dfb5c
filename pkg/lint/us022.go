package lint

import (
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/containerrun"
	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us022 = Rule{
	ID: "US022", Name: "unknown-option", Severity: diag.Warning,
	Summary: "no version of the client has the option",
	Check: func(u *Unit, report func(Problem)) {
		for _, c := range u.commands {
			issue := c.Invocation.Issue
			if issue == nil || issue.Kind != containerrun.UnknownOption {
				continue
			}
			report(Problem{
				Span:    c.Words[issue.Arg].Span,
				Message: "no version of " + c.client + " has the option " + strconv.Quote(issue.Text),
				Hint:    "check the spelling; " + c.client + " " + c.verb + " --help lists the options",
			})
		}
	},
}
