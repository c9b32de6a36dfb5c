package lint

import (
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

var us055 = Rule{
	ID: "US055", Name: "ignored-line", Severity: diag.Warning,
	Summary: "systemd ignores the line",
	Check: func(u *Unit, report func(Problem)) {
		broken := false // the line before ends in '\' and a blank, which is why this one stands alone
		for i := range u.doc.Items {
			it := &u.doc.Items[i]
			switch {
			case it.Kind == unitfile.Comment:
				continue
			case strings.HasPrefix(it.Section, "X-"):
			case it.Kind == unitfile.Junk && !broken:
				report(Problem{
					Span:    it.KeySpan,
					Message: "there is no '=' in the line: systemd ignores it",
					Hint:    "write NAME=VALUE, a comment that begins with '#', or end the line before with '\\'",
				})
			case it.Kind == unitfile.Assignment && it.Section == "":
				report(Problem{
					Span:    it.KeySpan,
					Message: strconv.Quote(it.Key) + " stands before the first [Section]: systemd ignores it",
					Hint:    "put it below the header of its section",
				})
			}
			broken = it.Kind == unitfile.Junk && broken
			blankAfterBackslash(u, i, func(Problem) { broken = true })
		}
	},
}
