package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/unitstamp/unitstamp/internal/docpage"
	"github.com/unitstamp/unitstamp/internal/fleettest"
)

// second is how long a second takes in the clusters of these tests.
const second = 20 * time.Millisecond

// clusters are those of the scripts that run, by their working folders.
type clusters struct {
	mu     sync.Mutex
	byWork map[string]*scriptCluster
}

// command is for scripts that need a cluster:
//
//	fleet start [old]            begin one, and set the default endpoint
//	fleet put UNIT FILE STATE    store a unit of somebody else's
//	fleet holds UNIT [FILE]      the unit is stored like that, or not at all
//	fleet wrote [REQUEST...]     what was asked to change since the last time, as PUT:a.service
//	fleet block|kill|etcd WORD   break something
//	fleet away|back MACHINE      stop fleetd there, or start it
//	fleet rest SECONDS           wait, in the cluster's time
//	fleet runs UNIT [MACHINE...] its program runs there
//	fleet left MACHINE [UNIT...] files that the machine did not get rid of
func (cs *clusters) command(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: fleet start|put|holds|wrote|block|kill|etcd|away|back|rest|runs|left")
	}
	if args[0] == "start" {
		version := fleettest.New
		if len(args) > 1 && args[1] == "old" {
			version = fleettest.Old
		}
		c := &scriptCluster{Cluster: fleettest.NewCluster(fleettest.Options{Version: version, Second: second})}
		endpoint, stop, err := c.Listen("unix", ts.MkAbs("fleet.sock"))
		ts.Check(err)
		ts.Defer(func() {
			ts.Check(stop())
			if faults := c.Faults(); len(faults) > 0 {
				ts.Fatalf("faults: %q", faults)
			}
		})
		ts.Setenv("CONFAPPLY_ENDPOINT", endpoint)
		cs.mu.Lock()
		cs.byWork[ts.Getenv("WORK")] = c
		cs.mu.Unlock()
		return
	}
	cs.mu.Lock()
	c := cs.byWork[ts.Getenv("WORK")]
	cs.mu.Unlock()
	switch args[0] {
	case "put":
		c.Put(args[1], ts.ReadFile(args[2]), args[3])
	case "holds":
		want, there := "", len(args) > 2
		if there {
			want = ts.ReadFile(args[2])
		}
		if got, is := c.File(args[1]); got != want || is != there {
			ts.Fatalf("%s is\n%s", args[1], got)
		}
	case "wrote":
		var got []string
		requests := c.Requests()
		for _, r := range requests[c.seen:] {
			if r.Method != "GET" {
				got = append(got, r.Method+":"+strings.TrimPrefix(r.Path, "/fleet/v1/units/"))
			}
		}
		c.seen = len(requests)
		if strings.Join(got, " ") != strings.Join(args[1:], " ") {
			ts.Fatalf("requests %q", got)
		}
	case "block":
		c.Block(args[1], true)
	case "kill":
		c.Kill(args[1])
	case "etcd":
		c.SetEtcd(args[1] == "up")
	case "away":
		c.StopFleetd(args[1])
	case "back":
		c.StartFleetd(args[1])
	case "rest":
		n, err := strconv.ParseFloat(args[1], 64)
		ts.Check(err)
		time.Sleep(time.Duration(n * float64(second)))
	case "runs":
		if got := c.Running(args[1]); !slices.Equal(got, args[2:]) {
			ts.Fatalf("%s runs on %q", args[1], got)
		}
	case "left":
		if got := c.Left(args[1]); !slices.Equal(got, args[2:]) {
			ts.Fatalf("left are %q", got)
		}
	default:
		ts.Fatalf("unknown: %s", args[0])
	}
}

type scriptCluster struct {
	*fleettest.Cluster
	seen int
}

// TestFleetDocs runs the examples of the page that need a cluster.
func TestFleetDocs(t *testing.T) {
	c := fleettest.NewCluster(fleettest.Options{Second: second})
	endpoint := c.Serve(t, "unix", filepath.Join(t.TempDir(), "fleet.sock"))
	docpage.Run(t, "../../docs/confapply.md", "fleet", docpage.Self(t, "confapply"), "CONFAPPLY_ENDPOINT="+endpoint)
	if faults := c.Faults(); len(faults) > 0 {
		t.Errorf("faults: %q", faults)
	}
}
