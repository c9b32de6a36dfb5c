// Package corpus lists the real unit files that tests walk: the project's own in
// testdata/units, and a larger collection that lies beside the project where
// there is one. It is used by tests only.
package corpus

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/unitstamp/unitstamp/pkg/source"
)

// Shared is the folder beside the project with collected material, or "" if
// there is none. The variable UNITSTAMP_SHARED names another place.
func Shared(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("UNITSTAMP_SHARED")
	if dir == "" {
		dir = filepath.Join(root(tb), "..", "shared")
	}
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// Units reads the project's own unit files and those of the shared collection,
// sorted by path. There is always at least one.
func Units(tb testing.TB) []*source.File {
	tb.Helper()
	files := read(tb, filepath.Join(root(tb), "testdata", "units"))
	if len(files) == 0 {
		tb.Fatal("no unit files in testdata/units")
	}
	if shared := Shared(tb); shared != "" {
		more := read(tb, filepath.Join(shared, "corpus", "units"))
		if len(more) == 0 {
			tb.Fatalf("no unit files in %s", shared)
		}
		files = append(files, more...)
	}
	return files
}

func read(tb testing.TB, dir string) []*source.File {
	tb.Helper()
	var files []*source.File
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		files = append(files, &source.File{Name: path, Bytes: data})
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

// root is the module's folder, found from this file's own place.
func root(tb testing.TB) string {
	tb.Helper()
	_, self, _, ok := runtime.Caller(0)
	if !ok {
		tb.Fatal("no caller information")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(self)))
}
