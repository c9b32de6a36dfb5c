package lint

import (
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

var us040 = Rule{
	ID: "US040", Name: "unpinned-image", Severity: diag.Warning,
	Summary: "nobody can say which build of the image runs",
	Check: func(u *Unit, report func(Problem)) {
		if u.Settings.Expect != Anything {
			return // US046 and US047 know what is meant
		}
		stamped := false
		for _, r := range u.found.References {
			stamped = stamped || buildtag.Parse(r.Tag).Kind() == buildtag.Build
		}
		for _, r := range u.found.References {
			if !known(r) || r.Digest != "" || r.Tag != "" && r.Tag != "latest" {
				continue
			}
			what := "has no tag, which means \"latest\""
			if r.Tag != "" {
				what = "has the tag \"latest\""
			}
			report(Problem{
				Span: r.Span, Minor: !stamped,
				Message: strconv.Quote(r.Resolved) + " " + what + ": whatever was pushed last runs",
				Hint:    "give it the tag of a build or a release, or stamp it: unitstamp stamp",
			})
		}
	},
}

// known reports whether a reference is all known, and names what is pulled or run.
func known(r unitimage.Reference) bool {
	return r.Kind != unitimage.Unresolved && r.Resolved != "" && !r.AllTags
}
