//go:build lab

// Package apply proves confapply against a real systemd: every case runs the
// program in a disposable node, and looks at invocations, files, states, the
// exit code and the report.
package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/programs"
	"github.com/unitstamp/unitstamp/lab/node"
)

const unitDir = "/etc/systemd/system"

// binary is the program, built once for all tests of a run.
var binary string

func TestMain(m *testing.M) {
	// the cases wait far more than they compute
	flag.Parse()
	if err := flag.Set("test.parallel", "5"); err != nil {
		panic(err)
	}
	os.Exit(programs.Run(m, "confapply", &binary))
}

// machine boots a node for a test's cases, with the program on it.
func machine(t *testing.T) *node.Node {
	t.Helper()
	n := node.Boot(t)
	n.Copy(binary, "/usr/local/bin/confapply")
	return n
}

// A rig is one case on a node: its own folder of wanted units, its own owner.
type rig struct {
	t     *testing.T
	n     *node.Node
	owner string
	dir   string
	way   []string // what stands before the program
	// wanted are the files in dir.
	wanted files
	// restless tells that units of the case end or start by themselves, so that what
	// becomes of them is not told by the report alone.
	restless bool
}

// inCase runs a case as a subtest. Every unit that it put there is gone again
// when it is over, by confapply's own doing.
func inCase(t *testing.T, n *node.Node, name string, run func(r *rig)) {
	t.Run(name, func(t *testing.T) {
		n := n.For(t)
		r := &rig{t: t, n: n, owner: name, dir: "/srv/" + name}
		n.Must("mkdir", "-p", r.dir)
		run(r)
		if t.Failed() {
			return
		}
		r.want(nil)
		_, got := r.apply(0, "--allow-empty", "--max-delete", "100%")
		for _, a := range got.Actions {
			if a.Result != "done" {
				t.Errorf("clean-up of %s: %+v", a.Unit, a)
			}
		}
	})
}

// A unit is files by their path below the unit folder.
type files map[string]string

// want replaces the wanted units.
func (r *rig) want(units files) {
	r.t.Helper()
	r.wanted = units
	r.n.Must("sh", "-c", "rm -rf "+r.dir+"/*")
	for p, content := range units {
		r.n.Write(filepath.Join(r.dir, p), content, 0o644)
	}
}

type report struct {
	Engine  string
	Owner   string
	Actions []action
	Summary map[string]int
	Error   string
}

type action struct {
	Unit, Action, From, To, Reason, Result string
	Seconds                                float64
}

func (r report) of(unit string) action {
	for _, a := range r.Actions {
		if a.Unit == unit {
			return a
		}
	}
	return action{}
}

func (r *rig) command(verb string, args ...string) []string {
	return append([]string{"/usr/local/bin/confapply", verb, "--engine", "systemd", "--units", r.dir, "--owner", r.owner, "--json"}, args...)
}

// apply runs confapply apply with the stability window at one second, and fails
// unless it ends with the code and did what its report says.
func (r *rig) apply(code int, args ...string) (stderr string, got report) {
	r.t.Helper()
	before := r.look()
	stderr, got = r.run(code, r.command("apply", append([]string{"--stable", "1s"}, args...)...))
	r.witness(code, got, before, r.look())
	return stderr, got
}

// begin begins confapply apply; end waits for it, and is like apply.
func (r *rig) begin(args ...string) (end func(code int) report) {
	r.t.Helper()
	before := r.look()
	run := r.n.Command(r.t.Context(), r.command("apply", args...)...)
	var stdout, stderr bytes.Buffer
	run.Stdout, run.Stderr = &stdout, &stderr
	if err := run.Start(); err != nil {
		r.t.Fatal(err)
	}
	return func(code int) (got report) {
		r.t.Helper()
		_ = run.Wait() // its exit code is looked at
		if exit := run.ProcessState.ExitCode(); exit != code {
			r.t.Fatalf("exit %d, want %d\n%s%s", exit, code, &stdout, &stderr)
		}
		if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
			r.t.Fatalf("%v in %q", err, &stdout)
		}
		r.witness(code, got, before, r.look())
		return got
	}
}

func (r *rig) run(code int, command []string) (stderr string, got report) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stdout, stderr, exit := r.n.Run(ctx, append(slices.Clip(r.way), command...)...)
	if exit != code {
		r.t.Fatalf("%q: exit %d, want %d\n%s%s", command, exit, code, stdout, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		r.t.Fatalf("%q: %v in %q", command, err, stdout)
	}
	return stderr, got
}

// expect fails unless the report says so of the unit; part is looked for in the
// reason.
func (r *rig) expect(got report, unit, act, result, part string) {
	r.t.Helper()
	a := got.of(unit)
	if a.Action != act || a.Result != result || !strings.Contains(a.Reason, part) {
		r.t.Errorf("%s: %s %s %q, want %s %s %q", unit, a.Action, a.Result, a.Reason, act, result, part)
	}
}

// show is a property of a unit.
func (r *rig) show(unit, property string) string {
	r.t.Helper()
	return strings.TrimSpace(r.n.Must("systemctl", "show", "--property="+property, "--value", unit))
}

func (r *rig) invocation(unit string) string { r.t.Helper(); return r.show(unit, "InvocationID") }

// state fails unless the unit is in that state, as in "active/running".
func (r *rig) state(unit, want string) {
	r.t.Helper()
	if got := r.show(unit, "ActiveState") + "/" + r.show(unit, "SubState"); got != want {
		r.t.Errorf("%s is %s, want %s", unit, got, want)
	}
}

// file fails unless the path below the unit folder holds the content; "" is a
// file that is not there.
func (r *rig) file(p, want string) {
	r.t.Helper()
	got, _, code := r.n.Run(r.t.Context(), "cat", filepath.Join(unitDir, p))
	if code != 0 {
		got = ""
	}
	if got != want {
		r.t.Errorf("%s holds %q, want %q", p, got, want)
	}
}

// kept notes the invocations of units; the function fails unless each is still
// the same one.
func (r *rig) kept(units ...string) func() {
	r.t.Helper()
	before := map[string]string{}
	for _, u := range units {
		before[u] = r.invocation(u)
	}
	return func() {
		r.t.Helper()
		for _, u := range units {
			if after := r.invocation(u); after != before[u] || after == "" {
				r.t.Errorf("%s was restarted", u)
			}
		}
	}
}

// program is a service whose builds differ by number.
func program(build int, more ...string) string {
	return fmt.Sprintf("[Unit]\nDescription=a program\n[Service]\nExecStart=/bin/sh -c 'echo build %d; exec sleep 9999'\n%s", build, strings.Join(more, "\n")+"\n")
}

func (r *rig) eventually(what string, condition func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not seen within 15 s: %s", what)
		}
	}
}
