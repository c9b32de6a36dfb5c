package receiver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func add(t *testing.T, l *Ledger, keys ...string) bool {
	t.Helper()
	fresh, err := l.Add(keys)
	if err != nil {
		t.Fatal(err)
	}
	return fresh
}

func TestLedger(t *testing.T) {
	folder := t.TempDir()
	l, err := OpenLedger(folder)
	if err != nil {
		t.Fatal(err)
	}
	if !add(t, l, "a", "b") || add(t, l, "b", "c") || !add(t, l, "c") || !add(t, l) || !add(t, l) {
		t.Error("what is known, and what is not")
	}
	// a file that a crash cut off in the middle of a line
	path := filepath.Join(folder, "events")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, data[:len(data)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err = OpenLedger(folder); err != nil {
		t.Fatal(err)
	}
	if add(t, l, "a") || add(t, l, "b") || !add(t, l, "c") {
		t.Error("what is known after a crash")
	}
	if l, err = OpenLedger(folder); err != nil || add(t, l, "c") {
		t.Error("what was added after a crash", err)
	}
}

func TestLedgerIsBounded(t *testing.T) {
	folder := t.TempDir()
	l, err := OpenLedger(folder)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * Remembered {
		if !add(t, l, fmt.Sprint(i)) {
			t.Fatalf("%d is known", i)
		}
	}
	if len(l.known) != Remembered || len(l.order) != Remembered {
		t.Errorf("%d, %d", len(l.known), len(l.order))
	}
	data, err := os.ReadFile(filepath.Join(folder, "events"))
	if lines := strings.Count(string(data), "\n"); err != nil || lines > 2*Remembered {
		t.Errorf("%d lines, %v", lines, err)
	}
	if l, err = OpenLedger(folder); err != nil {
		t.Fatal(err)
	}
	if !add(t, l, fmt.Sprint(2*Remembered-1)) || add(t, l, fmt.Sprint(3*Remembered-1)) {
		t.Error("the newest are kept, the oldest are not")
	}
}

func TestLedgerCannotBeWritten(t *testing.T) {
	if _, err := OpenLedger(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there")
	}
	folder := t.TempDir()
	l, err := OpenLedger(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if fresh, err := l.Add([]string{"a"}); !fresh || err == nil {
		t.Errorf("%v, %v", fresh, err)
	}
	if fresh, _ := l.Add([]string{"a"}); fresh {
		t.Error("it is not known to the process")
	}
}
