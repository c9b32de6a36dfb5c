// Package unitset reads a folder of captured units: every unit file in it,
// however deep, and the drop-ins in folders named UNIT.d.
package unitset

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/internal/wholefile"
	"github.com/unitstamp/unitstamp/pkg/parallel"
	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// maxFile is systemd's limit for one line, so no sane unit comes near it.
const maxFile = 1 << 20

// An Error is something in the folder that cannot be taken as it is.
type Error struct {
	Path string // below the folder, or the folder itself
	Err  error
	Hint string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Read reads the units below a folder, sorted by name. Files that are no units
// are left aside, as are files and folders whose name begins with a dot.
// Symbolic links are followed as long as they stay inside the folder. A folder
// without that is in it, such as the target, is passed over; "" is none. The
// only errors are *Error.
func Read(folder, without string) ([]plan.Unit, error) {
	whole, err := wholefile.Open(folder)
	if err != nil {
		return nil, &Error{Path: folder, Err: reason(err)}
	}
	defer whole.Close()
	s := set{whole: whole, root: whole.Root, origin: map[string]string{}}
	if without != "" {
		if s.without, err = os.Stat(without); err != nil {
			s.without = nil // what cannot be looked at does not lie in the folder
		}
	}
	walk := s.folder(".", nil)
	contents := make([][]byte, len(s.found))
	err = parallel.Each(len(s.found), func(own *wholefile.Reader, i int) (err error) {
		contents[i], err = s.found[i].read(whole, own)
		return err
	})
	// what was found before the walk ended comes before the reason why it did
	if err = cmp.Or(err, walk); err != nil {
		return nil, err
	}
	var units []plan.Unit
	for _, i := range s.inOrder() {
		f := s.found[i]
		if len(units) == 0 || units[len(units)-1].Name != f.unit {
			units = append(units, plan.Unit{Name: f.unit, Files: plan.Files{}})
		}
		units[len(units)-1].Files[f.target] = plan.File{Data: contents[i]}
	}
	return units, nil
}

type set struct {
	whole   *wholefile.Folder
	root    *os.Root
	without os.FileInfo // nil is no folder
	found   []found
	origin  map[string]string // where a target path was found
}

// inOrder are the numbers of what was found, by unit.
func (s *set) inOrder() []int {
	order := make([]int, len(s.found))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(s.found[i].unit, s.found[j].unit) })
	return order
}

// found is a file of a unit.
type found struct {
	at     string // below the folder
	unit   string
	target string // below the unit folder
	link   bool
}

// folder takes in what lies in one folder; above are the real folders on the
// way to it, so that links in a circle end.
func (s *set) folder(at string, above []os.FileInfo) error {
	info, err := s.root.Stat(at)
	if err != nil {
		return linkError(at, err)
	}
	for _, f := range above {
		if os.SameFile(f, info) {
			return &Error{Path: at, Err: errors.New("link to a folder that it lies in"), Hint: "remove the link"}
		}
	}
	if s.without != nil && at != "." && os.SameFile(s.without, info) {
		return nil
	}
	above = append(slices.Clip(above), info)
	entries, err := s.list(at)
	if err != nil {
		return &Error{Path: at, Err: reason(err)}
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		p := path.Join(at, name)
		unit, isDropins := strings.CutSuffix(name, ".d")
		isDropins = isDropins && unitname.IsUnit(unit)
		isUnit := unitname.IsUnit(name)
		isDir := entry.IsDir()
		if entry.Type()&fs.ModeSymlink != 0 {
			info, err := s.root.Stat(p)
			switch {
			case err == nil:
				isDir = info.IsDir()
			case isUnit, isDropins:
				return linkError(p, err)
			default:
				continue // a broken link beside the units is nobody's concern
			}
		}
		switch {
		case isDir && isDropins:
			err = s.dropins(p, unit)
		case isDir && !isUnit:
			err = s.folder(p, above)
		case isDir:
			err = &Error{Path: p, Err: errors.New("a folder with the name of a unit")}
		case isUnit:
			err = s.file(p, name, name, entry)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// list lists what lies in a folder, by name.
func (s *set) list(at string) ([]fs.DirEntry, error) {
	if at == "." {
		return s.whole.List()
	}
	return fs.ReadDir(s.root.FS(), at)
}

// dropins takes in the .conf files of one drop-in folder.
func (s *set) dropins(at, unit string) error {
	entries, err := s.list(at)
	if err != nil {
		return linkError(at, err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || !strings.HasSuffix(name, ".conf") {
			continue
		}
		if err := s.file(path.Join(at, name), unit, unit+".d/"+name, entry); err != nil {
			return err
		}
	}
	return nil
}

// file notes one file of a unit.
func (s *set) file(at, unit, target string, entry fs.DirEntry) error {
	if !unitname.Valid(unit) {
		return &Error{Path: at, Err: fmt.Errorf("%q is no name for a unit", unit),
			Hint: "letters, digits and \":-_.\\@\", at most 255 bytes with the suffix"}
	}
	if first, twice := s.origin[target]; twice {
		return &Error{Path: at, Err: fmt.Errorf("%s is there twice, also as %s", target, first),
			Hint: "a unit has one file, wherever it lies"}
	}
	link := entry.Type()&fs.ModeSymlink != 0
	if !link && !entry.Type().IsRegular() {
		return &Error{Path: at, Err: errors.New("not a regular file")}
	}
	s.origin[target] = at
	s.found = append(s.found, found{at, unit, target, link})
	return nil
}

// read reads a file that was found.
func (f found) read(whole *wholefile.Folder, own *wholefile.Reader) ([]byte, error) {
	if f.link {
		info, err := whole.Root.Stat(f.at)
		switch {
		case err != nil:
			return nil, linkError(f.at, err)
		case !info.Mode().IsRegular():
			return nil, &Error{Path: f.at, Err: errors.New("not a regular file")}
		}
	}
	data, err := own.Read(whole, f.at, maxFile)
	switch {
	case err != nil:
		return nil, &Error{Path: f.at, Err: reason(err)}
	case len(data) > maxFile:
		return nil, &Error{Path: f.at, Err: fmt.Errorf("more than %d bytes are no unit file", maxFile)}
	case len(data) == 0 && f.target == f.unit:
		return nil, &Error{Path: f.at, Err: errors.New("empty file: systemd would take it for a mask")}
	}
	return slices.Clone(data), nil
}

// linkError tells a link that leaves the folder from one that leads nowhere.
func linkError(p string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return &Error{Path: p, Err: reason(err)}
	}
	return &Error{Path: p, Err: fmt.Errorf("link that leaves the folder: %w", reason(err)), Hint: "put a copy of the file there"}
}

// reason takes the operation and the path off a file error.
func reason(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
