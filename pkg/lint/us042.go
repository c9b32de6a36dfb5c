package lint

import (
	"path"
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/imageref"
)

var us042 = Rule{
	ID: "US042", Name: "branch", Severity: diag.Error, Optional: true,
	Summary: "a build of a branch that is not allowed here",
	Check: func(u *Unit, report func(Problem)) {
		if len(u.Settings.Branches) == 0 {
			return
		}
		for _, r := range u.found.References {
			t := buildtag.Parse(r.Tag)
			if !known(r) || t.Kind() != buildtag.Build || matchesBranch(u.Settings.Branches, t.Branch()) {
				continue
			}
			report(Problem{
				Span:    r.Span,
				Message: strconv.Quote(r.Resolved) + " is a build of the branch " + strconv.Quote(t.Branch()) + "; allowed are " + strings.Join(u.Settings.Branches, ", "),
				Hint:    "the branches are listed under \"branches\" in .unitstamp.yaml",
			})
		}
	},
}

// matchesBranch compares a tag's branch with patterns of git branches, in the form
// that they have in tags: release/* is release-*.
func matchesBranch(patterns []string, branch string) bool {
	for _, p := range patterns {
		if ok, _ := path.Match(tagForm(p), branch); ok {
			return true
		}
	}
	return false
}

// tagForm replaces what a tag cannot hold, but for the signs of a pattern.
func tagForm(pattern string) string {
	var out strings.Builder
	replaced := false
	for i := range len(pattern) {
		switch c := pattern[i]; {
		case imageref.TagByte(c) || strings.IndexByte(`*?[]^\`, c) >= 0:
			out.WriteByte(c)
			replaced = false
		case !replaced:
			out.WriteByte('-')
			replaced = true
		}
	}
	return out.String()
}
