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
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var r Reader
	for _, size := range []int{0, 1, 1<<14 - 1, 1 << 14, 1<<14 + 1, 1 << 17, 3} {
		want := bytes.Repeat([]byte("abc"), size/3+1)[:size]
		if err := os.WriteFile(filepath.Join(folder, "a"), want, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := r.Read(root, "a", 1<<20)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
	if err := os.Truncate(filepath.Join(folder, "a"), 1<<40); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Read(root, "a", 1<<16); err != nil || len(got) <= 1<<16 || len(got) > 1<<18 {
		t.Errorf("of a long file %d bytes, %v", len(got), err)
	}
	if _, err := r.Read(root, "b", 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if _, err := r.Read(root, ".", 1); err == nil {
		t.Error("a folder was read")
	}
}
