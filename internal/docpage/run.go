package docpage

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
)

// Self is a folder with a program under its name that is the running test itself,
// whose TestMain makes it the program.
func Self(t *testing.T, name string) string {
	t.Helper()
	test, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(test, filepath.Join(bin, name)); err != nil {
		t.Fatal(err)
	}
	return bin
}

// Run runs the examples of a page that are for a place, in a folder of their own
// that holds the page's files. bin is a folder with the programs; environment is
// added to a small one.
func Run(t *testing.T, path, where, bin string, environment ...string) {
	t.Helper()
	page, err := Read(path)
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
	environment = append([]string{
		"HOME=" + folder, "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=CI", "GIT_AUTHOR_EMAIL=ci@example.com", "GIT_COMMITTER_NAME=CI", "GIT_COMMITTER_EMAIL=ci@example.com",
	}, environment...)
	page.Try(t, path, where, func(command string) (string, int) { return run(t, folder, environment, command) })
}

// Try has run carry out the examples of a page that are for a place, and compares
// what it returns, which is what the command prints on both streams and its exit
// code. Every page must have an example.
func (p *Page) Try(t *testing.T, path, where string, run func(command string) (output string, code int)) {
	t.Helper()
	ran := 0
	for _, session := range p.Sessions {
		if session.Where != where {
			continue
		}
		for _, c := range session.Commands {
			ran++
			output, code := run(c.Text)
			if got := Normalise(output); got != Normalise(c.Output) || code != c.Code {
				t.Errorf("%s:%d: %s: exit code %d, want %d\n%s", path, c.Line, c.Text, code, c.Code,
					diff.Diff("page", []byte(Normalise(c.Output)), "run", []byte(got)))
			}
		}
	}
	if ran == 0 {
		t.Errorf("%s has no example to run", path)
	}
}

func run(t *testing.T, folder string, environment []string, command string) (output string, code int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir, cmd.Env = folder, environment
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return string(out), code
}
