// Package wholefile reads many small files, with as few system calls and as little
// memory as that takes. os.File takes three times as many, as it is made for
// everything that can be read.
package wholefile

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Folder is a folder whose files are read. Nothing outside it is.
type Folder struct {
	Root *os.Root
	self *os.File
}

// Open opens a folder.
func Open(path string) (*Folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	self, err := os.Open(path)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &Folder{root, self}, nil
}

// Close closes it.
func (f *Folder) Close() error { return errors.Join(f.Root.Close(), f.self.Close()) }

// List lists what lies in the folder itself, by name.
func (f *Folder) List() ([]fs.DirEntry, error) {
	if _, err := f.self.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	entries, err := f.self.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// A Reader reads one file after the other into the same memory. The zero value is
// ready.
type Reader struct{ buffer []byte }

// Read reads a file of a folder whole, or if it is longer than most bytes, some
// more than that. Links are followed as long as they stay in the folder. The bytes
// are good until the next call.
func (r *Reader) Read(f *Folder, name string, most int) ([]byte, error) {
	if !fs.ValidPath(name) || strings.Contains(name, "/") {
		return r.readBelow(f, name, most)
	}
	fd, err := again(func() (int, error) {
		return unix.Openat(int(f.self.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	switch {
	case errors.Is(err, unix.ELOOP):
		return r.readBelow(f, name, most)
	case err != nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return r.through(fd, name, most)
}

// ReadPath reads a file whole, wherever its path leads to. The bytes are good until
// the next call.
func (r *Reader) ReadPath(path string) ([]byte, error) {
	fd, err := again(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return r.through(fd, path, math.MaxInt)
}

// through reads an open file and closes it.
func (r *Reader) through(fd int, name string, most int) ([]byte, error) {
	defer unix.Close(fd)
	data, err := r.all(most, func(p []byte) (int, error) {
		n, err := again(func() (int, error) { return unix.Read(fd, p) })
		if n == 0 && err == nil {
			err = io.EOF
		}
		return max(0, n), err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return data, nil
}

// readBelow reads a file that is not in the folder itself.
func (r *Reader) readBelow(f *Folder, name string, most int) (data []byte, err error) {
	file, err := f.Root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return r.all(most, file.Read)
}

// all reads until the end, or until there is more than enough.
func (r *Reader) all(most int, read func([]byte) (int, error)) ([]byte, error) {
	if r.buffer == nil {
		r.buffer = make([]byte, 1<<14)
	}
	for n := 0; ; {
		more, err := read(r.buffer[n:])
		n += more
		switch {
		case errors.Is(err, io.EOF), err == nil && n > most:
			return r.buffer[:n], nil
		case err != nil:
			return nil, err
		case n == len(r.buffer):
			r.buffer = append(r.buffer, make([]byte, n)...)
		}
	}
}

// again calls until it is not a signal that cut the call short.
func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
