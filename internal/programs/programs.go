// Package programs builds the project's programs for tests, as a release has them.
package programs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// tags are the build tags of a program, as .goreleaser.yaml has them.
var tags = map[string]string{"confapply": "nethttpomithttp2"}

// Build builds programs into a folder.
func Build(folder string, names ...string) error {
	for _, name := range names {
		build := exec.Command("go", "build", "-trimpath", "-tags", tags[name], "-ldflags", "-s -w",
			"-o", filepath.Join(folder, name), "github.com/unitstamp/unitstamp/cmd/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot build %s: %w\n%s", name, err, output)
		}
	}
	return nil
}

// For builds programs into a folder of a test's own.
func For(t testing.TB, names ...string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if err := Build(folder, names...); err != nil {
		t.Fatal(err)
	}
	return folder
}

// Run is a TestMain whose tests find a program under *path.
func Run(m *testing.M, name string, path *string) (code int) {
	folder, err := os.MkdirTemp("", name+"-lab-")
	if err == nil {
		defer os.RemoveAll(folder)
		*path = filepath.Join(folder, name)
		err = Build(folder, name)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
