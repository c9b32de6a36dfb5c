package fleet

import (
	"crypto/sha1"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"

	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// The section by which units are known as owned. It never changes with the
// content, because it is part of what fleet compares. Templates have a second
// option: fleet makes instances as copies, and a copy that somebody started by
// hand is not ours for it.
const (
	markSection  = "X-Confapply"
	markOwner    = "Owner"
	markTemplate = "Template"
)

// options are a unit as fleet stores it: comments gone, values trimmed and on one
// line, the sections each in one piece.
type options []unit.UnitOption

// normalise reads a unit file into the form that fleet itself brings options
// into, so that the same file is always the same unit. What systemd would ignore,
// lines without '=' and what stands before the first section, is left out.
func normalise(name string, data []byte) (options, error) {
	doc, err := unitfile.Parse(&source.File{Name: name, Bytes: data})
	if err != nil {
		return nil, err
	}
	var list options
	for item := range doc.Assignments {
		if item.Section != "" && item.Key != "" {
			list = append(list, unit.UnitOption{
				Section: item.Section, Name: strings.TrimSpace(item.Key), Value: strings.TrimSpace(item.Value.Text),
			})
		}
	}
	return list.grouped(), nil
}

// grouped puts the options of each section together, sections in the order in
// which they first come.
func (o options) grouped() options {
	at := map[string]int{}
	for _, option := range o {
		if _, seen := at[option.Section]; !seen {
			at[option.Section] = len(at)
		}
	}
	sorted := slices.Clone(o)
	slices.SortStableFunc(sorted, func(a, b unit.UnitOption) int { return at[a.Section] - at[b.Section] })
	return sorted
}

// marked are the options with the mark of an owner, at the end.
func (o options) marked(name, owner string) options {
	list := slices.Clone(o)
	list = append(list, unit.UnitOption{Section: markSection, Name: markOwner, Value: owner})
	if unitname.IsTemplate(name) {
		list = append(list, unit.UnitOption{Section: markSection, Name: markTemplate, Value: "yes"})
	}
	return list.grouped()
}

// unmarked are the options without any owner's mark.
func (o options) unmarked() options {
	return slices.DeleteFunc(slices.Clone(o), isMark)
}

func isMark(option unit.UnitOption) bool {
	return option.Section == markSection && (option.Name == markOwner || option.Name == markTemplate)
}

// owner is who the mark of a unit of that name tells, "" for nobody. An instance
// that fleet copied from a marked template has no owner.
func (o options) owner(name string) string {
	if !unitname.IsTemplate(name) && o.last(markSection, markTemplate) != "" {
		return ""
	}
	return o.last(markSection, markOwner)
}

// values are the values of a key, in order.
func (o options) values(section, name string) []string {
	var list []string
	for _, option := range o {
		if option.Section == section && option.Name == name {
			list = append(list, option.Value)
		}
	}
	return list
}

// last is the value that counts of a key that holds one.
func (o options) last(section, name string) string {
	list := o.values(section, name)
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}

// serialise writes options as fleet writes the unit file.
func (o options) serialise() []byte {
	list := make([]*unit.UnitOption, 0, len(o))
	for i := range o {
		list = append(list, &o[i])
	}
	text, err := io.ReadAll(unit.Serialize(list))
	if err != nil {
		return nil // a reader from memory does not fail
	}
	return text
}

// hash is what fleet tells versions of a unit apart by.
func (o options) hash() string {
	sum := sha1.Sum(o.serialise())
	return hex.EncodeToString(sum[:])
}

// joined are options as fleet may hold them, put there by others, in the form of
// normalise: continued lines joined.
func (o options) joined() options {
	list := slices.Clone(o)
	for i := range list {
		list[i].Value = strings.TrimSpace(strings.ReplaceAll(list[i].Value, "\\\n", " "))
	}
	return list.grouped()
}

// same reports whether options that fleet holds are those wanted.
func (o options) same(wanted options) bool { return slices.Equal(o.joined(), wanted) }

// options are those of a unit as fleet holds it.
func (u *apiUnit) options() options {
	list := make(options, 0, len(u.Options))
	for _, o := range u.Options {
		list = append(list, unit.UnitOption{Section: o.Section, Name: o.Name, Value: o.Value})
	}
	return list
}

// inAPI are the options as they are sent.
func (o options) inAPI() []apiOption {
	list := make([]apiOption, 0, len(o))
	for _, option := range o {
		list = append(list, apiOption{option.Section, option.Name, option.Value})
	}
	return list
}
