//go:build lab

// Package road walks the whole road with the programs as they are built: a unit is
// stamped, pushed to a git server, checked out, and applied to a real systemd.
package road

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/internal/programs"
	"github.com/unitstamp/unitstamp/lab/node"
)

// unit is a service as a team has it, its command on several lines.
const unit = `[Unit]
Description=Orders of the shop

[Service]
# The name is fixed, so that operators find it.
ExecStartPre=/usr/bin/docker pull myrepo/myservice
ExecStart=/usr/bin/docker run \
    --name myservice \
    -e "GREETING=good day" \
    myrepo/myservice serve --verbose
KillMode=mixed

[Install]
WantedBy=multi-user.target
`

// docker stands in for the client: it writes its words down, one call a line, and
// a run goes on until it is stopped.
const docker = `#!/bin/sh
line=
for word in "$@"; do line="$line<$word>"; done
echo "$line" >>/var/log/docker-calls
[ "$1" = run ] && exec sleep 600
exit 0
`

// ci runs a program as build number n does on CircleCI.
func ci(t *testing.T, dir string, n int, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = dir
	command.Env = []string{
		"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "CI=true", "CIRCLECI=true", "CIRCLE_BRANCH=develop",
		fmt.Sprintf("CIRCLE_BUILD_NUM=%d", n), fmt.Sprintf("UNITSTAMP_BUILD=%d", n),
	}
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(program), args, err, output)
	}
	return string(output)
}

func TestRoad(t *testing.T) {
	bin := programs.For(t, "unitstamp", "confpush", "confapply")
	bare := gittest.Bare(t)
	gittest.Commit(t, bare, "develop", "Begin", map[string]string{"README": "units of the shop\n"})
	url := gittest.ServeHTTP(t, bare)

	n := node.Boot(t)
	n.Copy(filepath.Join(bin, "confapply"), "/usr/local/bin/confapply")
	n.Write("/usr/bin/docker", docker, 0o755)

	// release takes one build from the service's repository onto the node.
	release := func(build int) {
		t.Helper()
		checkout := t.TempDir()
		if err := os.WriteFile(filepath.Join(checkout, "myservice.service"), []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
		ci(t, checkout, build, filepath.Join(bin, "unitstamp"), "stamp", "-w", "myservice.service")
		ci(t, checkout, build, filepath.Join(bin, "confpush"), "--repo", url, "--branch", "develop", "--dir", "units", "myservice.service")

		sysconfig := filepath.Join(t.TempDir(), "sysconfig")
		gittest.Git(t, ".", "clone", "-q", "-b", "develop", url, sysconfig)
		n.Copy(filepath.Join(sysconfig, "units", "myservice.service"), "/units/myservice.service")
		t.Log(n.Must("confapply", "apply", "--engine", "systemd", "--stable", "1s"))
	}
	show := func(property string) string {
		return strings.TrimSpace(n.Must("systemctl", "show", "--value", "--property", property, "myservice.service"))
	}

	release(57)
	first := show("InvocationID")
	if state := show("ActiveState"); state != "active" {
		t.Fatalf("the service is %s", state)
	}
	release(58)
	second := show("InvocationID")
	if state := show("ActiveState"); state != "active" || second == first || show("NRestarts") != "0" {
		t.Errorf("after build 58: %s, invocation %s after %s, %s restarts", state, second, first, show("NRestarts"))
	}
	n.Must("confapply", "apply", "--engine", "systemd", "--stable", "1s")
	if third := show("InvocationID"); third != second {
		t.Errorf("nothing changed, and the service was started again")
	}

	want := ""
	for _, build := range []int{57, 58} {
		want += fmt.Sprintf("<pull><myrepo/myservice:%d-develop>\n", build)
		want += fmt.Sprintf("<run><--name><myservice><-e><GREETING=good day><myrepo/myservice:%d-develop><serve><--verbose>\n", build)
	}
	if got := n.Read("/var/log/docker-calls"); got != want {
		t.Errorf("docker was called with\n%s\nwant\n%s", got, want)
	}
	if got := gittest.Git(t, bare, "log", "--reverse", "--format=%s", "develop"); strings.TrimSpace(got) != "Begin\nUpdating myservice tag to '57-develop'\nUpdating myservice tag to '58-develop'" {
		t.Errorf("the history is\n%s", got)
	}
	gittest.Fsck(t, bare)
	stamped := gittest.Git(t, bare, "show", "develop:units/myservice.service")
	without := strings.ReplaceAll(stamped, "myrepo/myservice:58-develop", "myrepo/myservice")
	if strings.TrimSpace(without) != strings.TrimSpace(unit) {
		t.Errorf("more than the tag changed:\n%s", stamped)
	}
}
