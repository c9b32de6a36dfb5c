package docpage

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPages runs the examples of the pages that are about more than one program,
// with the programs as they are built.
func TestPages(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "./cmd/...")
	build.Dir = filepath.Join("..", "..")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if _, err := os.Stat(filepath.Join(bin, "confpush")); err != nil {
		t.Fatal(err)
	}
	circleci := []string{
		"CI=true", "CIRCLECI=true", "CIRCLE_BUILD_NUM=58", "CIRCLE_BRANCH=develop", "UNITSTAMP_BUILD=58",
		"CIRCLE_SHA1=4a1f0f5e3c1b7c1de0a2a0b7a4a1c9d0e1f2a3b4", "CIRCLE_BUILD_URL=https://ci.example.com/58",
	}
	for _, page := range []string{"README.md", "docs/unitstamp.md"} {
		t.Run(filepath.Base(page), func(t *testing.T) {
			Run(t, filepath.Join("..", "..", page), "", bin, circleci...)
		})
	}
}
