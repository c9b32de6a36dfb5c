package guard

import (
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/imageref"
)

// The trailers of a commit, in the order in which they are written.
const (
	trailerImage    = "Unitstamp-Image"
	trailerBuild    = "Unitstamp-Build"
	trailerBranch   = "Unitstamp-Branch"
	trailerSource   = "Unitstamp-Source"
	trailerURL      = "Unitstamp-Url"
	trailerDigest   = "Unitstamp-Digest"
	trailerOverride = "Unitstamp-Override"
	trailerRequest  = "Unitstamp-Request"
	trailerChange   = "Unitstamp-Change"
	trailerMark     = "Unitstamp-Mark"
	trailerParent   = "Unitstamp-Parent"
)

// noParent stands for the parent of a first commit.
const noParent = "none"

type trailer struct{ key, value string }

// trailersOf reads the last paragraph of a message as git-interpret-trailers
// does, as far as our own trailers are concerned.
func trailersOf(message string) []trailer {
	message = strings.TrimRight(message, "\n")
	if i := strings.LastIndex(message, "\n\n"); i >= 0 {
		message = message[i+2:]
	}
	var found []trailer
	for line := range strings.Lines(message) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok && strings.HasPrefix(key, "Unitstamp-") {
			found = append(found, trailer{key, strings.TrimSpace(value)})
		}
	}
	return found
}

// sealed reports whether a commit was made here upon the parent that it has.
func sealed(c Commit) bool {
	parent := noParent
	switch len(c.Parents) {
	case 0:
	case 1:
		parent = c.Parents[0]
	default:
		return false // a merge is never made here
	}
	for _, t := range trailersOf(c.Message) {
		if t.key == trailerParent {
			return t.value == parent
		}
	}
	return false
}

// mark says that a stream has had a higher build than the tip holds.
type mark struct {
	path       string
	repository string // full name
	tag        buildtag.Tag
}

func (m mark) sameStream(o mark) bool {
	_, comparable := m.tag.Compare(o.tag)
	return m.path == o.path && m.repository == o.repository && comparable
}

func (m mark) String() string {
	return m.tag.String() + " " + short(m.repository) + " " + quotePath(m.path)
}

// quotePath writes a path as it is if that is plain text.
func quotePath(path string) string {
	if quoted := strconv.Quote(path); quoted[1:len(quoted)-1] != path {
		return quoted
	}
	return path
}

// parseMark reads what [mark.String] writes.
func parseMark(text string) (mark, bool) {
	parts := strings.SplitN(text, " ", 3)
	if len(parts) != 3 {
		return mark{}, false
	}
	m := mark{path: parts[2], tag: buildtag.Parse(parts[0])}
	if strings.HasPrefix(m.path, `"`) {
		path, err := strconv.Unquote(m.path)
		if err != nil {
			return mark{}, false
		}
		m.path = path
	}
	ref, err := imageref.ParseRepository(parts[1])
	if err != nil || m.tag.Kind() != buildtag.Build {
		return mark{}, false
	}
	m.repository = ref.Repository
	return m, true
}

func marksIn(message string) []mark {
	var marks []mark
	for _, t := range trailersOf(message) {
		if t.key != trailerMark {
			continue
		}
		if m, ok := parseMark(t.value); ok {
			marks = append(marks, m)
		}
	}
	return marks
}
