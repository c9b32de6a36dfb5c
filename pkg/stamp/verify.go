package stamp

import (
	"bytes"
	"fmt"

	systemd "github.com/coreos/go-systemd/v22/unit"

	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// Verify looks at a stamped file with fresh eyes before it is written: our own
// reader must find the new tags where they were put, and go-systemd's reader, which
// shares no code with ours, must see no other setting changed. Where it cannot
// read a file that systemd can, its word does not count.
func Verify(o *Outcome, output []byte, name unitname.Name, request Request) error {
	return new(Reader).Verify(o, output, name, request)
}

// Verify is the function of that name.
func (r *Reader) Verify(o *Outcome, output []byte, name unitname.Name, request Request) error {
	if len(o.Edits) == 0 {
		return nil
	}
	after := &source.File{Name: o.Source.Name, Bytes: output}
	var again *Unit
	if len(o.Changes) > 0 && o.Changes[0].Command == unitimage.EnvFileCommand {
		again = ReadEnvFile(after)
	} else {
		again = r.Read(after, name)
		if err := r.sameSettings(o, output); err != nil {
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
	if stamped < len(o.Changes) {
		return fmt.Errorf("only %d of %d stamped references are found again", stamped, len(o.Changes))
	}
	return nil
}

// sameSettings compares what go-systemd reads of the stamped unit with the
// settings before. Nearly always those that we read are the same to it; if not,
// it has to read them itself, which takes as long as all else together.
func (r *Reader) sameSettings(o *Outcome, output []byte) error {
	stamped, err := systemd.DeserializeOptions(bytes.NewReader(output))
	if err != nil {
		return nil // a longer line may pass its limit of 2048 bytes
	}
	if err := r.doc.Read(o.Source); err != nil {
		return err
	}
	i, differences := 0, 0
	for item := range r.doc.Assignments {
		if i == len(stamped) || stamped[i].Section != item.Section || stamped[i].Name != item.Key {
			return sameOptions(o, stamped)
		}
		value := source.Span{Start: item.Value.Offset(0), End: item.Value.Offset(len(item.Value.Text))}
		if stamped[i].Value != r.doc.Text(value) { // to it, a '\\' and the line's end are part of the value
			differences++
		}
		i++
	}
	if i != len(stamped) || differences > len(o.Changes) {
		return sameOptions(o, stamped)
	}
	return nil
}

// sameOptions compares what go-systemd reads before and after.
func sameOptions(o *Outcome, stamped []*systemd.UnitOption) error {
	old, err := systemd.DeserializeOptions(bytes.NewReader(o.Source.Bytes))
	if err != nil || !readsAlike(old, o.Source) {
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
	if differences > len(o.Changes) {
		return fmt.Errorf("%d settings changed for %d references", differences, len(o.Changes))
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
