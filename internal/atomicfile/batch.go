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
// goroutines. Every Batch ends with Commit or Discard.
type Batch struct {
	mu    sync.Mutex
	files []pending
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
	return b.prepare(pending{target: path, undo: undo}, data, info.Mode(), info)
}

// Create prepares a file that may or may not be there yet; a new one gets the mode.
func (b *Batch) Create(path string, data []byte, mode os.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return b.Replace(path, data, nil)
	}
	return b.prepare(pending{target: path, created: true}, data, mode, nil)
}

// permissions are the bits of a mode that a new file gets.
const permissions = os.ModePerm | os.ModeSetuid | os.ModeSetgid | os.ModeSticky

// prepare writes the temporary file. old is the file to be replaced, or nil.
func (b *Batch) prepare(p pending, data []byte, mode os.FileMode, old os.FileInfo) (err error) {
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
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode|0o200)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
	}
}

// Discard removes what was prepared and is not in place. After Commit it does
// nothing.
func (b *Batch) Discard() {
	for _, p := range b.files {
		if !p.inPlace || !p.created && p.undo == nil {
			os.Remove(p.temporary) // what is left over is a hidden file, at worst
		}
	}
	b.files = nil
}

// Commit puts all files in place. If one cannot be, those before it are put back
// and the error tells why.
func (b *Batch) Commit() error {
	if err := b.sync(); err != nil {
		b.Discard()
		return err
	}
	for i := range b.files {
		if err := b.files[i].putInPlace(); err != nil {
			err = fmt.Errorf("cannot replace %s: %w", b.files[i].target, err)
			for k := range b.files[:i] {
				err = errors.Join(err, b.files[k].putBack())
			}
			b.Discard()
			return err
		}
	}
	err := syncFolders(b.folders())
	b.Discard() // the old bytes
	return err
}

// putInPlace gives the new bytes the file's name. Without an undo the old file
// stays at hand under the temporary name, until the whole batch is through.
func (p *pending) putInPlace() (err error) {
	if p.created || p.undo != nil {
		err = os.Rename(p.temporary, p.target)
	} else {
		err = exchange(p.temporary, p.target)
	}
	p.inPlace = err == nil
	return err
}

func (p *pending) putBack() error {
	switch {
	case p.created:
		return os.Remove(p.target)
	case p.undo == nil:
		p.inPlace = false
		return exchange(p.temporary, p.target)
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

// folders are the folders of the batch, each once.
func (b *Batch) folders() []string {
	var list []string
	seen := map[string]bool{}
	for _, p := range b.files {
		if dir := filepath.Dir(p.target); !seen[dir] {
			seen[dir] = true
			list = append(list, dir)
		}
	}
	return list
}

// syncEach is the number of files up to which each is synced by itself.
const syncEach = 8

// sync brings the new bytes to the disk before any name points to them. Many files
// are synced with their file system as a whole, which costs about as much as one.
func (b *Batch) sync() error {
	if len(b.files) > syncEach && canSyncWhole {
		return syncWhole(b.folders())
	}
	for _, p := range b.files {
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
