package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/unitstamp/unitstamp/internal/docpage"
)

// TestDocs runs the examples of the page that need no systemd; the others run
// in the lab.
func TestDocs(t *testing.T) {
	page, err := docpage.Read("../../docs/confapply.md")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, content := range page.Files {
		full := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.Executable() // this very test, which is confapply under that name
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "confapply")); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, session := range page.Sessions {
		if session.Where != "" {
			continue
		}
		for _, c := range session.Commands {
			ran++
			cmd := exec.Command("sh", "-c", c.Text)
			cmd.Dir = folder
			cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			code := 0
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				code = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			got := docpage.Normalise(string(out))
			if got != c.Output || code != c.Code {
				t.Errorf("docs/confapply.md:%d: %s: exit %d, want %d\n%s", c.Line, c.Text, code, c.Code,
					diff.Diff("page", []byte(c.Output), "run", []byte(got)))
			}
		}
	}
	if ran == 0 {
		t.Error("the page has no example to run")
	}
}
