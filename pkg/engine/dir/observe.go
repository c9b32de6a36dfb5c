package dir

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/internal/wholefile"
	"github.com/unitstamp/unitstamp/pkg/parallel"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// Observe reads the record and what stands at the paths of wanted and owned
// units. A folder that is missing is an empty one.
func (f *Folder) Observe(wanted []plan.Unit) (*plan.Observed, error) {
	observed := &plan.Observed{Files: plan.Files{}, Owned: map[string]plan.Entry{}, Others: map[string]string{}}
	folder, err := wholefile.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return observed, nil
	}
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	entries, err := folder.List()
	if err != nil {
		return nil, err
	}
	if err := f.readRecords(folder.Root, entries, observed); err != nil {
		return nil, err
	}
	places := placesOf(wanted, observed)
	err = parallel.Each(len(places), func(r *reader, i int) error {
		return r.look(folder, entries, &places[i])
	})
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		if p.there {
			observed.Files[p.path] = p.file
		}
	}
	return observed, nil
}

// A place is a path of a wanted or owned unit, with what stands there.
type place struct {
	path   string
	wanted plan.File
	there  bool
	file   plan.File
}

// placesOf lists the paths of wanted and of owned units, each once.
func placesOf(wanted []plan.Unit, observed *plan.Observed) []place {
	places := make([]place, 0, len(wanted))
	files := make(map[string]plan.Files, len(wanted))
	for _, u := range wanted {
		files[u.Name] = u.Files
		for p, file := range u.Files {
			places = append(places, place{path: p, wanted: file})
		}
	}
	for unit, entry := range observed.Owned {
		for p := range entry.Files {
			if _, also := files[unit][p]; !also {
				places = append(places, place{path: p})
			}
		}
	}
	return places
}

// reader reads what stands at places, links as links.
type reader struct {
	wholefile.Reader
	folders map[string]string // drop-in folders seen: "" is good, else what is in the way
}

// look finds out what stands at a place; entries are those of the folder itself.
func (r *reader) look(folder *wholefile.Folder, entries []fs.DirEntry, at *place) error {
	kind, there, err := r.kind(folder.Root, entries, at)
	if err != nil || !there {
		return err
	}
	switch {
	case at.file.Other != "":
	case kind.IsRegular():
		var data []byte
		data, err = r.Read(folder, at.path, math.MaxInt)
		switch {
		case err != nil:
		case at.wanted.Regular() && bytes.Equal(data, at.wanted.Data):
			at.file = at.wanted // one copy of the bytes is enough
		default:
			at.file.Data = slices.Clone(data)
		}
	case kind&fs.ModeSymlink != 0:
		at.file.Link, err = folder.Root.Readlink(at.path)
	case kind.IsDir():
		at.file.Other = "a folder"
	default:
		at.file.Other = "no regular file"
	}
	at.there = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone meanwhile
	}
	return err
}

// kind tells what lies at a place, and notes in it a folder on the way that is none.
func (r *reader) kind(root *os.Root, entries []fs.DirEntry, at *place) (kind fs.FileMode, there bool, err error) {
	folder := path.Dir(at.path)
	if folder == "." {
		i, there := slices.BinarySearchFunc(entries, at.path, func(e fs.DirEntry, name string) int { return strings.Compare(e.Name(), name) })
		if !there {
			return 0, false, nil
		}
		return entries[i].Type(), true, nil
	}
	bad, seen := r.folders[folder]
	if !seen {
		if bad, err = obstacle(root, folder); err != nil {
			return 0, false, err
		}
		if r.folders == nil {
			r.folders = map[string]string{}
		}
		r.folders[folder] = bad
	}
	if bad != "" {
		at.file.Other = bad
		return 0, true, nil
	}
	info, err := root.Lstat(at.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	return info.Mode(), true, nil
}

// obstacle says what is wrong with a drop-in folder, "" if nothing is or it is
// missing.
func obstacle(root *os.Root, folder string) (string, error) {
	info, err := root.Lstat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case info.Mode()&fs.ModeSymlink != 0:
		return "in a folder that is a symbolic link", nil
	case !info.IsDir():
		return "in the place of a folder that is none", nil
	}
	return "", nil
}
