package dir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unitstamp/unitstamp/pkg/plan"
)

// The record of an owner is one file beside the units. Each line is an entry
// in JSON, the last one of a unit counts, and a removed unit has a line that
// says so. Lines are appended, so a change costs one small write however many
// units there are; a line that was cut off by a crash is no line.
const (
	recordPrefix = ".confapply."
	recordSuffix = ".jsonl"
)

func recordName(owner string) string { return recordPrefix + owner + recordSuffix }

// readRecords reads the record of the folder's owner and, of the others, who
// owns what.
func (f *Folder) readRecords(root *os.Root, observed *plan.Observed) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		owner, ours := strings.CutPrefix(entry.Name(), recordPrefix)
		owner, ok := strings.CutSuffix(owner, recordSuffix)
		if !ours || !ok || !entry.Type().IsRegular() {
			continue
		}
		owned, _, err := readRecord(root, owner)
		if err != nil {
			return err
		}
		if owner == f.Owner {
			observed.Owned = owned
			continue
		}
		for unit := range owned {
			observed.Others[unit] = owner
		}
	}
	return nil
}

// readRecord reads one record, and how many lines it has.
func readRecord(root *os.Root, owner string) (map[string]plan.Entry, int, error) {
	owned := map[string]plan.Entry{}
	lines := 0
	err := eachNote(root, owner, func(n plan.Note) {
		lines++
		if n.Removed {
			delete(owned, n.Unit)
		} else {
			owned[n.Unit] = n.Entry
		}
	})
	return owned, lines, err
}

// eachNote reads the lines of one record in order.
func eachNote(root *os.Root, owner string, each func(plan.Note)) error {
	data, err := root.ReadFile(recordName(owner))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	line := 0
	for text := range bytes.Lines(data) {
		if !bytes.HasSuffix(text, []byte("\n")) {
			break // cut off
		}
		line++
		var n plan.Note
		if err := json.Unmarshal(text, &n); err != nil || n.Unit == "" {
			return fmt.Errorf("line %d of the record %s is not an entry", line, recordName(owner))
		}
		each(n)
	}
	return nil
}

// History is the record of the folder's owner, line by line. A folder that is
// missing has none.
func (f *Folder) History() ([]plan.Note, error) {
	root, err := f.open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var notes []plan.Note
	err = eachNote(root, f.Owner, func(n plan.Note) { notes = append(notes, n) })
	return notes, err
}

// Record appends what the steps make of the record: their entries as they will
// be, pending or done, or that units are gone. A unit that was another owner's
// is taken from that record.
func (f *Folder) Record(steps []*plan.Step, pending bool) error {
	if len(steps) == 0 {
		return nil
	}
	if !f.locked {
		return errors.New("the folder is not locked")
	}
	root, err := f.open()
	if err != nil {
		return err
	}
	defer root.Close()
	var lines []plan.Note
	for _, s := range steps {
		switch {
		case s.After == nil && !pending:
			lines = append(lines, plan.Note{Entry: plan.Entry{Unit: s.Unit, Previous: s.Base, At: s.At}, Removed: true})
		case s.After != nil:
			entry := *s.After
			entry.Pending = pending
			entry.Ran = pending && s.Ran[s.Unit]
			if pending {
				entry.Previous = s.Base // what to go back to, also while going back
			}
			lines = append(lines, plan.Note{Entry: entry})
		}
	}
	if !pending {
		if err := f.takeFromOthers(root, steps); err != nil {
			return err
		}
	}
	return f.append(root, f.Owner, lines)
}

// takeFromOthers writes into the records of other owners that adopted units are
// no longer theirs.
func (f *Folder) takeFromOthers(root *os.Root, steps []*plan.Step) error {
	observed := &plan.Observed{Others: map[string]string{}}
	if !slices.ContainsFunc(steps, func(s *plan.Step) bool { return s.Action == plan.Adopt }) {
		return nil
	}
	if err := f.readRecords(root, observed); err != nil {
		return err
	}
	for _, s := range steps {
		if owner := observed.Others[s.Unit]; owner != "" && s.Action == plan.Adopt {
			if err := f.append(root, owner, []plan.Note{{Entry: plan.Entry{Unit: s.Unit}, Removed: true}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// append adds lines to a record, after cutting off what a crash left half
// written, and writes the record anew when most of it is history.
func (f *Folder) append(root *os.Root, owner string, lines []plan.Note) (err error) {
	owned, had, err := readRecord(root, owner)
	if err != nil {
		return err
	}
	changes := remembered(len(owned))
	if all := had + len(lines); all > 64 && all > 3*(len(owned)*changes+len(lines)) {
		if err := compact(root, owner, changes); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	for _, l := range lines {
		if err := json.NewEncoder(&text).Encode(l); err != nil {
			return err
		}
	}
	file, err := root.OpenFile(recordName(owner), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	end, err := endOfLines(file)
	if err != nil {
		return err
	}
	if err := file.Truncate(end); err != nil {
		return err
	}
	if _, err := file.WriteAt(text.Bytes(), end); err != nil {
		return errors.Join(err, file.Truncate(end))
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if had == 0 {
		return syncFolder(root, ".")
	}
	return nil
}

// endOfLines is where the last whole line of a file ends.
func endOfLines(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	const chunk = 1 << 12
	buffer := make([]byte, chunk)
	for end := info.Size(); end > 0; end = max(0, end-chunk) {
		start := max(0, end-chunk)
		n, err := file.ReadAt(buffer[:end-start], start)
		if err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buffer[:n], '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
	}
	return 0, nil
}

// remembered is how many changes of each unit a record keeps when it is written
// anew: fewer the more units there are, as every plan reads it.
func remembered(units int) int {
	const most, all = 10, 2000
	return min(most, max(1, all/max(1, units)))
}

// compact writes a record anew with the last changes of each unit.
func compact(root *os.Root, owner string, changes int) error {
	var notes []plan.Note
	if err := eachNote(root, owner, func(n plan.Note) { notes = append(notes, n) }); err != nil {
		return err
	}
	var text bytes.Buffer
	for _, n := range plan.Kept(notes, changes) {
		if err := json.NewEncoder(&text).Encode(n); err != nil {
			return err
		}
	}
	temp := fmt.Sprintf("%s%d-record", tempPrefix, os.Getpid())
	if err := writeFile(root, temp, text.Bytes(), recordName(owner), 0o600); err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	if err := root.Rename(temp, recordName(owner)); err != nil {
		return err
	}
	return syncFolder(root, ".")
}
