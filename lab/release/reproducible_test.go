//go:build lab

package release

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestGoAloneBuildsTheSame builds the programs as anybody would who does not trust the
// release, in another folder and with nothing compiled before: the same bytes.
func TestGoAloneBuildsTheSame(t *testing.T) {
	r := releases(t)
	source, cache := filepath.Join(t.TempDir(), "source"), t.TempDir()
	run(t, "cp", "-r", r.first, source)
	const cli = "github.com/unitstamp/unitstamp/internal/cli"
	for _, name := range programs {
		args := []string{"build", "-trimpath", "-o", filepath.Join(source, name), "-ldflags",
			"-s -w -X " + cli + ".version=" + version + " -X " + cli + ".commit=" + r.commit + " -X " + cli + ".date=" + r.date.UTC().Format(time.RFC3339)}
		if name == "confapply" {
			args = append(args, "-tags", "nethttpomithttp2")
		}
		command := exec.Command("go", append(args, "./cmd/"+name)...)
		command.Dir = source
		command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOCACHE="+cache)
		if words, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, words)
		}
		if !bytes.Equal(read(t, filepath.Join(source, name)), read(t, r.binary(name, runtime.GOARCH))) {
			t.Errorf("%s is not what the release holds", name)
		}
	}
}
