//go:build lab

package node_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/unitstamp/unitstamp/lab/node"
)

func TestNodeIsAMachineOfItsOwn(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "marker")
	if err := os.WriteFile(marker, []byte("of the machine\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	before := look(t)
	var pid int
	t.Run("booted", func(t *testing.T) {
		start := time.Now()
		n := node.Boot(t)
		pid = n.PID()
		t.Logf("up after %v", time.Since(start).Round(time.Millisecond))

		if got := n.Must("cat", "/proc/1/comm"); got != "systemd\n" {
			t.Errorf("PID 1 of the node is %q", got)
		}
		if got := n.Must("sh", "-c", "ls -A /tmp /var/tmp | grep -v '^/' | grep -v '^systemd-private-' | tr -d '\n'"); got != "" {
			t.Errorf("the node sees files in /tmp: %q", got)
		}
		if failed := n.Must("systemctl", "--failed", "--no-legend"); failed != "" {
			t.Errorf("failed units at boot:\n%s", failed)
		}
		if active := n.Must("systemctl", "list-units", "--type=service", "--no-legend", "--plain"); strings.Count(active, "\n") > 2 {
			t.Errorf("more than the bus and the journal runs:\n%s", active)
		}
		if got := n.Must("ip", "-brief", "address"); !strings.Contains(got, "127.0.0.1") || strings.Contains(got, "eth") {
			t.Errorf("network of the node:\n%s", got)
		}

		n.Write("/etc/systemd/system/hello.service", "[Service]\nExecStart=/bin/sh -c 'echo hello from $$(hostname); exec sleep 1000'\n", 0o644)
		n.Must("systemctl", "daemon-reload")
		n.Must("systemctl", "start", "hello.service")
		waitFor(t, func() bool { return strings.Contains(n.Journal("hello.service"), "hello from node") })

		// The same folders on the machine underneath must not notice.
		for _, path := range []string{"/tmp/x", "/run/x", "/dev/shm/x", "/var/tmp/x", "/etc/x", "/root/x"} {
			n.Write(path, "of the node\n", 0o644)
			if got := n.Read(path); got != "of the node\n" {
				t.Errorf("%s reads back as %q", path, got)
			}
		}
		n.Copy(marker, "/srv/deep/marker")
		if got := n.Must("stat", "-c", "%a", "/srv/deep/marker"); got != "640\n" {
			t.Errorf("mode of a copied file: %q", got)
		}
		n.Must("sh", "-c", "rm -rf /tmp/* /var/tmp/* /run/x /home")
		for _, process := range []string{"1", "self"} {
			const sysTime, sysModule = 1 << 25, 1 << 16
			status := n.Must("sed", "-n", `s/^CapBnd:\s*//p`, "/proc/"+process+"/status")
			bounds, err := strconv.ParseUint(strings.TrimSpace(status), 16, 64)
			if err != nil || bounds&(sysTime|sysModule) != 0 {
				t.Errorf("process %s of the node may set the clock or load modules: %q, %v", process, status, err)
			}
		}
	})
	if err := syscall.Kill(pid, 0); pid == 0 || err != syscall.ESRCH {
		t.Errorf("PID 1 of the node after the end: %v", err)
	}
	if after := look(t); after != before {
		t.Errorf("the machine changed:\n%s", diff.Diff("before", []byte(before), "after", []byte(after)))
	}
	if content, err := os.ReadFile(marker); err != nil || string(content) != "of the machine\n" {
		t.Errorf("a file in /tmp of the machine: %q, %v", content, err)
	}
}

func TestCommandEndsWithItsContext(t *testing.T) {
	n := node.Boot(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, code := n.Run(ctx, "sleep", "987"); code == 0 {
		t.Error("a killed command has exit code 0")
	}
	if _, _, code := n.Run(t.Context(), "pgrep", "-f", "^sleep 987"); code == 0 {
		t.Error("the command runs on")
	}
}

// look describes what a node must leave as it is.
func look(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	b.Write(mounts)
	for _, pattern := range []string{"/*", "/run/*", "/dev/*", "/dev/shm/*", "/var/tmp/*", "/etc/*", "/etc/systemd/*", "/etc/systemd/system/*",
		fmt.Sprintf("/sys/fs/cgroup/unitstamp-node-%d-*", os.Getpid()), fmt.Sprintf("/sys/fs/cgroup/*/unitstamp-node-%d-*", os.Getpid())} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(strings.Join(paths, "\n") + "\n")
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	b.WriteString(name)
	return b.String()
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not seen within 10 s")
		}
	}
}
