package lint

import (
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

var us046 = Rule{
	ID: "US046", Name: "not-stamped", Severity: diag.Error, Optional: true,
	Summary: "an image waits for its stamp where only stamped units belong",
	Check: func(u *Unit, report func(Problem)) {
		if u.Settings.Expect != Stamped {
			return
		}
		for _, r := range u.found.References {
			if r.AllTags || r.Digest != "" {
				continue
			}
			moving := buildtag.Parse(r.Tag).Kind() == buildtag.Moving
			p := Problem{Span: r.Span, Hint: "stamp the unit in the service's pipeline: unitstamp stamp"}
			switch {
			case known(r) && r.Tag == "":
				p.Message = strconv.Quote(r.Resolved) + " has no tag: the unit is not stamped"
			case known(r) && moving:
				p.Message = strconv.Quote(r.Resolved) + " has a tag that moves, and is no build: which one runs cannot be told"
				p.Minor = r.Tag != "latest"
			case unfilled(r):
				p.Message = strconv.Quote(r.Written) + " holds a placeholder that nobody has filled in"
			default:
				continue
			}
			report(p)
		}
	},
}

// unfilled reports whether a template's placeholder stands in an operand. Variables
// of systemd and the shell are none.
func unfilled(r unitimage.Reference) bool {
	if known(r) || r.Variable {
		return false
	}
	return strings.Contains(r.Written, "{{") || strings.Contains(r.Written, "<") && strings.Contains(r.Written, ">") ||
		strings.Contains(r.Written, "__") || strings.Count(r.Written, "@") > 1
}
