//go:build lab

package confpush_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/pkg/guard"
)

// cutter is a proxy that breaks a connection after a number of bytes in one
// direction, once. Later connections go through.
type cutter struct {
	target string
	up     int64 // bytes to the server before the cut; -1 for never
	down   int64 // bytes to the client before the cut; -1 for never
	used   atomic.Bool
}

func (c *cutter) serve(t testing.TB) string {
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
			up, down := int64(-1), int64(-1)
			if c.used.CompareAndSwap(false, true) {
				up, down = c.up, c.down
			}
			go c.pass(conn, up, down)
		}
	}()
	return listener.Addr().String()
}

func (c *cutter) pass(conn net.Conn, up, down int64) {
	back, err := net.Dial("tcp", c.target)
	if err != nil {
		conn.Close()
		return
	}
	end := sync.OnceFunc(func() {
		// a reset, as a broken line gives it
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
		back.Close()
	})
	move := func(to, from net.Conn, limit int64) {
		defer end()
		buf := make([]byte, 4096)
		for {
			n, err := from.Read(buf)
			if limit >= 0 && int64(n) >= limit {
				to.Write(buf[:limit])
				// what has reached the server goes on there
				time.Sleep(100 * time.Millisecond)
				return
			}
			if limit >= 0 {
				limit -= int64(n)
			}
			if _, werr := to.Write(buf[:n]); werr != nil || err != nil {
				return
			}
		}
	}
	go move(back, conn, up)
	move(conn, back, down)
}

// TestCuts breaks the conversation at places spread over all of its bytes, in
// both directions. Each push lands exactly once.
func TestCuts(t *testing.T) {
	program := buildProgram(t)
	dir := t.TempDir()
	bare := repository(t, 100, 1)
	server := httptest.NewServer(gittest.Backend(t, bare))
	defer server.Close()
	target := server.Listener.Addr().String()
	file := func(build int) string {
		return writeFile(t, dir, fmt.Sprintf("%d/s1.service", build), unitText("s1", fmt.Sprintf("%d-develop", build)))
	}
	push := func(addr string, build int) spent {
		return runProgram(dir, nil, program, "--json", "--deadline", "40s", "--repo", "http://"+addr+"/"+filepath.Base(bare), "--branch", "main", "--as", unitPath(1), file(build))
	}
	// learn how long a conversation is
	m := &meter{}
	whole := line(t, target, 0, m)
	build := 100
	if s := push(whole, build); s.code != 0 {
		t.Fatal(s.out)
	}
	up, down := m.up.Load(), m.down.Load()
	const steps = 30
	for i := range 2 * steps {
		c := &cutter{target: target, up: -1, down: -1}
		if i < steps {
			c.up = up * int64(i) / steps
		} else {
			c.down = down * int64(i-steps) / steps
		}
		build++
		before := gittest.Git(t, bare, "rev-list", "--count", "main")
		s := push(c.serve(t), build)
		if s.code != 0 {
			t.Errorf("cut at up %d down %d: exit %d\n%s", c.up, c.down, s.code, s.out)
			continue
		}
		after := gittest.Git(t, bare, "rev-list", "--count", "main")
		var a, b int
		fmt.Sscan(before, &b)
		fmt.Sscan(after, &a)
		tip := gittest.Git(t, bare, "rev-parse", "main")
		if a != b+1 || !strings.Contains(s.out, tip) {
			t.Errorf("cut at up %d down %d: %d commits more\n%s", c.up, c.down, a-b, s.out)
		}
	}
	gittest.Fsck(t, bare)
	t.Logf("%d bytes up, %d down, %d cuts", up, down, 2*steps)
}

// TestKills ends the program at random moments. Whatever is there afterwards is
// whole, and running it again completes it.
func TestKills(t *testing.T) {
	program := buildProgram(t)
	dir := t.TempDir()
	bare := repository(t, 100, 1)
	url := serveHTTP(t, bare, 10*time.Millisecond, &meter{})
	random := rand.New(rand.NewPCG(*seed, 1))
	for i := range 40 {
		build := 100 + i
		file := writeFile(t, dir, fmt.Sprintf("%d/s1.service", build), unitText("s1", fmt.Sprintf("%d-develop", build)))
		args := []string{"--repo", url, "--branch", "main", "--as", unitPath(1), file}
		cmd := exec.Command(program, args...)
		cmd.Env = gittest.Env()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.IntN(160)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		time.Sleep(100 * time.Millisecond) // the server ends what it has begun
		gittest.Fsck(t, bare)
		if s := runProgram(dir, nil, program, args...); s.code != 0 {
			t.Fatalf("again: exit %d\n%s", s.code, s.out)
		}
		if got := gittest.Git(t, bare, "rev-list", "--count", "main"); got != fmt.Sprint(i+2) {
			t.Fatalf("%s commits after %d builds", got, i+1)
		}
	}
}

// TestKillsInAStorm ends some of many writers at random moments, in the queue and
// at the head of it. All others land, what the dead have asked for lands once or
// not at all, and nothing is left for the next but what that one carries out.
func TestKillsInAStorm(t *testing.T) {
	const jobs = 24
	program := buildProgram(t)
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(*seed, 2))
	for round := range 3 {
		bare := repository(t, 100, 1)
		url := serveHTTP(t, bare, 10*time.Millisecond, &meter{})
		args := func(i int) []string {
			file := writeFile(t, dir, fmt.Sprintf("%d/s%d.service", round, i), unitText(fmt.Sprintf("s%d", i), "2-develop"))
			return []string{"--repo", url, "--branch", "main", "--deadline", "60s", "--as", unitPath(i), file}
		}
		var all sync.WaitGroup
		killed := 0
		for i := range jobs {
			args, kill := args(i), i%3 == 0
			if !kill {
				all.Go(func() {
					if s := runProgram(dir, nil, program, args...); s.code != 0 {
						t.Errorf("round %d, %d: exit %d\n%s", round, i, s.code, s.out)
					}
				})
				continue
			}
			killed++
			life := time.Duration(random.IntN(2500)) * time.Millisecond
			all.Go(func() {
				cmd := exec.Command(program, args...)
				cmd.Env = gittest.Env()
				if err := cmd.Start(); err != nil {
					t.Error(err)
					return
				}
				timer := time.AfterFunc(life, func() { cmd.Process.Kill() })
				cmd.Wait()
				timer.Stop()
			})
		}
		all.Wait()
		time.Sleep(100 * time.Millisecond) // the server ends what it has begun
		gittest.Fsck(t, bare)
		landed := strings.Count("\n"+gittest.Git(t, bare, "log", "--format=%s", "main"), "\nUpdating")
		left := strings.Count("\n"+gittest.Git(t, bare, "for-each-ref", "--format=%(refname)", "refs/confpush"), "\nrefs")
		if landed < jobs-killed || landed > jobs {
			t.Errorf("round %d: %d landed of %d, %d were killed", round, landed, jobs, killed)
		}
		// the next job carries out what the dead have left
		for i := range jobs {
			if i%3 == 0 {
				if s := runProgram(dir, nil, program, args(i)...); s.code != 0 {
					t.Errorf("round %d, %d again: exit %d\n%s", round, i, s.code, s.out)
				}
			}
		}
		linear(t, bare, "main", jobs+1)
		if refs := gittest.Git(t, bare, "for-each-ref", "refs/confpush"); refs != "" {
			t.Errorf("round %d: left over:\n%s", round, refs)
		}
		gittest.Fsck(t, bare)
		t.Logf("round %d: %d killed, %d landed at once, %d requests were left", round, killed, landed, left)
	}
}

// TestKilledLeader ends the job at the head of the queue where it hurts: before
// and after the server has taken its request, and before and after the server has
// taken the update with which it carries others out.
func TestKilledLeader(t *testing.T) {
	program := buildProgram(t)
	for _, point := range []struct {
		name   string
		update int // of those that the leader sends
		taken  bool
	}{{"request", 0, false}, {"request taken", 0, true}, {"update", 1, false}, {"update taken", 1, true}} {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			bare := repository(t, 100, 1)
			var leader *exec.Cmd
			var seen atomic.Int64
			seen.Store(-1)
			url := serveHTTP(t, bare, 0, &meter{}, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/git-receive-pack") || seen.Add(1) != int64(point.update) {
						next.ServeHTTP(w, r)
						return
					}
					if point.taken {
						next.ServeHTTP(httptest.NewRecorder(), r)
					}
					leader.Process.Kill()
					panic(http.ErrAbortHandler)
				})
			})
			args := func(i int) []string {
				file := writeFile(t, dir, fmt.Sprintf("s%d.service", i), unitText(fmt.Sprintf("s%d", i), "2-develop"))
				return []string{"--repo", url, "--branch", "main", "--as", unitPath(i), file}
			}
			// a request that is younger than any other, so that there is a queue to lead
			text, err := guard.WriteRequest(guard.Request{Files: []guard.File{{Path: unitPath(1), Content: []byte(unitText("s1", "2-develop"))}}})
			if err != nil {
				t.Fatal(err)
			}
			commit := gittest.GitInput(t, bare, string(text), "commit-tree", gittest.GitInput(t, bare, "", "mktree"))
			now := time.Now()
			gittest.Git(t, bare, "update-ref", fmt.Sprintf("refs/confpush/queue/main/open/%012x-%09x-000000000001", now.Add(time.Hour).UnixMilli(), now.Add(time.Hour).Unix()), commit)

			leader = exec.Command(program, args(2)...)
			leader.Env = gittest.Env()
			if err := leader.Start(); err != nil {
				t.Fatal(err)
			}
			leader.Wait()
			if code := leader.ProcessState.ExitCode(); code != -1 {
				t.Fatalf("the leader ended by itself: exit %d", code)
			}
			for _, i := range []int{3, 2} {
				if s := runProgram(dir, nil, program, args(i)...); s.code != 0 {
					t.Errorf("%d: exit %d\n%s", i, s.code, s.out)
				}
			}
			linear(t, bare, "main", 4)
			if refs := gittest.Git(t, bare, "for-each-ref", "refs/confpush"); refs != "" {
				t.Errorf("left over:\n%s", refs)
			}
			gittest.Fsck(t, bare)
		})
	}
}
