package wholefile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestRead(t *testing.T) {
	folder := t.TempDir()
	root, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := os.Mkdir(filepath.Join(folder, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"link": "a", "sub/b": "../a", "out": "/etc/passwd"} {
		if err := os.Symlink(to, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	var r Reader
	for _, size := range []int{0, 1, 1<<14 - 1, 1 << 14, 1<<14 + 1, 1 << 17, 3} {
		want := bytes.Repeat([]byte("abc"), size/3+1)[:size]
		if err := os.WriteFile(filepath.Join(folder, "a"), want, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "link", "sub/b"} {
			got, err := r.Read(root, name, 1<<20)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %d bytes: got %d, %v", name, size, len(got), err)
			}
		}
	}
	for _, path := range []string{filepath.Join(folder, "link"), filepath.Join(folder, "sub", "b")} {
		if got, err := r.ReadPath(path); err != nil || string(got) != "abc" {
			t.Errorf("%s: got %q, %v", path, got, err)
		}
	}
	if _, err := r.ReadPath(folder); err == nil {
		t.Error("a folder was read")
	}
	if _, err := r.ReadPath(filepath.Join(folder, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if err := os.Truncate(filepath.Join(folder, "a"), 1<<40); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Read(root, "a", 1<<16); err != nil || len(got) <= 1<<16 || len(got) > 1<<18 {
		t.Errorf("of a long file %d bytes, %v", len(got), err)
	}
	for range 2 {
		entries, err := root.List()
		if err != nil || len(entries) != 4 || entries[0].Name() != "a" || entries[1].Type() != fs.ModeSymlink {
			t.Errorf("listed %v, %v", entries, err)
		}
	}
	if _, err := r.Read(root, "b", 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	for _, name := range []string{".", "sub", "out", "../a", "", "sub/../../a"} {
		if _, err := r.Read(root, name, 1); err == nil {
			t.Errorf("%q was read", name)
		}
	}
}
