package stamp

import (
	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// A Unit is one file, read.
type Unit struct {
	Source *source.File
	// Found is nil when the file is no unit to systemd; Refused says why.
	Found   *unitimage.Found
	Refused *diag.Finding
}

// Read reads a unit file. name is the unit's name, for specifiers.
func Read(f *source.File, name unitname.Name) *Unit { return new(Reader).Read(f, name) }

// A Reader reads one unit after the other and uses its memory again, which saves
// half of the time. The zero value is ready.
type Reader struct {
	doc    unitfile.Document
	finder unitimage.Finder
}

// Read is the function of that name. The unit does not depend on the reader.
func (r *Reader) Read(f *source.File, name unitname.Name) *Unit {
	u := &Unit{Source: f}
	if err := r.doc.Read(f); err != nil {
		syntax := err.(*unitfile.SyntaxError) // the only kind there is
		finding := diag.At(f, syntax.Span, diag.Error, syntax.Rule, syntax.Message, syntax.Hint)
		u.Refused = &finding
		return u
	}
	found := r.finder.Find(&r.doc, name)
	if r := found.Refusal; r != nil {
		u.refuse(r)
		return u
	}
	u.Found = found
	return u
}

// ReadEnvFile reads a file of KEY=value lines.
func ReadEnvFile(f *source.File) *Unit {
	u := &Unit{Source: f}
	found := unitimage.FindEnvFile(f)
	if r := found.Refusal; r != nil {
		u.refuse(r)
		return u
	}
	u.Found = found
	return u
}

func (u *Unit) refuse(r *unitimage.Doubt) {
	finding := diag.At(u.Source, r.Span, diag.Error, r.Rule, r.Message, r.Hint)
	u.Refused = &finding
}
