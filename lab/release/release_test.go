//go:build lab

// Package release makes a release twice and looks at everything in it: archives,
// packages, images. Then it installs and runs what users would.
package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// version is what the release is called.
const version = "0.1.0"

var (
	root     = filepath.Join("..", "..")
	programs = []string{"confapply", "confpush", "unitstamp"}
	arches   = []string{"amd64", "arm64"}
)

// A release is what goreleaser made, twice, each time in a folder of its own: the source
// and, in "dist", what is published.
type release struct {
	first, second string
	commit        string
	date          time.Time
}

var (
	once sync.Once
	made release
	fail string
	temp string
)

func TestMain(m *testing.M) {
	code := m.Run()
	if temp != "" {
		if err := os.RemoveAll(temp); err != nil && code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}

// releases makes the two, when the first test asks, and compares them.
func releases(t *testing.T) release {
	t.Helper()
	once.Do(func() {
		fail = "the release could not be made, see above"
		var err error
		if temp, err = os.MkdirTemp("", "release"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
		defer cancel()
		command := exec.CommandContext(ctx, filepath.Join(root, ".release", "twice"), version, temp)
		began := time.Now()
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("%s, after %s", lastLine(string(out)), time.Since(began).Round(time.Second))
		made = release{first: filepath.Join(temp, "first"), second: filepath.Join(temp, "second")}
		commit, date, _ := strings.Cut(strings.TrimSpace(run(t, "git", "-C", made.first, "log", "-1", "--format=%H %cI")), " ")
		made.commit = commit
		if made.date, err = time.Parse(time.RFC3339, date); err != nil {
			t.Fatal(err)
		}
		fail = ""
	})
	if fail != "" {
		t.Fatal(fail)
	}
	return made
}

// binary is the path of a program that goreleaser built for Linux.
func (r release) binary(name, arch string) string {
	return filepath.Join(r.first, binary(name, arch))
}

// binary is such a path within a release's folder: goreleaser's names have the kind of
// machine that Go builds for unless it is told.
func binary(name, arch string) string {
	return filepath.Join("dist", name+"_linux_"+arch+map[string]string{"amd64": "_v1", "arm64": "_v8.0"}[arch], name)
}

// file is the path of something published.
func (r release) file(name string) string { return filepath.Join(r.first, "dist", name) }

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// run runs a command that has to succeed, and returns its standard output.
func run(t *testing.T, args ...string) string {
	t.Helper()
	return runWith(t, nil, args...)
}

// runWith is run with more in the environment.
func runWith(t *testing.T, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Env = append(os.Environ(), env...)
	var errs strings.Builder
	command.Stderr = &errs
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s%s", args, err, out, errs.String())
	}
	return string(out)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// digest is SHA-256, in hexadecimal digits.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
