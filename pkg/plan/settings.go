package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

// A setting is a key in its section.
type setting struct{ section, key string }

func (s setting) String() string { return s.section + "." + s.key }

func (s setting) compare(t setting) int {
	return cmp.Or(cmp.Compare(s.section, t.section), cmp.Compare(s.key, t.key))
}

// settings are what the files of a unit say together, sorted by setting: the
// values of each in the order in which systemd reads them. An empty value clears
// those before it.
type settings []assignment

type assignment struct {
	setting
	value string
}

// with adds those of a file that is read next, without those of some sections.
// They are not sorted any more.
func (s settings) with(doc *unitfile.Document, without []string) settings {
	for item := range doc.Assignments {
		if slices.Contains(without, item.Section) {
			continue
		}
		at := setting{item.Section, item.Key}
		if item.Value.Text == "" {
			s = slices.DeleteFunc(s, func(a assignment) bool { return a.setting == at })
		} else {
			s = append(s, assignment{at, item.Value.Text})
		}
	}
	return s
}

// sorted is a sorted copy.
func (s settings) sorted() settings {
	s = slices.Clone(s)
	slices.SortStableFunc(s, func(a, b assignment) int { return a.compare(b.setting) })
	return s
}

// run is how many assignments at the beginning are of the same setting.
func (s settings) run() int {
	n := 0
	for n < len(s) && s[n].setting == s[0].setting {
		n++
	}
	return n
}

// last is the value that counts of a key that holds one.
func (s settings) last(section, key string) string {
	value := ""
	for _, a := range s {
		if a.key == key && a.section == section {
			value = a.value
		}
	}
	return value
}

// words are the words of all values of a key that holds a list of units.
func (s settings) words(section, key string) []string {
	var words []string
	for _, a := range s {
		if a.key == key && a.section == section {
			words = append(words, strings.Fields(a.value)...)
		}
	}
	return words
}

// is reports whether a boolean key has the value given; a key that is missing
// or no boolean is neither true nor false.
func (s settings) is(section, key string, want bool) bool {
	switch strings.ToLower(s.last(section, key)) {
	case "1", "yes", "y", "true", "t", "on":
		return want
	case "0", "no", "n", "false", "f", "off":
		return !want
	}
	return false
}

// has reports whether any key of a section is set.
func (s settings) has(section string) bool {
	return slices.ContainsFunc(s, func(a assignment) bool { return a.section == section })
}

// sets reports whether a setting has a value.
func (s settings) sets(at setting) bool {
	return slices.ContainsFunc(s, func(a assignment) bool { return a.setting == at })
}

// differing lists the settings whose values differ, sorted.
func differing(a, b settings) []setting {
	var diff []setting
	for len(a) > 0 || len(b) > 0 {
		order := 0
		switch {
		case len(a) == 0:
			order = 1
		case len(b) == 0:
			order = -1
		default:
			order = a[0].compare(b[0].setting)
		}
		m, n := 0, 0
		if order <= 0 {
			m = a.run()
		}
		if order >= 0 {
			n = b.run()
		}
		if !slices.Equal(a[:m], b[:n]) {
			diff = append(diff, slices.Concat(a[:m], b[:n])[0].setting)
		}
		a, b = a[m:], b[n:]
	}
	return diff
}
