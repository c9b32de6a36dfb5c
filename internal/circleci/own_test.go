package circleci

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestOwnSteps runs the shell of the project's own pipeline. Go, and what a machine of
// CircleCI has, are stand-ins that write down how they are called: the tests that they
// would run are these.
func TestOwnSteps(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"go", "gofmt", "sudo"} {
		write(t, filepath.Join(s.bin, name), "#!/bin/sh\necho \"${0##*/} $*\" >>\"$SITE_LOG\"\n", 0o755)
	}
	dir := t.TempDir()
	jobs, err := s.config(read(t, configurations[0]), "7").Workflow("every-commit")
	if err != nil {
		t.Fatal(err)
	}
	env := append([]string{"HOME=" + s.home, "PATH=" + s.bin + ":/usr/bin:/bin", "CI=true", "CIRCLECI=true"}, s.goEnv...)
	seen := ""
	for _, job := range jobs {
		for _, step := range job.Steps {
			if step.Kind != "run" {
				continue
			}
			if out, err := s.step(dir, env, step); err != nil {
				t.Errorf("job %s, step %q: %v\n%s", job.Name, step.Name, err, out)
			}
		}
		seen += job.Name + ": " + strings.Join(strings.Split(strings.TrimSpace(s.calls()), "\n"), "; ") + "\n"
	}
	const modules = "go mod download; go mod verify; "
	want := "lint: " + modules + "gofmt -l .; go vet ./...; go vet -tags lab ./...\n" +
		"test: " + modules + "go test ./...\n" +
		"build: " + modules + "go build -trimpath -ldflags -s -w -o bin/ ./cmd/...; go run ./demo\n" +
		"lab: sudo --preserve-env=CI env PATH=" + s.bin + ":/usr/bin:/bin bash .ci/run\n"
	compare(t, seen, want)
	for _, path := range []string{".ci/run", ".release/twice"} {
		if info, err := os.Stat(filepath.Join(root, path)); err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("%s cannot be run: %v", path, err)
		}
	}
}

// TestHooksOfTheExamples runs the published hooks that the examples name on the files that
// the examples hold.
func TestHooksOfTheExamples(t *testing.T) {
	var published []struct{ ID, Entry, Files string }
	unmarshal(t, filepath.Join(root, ".pre-commit-hooks.yaml"), &published)
	for _, name := range []string{"service", "sysconfig"} {
		dir := t.TempDir()
		bare := example(t, name)
		if out, err := exec.Command("git", "clone", "-q", "-b", "develop", bare, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var config struct {
			Repos []struct{ Hooks []struct{ ID string } }
		}
		unmarshal(t, filepath.Join(dir, ".pre-commit-config.yaml"), &config)
		ran := 0
		for _, hook := range config.Repos[0].Hooks {
			for _, p := range published {
				if p.ID != hook.ID {
					continue
				}
				ran++
				words := strings.Fields(p.Entry)
				args := append(words[1:], files(t, dir, regexp.MustCompile(strings.TrimPrefix(p.Files, " ")))...)
				command := exec.Command(filepath.Join(releaseDir, "programs", words[0]), args...)
				command.Dir = dir
				if out, err := command.CombinedOutput(); err != nil {
					t.Errorf("%s, %s: %v\n%s", name, hook.ID, err, out)
				}
			}
		}
		if ran != len(config.Repos[0].Hooks) || ran == 0 {
			t.Errorf("%s: %d hooks of %d are published", name, ran, len(config.Repos[0].Hooks))
		}
		if out, err := exec.Command("git", "-C", dir, "status", "--porcelain").CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: the hooks change %s", name, out)
		}
	}
}

func unmarshal(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// files of a repository whose paths match.
func files(t *testing.T, dir string, pattern *regexp.Regexp) []string {
	t.Helper()
	out, err := exec.Command("git", "-C", dir, "ls-files").Output()
	if err != nil {
		t.Fatal(err)
	}
	var matching []string
	for _, path := range strings.Fields(string(out)) {
		if pattern.MatchString(path) {
			matching = append(matching, path)
		}
	}
	if len(matching) == 0 {
		t.Errorf("no file matches %s", pattern)
	}
	return matching
}
