package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/unitstamp/unitstamp/internal/docpage"
)

// TestCheckPage runs the examples of the page about check.
func TestCheckPage(t *testing.T) {
	program, err := os.Executable() // this very test, which is unitstamp under that name
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "unitstamp")); err != nil {
		t.Fatal(err)
	}
	docpage.Run(t, "../../docs/check.md", "", bin)
}
