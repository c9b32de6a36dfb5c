package lint

import (
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

var us041 = Rule{
	ID: "US041", Name: "other-tag-pulled", Severity: diag.Error,
	Summary: "the tag that is pulled is not the tag that is run",
	Check: func(u *Unit, report func(Problem)) {
		for repository, list := range byRepository(u.found.References) {
			pulls, runs, ok := pullsAndRuns(list)
			if !ok || len(runs) == 0 {
				continue
			}
			for _, p := range pulls {
				if tagged(runs, p) == nil {
					report(Problem{
						Span:    p.Span,
						Message: strconv.Quote(p.Resolved) + " is pulled, but " + strconv.Quote(runs[0].Resolved) + " is run",
						Hint:    "write one tag in both places; unitstamp stamp --image sets both",
					})
				}
			}
			for _, r := range runs[1:] {
				if tag(r) != tag(runs[0]) {
					report(Problem{
						Span: r.Span, Minor: true,
						Message: strconv.Quote(r.Resolved) + " is run, and " + strconv.Quote(runs[0].Resolved) + " as well: two tags of " + repository,
						Hint:    "write one tag in all places, unless two are meant",
					})
				}
			}
		}
	},
}

// byRepository calls yield with the references to each repository, in order of
// appearance.
func byRepository(all []unitimage.Reference) func(yield func(string, []unitimage.Reference) bool) {
	return func(yield func(string, []unitimage.Reference) bool) {
		var order []string
		lists := map[string][]unitimage.Reference{}
		for _, r := range all {
			if r.Repository == "" {
				continue
			}
			if lists[r.Repository] == nil {
				order = append(order, r.Repository)
			}
			lists[r.Repository] = append(lists[r.Repository], r)
		}
		for _, repository := range order {
			if !yield(repository, lists[repository]) {
				return
			}
		}
	}
}

// pullsAndRuns parts the references to one repository. It is false if any is not
// known, or has a digest, which counts more than a tag.
func pullsAndRuns(list []unitimage.Reference) (pulls, runs []unitimage.Reference, ok bool) {
	for _, r := range list {
		switch {
		case !known(r) || r.Digest != "":
			return nil, nil, false
		case strings.HasSuffix(r.Command, " pull"):
			pulls = append(pulls, r)
		default:
			runs = append(runs, r)
		}
	}
	return pulls, runs, true
}

// tag is a reference's tag, which is latest if none is written.
func tag(r unitimage.Reference) string {
	if r.Tag == "" {
		return "latest"
	}
	return r.Tag
}

// tagged returns the first reference with the tag of another, or nil.
func tagged(list []unitimage.Reference, other unitimage.Reference) *unitimage.Reference {
	for i := range list {
		if tag(list[i]) == tag(other) {
			return &list[i]
		}
	}
	return nil
}
