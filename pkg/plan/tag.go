package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
	"github.com/unitstamp/unitstamp/pkg/unitname"
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

// stamps lists the images of a unit, in the order in which they stand. Images
// that nobody can tell from the unit alone are not in it.
func stamps(name string, files Files) []stamp {
	var list []stamp
	for _, p := range reading(name, files) {
		doc, err := unitfile.Parse(&source.File{Name: p, Bytes: files[p].Data})
		if err == nil {
			list = append(list, stampsOf(doc)...)
		}
	}
	return list
}

// stampsOf lists the images of one file.
func stampsOf(doc *unitfile.Document) []stamp {
	var list []stamp
	for _, ref := range unitimage.Find(doc, unitname.FromPath(doc.File.Name)).References {
		list = append(list, stamp{
			reference: cmp.Or(ref.Resolved, ref.Written), repository: ref.Repository, tag: buildtag.Parse(ref.Tag),
		})
	}
	return list
}

// tagText is the build of a unit in one text: its tags that tell a build, each
// once, else its other tags.
func tagText(name string, files Files) string { return joinTags(stamps(name, files)) }

func joinTags(list []stamp) string {
	var built, other []string
	for _, s := range list {
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
