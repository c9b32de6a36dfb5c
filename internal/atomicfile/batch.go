// Package atomicfile replaces files: whole, all or none of them, keeping mode and
// owner. A reader sees the old bytes or the new ones, and so does the machine
// after a power cut.
package atomicfile

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
)

// A Batch is a set of files to be replaced together. It may be filled from several
// goroutines. Every Batch ends with Commit or Discard. A large one is better put
// in place by and by with Flush: a folder with thousands of new files beside the
// old ones is slow.
type Batch struct {
	mu      sync.Mutex // guards files while the batch is being filled
	files   []*pending
	flushed int // so many of files are in place
	old     retirement
}

// pending is a file whose new bytes lie beside it.
type pending struct {
	target, temporary string
	created           bool // there was no file before
	undo              Undo
	inPlace           bool
}

// Undo makes a file's old bytes of its new ones. With it, a batch need not keep the
// old files at hand, which is half the work.
type Undo func(now []byte) (before []byte, err error)

// Len is the number of files in the batch.
func (b *Batch) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.files)
}

// Replace prepares a file's new bytes. A symbolic link stays, and the file that it
// leads to is replaced. undo may be nil.
func (b *Batch) Replace(path string, data []byte, undo Undo) error {
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&os.ModeSymlink != 0 {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			info, err = os.Stat(path)
		}
	}
	if err != nil {
		return err
	}
	return b.prepare(&pending{target: path, undo: undo}, data, info.Mode(), info)
}

// Create prepares a file that may or may not be there yet; a new one gets the mode.
func (b *Batch) Create(path string, data []byte, mode os.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return b.Replace(path, data, nil)
	}
	return b.prepare(&pending{target: path, created: true}, data, mode, nil)
}

// permissions are the bits of a mode that a new file gets.
const permissions = os.ModePerm | os.ModeSetuid | os.ModeSetgid | os.ModeSticky

// prepare writes the temporary file. old is the file to be replaced, or nil.
func (b *Batch) prepare(p *pending, data []byte, mode os.FileMode, old os.FileInfo) (err error) {
	f, err := createBeside(p.target, mode.Perm())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	owned := false
	if old != nil {
		if owned, err = keepOwner(f, info, old); err != nil {
			return fmt.Errorf("cannot keep the owner of %s: %w", p.target, err)
		}
	}
	if owned || info.Mode()&permissions != mode&permissions { // chown clears some bits
		if err := f.Chmod(mode & permissions); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	p.temporary = f.Name()
	b.mu.Lock()
	b.files = append(b.files, p)
	b.mu.Unlock()
	return nil
}

// createBeside makes a new hidden file in the folder of another.
func createBeside(target string, mode os.FileMode) (*os.File, error) {
	for {
		name := filepath.Join(filepath.Dir(target), fmt.Sprintf(".%s.tmp-%08x", filepath.Base(target), rand.Uint32()))
		f, err := openNew(name, mode|0o200)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
	}
}

// Discard takes the batch back: what was put in place by Flush, and what was only
// prepared. After Commit it does nothing.
func (b *Batch) Discard() error {
	var all error
	b.old.wait()
	for _, p := range b.files {
		if p.inPlace {
			all = errors.Join(all, p.putBack())
		} else {
			os.Remove(p.temporary) // what is left over is a hidden file, at worst
		}
	}
	b.files, b.flushed = nil, 0
	return all
}

// Flush puts what was prepared in place. More files may be added meanwhile. After an
// error, which tells of the first file that could not be replaced, only Discard
// makes sense.
func (b *Batch) Flush() error {
	b.mu.Lock()
	fresh := b.files[b.flushed:]
	b.mu.Unlock()
	if err := syncNew(fresh); err != nil {
		return err
	}
	for _, p := range fresh {
		old := hold(p.target)
		err := p.putInPlace()
		b.old.release(old)
		if err != nil {
			return fmt.Errorf("cannot replace %s: %w", p.target, err)
		}
	}
	b.flushed += len(fresh)
	return nil
}

// Commit puts all files in place for good. If one file cannot be, the whole batch
// is taken back and the error tells why.
func (b *Batch) Commit() error {
	if err := b.Flush(); err != nil {
		return errors.Join(err, b.Discard())
	}
	err := syncFolders(folders(b.files))
	b.old.wait()
	for _, p := range b.files {
		if !p.created && p.undo == nil {
			os.Remove(p.temporary) // the old file
		}
	}
	b.files, b.flushed = nil, 0
	return err
}

// putInPlace gives the new bytes the file's name. Without an undo the old file
// stays at hand under the temporary name, until the whole batch is through.
func (p *pending) putInPlace() (err error) {
	if p.created || p.undo != nil {
		err = replace(p.temporary, p.target)
	} else {
		err = exchange(p.temporary, p.target)
	}
	p.inPlace = err == nil
	if p.inPlace && p.undo != nil {
		p.temporary = "" // gone
	}
	return err
}

func (p *pending) putBack() error {
	switch {
	case p.created:
		return os.Remove(p.target)
	case p.undo == nil:
		if err := exchange(p.temporary, p.target); err != nil {
			return err
		}
		return os.Remove(p.temporary)
	}
	now, err := os.ReadFile(p.target)
	if err != nil {
		return err
	}
	before, err := p.undo(now)
	if err != nil {
		return err
	}
	var back Batch
	if err := back.Replace(p.target, before, nil); err != nil {
		return err
	}
	return back.Commit()
}

// folders are the folders of files, each once.
func folders(files []*pending) []string {
	var list []string
	seen := map[string]bool{}
	for _, p := range files {
		if dir := filepath.Dir(p.target); !seen[dir] {
			seen[dir] = true
			list = append(list, dir)
		}
	}
	return list
}

// syncEach is the number of files up to which each is synced by itself.
const syncEach = 8

// syncNew brings the new bytes to the disk before any name points to them. Many
// files are synced with their file system as a whole, which costs about as much as
// one.
func syncNew(files []*pending) error {
	if len(files) > syncEach && canSyncWhole {
		return syncWhole(folders(files))
	}
	for _, p := range files {
		if err := syncFile(p.temporary); err != nil {
			return err
		}
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncFolders makes the new names last.
func syncFolders(folders []string) error {
	var all error
	for _, dir := range folders {
		if err := syncFile(dir); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			all = errors.Join(all, err)
		}
	}
	return all
}
