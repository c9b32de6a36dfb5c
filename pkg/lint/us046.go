package lint

import (
	"regexp"
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/diag"
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
			case !r.Variable && unfilled.MatchString(r.Written):
				p.Message = strconv.Quote(r.Written) + " holds a placeholder that nobody has filled in"
			case known(r) && r.Tag == "":
				p.Message = strconv.Quote(r.Resolved) + " has no tag: the unit is not stamped"
			case known(r) && moving:
				p.Message = strconv.Quote(r.Resolved) + " has a tag that moves, and is no build: which one runs cannot be told"
				p.Minor = r.Tag != "latest"
			default:
				continue
			}
			report(p)
		}
	},
}

// unfilled is a template's placeholder in one of the usual forms.
var unfilled = regexp.MustCompile(`\{\{|__[A-Za-z0-9]+(_[A-Za-z0-9]+)*__|<[^<>]+>|@[A-Za-z0-9_]+@`)
