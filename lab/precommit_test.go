//go:build lab

package lab

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The hooks do in a repository what they promise, from the working tree as it is.
func TestPreCommitHooks(t *testing.T) {
	project, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	repository := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(repository, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := precommit{t: t, dir: repository, project: project, home: t.TempDir()}
	p.git("init", "-q")
	const head = "[Unit]\nAfter=docker.service\n[Service]\n"
	write("README", "docker run —rm is no unit\n")
	write("units/good.service", head+"ExecStart=/usr/bin/docker run --rm --name good x/a\nExecStop=/usr/bin/docker stop good\n")
	p.git("add", "-A")
	p.run(true, "unitstamp check.", "unitstamp check --fix.", "unitstamp check --expect unstamped.")

	write("units/web@.service", head+"ExecStart=/usr/bin/docker run —rm --name web-%i x/a:58-develop\n")
	write("units/web@.service.d/tty.conf", "[Service]\nExecStart=\nExecStart=/usr/bin/docker run “x”\n")
	p.git("add", "-A")
	p.run(false,
		"units/web@.service:4:31: error: ", "[US001]", "units/web@.service.d/tty.conf:3:31: error: ", "[US002]",
		"files were modified by this hook", "2 findings mended in 2 files",
		`"x/a:58-develop" carries the tag of a build`, "[US047]")
	write("units/.unitstamp.yaml", "rules: {US047: off}\n")
	p.git("add", "-A")
	p.run(true)
	mended, err := os.ReadFile(filepath.Join(repository, "units/web@.service"))
	if err != nil || !strings.Contains(string(mended), "docker run --rm --name") {
		t.Errorf("the unit is (error %v):\n%s", err, mended)
	}
}

// precommit runs pre-commit in a repository.
type precommit struct {
	t                  *testing.T
	dir, project, home string
}

func (p precommit) git(args ...string) {
	p.t.Helper()
	if output, err := p.command("git", args...).CombinedOutput(); err != nil {
		p.t.Fatalf("git %v: %v\n%s", args, err, output)
	}
}

// run runs all hooks over all files and wants them to pass or not, and to print texts.
func (p precommit) run(passes bool, texts ...string) {
	p.t.Helper()
	output, err := p.command("pre-commit", "try-repo", p.project, "--all-files", "--verbose").CombinedOutput()
	if passes != (err == nil) {
		p.t.Fatalf("%v\n%s", err, output)
	}
	if n := strings.Count(string(output), "Passed\n"); passes && n != 3 {
		p.t.Errorf("%d hooks passed, want 3:\n%s", n, output)
	}
	for _, text := range texts {
		if !strings.Contains(string(output), text) {
			p.t.Errorf("there is no %q in:\n%s", text, output)
		}
	}
}

func (p precommit) command(name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(p.t.Context(), 5*time.Minute)
	p.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(),
		"PRE_COMMIT_HOME="+p.home, "PRE_COMMIT_COLOR=never",
		// The hook's environment shares the modules that are there already.
		"GOMODCACHE="+goEnv(p.t, "GOMODCACHE"), "GOTOOLCHAIN=local",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		"GIT_AUTHOR_NAME=CI", "GIT_AUTHOR_EMAIL=ci@example.com", "GIT_COMMITTER_NAME=CI", "GIT_COMMITTER_EMAIL=ci@example.com")
	return cmd
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	output, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(output))
}
