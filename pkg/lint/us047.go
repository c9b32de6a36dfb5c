package lint

import (
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/imageref"
)

var us047 = Rule{
	ID: "US047", Name: "stamped", Severity: diag.Error, Optional: true,
	Summary: "the tag of a build stands where only the placeholder belongs",
	Check: func(u *Unit, report func(Problem)) {
		if u.Settings.Expect != Unstamped {
			return
		}
		for _, r := range u.found.References {
			if !known(r) || buildtag.Parse(r.Tag).Kind() != buildtag.Build {
				continue
			}
			report(Problem{
				Span:    r.Span,
				Message: strconv.Quote(r.Resolved) + " carries the tag of a build: a stamped unit was committed beside the source",
				Hint:    "write " + imageref.Familiar(r.Repository) + " without the tag; the pipeline stamps it",
			})
		}
	},
}
