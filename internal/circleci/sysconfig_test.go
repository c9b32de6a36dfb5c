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

// byHand finds the page's command for a cluster, and what it gives to confapply.
var byHand = regexp.MustCompile(`(?m)^    docker run .* myrepo/mysysconfig:develop (plan --engine fleet)$`)

// TestFleetVariant runs what the cluster's unit runs, on a cluster.
func TestFleetVariant(t *testing.T) {
	c := fleettest.NewCluster(fleettest.Options{Second: 10 * time.Millisecond})
	endpoint := c.Serve(t, "unix", filepath.Join(t.TempDir(), "fleet.sock"))
	path := filepath.Join(root, "examples", "sysconfig", "fleet", "sysconfig-apply.service")
	data, err := os.ReadFile(path)
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

	// By hand, as the page has it: after the run there is nothing to do.
	page, err := os.ReadFile(filepath.Join(root, "examples", "sysconfig", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	m = byHand.FindStringSubmatch(string(page))
	if m == nil || !strings.Contains(m[0], " -v /var/run/fleet.sock:/var/run/fleet.sock ") {
		t.Fatalf("the page's command is %q", m)
	}
	words = append(strings.Fields(m[1]), "--endpoint", endpoint, "--units", filepath.Join(root, "examples", "sysconfig", "units"))
	out, err = exec.Command(filepath.Join(releaseDir, "programs", "confapply"), words...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "plan: nothing to do") {
		t.Errorf("%v\n%s", err, out)
	}

	// The cluster takes the variant's own two units.
	words = []string{"apply", "--engine", "fleet", "--endpoint", endpoint, "--owner", "operator", "--units", filepath.Dir(path), "--stable", "100ms"}
	out, err = exec.Command(filepath.Join(releaseDir, "programs", "confapply"), words...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "done  sysconfig-apply.timer") {
		t.Errorf("%v\n%s", err, out)
	}
	if faults := c.Faults(); len(faults) > 0 {
		t.Errorf("faults: %q", faults)
	}
}

// TestTimers looks for what keeps runs of one machine apart, and machines from asking at
// the same time.
func TestTimers(t *testing.T) {
	for _, place := range []string{"host", "fleet"} {
		timer, err := os.ReadFile(filepath.Join(root, "examples", "sysconfig", place, "sysconfig-apply.timer"))
		if err != nil {
			t.Fatal(err)
		}
		service, err := os.ReadFile(filepath.Join(root, "examples", "sysconfig", place, "sysconfig-apply.service"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(timer), "\nOnUnitInactiveSec=") || strings.Contains(string(timer), "OnUnitActiveSec=") || strings.Contains(string(timer), "OnCalendar=") || !strings.Contains(string(service), "\nType=oneshot\n") {
			t.Errorf("%s: the next run is not counted from the end of the last", place)
		}
		if !strings.Contains(string(timer), "\nRandomizedDelaySec=") {
			t.Errorf("%s: all machines ask at once", place)
		}
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
