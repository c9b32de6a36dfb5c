package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/unitstamp/unitstamp/pkg/source"
)

// saveTime lets memory be used that a short run need not give back, up to a limit
// at which a hundred thousand files stay within 64 MB: little is kept of each. Settings
// of the user's win.
func saveTime() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(400)
		debug.SetMemoryLimit(48 << 20)
	}
}

// flushEvery is after how many files the new ones are put in place.
const flushEvery = 512

// write writes the stamped files in place. The old bytes are not kept: the edits
// can be taken back.
func (s *stamping) write(ctx context.Context) error {
	var changed []int
	for i := range s.results {
		if len(s.results[i].toWrite) > 0 {
			changed = append(changed, i)
		}
	}
	var (
		flushing sync.WaitGroup // while the next files are written
		flushed  error
	)
	for part := range slices.Chunk(changed, flushEvery) {
		err := each(ctx, len(part), func(r *reader, k int) error { return s.writeOne(r, part[k]) })
		flushing.Wait()
		if err = errors.Join(err, flushed); err != nil {
			return errors.Join(err, s.batch.Discard())
		}
		if len(part) == flushEvery {
			flushing.Go(func() { flushed = s.batch.Flush() })
		}
	}
	flushing.Wait()
	if flushed != nil {
		return errors.Join(flushed, s.batch.Discard())
	}
	return s.batch.Commit()
}

// writeOne makes the edits again, in the file as it is now.
func (s *stamping) writeOne(reader *reader, i int) error {
	r := &s.results[i]
	f, err := s.read(reader, i)
	if err != nil {
		return err
	}
	if maphash.Bytes(s.seed, f.Bytes) != r.read {
		return fmt.Errorf("%s was changed by somebody else meanwhile", f.Name)
	}
	output, err := s.edit(reader, i, f, r.toWrite)
	if err != nil {
		return err
	}
	inverse := source.Invert(f.Bytes, r.toWrite)
	r.toWrite = nil
	return s.batch.Replace(s.inputs[i].path, output, func(now []byte) ([]byte, error) { return source.Apply(now, inverse) })
}

// writeTo prepares a unit in a folder; a drop-in keeps its own folder.
func (s *stamping) writeTo(dir, path string, output []byte) error {
	name := filepath.Base(path)
	if parent := filepath.Base(filepath.Dir(path)); strings.HasSuffix(parent, ".d") && filepath.Ext(name) == ".conf" {
		name = filepath.Join(parent, name)
	}
	target := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	return s.batch.Create(target, output, mode)
}
