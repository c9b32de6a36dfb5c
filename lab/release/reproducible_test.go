//go:build lab

// Package release builds the programs as a release does, twice, in two folders, with
// nothing shared between the builds but the modules' sources.
package release

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestTwoBuildsAreTheSameBytes(t *testing.T) {
	build := func() string {
		t.Helper()
		source, out := filepath.Join(t.TempDir(), "source"), t.TempDir()
		for _, name := range []string{"go.mod", "go.sum", "cmd", "internal", "pkg", "docs"} {
			if err := os.MkdirAll(source, 0o755); err != nil {
				t.Fatal(err)
			}
			if words, err := exec.Command("cp", "-r", filepath.Join("..", "..", name), source).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, words)
			}
		}
		const cli = "github.com/unitstamp/unitstamp/internal/cli"
		command := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", out+"/",
			"-ldflags", "-s -w -X "+cli+".version=0.1.0 -X "+cli+".commit=4a1f0f5e -X "+cli+".date=2026-01-01T00:00:00Z", "./cmd/...")
		command.Dir = source
		command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOCACHE="+t.TempDir())
		if words, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, words)
		}
		sums := ""
		for _, name := range []string{"confapply", "confpush", "unitstamp"} {
			data, err := os.ReadFile(filepath.Join(out, name))
			if err != nil {
				t.Fatal(err)
			}
			sums += fmt.Sprintf("%s %x\n", name, sha256.Sum256(data))
		}
		return sums
	}
	if first, second := build(), build(); first != second {
		t.Errorf("first\n%s\nsecond\n%s", first, second)
	}
}
