package lint

import (
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
)

var us028 = Rule{
	ID: "US028", Name: "commented-command", Severity: diag.Warning,
	Summary: "a line of a command begins with ';' and is a comment",
	Check: func(u *Unit, report func(Problem)) {
		for _, e := range u.execs {
			for _, line := range e.item.InnerComments {
				text := string(line.Of(u.File.Bytes))
				at := strings.IndexAny(text, "#;")
				if at < 0 || text[at] != ';' || strings.Trim(text[at:], "; \t\\\r\n") == "" {
					continue
				}
				report(Problem{
					Span:    source.Span{Start: line.Start + at, End: line.Start + at + 1},
					Message: "a line that begins with ';' is a comment, also inside a command: what follows is not run",
					Hint:    "put the ';' at the end of the line before, ahead of its '\\', or begin the comment with '#'",
				})
			}
		}
	},
}
