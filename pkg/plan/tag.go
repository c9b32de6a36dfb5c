package plan

import (
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
)

// A stamp is an image that a unit runs, and the build it carries.
type stamp struct {
	reference  string // resolved where it is known, else as written
	repository string // in full, "" where it is not known
	tag        buildtag.Tag
}

// built reports whether the tag tells which build it is.
func (s stamp) built() bool {
	return s.tag.Kind() == buildtag.Build || s.tag.Kind() == buildtag.Release
}

// tagText is the build of a unit in one text: its tags that tell a build, each
// once, else its other tags.
func tagText(images []stamp) string {
	var built, other []string
	for _, s := range images {
		tag := s.tag.String()
		switch {
		case tag == "":
		case s.built():
			if !slices.Contains(built, tag) {
				built = append(built, tag)
			}
		case !slices.Contains(other, tag):
			other = append(other, tag)
		}
	}
	if len(built) == 0 {
		built = other
	}
	return strings.Clone(strings.Join(built, ",")) // or it would keep the whole file in memory
}

// unstamped is the first reference of a unit that tells no build, "" if none.
func unstamped(images []stamp) string {
	for _, s := range images {
		if !s.built() {
			return strings.Clone(s.reference)
		}
	}
	return ""
}
