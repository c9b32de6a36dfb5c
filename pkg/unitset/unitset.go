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
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, &Error{Path: folder, Err: reason(err)}
	}
	defer root.Close()
	s := set{root: root, units: map[string]plan.Files{}, origin: map[string]string{}}
	if without != "" {
		if s.without, err = os.Stat(without); err != nil {
			s.without = nil // what cannot be looked at does not lie in the folder
		}
	}
	if err := s.folder(".", nil); err != nil {
		return nil, err
	}
	units := make([]plan.Unit, 0, len(s.units))
	for name, files := range s.units {
		units = append(units, plan.Unit{Name: name, Files: files})
	}
	slices.SortFunc(units, func(a, b plan.Unit) int { return cmp.Compare(a.Name, b.Name) })
	return units, nil
}

type set struct {
	root    *os.Root
	without os.FileInfo // nil is no folder
	units   map[string]plan.Files
	origin  map[string]string // where a target path was found
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
	dir, err := s.root.Open(at)
	if err != nil {
		return &Error{Path: at, Err: reason(err)}
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return &Error{Path: at, Err: reason(err)}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
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
			err = s.file(p, name, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dropins takes in the .conf files of one drop-in folder.
func (s *set) dropins(at, unit string) error {
	dir, err := s.root.Open(at)
	if err != nil {
		return linkError(at, err)
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return &Error{Path: at, Err: reason(err)}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || !strings.HasSuffix(name, ".conf") {
			continue
		}
		if err := s.file(path.Join(at, name), unit, unit+".d/"+name); err != nil {
			return err
		}
	}
	return nil
}

// file takes in one file of a unit.
func (s *set) file(at, unit, target string) error {
	if !unitname.Valid(unit) {
		return &Error{Path: at, Err: fmt.Errorf("%q is no name for a unit", unit),
			Hint: "letters, digits and \":-_.\\@\", at most 255 bytes with the suffix"}
	}
	if first, twice := s.origin[target]; twice {
		return &Error{Path: at, Err: fmt.Errorf("%s is there twice, also as %s", target, first),
			Hint: "a unit has one file, wherever it lies"}
	}
	s.origin[target] = at
	info, err := s.root.Stat(at)
	if err != nil {
		return linkError(at, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return &Error{Path: at, Err: errors.New("not a regular file")}
	case info.Size() > maxFile:
		return &Error{Path: at, Err: fmt.Errorf("%d bytes are no unit file", info.Size())}
	}
	data, err := s.root.ReadFile(at)
	if err != nil {
		return &Error{Path: at, Err: reason(err)}
	}
	if len(data) == 0 && target == unit {
		return &Error{Path: at, Err: errors.New("empty file: systemd would take it for a mask")}
	}
	if s.units[unit] == nil {
		s.units[unit] = plan.Files{}
	}
	s.units[unit][target] = plan.File{Data: data}
	return nil
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
