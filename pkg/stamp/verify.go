package stamp

import (
	"bytes"
	"fmt"

	systemd "github.com/coreos/go-systemd/v22/unit"

	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// Written is a unit with the tag in it, as it is about to replace the one without.
type Written struct {
	Before     *source.File
	After      []byte
	Name       unitname.Name // the unit's, for specifiers
	EnvFile    bool          // KEY=value lines instead of a unit
	References int           // so many were stamped; at least one
}

// Verify looks at a stamped file with fresh eyes before it is written: our own
// reader must find the new tags where they were put, and go-systemd's reader, which
// shares no code with ours, must see no other setting changed. Where it cannot
// read a file that systemd can, its word does not count.
func Verify(w Written, request Request) error { return new(Reader).Verify(w, request) }

// Verify is the function of that name.
func (r *Reader) Verify(w Written, request Request) error {
	after := &source.File{Name: w.Before.Name, Bytes: w.After}
	var again *Unit
	if w.EnvFile {
		again = ReadEnvFile(after)
	} else {
		again = r.Read(after, w.Name)
		if err := r.sameSettings(w); err != nil {
			return err
		}
	}
	if again.Refused != nil {
		return fmt.Errorf("the stamped unit cannot be read: %s", again.Refused.Message)
	}
	stamped := 0
	for _, r := range again.Found.References {
		if request.Target.has(r.Repository) && r.Tag == request.Tag && r.Digest == request.Digest {
			stamped++
		}
	}
	if stamped < w.References {
		return fmt.Errorf("only %d of %d stamped references are found again", stamped, w.References)
	}
	return nil
}

// sameSettings compares what go-systemd reads of the stamped unit with the
// settings before. Nearly always those that we read are the same to it; if not,
// it has to read them itself, which takes as long as all else together.
func (r *Reader) sameSettings(w Written) error {
	stamped, err := systemd.DeserializeOptions(bytes.NewReader(w.After))
	if err != nil {
		return nil // a longer line may pass its limit of 2048 bytes
	}
	if err := r.doc.Read(w.Before); err != nil {
		return err
	}
	i, differences := 0, 0
	for item := range r.doc.Assignments {
		if i == len(stamped) || stamped[i].Section != item.Section || stamped[i].Name != item.Key {
			return sameOptions(w, stamped)
		}
		value := source.Span{Start: item.Value.Offset(0), End: item.Value.Offset(len(item.Value.Text))}
		if stamped[i].Value != r.doc.Text(value) { // to it, a '\\' and the line's end are part of the value
			differences++
		}
		i++
	}
	if i != len(stamped) || differences > w.References {
		return sameOptions(w, stamped)
	}
	return nil
}

// sameOptions compares what go-systemd reads before and after.
func sameOptions(w Written, stamped []*systemd.UnitOption) error {
	old, err := systemd.DeserializeOptions(bytes.NewReader(w.Before.Bytes))
	if err != nil || !readsAlike(old, w.Before) {
		return nil
	}
	if len(old) != len(stamped) {
		return fmt.Errorf("the stamped unit has %d settings, and had %d", len(stamped), len(old))
	}
	differences := 0
	for i := range old {
		if old[i].Section != stamped[i].Section || old[i].Name != stamped[i].Name {
			return fmt.Errorf("setting %s of [%s] became %s of [%s]", old[i].Name, old[i].Section, stamped[i].Name, stamped[i].Section)
		}
		if old[i].Value != stamped[i].Value {
			differences++
		}
	}
	if differences > w.References {
		return fmt.Errorf("%d settings changed for %d references", differences, w.References)
	}
	return nil
}

// readsAlike reports whether go-systemd sees the settings that systemd sees. It
// does not where a comment stands between continuation lines or ends in '\':
// to it, those are settings, or swallow one.
func readsAlike(options []*systemd.UnitOption, f *source.File) bool {
	doc, err := unitfile.Parse(f)
	if err != nil {
		return false
	}
	i := 0
	for item := range doc.Assignments {
		if i == len(options) || options[i].Section != item.Section || options[i].Name != item.Key {
			return false
		}
		i++
	}
	return i == len(options)
}
