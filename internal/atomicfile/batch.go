// Package atomicfile replaces files: whole, all or none of them, keeping mode and
// owner. A reader sees the old bytes or the new ones, and so does the machine
// after a power cut.
package atomicfile

import (
	"errors"
	"fmt"
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
}

// Len is the number of files in the batch.
func (b *Batch) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.files)
}

// Replace prepares a file's new bytes. A symbolic link stays, and the file that it
// leads to is replaced.
func (b *Batch) Replace(path string, data []byte) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	return b.prepare(target, data, info.Mode().Perm()|info.Mode()&(os.ModeSetuid|os.ModeSetgid|os.ModeSticky), info)
}

// Create prepares a file that may or may not be there yet; a new one gets the mode.
func (b *Batch) Create(path string, data []byte, mode os.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return b.Replace(path, data)
	}
	return b.prepare(path, data, mode, nil)
}

// prepare writes the temporary file. old is the file to be replaced, or nil.
func (b *Batch) prepare(target string, data []byte, mode os.FileMode, old os.FileInfo) (err error) {
	f, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".tmp-*")
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
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if old != nil {
		if err := keepOwner(f, old); err != nil {
			return fmt.Errorf("cannot keep the owner of %s: %w", target, err)
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	b.mu.Lock()
	b.files = append(b.files, pending{target: target, temporary: f.Name(), created: old == nil})
	b.mu.Unlock()
	return nil
}

// Discard removes what was prepared. After Commit it does nothing.
func (b *Batch) Discard() {
	for _, p := range b.files {
		os.Remove(p.temporary) // what is left over is a hidden file, at worst
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
	for i, p := range b.files {
		if err := p.putInPlace(); err != nil {
			err = fmt.Errorf("cannot replace %s: %w", p.target, err)
			for _, done := range b.files[:i] {
				err = errors.Join(err, done.putBack())
			}
			b.Discard()
			return err
		}
	}
	err := syncFolders(b.folders())
	b.Discard() // the old bytes
	return err
}

// putInPlace swaps the new file and the old one, so that the old bytes stay at
// hand until the whole batch is through.
func (p *pending) putInPlace() error {
	if p.created {
		return os.Rename(p.temporary, p.target)
	}
	return exchange(p.temporary, p.target)
}

func (p *pending) putBack() error {
	if p.created {
		return os.Remove(p.target)
	}
	return exchange(p.temporary, p.target)
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
