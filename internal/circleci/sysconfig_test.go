package circleci

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/fleettest"
)

// applied finds what a unit's container command gives to confapply.
var applied = regexp.MustCompile(`(?m)\bmyrepo/mysysconfig:develop (apply .*)$`)

// TestFleetVariant runs what the cluster's unit runs, on a cluster.
func TestFleetVariant(t *testing.T) {
	c := fleettest.NewCluster(fleettest.Options{Second: 10 * time.Millisecond})
	endpoint := c.Serve(t, "unix", filepath.Join(t.TempDir(), "fleet.sock"))
	data, err := os.ReadFile(filepath.Join(root, "examples", "sysconfig", "fleet", "sysconfig-apply.service"))
	if err != nil {
		t.Fatal(err)
	}
	m := applied.FindStringSubmatch(string(data))
	if m == nil || !strings.Contains(m[1], " unix:///var/run/fleet.sock ") || !strings.Contains(string(data), "--volume /var/run/fleet.sock:/var/run/fleet.sock ") {
		t.Fatalf("the unit gives confapply %q", m)
	}
	words := strings.Fields(strings.Replace(m[1], "unix:///var/run/fleet.sock", endpoint, 1))
	words = append(words, "--units", filepath.Join(root, "examples", "sysconfig", "units"), "--stable", "100ms")
	out, err := exec.Command(filepath.Join(releaseDir, "programs", "confapply"), words...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "done  myservice.service  58-develop") {
		t.Errorf("%v\n%s", err, out)
	}
	if faults := c.Faults(); len(faults) > 0 {
		t.Errorf("faults: %q", faults)
	}
}

// TestHostsUnit compares the words of the machine's unit with what confapply takes.
func TestHostsUnit(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "examples", "sysconfig", "host", "sysconfig-apply.service"))
	if err != nil {
		t.Fatal(err)
	}
	m := applied.FindStringSubmatch(string(data))
	if m == nil {
		t.Fatal("the unit runs no confapply")
	}
	words := strings.Fields(strings.NewReplacer("apply --engine systemd", "plan --engine dir --target "+t.TempDir(), "%n", "sysconfig-apply.service").Replace(m[1]))
	words = append(words, "--units", filepath.Join(root, "examples", "sysconfig", "units"))
	out, err := exec.Command(filepath.Join(releaseDir, "programs", "confapply"), words...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "plan: 4 create") {
		t.Errorf("%v\n%s", err, out)
	}
}
