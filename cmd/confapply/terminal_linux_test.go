package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/scripttest"
)

// terminalColumns are fewer than what is under way would take.
const terminalColumns = 36

// onTerminal has a folder with two units, and a confapply that is to pull their images with
// a stand-in.
func onTerminal(t *testing.T, pull string, environment ...string) *exec.Cmd {
	t.Helper()
	work := t.TempDir()
	files := map[string]string{
		"units/a.service": "[Service]\nExecStart=/usr/bin/docker run --rm myrepo/a:1-develop\n",
		"units/b.service": "[Service]\nExecStart=/usr/bin/docker run --rm myrepo/b:1-develop\n",
		"pull":            "#!/bin/sh\n" + pull,
	}
	for name, text := range files {
		path := filepath.Join(work, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "apply", "--units", "units", "--target", "t", "--pull-command", filepath.Join(work, "pull"))
	cmd.Args[0] = "confapply"
	cmd.Dir = work
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TERM=xterm"}, environment...)
	return cmd
}

var anyTime = regexp.MustCompile(`\d+\.\ds`)

// shown is the screen at the end, every time made the same.
func shown(t *testing.T, stream string) []string {
	t.Helper()
	var lines []string
	for _, line := range scripttest.Screen(t, 1000, stream) {
		lines = append(lines, anyTime.ReplaceAllString(line, "SECONDS"))
	}
	return lines
}

func TestApplyOnTerminal(t *testing.T) {
	cmd := onTerminal(t, "sleep 1.4\n")
	stream, code := scripttest.OnTerminal(t, terminalColumns, cmd, nil)
	if code != 0 {
		t.Fatalf("exit code %d:\n%q", code, stream)
	}
	for _, frame := range []string{
		"\rconfapply: pull myrepo/a:1-dev … 0s\x1b[K\rconfapply: pull myrepo/a:1-dev … 1s\x1b[K\r\x1b[Kconfapply: pull myrepo/a:1-develop: done (",
		"\rconfapply: [1/2] crea … writing, 0s\x1b[K",
	} {
		if !strings.Contains(stream, frame) {
			t.Errorf("%q\nis not in\n%q", frame, stream)
		}
	}
	want := []string{
		"create  a.service  1-develop  new",
		"create  b.service  1-develop  new",
		"plan: 2 create, 0 unchanged",
		"confapply: pull myrepo/a:1-develop: done (SECONDS)",
		"confapply: pull myrepo/b:1-develop: done (SECONDS)",
		"confapply: create a.service 1-develop: done (SECONDS)",
		"confapply: create b.service 1-develop: done (SECONDS)",
		"",
		"done  a.service  1-develop  SECONDS  new",
		"done  b.service  1-develop  SECONDS  new",
		"apply: 2 done",
	}
	if got := shown(t, stream); !slices.Equal(got, want) {
		t.Errorf("the terminal shows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Where nothing may be drawn, a terminal is told what a file would be.
func TestApplyOnPlainTerminal(t *testing.T) {
	for _, variable := range []string{"TERM=dumb", "NO_COLOR=1"} {
		stream, code := scripttest.OnTerminal(t, terminalColumns, onTerminal(t, "", variable), nil)
		if code != 0 || strings.ContainsAny(stream, "\r\x1b") || !strings.Contains(stream, "\nconfapply: create a.service 1-develop …\n") {
			t.Errorf("%s: exit code %d:\n%q", variable, code, stream)
		}
	}
}

func TestApplyInterruptedOnTerminal(t *testing.T) {
	cmd := onTerminal(t, "trap '' INT\nexec sleep 60\n")
	interrupted := false
	stream, code := scripttest.OnTerminal(t, terminalColumns, cmd, func(stream string) string {
		if interrupted || !strings.Contains(stream, "… 1s") {
			return ""
		}
		interrupted = true
		return "\x03" // Ctrl-C
	})
	lines := shown(t, stream)
	if code != 3 || !interrupted || lines[len(lines)-1] != "confapply: error: interrupted" {
		t.Errorf("exit code %d, interrupted %v:\n%q", code, interrupted, stream)
	}
	for _, line := range lines {
		if strings.Contains(line, "… ") || strings.Contains(line, "^C") {
			t.Errorf("%q is left:\n%q", line, stream)
		}
	}
}
