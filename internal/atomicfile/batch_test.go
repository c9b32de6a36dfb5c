package atomicfile

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, path, want string, mode os.FileMode) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil || string(data) != want {
		t.Errorf("%s is %q, %v, want %q", path, data, err, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
		t.Errorf("%s has mode %v, %v, want %v", path, info.Mode(), err, mode)
	}
}

// names are the entries of a folder, to see that nothing is left behind.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return fmt.Sprint(list)
}

func TestCommit(t *testing.T) {
	for _, count := range []int{1, syncEach + 3} { // synced one by one, and as a whole
		dir := t.TempDir()
		var b Batch
		for i := range count {
			path := filepath.Join(dir, fmt.Sprintf("f%02d", i))
			write(t, path, "old", 0o640)
			if err := b.Replace(path, []byte("new"), nil); err != nil {
				t.Fatal(err)
			}
			check(t, path, "old", 0o640)
		}
		if err := b.Create(filepath.Join(dir, "g"), []byte("made"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
		for i := range count {
			check(t, filepath.Join(dir, fmt.Sprintf("f%02d", i)), "new", 0o640)
		}
		check(t, filepath.Join(dir, "g"), "made", 0o600)
		if entries, _ := os.ReadDir(dir); len(entries) != count+1 {
			t.Errorf("left behind: %s", names(t, dir))
		}
	}
}

func TestSymlinkStays(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "real"), "old", 0o644)
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	var b Batch
	if err := b.Replace(filepath.Join(dir, "link"), []byte("new"), nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	check(t, filepath.Join(dir, "real"), "new", 0o644)
	if to, err := os.Readlink(filepath.Join(dir, "link")); to != "real" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
}

func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "old", 0o644)
	var b Batch
	if err := b.Replace(filepath.Join(dir, "a"), []byte("new"), nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Discard(); err != nil {
		t.Fatal(err)
	}
	check(t, filepath.Join(dir, "a"), "old", 0o644)
	if got := names(t, dir); got != "[a]" {
		t.Errorf("left behind: %s", got)
	}
}

func TestOwnerAndModeStay(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	for _, mode := range []os.FileMode{0o400, 0o666, 0o755} {
		write(t, path, "old", mode)
		var b Batch
		if err := b.Replace(path, []byte("new"), nil); err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
		check(t, path, "new", mode)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUndo lets the last of three files fail, with the first two replaced for good
// and undone.
func TestUndo(t *testing.T) {
	dir := t.TempDir()
	var b Batch
	undo := func(now []byte) ([]byte, error) {
		if string(now) != "new" {
			return nil, fmt.Errorf("the file holds %q", now)
		}
		return []byte("old"), nil
	}
	for _, name := range []string{"a", "b"} {
		write(t, filepath.Join(dir, name), "old", 0o640)
		if err := b.Replace(filepath.Join(dir, name), []byte("new"), undo); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Create(filepath.Join(dir, "c"), []byte("made"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "c"), 0o755); err != nil { // in the way
		t.Fatal(err)
	}
	if err := b.Commit(); err == nil {
		t.Fatal("Commit succeeded")
	}
	check(t, filepath.Join(dir, "a"), "old", 0o640)
	check(t, filepath.Join(dir, "b"), "old", 0o640)
	if got := names(t, dir); got != "[a b c]" {
		t.Errorf("left behind: %s", got)
	}
}

// TestFlush puts a batch in place by and by, and takes it back or not.
func TestFlush(t *testing.T) {
	for _, keep := range []bool{true, false} {
		dir := t.TempDir()
		undo := func([]byte) ([]byte, error) { return []byte("old"), nil }
		var b Batch
		for _, name := range []string{"a", "b", "c"} {
			write(t, filepath.Join(dir, name), "old", 0o644)
			if err := b.Replace(filepath.Join(dir, name), []byte("new"), map[string]Undo{"a": undo, "b": nil, "c": undo}[name]); err != nil {
				t.Fatal(err)
			}
			if name == "c" {
				break // prepared only
			}
			if err := b.Flush(); err != nil {
				t.Fatal(err)
			}
			check(t, filepath.Join(dir, name), "new", 0o644)
		}
		want, end := "old", b.Discard
		if keep {
			want, end = "new", b.Commit
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b", "c"} {
			check(t, filepath.Join(dir, name), want, 0o644)
		}
		if got := names(t, dir); got != "[a b c]" {
			t.Errorf("left behind: %s", got)
		}
	}
}

// TestAllOrNone lets the last of three files fail at its very last step.
func TestAllOrNone(t *testing.T) {
	dir := t.TempDir()
	var b Batch
	for _, name := range []string{"a", "b"} {
		write(t, filepath.Join(dir, name), "old", 0o644)
		if err := b.Replace(filepath.Join(dir, name), []byte("new"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Create(filepath.Join(dir, "c"), []byte("made"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.Create(filepath.Join(dir, "d"), []byte("made"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil { // in the way
		t.Fatal(err)
	}
	if err := b.Commit(); err == nil {
		t.Fatal("Commit succeeded")
	}
	check(t, filepath.Join(dir, "a"), "old", 0o644)
	check(t, filepath.Join(dir, "b"), "old", 0o644)
	if got := names(t, dir); got != "[a b d]" {
		t.Errorf("left behind: %s", got)
	}
}

func TestExchangeByLink(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "new", 0o644)
	write(t, b, "old", 0o644)
	if err := exchangeByLink(a, b); err != nil {
		t.Fatal(err)
	}
	check(t, a, "old", 0o644)
	check(t, b, "new", 0o644)
	if got := names(t, dir); got != "[a b]" {
		t.Errorf("left behind: %s", got)
	}
}
