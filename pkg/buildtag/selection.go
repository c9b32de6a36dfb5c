package buildtag

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// A Selection chooses tags. The zero Selection chooses every tag.
type Selection struct {
	branches []string // the forms that the branch has in short and in long tags
	numbers  []bound
	release  *semver.Constraints
}

// bound is one comparison with a build number.
type bound struct {
	operator string
	number   uint64
}

// ParseSelection reads what a user asks for. branch is the branch of build tags,
// raw or sanitised; builds is either a list of comparisons with build numbers
// that must all hold (">=58", ">=50,<60", "!=57", "58"), or a semantic version
// constraint for release tags ("^1.2", "~1.4.2", "v1.2.3"). A constraint made of
// whole numbers only is about builds. Either may be empty.
func ParseSelection(branch, builds string, options Options) (Selection, error) {
	s := Selection{}
	if branch != "" {
		for _, number := range []uint64{0, math.MaxUint64} {
			tag, err := ForBuild(number, branch, options)
			if err != nil {
				return Selection{}, err
			}
			s.branches = append(s.branches, tag.Branch())
		}
	}
	if strings.TrimSpace(builds) == "" {
		return s, nil
	}
	numbers, err := parseBounds(builds)
	if err == nil {
		s.numbers = numbers
		return s, nil
	}
	constraint, semverErr := semver.NewConstraint(builds)
	if semverErr != nil {
		return Selection{}, err
	}
	if branch != "" {
		return Selection{}, fmt.Errorf("%q asks for release tags, which have no branch", builds)
	}
	s.release = constraint
	return s, nil
}

// parseBounds reads comparisons with whole numbers.
func parseBounds(text string) ([]bound, error) {
	var bounds []bound
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		digits := strings.TrimLeft(part, "<>=!")
		b := bound{operator: part[:len(part)-len(digits)]}
		var err error
		if b.number, err = strconv.ParseUint(strings.TrimSpace(digits), 10, 64); err != nil {
			return nil, fmt.Errorf("%q is neither a comparison with a build number, such as \">=58\", nor a version constraint, such as \"^1.2\"", part)
		}
		switch b.operator {
		case "", "=", "==", "!=", "<", "<=", "=<", ">", ">=", "=>":
		default:
			return nil, fmt.Errorf("unknown comparison %q in %q; known are = != < <= > >=", b.operator, part)
		}
		bounds = append(bounds, b)
	}
	return bounds, nil
}

// Empty reports whether everything is chosen.
func (s Selection) Empty() bool {
	return s.branches == nil && s.numbers == nil && s.release == nil
}

// Chooses reports whether a tag is among those asked for. A tag that says nothing
// about its build is chosen by the empty selection only.
func (s Selection) Chooses(t Tag) bool {
	if s.release != nil {
		return t.kind == Release && s.release.Check(t.release)
	}
	if s.Empty() {
		return true
	}
	if t.kind != Build || s.branches != nil && !slices.Contains(s.branches, t.branch) {
		return false
	}
	for _, b := range s.numbers {
		if !b.holds(t.number) {
			return false
		}
	}
	return true
}

func (b bound) holds(n uint64) bool {
	switch b.operator {
	case "!=":
		return n != b.number
	case "<":
		return n < b.number
	case "<=", "=<":
		return n <= b.number
	case ">":
		return n > b.number
	case ">=", "=>":
		return n >= b.number
	}
	return n == b.number
}
