package plan

import (
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

// An Image is what a unit runs, as its client gets it.
type Image struct {
	// Client is the program that runs it: docker, podman, nerdctl.
	Client string
	// Reference is the image in full, as it stands or as the unit's own variables
	// and its name make it.
	Reference string
}

// NewImages lists the images that a unit will run when the step is carried out and
// did not run before, in the order in which they stand. Images that the unit alone
// does not tell are not among them.
func NewImages(s *Step, want Unit) []Image {
	if !s.Acts() || s.Action == Delete || len(s.Changes) == 0 {
		return nil
	}
	var r reader
	before := r.pulls(s.Unit, s.Base)
	return slices.DeleteFunc(r.pulls(s.Unit, want.Files), func(i Image) bool { return slices.Contains(before, i) })
}

// pulls lists the images of a unit as their clients get them.
func (r *reader) pulls(name string, files Files) []Image {
	var list []Image
	r.each(name, files, nil, func(doc *unitfile.Document, _ bool) {
		for _, ref := range r.references(doc) {
			client, _, _ := strings.Cut(ref.Command, " ")
			if client == "quadlet" {
				client = "podman"
			}
			i := Image{client, ref.Resolved}
			if i.Reference != "" && !ref.AllTags && !slices.Contains(list, i) {
				list = append(list, i)
			}
		}
	})
	return list
}
