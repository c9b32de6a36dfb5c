package lint

import (
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

var us048 = Rule{
	ID: "US048", Name: "tags-differ", Severity: diag.Info,
	Summary: "two units run one image with different tags",
	Compare: func(units []*Unit, report func(*Unit, Problem)) {
		type place struct {
			unit *Unit
			unitimage.Reference
		}
		first := map[string]place{}
		for _, u := range units {
			told := map[string]bool{}
			for _, r := range u.found.References {
				if !known(r) || r.Digest != "" || r.Repository == "" {
					continue
				}
				f, ok := first[r.Repository]
				if !ok {
					first[r.Repository] = place{u, r}
					continue
				}
				if f.unit == u || tag(f.Reference) == tag(r) || told[r.Resolved] {
					continue
				}
				told[r.Resolved] = true
				report(u, Problem{
					Span:    r.Span,
					Message: strconv.Quote(r.Resolved) + " here, and " + strconv.Quote(f.Resolved) + " in " + f.unit.File.Name,
					Hint:    "if both belong to one build, stamp them together",
				})
			}
		}
	},
}
