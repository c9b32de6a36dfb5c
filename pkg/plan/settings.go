package plan

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

// A setting is a key in its section.
type setting struct{ section, key string }

func (s setting) String() string { return s.section + "." + s.key }

// settings are what the files of a unit say together: the values of each key
// in order, as systemd reads a unit and its drop-ins. An empty value clears
// those before it.
type settings map[setting][]string

// readSettings reads the unit's file and its drop-ins, for an instance those of
// its template too. Files that are missing, or no unit files, add nothing.
func readSettings(name string, files Files) (settings, error) {
	docs, err := parse(name, files)
	if err != nil {
		return nil, err
	}
	return settingsOf(docs), nil
}

// parse reads the files that make up a unit.
func parse(name string, files Files) ([]*unitfile.Document, error) {
	var docs []*unitfile.Document
	for _, p := range reading(name, files) {
		doc, err := unitfile.Parse(&source.File{Name: p, Bytes: files[p].Data})
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

// settingsOf are the settings of files that are read one after the other, without
// those of some sections.
func settingsOf(docs []*unitfile.Document, without ...string) settings {
	s := settings{}
	for _, doc := range docs {
		for item := range doc.Assignments {
			if slices.Contains(without, item.Section) {
				continue
			}
			at := setting{item.Section, item.Key}
			if item.Value.Text == "" {
				s[at] = nil
			} else {
				s[at] = append(s[at], item.Value.Text)
			}
		}
	}
	for at, values := range s {
		if len(values) == 0 {
			delete(s, at)
		}
	}
	return s
}

// reading lists the paths that make up a unit in the order in which systemd
// reads them: the file, then the drop-ins by base name, where one of the
// instance hides one of the template.
func reading(name string, files Files) []string {
	template := TemplateOf(name)
	main, dropins := "", map[string]string{}
	for p, f := range files {
		unit, base := UnitOf(p), path.Base(p)
		switch {
		case !f.Regular() || unit == "" || unit != name && unit != template:
		case p == name, p == template && main == "":
			main = p
		case p == template:
		case unit == name || dropins[base] == "":
			dropins[base] = p
		}
	}
	var order []string
	for _, p := range dropins {
		order = append(order, p)
	}
	slices.SortFunc(order, func(a, b string) int { return cmp.Compare(path.Base(a), path.Base(b)) })
	if main != "" {
		order = slices.Insert(order, 0, main)
	}
	return order
}

// last is the value that counts of a key that holds one.
func (s settings) last(section, key string) string {
	values := s[setting{section, key}]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// words are the words of all values of a key that holds a list of units.
func (s settings) words(section, key string) []string {
	return strings.Fields(strings.Join(s[setting{section, key}], " "))
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
	for at := range s {
		if at.section == section {
			return true
		}
	}
	return false
}

// differing lists the settings whose values differ, sorted.
func differing(a, b settings) []setting {
	var diff []setting
	for at := range a {
		if !slices.Equal(a[at], b[at]) {
			diff = append(diff, at)
		}
	}
	for at := range b {
		if _, both := a[at]; !both {
			diff = append(diff, at)
		}
	}
	slices.SortFunc(diff, func(x, y setting) int {
		return cmp.Or(cmp.Compare(x.section, y.section), cmp.Compare(x.key, y.key))
	})
	return diff
}
