package gittest

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// FromFolder makes a bare repository whose branch holds what lies in a folder, in one
// commit. Change, if not nil, is asked for each file: what it shall hold, and whether it
// is wanted at all.
func FromFolder(t testing.TB, dir, branch string, change func(path, content string) (string, bool)) string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		content, wanted := string(data), true
		if change != nil {
			content, wanted = change(filepath.ToSlash(relative), content)
		}
		if wanted {
			files[filepath.ToSlash(relative)] = content
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	bare := Bare(t)
	Git(t, bare, "symbolic-ref", "HEAD", "refs/heads/"+branch)
	Commit(t, bare, branch, "Begin", files)
	return bare
}
