package plan

import (
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/imageref"
)

// A stamp is an image that a unit runs, and the build it carries.
type stamp struct {
	reference  string // as written
	repository string // in full, "" where it is not known
	tag        buildtag.Tag
}

// built reports whether the tag tells which build it is.
func (s stamp) built() bool {
	return s.tag.Kind() == buildtag.Build || s.tag.Kind() == buildtag.Release
}

// stamps lists the images of a unit, in the order in which they stand.
func stamps(name string, files Files) []stamp {
	var list []stamp
	for _, p := range reading(name, files) {
		for _, text := range references(p, files[p].Data) {
			s := stamp{reference: text, tag: buildtag.Parse(imageref.Split(text).TagText())}
			if ref, err := imageref.Parse(text); err == nil {
				s.repository = ref.Repository
			}
			list = append(list, s)
		}
	}
	return list
}

// references lists the image references of one file.
func references(path string, data []byte) []string {
	var list []string
	for _, word := range strings.Fields(string(data)) {
		word = strings.TrimPrefix(word, "Image=")
		if ref, err := imageref.Parse(word); err == nil && ref.HasTag() && strings.Contains(word, "/") {
			list = append(list, word)
		}
	}
	return list
}

// tagText is the build of a unit in one text: its tags that tell a build, each
// once, else its other tags.
func tagText(name string, files Files) string {
	var built, other []string
	for _, s := range stamps(name, files) {
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
	return strings.Join(built, ",")
}

// unstamped lists the references of a unit that tell no build.
func unstamped(name string, files Files) []string {
	var list []string
	for _, s := range stamps(name, files) {
		if !s.built() {
			list = append(list, s.reference)
		}
	}
	return list
}
