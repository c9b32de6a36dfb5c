package lint

import (
	"github.com/unitstamp/unitstamp/pkg/containerrun"
	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us023 = Rule{
	ID: "US023", Name: "no-image", Severity: diag.Error,
	Summary: "a command ends before the image",
	Check: func(u *Unit, report func(Problem)) {
		for _, c := range u.commands {
			issue := c.Invocation.Issue
			if issue == nil || issue.Kind != containerrun.NoOperand {
				continue
			}
			last := c.Words[len(c.Words)-1]
			if last.Text == `\` {
				continue // US004 knows better
			}
			report(Problem{
				Span:    last.Span,
				Message: c.client + " " + c.verb + " ends after " + quote(issue.Text) + ", without an image",
				Hint:    "add the image; a line that begins with '#' or ';', or an empty one, may have cut the command",
			})
		}
	},
}
