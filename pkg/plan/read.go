package plan

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// A reader reads units one after the other in the same memory. The zero value is
// ready.
type reader struct {
	doc    unitfile.Document
	finder unitimage.Finder
	order  []part
	found  settings
}

// A part is a file of a unit.
type part struct {
	path, base string
	data       []byte
	own        bool // not its template's
}

// parts lists the files that make up a unit in the order in which systemd reads
// them: the unit's file, for an instance without one that of its template, then
// the drop-ins by base name, where one of the instance hides one of the template.
func (r *reader) parts(name string, own, template Files) []part {
	r.order = r.order[:0]
	for p, f := range own {
		if f.Regular() && unitname.Of(p) == name {
			r.order = append(r.order, part{p, path.Base(p), f.Data, true})
		}
	}
	templateName := ""
	if len(template) > 0 {
		templateName = unitname.TemplateOf(name)
	}
	mine := r.order
	for p, f := range template {
		base := path.Base(p)
		hidden := slices.ContainsFunc(mine, func(m part) bool {
			if p == templateName {
				return m.path == name
			}
			return m.path != name && m.base == base
		})
		if f.Regular() && unitname.Of(p) == templateName && !hidden {
			r.order = append(r.order, part{p, base, f.Data, false})
		}
	}
	slices.SortFunc(r.order, func(a, b part) int {
		return cmp.Or(cmp.Compare(strings.Count(a.path, "/"), strings.Count(b.path, "/")), cmp.Compare(a.base, b.base))
	})
	return r.order
}

// each shows the files that make up a unit. It reports whether systemd would load
// all of them; those that it would not are passed over.
func (r *reader) each(name string, own, template Files, show func(doc *unitfile.Document, own bool)) (whole bool) {
	whole = true
	for _, p := range r.parts(name, own, template) {
		if err := r.doc.Read(&source.File{Name: p.path, Bytes: p.data}); err != nil {
			whole = false
			continue
		}
		show(&r.doc, p.own)
	}
	return whole
}

// A text is what the files of a unit say together.
type text struct {
	// settings are those of its own files and of its template's; none if systemd
	// would not load all of them.
	settings settings
	// images are those of its own files.
	images []stamp
}

// read reads a unit, its settings without those of some sections.
func (r *reader) read(name string, own, template Files, without ...string) text {
	var t text
	r.found = r.found[:0]
	whole := r.each(name, own, template, func(doc *unitfile.Document, own bool) {
		r.found = r.found.with(doc, without)
		if own {
			t.images = r.stamps(doc, t.images)
		}
	})
	if whole {
		t.settings = r.found.sorted()
	}
	return t
}

// settings reads the settings of a unit.
func (r *reader) settings(name string, own, template Files) settings {
	r.found = r.found[:0]
	if !r.each(name, own, template, func(doc *unitfile.Document, _ bool) { r.found = r.found.with(doc, nil) }) {
		return nil
	}
	return r.found.sorted()
}

// images reads the images of a unit, in the order in which they stand.
func (r *reader) images(name string, files Files) []stamp {
	var list []stamp
	r.each(name, files, nil, func(doc *unitfile.Document, _ bool) { list = r.stamps(doc, list) })
	return list
}

// references lists the images of one file.
func (r *reader) references(doc *unitfile.Document) []unitimage.Reference {
	return r.finder.Find(doc, unitname.FromPath(doc.File.Name)).References
}

// stamps adds the images of one file to a list.
func (r *reader) stamps(doc *unitfile.Document, list []stamp) []stamp {
	for _, ref := range r.references(doc) {
		list = append(list, stamp{
			reference: cmp.Or(ref.Resolved, ref.Written), repository: ref.Repository, tag: buildtag.Parse(ref.Tag),
		})
	}
	return list
}
