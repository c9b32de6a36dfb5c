package fleet

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/fleettest"
	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// many is a cluster that holds and runs n owned units, and the units as files.
func many(tb testing.TB, n int) (*fleettest.Cluster, []plan.Unit) {
	tb.Helper()
	c := fleettest.NewCluster(fleettest.Options{})
	var wanted []plan.Unit
	for i := range n {
		name := fmt.Sprintf("unit-%04d.service", i)
		text := fmt.Sprintf("# the %d-th\n[Unit]\nDescription=unit %d\n\n[Service]\nExecStart=/usr/bin/docker run --rm myrepo/a:58-develop \\\n  --number %d\n", i, i, i)
		wanted = append(wanted, plan.Unit{Name: name, Files: plan.Files{name: {Data: []byte(text)}}})
		o, err := normalise(name, []byte(text))
		if err != nil {
			tb.Fatal(err)
		}
		c.Put(name, string(o.marked(name, "confapply").serialise()), launched)
	}
	return c, wanted
}

func decide(tb testing.TB, endpoint string, wanted []plan.Unit) (*Engine, *plan.Plan) {
	tb.Helper()
	e, err := Open(endpoint, "confapply")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.Close)
	if err := e.Check(wanted); err != nil {
		tb.Fatal(err)
	}
	o, err := e.Observe(tb.Context(), wanted)
	if err != nil {
		tb.Fatal(err)
	}
	return e, plan.Make(wanted, o, plan.Options{Owner: "confapply"})
}

// TestRequests: over a real socket, a run that has nothing to do takes few requests
// and none that writes.
func TestRequests(t *testing.T) {
	for n, most := range map[int]int{1: 3, 100: 5, 1000: 30} {
		c, wanted := many(t, n)
		endpoint := c.Serve(t, "unix", filepath.Join(t.TempDir(), "fleet.sock"))
		e, p := decide(t, endpoint, wanted)
		if p.Changes() {
			t.Errorf("%d units: something to do: %s", n, p.Steps[0].Reason)
		}
		apply.Run(t.Context(), apply.Params{Engine: e, Plan: p, Now: time.Now})
		requests := c.Requests()
		if len(requests) > most {
			t.Errorf("%d units: %d requests, at most %d", n, len(requests), most)
		}
		for _, r := range requests {
			if r.Method != "GET" {
				t.Errorf("%d units: %s %s", n, r.Method, r.Path)
			}
		}
		t.Logf("%d units: %d requests", n, len(requests))
	}
}

// BenchmarkNoChange is a plan of 1,000 units that has nothing to do, next to a loop
// of a shell that asks for one unit after the other.
func BenchmarkNoChange(b *testing.B) {
	c, wanted := many(b, 1000)
	socket := filepath.Join(b.TempDir(), "fleet.sock")
	endpoint := c.Serve(b, "unix", socket)
	b.Run("confapply", func(b *testing.B) {
		before := len(c.Requests())
		for b.Loop() {
			if _, p := decide(b, endpoint, wanted); p.Changes() {
				b.Fatal("something to do")
			}
		}
		b.ReportMetric(float64(len(c.Requests())-before)/float64(b.N), "requests/op")
	})
	b.Run("shell", func(b *testing.B) {
		const loop = `for i in $(seq 0 999); do
			curl -sf --unix-socket "$1" "http://fleet/fleet/v1/units/$(printf unit-%04d.service "$i")" >/dev/null || exit 1
		done`
		for b.Loop() {
			if out, err := exec.Command("sh", "-c", loop, "sh", socket).CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
		}
	})
}

func TestEndpoints(t *testing.T) {
	c, wanted := many(t, 3)
	for _, endpoint := range []string{
		c.Serve(t, "unix", filepath.Join(t.TempDir(), "fleet.sock")), c.Serve(t, "tcp", "127.0.0.1:0"), c.Serve(t, "tcp", "127.0.0.1:0") + "/",
	} {
		if _, p := decide(t, endpoint, wanted); p.Changes() {
			t.Errorf("%s: something to do", endpoint)
		}
	}
	for _, endpoint := range []string{
		"", "fleet.sock", "/var/run/fleet.sock", "unix://", "unix:///", "unix://fleet.sock", "https://a:1", "http://", "http://me:secret@a:1", "http://a:1?b", "tcp://a:1", "http://a b",
	} {
		if _, err := Open(endpoint, "confapply"); err != ErrEndpoint {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
	e, err := Open("unix://"+filepath.Join(t.TempDir(), "none.sock"), "confapply")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := e.Observe(t.Context(), nil); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

func TestLock(t *testing.T) {
	folder := t.TempDir()
	one, err := Open("unix://"+filepath.Join(folder, "fleet.sock"), "me")
	if err != nil {
		t.Fatal(err)
	}
	two, err := Open("unix://"+folder+"/./fleet.sock", "you")
	if err != nil {
		t.Fatal(err)
	}
	other, err := Open("http://127.0.0.1:1", "me")
	if err != nil {
		t.Fatal(err)
	}
	release, err := one.Lock(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Lock(t.Context(), false); err != apply.ErrLocked {
		t.Errorf("second: %v", err)
	}
	if free, err := other.Lock(t.Context(), false); err != nil {
		t.Errorf("another cluster: %v", err)
	} else if err := free(); err != nil {
		t.Error(err)
	}
	got := make(chan error)
	go func() {
		release, err := two.Lock(t.Context(), true)
		if err == nil {
			err = release()
		}
		got <- err
	}()
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("the one that waited: %v", err)
	}
}
