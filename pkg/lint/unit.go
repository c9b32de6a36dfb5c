package lint

import (
	"strings"

	"github.com/unitstamp/unitstamp/pkg/execline"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// A Unit is one file as the rules see it.
type Unit struct {
	File     *source.File
	Name     unitname.Name
	Settings Settings

	// doc is nil if systemd refuses the file as a whole; refused says why.
	doc     *unitfile.Document
	refused *unitfile.SyntaxError
	// execs are the Exec*= lines, found what the unit says about images, and
	// commands those of its calls that are a container client's.
	execs    []exec
	found    *unitimage.Found
	commands []*command

	problems []problem
}

// exec is one Exec*= line, taken apart.
type exec struct {
	item *unitfile.Item
	line execline.Line
}

// Read reads a file and runs the rules over it that look at one unit. name is the
// unit's name; it may be the zero Name.
func Read(f *source.File, name unitname.Name, settings Settings) *Unit {
	u := &Unit{File: f, Name: name, Settings: settings, found: &unitimage.Found{}}
	doc, err := unitfile.Parse(f)
	if err != nil {
		u.refused = err.(*unitfile.SyntaxError) // the only kind there is
		u.doc = &unitfile.Document{File: f}
	} else {
		u.doc = doc
		u.found = unitimage.FindCalls(doc, name)
	}
	for it := range u.doc.Assignments {
		if unitimage.IsExec(it) {
			u.execs = append(u.execs, exec{it, execline.Parse(it.Value.Text)})
		}
	}
	for i := range u.found.Calls {
		if c := newCommand(&u.found.Calls[i]); c != nil {
			u.commands = append(u.commands, c)
		}
	}
	rules := Rules()
	for i := range rules {
		rule := &rules[i]
		if rule.Check == nil {
			continue
		}
		if _, on := settings.severity(rule, false); on {
			rule.Check(u, func(p Problem) { u.problems = append(u.problems, problem{p, rule}) })
		}
	}
	return u
}

// complete reports whether the file is a service by itself, so that what it does
// not say is not said: no drop-in, no Quadlet file, no unit of another type.
func (u *Unit) complete() bool {
	if u.refused != nil || u.Name.DropIn {
		return false
	}
	switch u.Name.Suffix {
	case ".service":
		return true
	case "": // standard input
		return u.hasSection("Service")
	}
	return false
}

func (u *Unit) hasSection(name string) bool {
	for i := range u.doc.Items {
		if u.doc.Items[i].Kind == unitfile.Section && u.doc.Items[i].Section == name {
			return true
		}
	}
	return false
}

// value is the value of a setting that is not a list, or "".
func (u *Unit) value(section, key string) string {
	if it := u.doc.Last(section, key); it != nil {
		return it.Value.Text
	}
	return ""
}

// values calls yield for every assignment of a key; it is meant for range.
func (u *Unit) values(section string, keys ...string) func(yield func(*unitfile.Item) bool) {
	return func(yield func(*unitfile.Item) bool) {
		for it := range u.doc.Assignments {
			if it.Section != section {
				continue
			}
			for _, key := range keys {
				if it.Key == key && !yield(it) {
					return
				}
			}
		}
	}
}

// serviceType is Type= with systemd's default.
func (u *Unit) serviceType() string {
	switch t := u.value("Service", "Type"); {
	case t != "":
		return t
	case u.value("Service", "BusName") != "":
		return "dbus"
	}
	return "simple"
}

// remains reports RemainAfterExit=yes.
func (u *Unit) remains() bool { return isTrue(u.value("Service", "RemainAfterExit")) }

// isTrue reads a boolean (parse_boolean); what is none is false.
func isTrue(text string) bool {
	switch strings.ToLower(text) {
	case "1", "yes", "y", "true", "t", "on":
		return true
	}
	return false
}

// fleet reports whether the unit is meant for fleet.
func (u *Unit) fleet() bool { return u.hasSection("X-Fleet") }

// valueSpan is where a whole value stands, without outer blanks.
func valueSpan(it *unitfile.Item) source.Span {
	if it.Value.Text == "" {
		return it.KeySpan
	}
	return source.Span{Start: it.Value.Offset(0), End: it.Value.Offset(len(it.Value.Text)-1) + 1}
}

// wordSpan is where a word of an Exec*= line stands, quotes included.
func wordSpan(it *unitfile.Item, w execline.Word) source.Span {
	start := it.Value.Offset(w.Start)
	if w.End <= w.Start {
		return source.Span{Start: start, End: start}
	}
	return source.Span{Start: start, End: it.Value.Offset(w.End-1) + 1}
}

// partSpan is where Text[i:j], i < j, of a word stands, and whether it stands there
// as it is.
func partSpan(it *unitfile.Item, w execline.Word, i, j int) (source.Span, bool) {
	if start, end, ok := w.Verbatim(i, j); ok {
		return it.Value.Span(start, end)
	}
	start, end := w.Offset(i), max(w.Offset(i)+1, w.Offset(j))
	return source.Span{Start: it.Value.Offset(start), End: it.Value.Offset(end-1) + 1}, false
}
