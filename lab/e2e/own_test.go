//go:build lab

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/circleci"
	"github.com/unitstamp/unitstamp/internal/gittest"
)

const ownFile = ".circleci/config.yml"

// ownPipeline runs the project's own pipeline with the real Go, on the machine underneath,
// which has the modules and what is compiled of them already. Each job has the tree as it
// is at the tree's own path, and what it writes there lands in memory and is gone with it.
// The path and the times are those that Go's cache knows: after .ci/run has run the tests,
// the step that runs them again finds that nothing has changed.
//
// One command is not what it says: .ci/run is what runs this test, so in its place stands
// a script that looks at how it is called, and in the place of sudo, which the lab has not,
// one that does what root's would.
func (w *world) ownPipeline(t *testing.T) {
	document, err := circleci.Read(filepath.Join(root, ownFile))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	commit := gittest.Git(t, tree, "rev-parse", "HEAD")
	config := circleci.Config{Document: document, Pipeline: map[string]string{"number": "7", "git.branch": "main", "project.slug": "gh/unitstamp/unitstamp"}}
	golden, _, err := circleci.Environment(filepath.Join(root, "pkg", "cienv", "testdata", "circleci.env"), commit)
	if err != nil {
		t.Fatal(err)
	}
	for _, workflow := range circleci.Workflows(document) {
		jobs, err := config.Workflow(workflow)
		if err != nil {
			t.Fatal(err)
		}
		for n, job := range jobs {
			j := w.ownJob(t, tree)
			j.environment = append(j.environment, append(golden, config.Environment(job, n+1, commit)...)...)
			for _, step := range job.Steps {
				if step.Kind != "run" {
					continue
				}
				began := time.Now()
				out, err := j.run(step)
				if err != nil {
					t.Fatalf("job %s, step %q: %v\n%s", job.Name, step.Name, err, out)
				}
				t.Logf("job %s, step %q: %s", job.Name, step.Name, time.Since(began).Round(time.Second/10))
				w.executed.add(ownFile, step)
				if job.Name == "lab" {
					j.calledRun(t, tree)
				}
			}
			j.end()
		}
	}
}

// An ownJob sees the machine underneath, apart from the tree's folder.
type ownJob struct {
	tree, dir   string
	pid         int // of a process in the job's mounts
	environment []string
	end         func()
}

// standIns are the words of sudo and .ci/run, which writes down how it is called.
const (
	sudo = `#!/bin/sh
set -eu
[ "$1" = --preserve-env=CI ] && shift
exec env -i "CI=$CI" HOME=/root "STAND_IN=$STAND_IN" "$@"
`
	ciRun = `echo "$(id -u) $PWD $CI $(command -v go gofmt git | tr '\n' ' ')${CIRCLECI:-}" >"$STAND_IN/called"` + "\n"
)

func (w *world) ownJob(t *testing.T, tree string) *ownJob {
	t.Helper()
	j := &ownJob{tree: tree, dir: t.TempDir()}
	// What comes with a checkout is at the tree's path; what is written, in memory.
	hold := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-euc", `
mount -t tmpfs tmpfs "$0"
mkdir "$0/upper" "$0/work" "$0/bin"
mount -t overlay -o "lowerdir=$1,upperdir=$0/upper,workdir=$0/work" overlay "$1"
echo up
exec cat`, j.dir, tree)
	stop, err := hold.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := hold.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	hold.Stderr = &errs
	if err := hold.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	j.end = func() {
		if !ended {
			ended = true
			_ = stop.Close()
			_ = hold.Wait() // cat ends with its input
		}
	}
	t.Cleanup(j.end)
	if _, err := io.ReadFull(out, make([]byte, len("up\n"))); err != nil {
		t.Fatalf("no folder for a job: %v\n%s", err, errs.String())
	}
	j.pid = hold.Process.Pid

	// The cache knows tests by the variables that they look at. So all of them stay as
	// they are, and "go test" has put its own folder before the path.
	j.environment = append(os.Environ(), "STAND_IN="+j.dir, "PATH="+strings.TrimPrefix(os.Getenv("PATH"), filepath.Join(runtime.GOROOT(), "bin")+":"))
	return j
}

// within prepares a command in the job's mounts.
func (j *ownJob) within(ctx context.Context, words ...string) *exec.Cmd {
	enter := []string{"--target", fmt.Sprint(j.pid), "--mount", "--", "env", "-i", "-C", j.tree}
	return exec.CommandContext(ctx, "nsenter", append(append(enter, j.environment...), words...)...)
}

func (j *ownJob) run(step circleci.Step) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	place := j.within(ctx, "sh", "-euc", `
cat >"$STAND_IN/step"
case $(cat "$STAND_IN/step") in
*sudo*.ci/run*)
	printf %s "$0" >"$STAND_IN/bin/sudo"
	chmod +x "$STAND_IN/bin/sudo"
	test -x .ci/run
	printf %s "$1" >.ci/run
	;;
esac`, sudo, ciRun)
	place.Stdin = strings.NewReader(step.Command + "\n")
	if out, err := place.CombinedOutput(); err != nil {
		return string(out), err
	}
	script := `if [ -e "$STAND_IN/bin/sudo" ]; then PATH="$STAND_IN/bin:$PATH"; fi; exec ` + strings.Replace(step.Shell, "{0}", `"$0"`, 1)
	var words []string
	for name, value := range step.Environment {
		words = append(words, name+"="+value)
	}
	out, err := j.within(ctx, append(words, "sh", "-c", script, j.dir+"/step")...).CombinedOutput()
	return string(out), err
}

// calledRun looks at how .ci/run was called: as root, in the tree, with Go.
func (j *ownJob) calledRun(t *testing.T, tree string) {
	t.Helper()
	out, err := j.within(t.Context(), "cat", j.dir+"/called").CombinedOutput()
	words := strings.Fields(string(out))
	if err != nil || len(words) != 6 || words[0] != "0" || words[1] != tree || words[2] != "true" {
		t.Errorf(".ci/run was called so: %q, %v", out, err)
	}
}
