// Package dir keeps units in a folder: their files, and beside them the record
// of who put them there. It is an engine of its own, for building images and
// for trying things out, and the ground of engines whose manager reads a folder.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// tempPrefix starts the names of files that are being written. A run that is
// killed leaves some; the next one removes them.
const tempPrefix = ".confapply-tmp-"

// lockPoll is how often a run that waits asks for the lock.
const lockPoll = 100 * time.Millisecond

// A Folder is a folder of units as one owner sees it.
type Folder struct {
	Path  string
	Owner string
	// Now and then a program dies; what it left is cleaned under the lock, and
	// nowhere else, so locked guards every write.
	locked bool
	temps  int              // files staged so far: each has a name of its own
	tails  map[string]*tail // of records, by owner, while it is locked
}

// open opens the folder; every path below it is resolved inside it.
func (f *Folder) open() (*os.Root, error) { return os.OpenRoot(f.Path) }

// Lock takes the folder for this run. The lock is the kernel's (flock on the
// folder itself), so it ends with the program and leaves no file. A folder that
// is missing is made.
func (f *Folder) Lock(ctx context.Context, wait bool) (release func() error, err error) {
	if err := os.MkdirAll(f.Path, 0o755); err != nil {
		return nil, err
	}
	folder, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Path, err), folder.Close())
		}
		if !wait {
			return nil, errors.Join(apply.ErrLocked, folder.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), folder.Close())
		case <-time.After(lockPoll):
		}
	}
	f.locked, f.tails = true, map[string]*tail{}
	if err := f.tidy(); err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	return func() error {
		f.locked = false
		return folder.Close()
	}, nil
}

// tidy removes what a killed run was writing.
func (f *Folder) tidy() error {
	root, err := f.open()
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case strings.HasPrefix(name, tempPrefix):
			err = root.Remove(name)
		case entry.IsDir() && strings.HasSuffix(name, ".d"):
			err = tidyBelow(root, name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func tidyBelow(root *os.Root, folder string) error {
	entries, err := fs.ReadDir(root.FS(), folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), tempPrefix) {
			if err := root.Remove(path.Join(folder, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// A WriteError is a change of files that did not succeed.
type WriteError struct {
	Err error
	// Untouched tells that no file was changed.
	Untouched bool
}

func (e *WriteError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *WriteError) Unwrap() error { return e.Err }

// Write brings the files to what the changes say. The error is a *WriteError.
func (f *Folder) Write(changes []plan.Change) error {
	s, err := f.Stage(changes)
	if err != nil {
		return err
	}
	return s.Settle()
}

// Staged are changes of files that are ready to be made: Settle makes them, or
// Abandon leaves all as it is.
type Staged struct {
	writer
	changes []plan.Change
}

// Stage writes everything that is new in full beside its place, so that a full
// disk is met before anything was changed. The error is a *WriteError, and nothing
// is left to abandon then.
func (f *Folder) Stage(changes []plan.Change) (*Staged, error) {
	if !f.locked {
		return nil, &WriteError{errors.New("the folder is not locked"), true}
	}
	root, err := f.open()
	if err != nil {
		return nil, &WriteError{err, true}
	}
	s := &Staged{writer{root: root, touched: map[string]bool{}}, changes}
	for _, c := range changes {
		if c.After == nil {
			continue
		}
		f.temps++
		if err := s.stage(f.temps, c); err != nil {
			return nil, &WriteError{errors.Join(err, s.Abandon()), true}
		}
	}
	return s, nil
}

// Settle makes the changes, each file in one go. A file that is replaced keeps its
// mode and owner. The error is a *WriteError.
func (s *Staged) Settle() error {
	if err := s.settle(s.changes); err != nil {
		return &WriteError{errors.Join(err, s.Abandon()), false}
	}
	return s.root.Close()
}

// Abandon removes what was staged.
func (s *Staged) Abandon() error { return errors.Join(s.abandon(), s.root.Close()) }

type writer struct {
	root    *os.Root
	staged  []staged
	made    []string        // folders
	touched map[string]bool // folders to sync
}

// staged is a file that waits to be moved to its place.
type staged struct{ temp, path string }

func (w *writer) stage(i int, c plan.Change) error {
	folder := path.Dir(c.Path)
	if folder != "." {
		switch err := w.root.Mkdir(folder, 0o755); {
		case err == nil:
			w.made = append(w.made, folder)
		case !errors.Is(err, fs.ErrExist):
			return err
		}
		if info, err := w.root.Lstat(folder); err != nil || !info.IsDir() {
			return errors.Join(fmt.Errorf("%s is no folder", folder), err)
		}
	}
	temp := path.Join(folder, fmt.Sprintf("%s%d-%d", tempPrefix, os.Getpid(), i))
	w.staged = append(w.staged, staged{temp, c.Path})
	if c.After.Link != "" {
		return w.root.Symlink(c.After.Link, temp)
	}
	return writeFile(w.root, temp, c.After.Data, c.Path, 0o644)
}

// writeFile writes a new file down to the disk, with the mode and owner of the
// file that it is to replace, if there is one.
func writeFile(root *os.Root, name string, data []byte, like string, mode fs.FileMode) (err error) {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(data); err != nil {
		return err
	}
	if info, err := root.Lstat(like); err == nil && info.Mode().IsRegular() {
		mode = info.Mode().Perm()
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			// only root may give files away; where it is refused, the file is ours
			_ = file.Chown(int(stat.Uid), int(stat.Gid))
		}
	}
	if err := file.Chmod(mode); err != nil {
		return err
	}
	return file.Sync()
}

// settle moves everything to its place and removes what is to go.
func (w *writer) settle(changes []plan.Change) error {
	for len(w.staged) > 0 {
		s := w.staged[0]
		if err := w.root.Rename(s.temp, s.path); err != nil {
			return err
		}
		w.staged = w.staged[1:]
		w.touched[path.Dir(s.path)] = true
	}
	for _, c := range changes {
		if c.After != nil {
			continue
		}
		if err := w.root.Remove(c.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		folder := path.Dir(c.Path)
		w.touched["."] = true
		if folder != "." {
			// a drop-in folder goes with its last file
			switch err := w.root.Remove(folder); {
			case err == nil:
				delete(w.touched, folder)
			case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, fs.ErrNotExist):
			default:
				return err
			}
		}
	}
	for folder := range w.touched {
		if err := syncFolder(w.root, folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// abandon removes what waits to be moved.
func (w *writer) abandon() error {
	var errs []error
	for _, s := range w.staged {
		if err := w.root.Remove(s.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	for _, folder := range slices.Backward(w.made) {
		if err := w.root.Remove(folder); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func syncFolder(root *os.Root, folder string) error {
	f, err := root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
