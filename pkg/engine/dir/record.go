package dir

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unitstamp/unitstamp/pkg/parallel"
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
// owns what. Entries are those of the folder.
func (f *Folder) readRecords(root *os.Root, entries []fs.DirEntry, observed *plan.Observed) error {
	for _, entry := range entries {
		owner, ours := strings.CutPrefix(entry.Name(), recordPrefix)
		owner, ok := strings.CutSuffix(owner, recordSuffix)
		if !ours || !ok || !entry.Type().IsRegular() {
			continue
		}
		owned := map[string]plan.Entry{}
		err := eachNote(root, owner, func(n plan.Note) {
			if n.Removed {
				delete(owned, n.Unit)
			} else {
				owned[n.Unit] = n.Entry
			}
		})
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

// eachNote reads the lines of one record in order.
func eachNote(root *os.Root, owner string, each func(plan.Note)) (err error) {
	file, err := root.Open(recordName(owner))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	const many = 256 // lines are taken apart at once
	lines := bufio.NewReaderSize(file, 1<<16)
	for first, more := 1, true; more; first += many {
		var batch [][]byte
		for len(batch) < many {
			line, err := lines.ReadBytes('\n')
			if errors.Is(err, io.EOF) { // what is left was cut off
				more = false
				break
			}
			if err != nil {
				return err
			}
			batch = append(batch, line)
		}
		notes := make([]plan.Note, len(batch))
		err := parallel.Each(len(batch), func(_ *struct{}, i int) error {
			if err := json.Unmarshal(batch[i], &notes[i]); err != nil || notes[i].Unit == "" {
				return fmt.Errorf("line %d of the record %s is not an entry", first+i, recordName(owner))
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, n := range notes {
			each(n)
		}
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
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	if err := f.readRecords(root, entries, observed); err != nil {
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

// A tail is what has to be known of a record to write on: as long as the folder is
// locked nobody else does, so it is read once and not for every change.
type tail struct {
	lines int
	owned map[string]bool
	end   int64 // of the last whole line
}

// add counts lines that were written.
func (t *tail) add(notes ...plan.Note) {
	for _, n := range notes {
		t.lines++
		if n.Removed {
			delete(t.owned, n.Unit)
		} else {
			t.owned[n.Unit] = true
		}
	}
}

// tail is the tail of a record.
func (f *Folder) tail(root *os.Root, owner string) (*tail, error) {
	if t := f.tails[owner]; t != nil {
		info, err := root.Lstat(recordName(owner))
		if err == nil && info.Size() == t.end {
			return t, nil
		}
	}
	t := &tail{owned: map[string]bool{}}
	if err := eachNote(root, owner, func(n plan.Note) { t.add(n) }); err != nil {
		return nil, err
	}
	file, err := root.Open(recordName(owner))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		t.end, err = endOfLines(file)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
	}
	f.tails[owner] = t
	return t, nil
}

// append adds lines to a record, after cutting off what a crash left half
// written, and writes the record anew when most of it is history.
func (f *Folder) append(root *os.Root, owner string, lines []plan.Note) (err error) {
	t, err := f.tail(root, owner)
	if err != nil {
		return err
	}
	// whatever goes wrong from here on, what the file holds is to be read anew
	delete(f.tails, owner)
	changes := remembered(len(t.owned))
	if all := t.lines + len(lines); all > 64 && all > 3*(len(t.owned)*changes+len(lines)) {
		if err := compact(root, owner, changes); err != nil {
			return err
		}
		if t, err = f.tail(root, owner); err != nil {
			return err
		}
		delete(f.tails, owner)
	}
	var text bytes.Buffer
	for _, l := range lines {
		if err := json.NewEncoder(&text).Encode(l); err != nil {
			return err
		}
	}
	if err := writeOn(root, recordName(owner), t.end, text.Bytes()); err != nil {
		return err
	}
	if t.end == 0 {
		if err := syncFolder(root, "."); err != nil {
			return err
		}
	}
	t.end += int64(text.Len())
	t.add(lines...)
	f.tails[owner] = t
	return nil
}

// writeOn replaces what stands in a file from an offset on, down to the disk.
func writeOn(root *os.Root, name string, end int64, text []byte) (err error) {
	file, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := file.Truncate(end); err != nil {
		return err
	}
	if _, err := file.WriteAt(text, end); err != nil {
		return errors.Join(err, file.Truncate(end))
	}
	return file.Sync()
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
