//go:build lab

// Package node boots disposable machines for the lab tests: the operating
// system of this machine, with its own systemd as PID 1, in namespaces of its
// own. What a node writes lands in memory and is gone with it; the machine
// underneath keeps its files, mounts, processes and network as they were.
//
// It needs root, cgroup2 and the packages systemd, dbus, util-linux and
// iproute2. A missing prerequisite fails the test, it never skips it.
package node

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

//go:embed boot.sh
var bootScript string

const (
	bootTimeout = 20 * time.Second
	pidPrefix   = "node-init "
	// A namespace is no border for these: the clock, the kernel's modules, log
	// and ports belong to the machine underneath.
	forbidden  = "-sys_time,-sys_module,-sys_rawio,-syslog,-wake_alarm"
	searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// A Node is a running disposable machine. Its methods may be called from
// several goroutines.
type Node struct {
	t testing.TB
	*machine
}

// machine is what runs, whoever looks at it.
type machine struct {
	pid     int // of the node's PID 1, as the machine underneath counts
	outer   *exec.Cmd
	exited  chan struct{}
	console console
	group   string
}

// Boot starts a node and returns when its systemd answers on the system bus.
// The node lives until the test and its subtests are over. If the test failed
// by then, the node's console is logged.
func Boot(t testing.TB) *Node {
	t.Helper()
	n := &Node{t, &machine{exited: make(chan struct{})}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console of the node:\n%s", n.console.String())
		}
		if err := n.halt(); err != nil {
			t.Errorf("halt the node: %v", err)
		}
	})
	if err := n.boot(); err != nil {
		t.Fatalf("boot a node: %v", err)
	}
	return n
}

func (n *Node) boot() error {
	ctx, cancel := context.WithTimeout(context.Background(), bootTimeout)
	defer cancel()
	var err error
	if n.group, err = makeCgroup(); err != nil {
		return err
	}
	machine, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return err
	}
	// The first shell enters the cgroup, so that the cgroup namespace of the
	// node has its root there.
	n.outer = exec.Command("/bin/sh", "-c", `echo $$ >"$0/cgroup.procs"; exec unshare `+
		`--pid --fork --kill-child=KILL --mount --propagation private --net --uts --ipc --cgroup `+
		`/bin/sh -c "$1" node "$2" "$3"`, n.group, bootScript, machine, forbidden)
	n.outer.Env = []string{"PATH=" + searchPath}
	n.outer.Stdout = &n.console
	n.outer.Stderr = &n.console
	n.outer.WaitDelay = time.Second
	n.outer.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}

	started := make(chan error, 1)
	go func() {
		// A parent death signal is tied to the thread that started the
		// child, so this goroutine keeps its thread until the end.
		runtime.LockOSThread()
		defer close(n.exited)
		err := n.outer.Start()
		started <- err
		if err == nil {
			_ = n.outer.Wait() // killed in the end: its status says nothing
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	return n.waitUp(ctx)
}

// waitUp returns when the manager has reached its default target and the
// system bus answers.
func (n *Node) waitUp(ctx context.Context) error {
	for {
		if n.pid == 0 {
			n.pid = n.console.initPID()
		}
		if n.pid != 0 {
			out, _, _ := n.run(ctx, "busctl", "--timeout=2", "get-property", "org.freedesktop.systemd1",
				"/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "SystemState")
			if strings.Contains(out, `"running"`) || strings.Contains(out, `"degraded"`) {
				return nil
			}
		}
		select {
		case <-n.exited:
			return errors.New("PID 1 ended before it was up")
		case <-ctx.Done():
			return fmt.Errorf("not up after %v", bootTimeout)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// halt kills the node and everything in it, and waits until nothing is left.
func (n *Node) halt() error {
	if n.outer != nil && n.outer.Process != nil {
		// With PID 1 the kernel ends everything in the node, and unshare
		// reaps it and ends as well.
		select {
		case <-n.exited:
		default:
			if n.pid != 0 {
				_ = syscall.Kill(n.pid, syscall.SIGKILL)
			}
		}
		select {
		case <-n.exited:
		case <-time.After(5 * time.Second):
			_ = syscall.Kill(n.outer.Process.Pid, syscall.SIGKILL)
			<-n.exited
		}
	}
	if n.group == "" {
		return nil
	}
	return removeCgroup(n.group)
}

// For is the same node for a subtest: what fails, fails there.
func (n *Node) For(t testing.TB) *Node { return &Node{t, n.machine} }

// PID is the process id of the node's PID 1 as this machine counts.
func (n *Node) PID() int { return n.pid }

// Command prepares a command that runs inside the node as root, in its root
// directory. Cancelling ctx kills it.
func (n *Node) Command(ctx context.Context, args ...string) *exec.Cmd {
	enter := append([]string{"--target", strconv.Itoa(n.pid), "--all", "--",
		"setpriv", "--inh-caps=-all", "--bounding-set=" + forbidden, "--",
		"env", "-i", "PATH=" + searchPath, "HOME=/root", "LC_ALL=C.UTF-8"}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", enter...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// Run runs a command inside the node and returns its output and exit code. A
// command that cannot be started or is killed has the code -1.
func (n *Node) Run(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	n.t.Helper()
	return n.run(ctx, args...)
}

func (n *Node) run(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	cmd := n.Command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		return "", err.Error(), -1
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Must is Run for a command that has to succeed; it returns standard output.
func (n *Node) Must(args ...string) string {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, errs, code := n.run(ctx, args...)
	if code != 0 {
		n.t.Fatalf("%q in the node: exit %d\n%s%s", args, code, out, errs)
	}
	return out
}

// Shell runs a command line in root's home, for a minute at most. It returns what
// is printed on both streams, and the exit code.
func (n *Node) Shell(command string) (output string, code int) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	output, _, code = n.run(ctx, "sh", "-c", "cd /root; exec 2>&1; "+command)
	return output, code
}

// Copy copies a file of this machine to a path inside the node, folders made
// as needed, the mode kept.
func (n *Node) Copy(from, to string) {
	n.t.Helper()
	f, err := os.Open(from)
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		n.t.Fatal(err)
	}
	n.put(f, to, info.Mode().Perm())
}

// Write writes a file inside the node, folders made as needed.
func (n *Node) Write(path, content string, mode os.FileMode) {
	n.t.Helper()
	n.put(strings.NewReader(content), path, mode)
}

// put goes through a process inside the node: a path opened from outside would
// follow the node's absolute links into this machine.
func (n *Node) put(content io.Reader, path string, mode os.FileMode) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := n.Command(ctx, "install", "-D", "-m", fmt.Sprintf("%04o", mode), "/dev/stdin", path)
	cmd.Stdin = content
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("write %s in the node: %v\n%s", path, err, out)
	}
}

// Read returns the content of a file inside the node.
func (n *Node) Read(path string) string {
	n.t.Helper()
	return n.Must("cat", path)
}

// Journal returns the messages of one unit since boot, oldest first.
func (n *Node) Journal(unit string) string {
	n.t.Helper()
	return n.Must("journalctl", "--no-pager", "--quiet", "--output=short-monotonic", "--unit="+unit)
}

// console keeps what PID 1 and the boot script print.
type console struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// initPID finds the line in which the boot script tells its PID, 0 if it is
// not there yet.
func (c *console) initPID() int {
	for line := range strings.Lines(c.String()) {
		if rest, ok := strings.CutPrefix(line, pidPrefix); ok && strings.HasSuffix(rest, "\n") {
			pid, err := strconv.Atoi(strings.TrimSpace(rest))
			if err == nil {
				return pid
			}
		}
	}
	return 0
}
