//go:build lab

// Package confpush_test puts the program under load, faults and a stop-watch.
package confpush_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/internal/programs"
)

func buildProgram(t testing.TB) string {
	t.Helper()
	return filepath.Join(programs.For(t, "confpush"), "confpush")
}

func unitText(service, tag string) string {
	return "[Unit]\nDescription=" + service + "\n[Service]\nExecStart=/usr/bin/docker run --rm --name %p myrepo/" + service + ":" + tag + "\n"
}

func unitPath(i int) string { return fmt.Sprintf("units/%03d/s%d.service", i%500, i) }

// repository makes a bare repository with that many units and commits. Every
// commit after the first changes one unit.
func repository(t testing.TB, units, commits int) string {
	t.Helper()
	bare := gittest.Bare(t)
	in, out := io.Pipe()
	go func() {
		write := func(message string, from, to int, tag string) {
			fmt.Fprintf(out, "commit refs/heads/main\ncommitter Seed <seed@example.com> 1700000000 +0000\ndata %d\n%s\n", len(message), message)
			for i := from; i < to; i++ {
				text := unitText(fmt.Sprintf("s%d", i), tag)
				fmt.Fprintf(out, "M 100644 inline %s\ndata %d\n%s\n", unitPath(i), len(text), text)
			}
		}
		write("seed", 0, units, "1-develop")
		for c := 1; c < commits; c++ {
			write("more", c%units, c%units+1, fmt.Sprintf("%d-develop", c+1))
		}
		out.Close()
	}()
	cmd := exec.Command("git", "fast-import", "--quiet")
	cmd.Dir, cmd.Env, cmd.Stdin = bare, gittest.Env(), in
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return bare
}

// meter counts what goes over a wire.
type meter struct {
	requests, connections, up, down atomic.Int64
}

func (m *meter) reset() {
	m.requests.Store(0)
	m.connections.Store(0)
	m.up.Store(0)
	m.down.Store(0)
}

func (m *meter) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.requests.Add(1)
		next.ServeHTTP(w, r)
	})
}

// serveHTTP serves a repository behind a line of the given round-trip time.
func serveHTTP(t testing.TB, bare string, rtt time.Duration, m *meter, wraps ...func(http.Handler) http.Handler) string {
	t.Helper()
	server := httptest.NewServer(gittest.Backend(t, bare, append(wraps, m.counting)...))
	t.Cleanup(server.Close)
	return "http://" + line(t, server.Listener.Addr().String(), rtt, m) + "/" + filepath.Base(bare)
}

// line is a proxy that delivers everything half a round trip later, and makes
// a new connection wait for a whole one.
func line(t testing.TB, target string, rtt time.Duration, m *meter) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			m.connections.Add(1)
			go func() {
				time.Sleep(rtt)
				back, err := net.Dial("tcp", target)
				if err != nil {
					conn.Close()
					return
				}
				var both sync.WaitGroup
				both.Go(func() { carry(back, conn, rtt/2, &m.up) })
				both.Go(func() { carry(conn, back, rtt/2, &m.down) })
				both.Wait()
				conn.Close()
				back.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func carry(to, from net.Conn, delay time.Duration, count *atomic.Int64) {
	type piece struct {
		due  time.Time
		data []byte
	}
	queue := make(chan piece, 1024)
	go func() {
		defer close(queue)
		for {
			buf := make([]byte, 32<<10)
			n, err := from.Read(buf)
			if n > 0 {
				count.Add(int64(n))
				queue <- piece{time.Now().Add(delay), buf[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range queue {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	if c, ok := to.(*net.TCPConn); ok {
		c.CloseWrite()
	}
	for range queue {
	}
}

// spent is what one run of a program cost.
type spent struct {
	wall  time.Duration
	cpu   time.Duration
	rssKB int64 // of the largest process
	code  int
	out   string
}

// runProgram runs a program to its end.
func runProgram(dir string, env []string, name string, args ...string) spent {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(gittest.Env(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return spent{out: err.Error(), code: -1}
	}
	peak := make(chan int64, 1)
	ended := make(chan struct{})
	go func() { peak <- watchMemory(cmd.Process.Pid, ended) }()
	cmd.Wait()
	s := spent{wall: time.Since(began), out: out.String(), code: cmd.ProcessState.ExitCode()}
	close(ended)
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	s.rssKB = <-peak
	if name == "sh" { // its children count; the kernel never gives less than this test's own size
		s.rssKB = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	}
	return s
}

// watchMemory reads a process's peak of resident memory until it ends. (What
// wait4 reports holds that of the process which forked it, too.)
func watchMemory(pid int, ended <-chan struct{}) (peakKB int64) {
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
			var kb int64
			if _, err := fmt.Sscan(rest, &kb); err == nil {
				peakKB = kb
			}
		}
		select {
		case <-ended:
			return peakKB
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// linear fails the test unless the history is one line of that many commits.
func linear(t testing.TB, bare, branch string, commits int) []string {
	t.Helper()
	if merges := gittest.Git(t, bare, "rev-list", "--min-parents=2", "--count", branch); merges != "0" {
		t.Errorf("%s merges", merges)
	}
	log := strings.Fields(gittest.Git(t, bare, "rev-list", branch))
	if len(log) != commits {
		t.Errorf("%d commits, want %d", len(log), commits)
	}
	return log
}

func writeFile(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func splitLines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

func base(path string) string { return path[strings.LastIndex(path, "/")+1:] }
