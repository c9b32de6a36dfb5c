package stamp

import (
	"maps"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

// A Target is a set of repositories.
type Target struct {
	names map[string]string // full name -> as the user typed it
	// untagged limits the target to references without tag and digest.
	untagged bool
}

// Repositories makes a target of repositories as a user names them.
func Repositories(names []string) (Target, error) {
	t := Target{names: map[string]string{}}
	for _, name := range names {
		r, err := imageref.ParseRepository(name)
		if err != nil {
			return Target{}, err
		}
		if _, ok := t.names[r.Repository]; !ok {
			t.names[r.Repository] = name
		}
	}
	return t, nil
}

// Len is the number of repositories.
func (t Target) Len() int { return len(t.names) }

// repositories are the full names, sorted.
func (t Target) repositories() []string {
	return slices.Sorted(maps.Keys(t.names))
}

func (t Target) has(repository string) bool {
	_, ok := t.names[repository]
	return ok
}

// wants reports whether a reference is to be stamped.
func (t Target) wants(r unitimage.Reference) bool {
	if !t.has(r.Repository) {
		return false
	}
	return !t.untagged || !r.HasSuffix()
}

// mentionedIn reports whether a text holds the name of a repository.
func (t Target) mentionedIn(text string) bool {
	for full := range t.names {
		if strings.Contains(text, imageref.Familiar(full)) {
			return true
		}
	}
	return false
}
