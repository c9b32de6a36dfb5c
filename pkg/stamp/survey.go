package stamp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

// A Survey looks for the repository that waits for a tag, when the user names
// none: all references without tag and digest must be to one.
type Survey struct {
	waiting []string // full names, in order of appearance
	tagged  []string // references that carry a tag or digest
	carries string   // the repository of a reference that carries the wanted tag
}

// Add looks at one unit. tag and digest are the wanted ones.
func (s *Survey) Add(u *Unit, tag, digest string) {
	if u.Found == nil {
		return
	}
	for _, r := range u.Found.References {
		switch {
		case r.Repository == "" || r.AllTags:
		case !r.HasSuffix():
			s.waiting = appendNew(s.waiting, r.Repository)
		case r.Kind != unitimage.Unresolved && r.Tag == tag && r.Digest == digest:
			s.carries = r.Repository
		default:
			if r.Resolved != "" {
				s.tagged = appendNew(s.tagged, r.Resolved)
			}
		}
	}
}

// Merge adds what another survey saw.
func (s *Survey) Merge(other Survey) {
	s.waiting = appendNew(s.waiting, other.waiting...)
	s.tagged = appendNew(s.tagged, other.tagged...)
	if s.carries == "" {
		s.carries = other.carries
	}
}

// appendNew appends what is not in a list yet.
func appendNew(list []string, more ...string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// An Undecided error means that the survey found no one repository.
type Undecided struct {
	Message, Hint string
	// Nothing tells that there is nothing to stamp; else there is too much.
	Nothing bool
}

func (e *Undecided) Error() string { return e.Message }

// Target is the one repository found: the only one with references that wait, or,
// if none wait, one whose reference carries the wanted tag already. The only
// errors are *Undecided.
func (s *Survey) Target() (Target, error) {
	switch {
	case len(s.waiting) == 1:
		return Target{names: map[string]string{s.waiting[0]: s.waiting[0]}, untagged: true}, nil
	case len(s.waiting) > 1:
		names := make([]string, len(s.waiting))
		for i, full := range s.waiting {
			names[i] = imageref.Familiar(full)
		}
		slices.Sort(names)
		return Target{}, &Undecided{
			Message: fmt.Sprintf("%d repositories wait for a tag: %s", len(names), strings.Join(names, ", ")),
			Hint:    "say which one is meant with --image " + names[0],
		}
	case s.carries != "":
		return Target{names: map[string]string{s.carries: s.carries}, untagged: true}, nil
	case len(s.tagged) > 0:
		return Target{}, &Undecided{
			Message: "nothing to stamp: every image has a tag already (" + strings.Join(s.tagged[:min(len(s.tagged), 3)], ", ") + ")",
			Hint:    "name the repository with --image to replace its tag", Nothing: true,
		}
	}
	return Target{}, &Undecided{Message: "nothing to stamp: no image is found", Hint: "unitstamp images FILE lists what is found", Nothing: true}
}
