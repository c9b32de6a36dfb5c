package fleettest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/fleettest"
)

const name = "a.service"

// sim is a cluster whose time is moved in tenths of a second.
type sim struct {
	*testing.T
	*fleettest.Cluster
	at *clock
}

func simulate(t *testing.T, version string, seed uint64) *sim {
	at := &clock{time.Unix(1e9, 0)}
	return &sim{t, fleettest.NewCluster(fleettest.Options{Version: version, Seed: seed, Now: at.Now}), at}
}

func (s *sim) put(unit, state, options string) {
	s.Helper()
	if status, got := ask(s.Cluster, "PUT", "/fleet/v1/units/"+unit, body(state, options)); status >= 300 {
		s.Fatalf("PUT %s: %d %s", unit, status, got)
	}
}

// state is what is seen of a unit: currentState, then each machine's record.
func (s *sim) state(unit string) string {
	var words []string
	for _, u := range s.Units() {
		if u.Name == unit {
			words = append(words, u.CurrentState)
		}
	}
	for _, st := range s.States() {
		if st.Name == unit {
			words = append(words, strings.Join([]string{st.SystemdLoadState, st.SystemdActiveState, st.SystemdSubState}, "/"))
		}
	}
	return strings.Join(words, " ")
}

func (s *sim) hash(unit string) string {
	for _, st := range s.States() {
		if st.Name == unit {
			return st.Hash
		}
	}
	return ""
}

// until moves the time until something holds, and returns the seconds it took.
func (s *sim) until(what string, holds func() bool) float64 {
	s.Helper()
	began := s.at.now
	for !holds() {
		s.at.now = s.at.now.Add(100 * time.Millisecond)
		if s.at.now.Sub(began) > 5*time.Minute {
			s.Fatalf("%s: not in 5 minutes; %q", what, s.state(name))
		}
	}
	return s.at.now.Sub(began).Seconds()
}

func (s *sim) rest(seconds float64) {
	s.at.now = s.at.now.Add(time.Duration(seconds * float64(time.Second)))
}

const up = "launched loaded/active/running"

func killed(options string) string {
	return strings.Replace(options, "[", `[{"section":"Service","name":"KillSignal","value":"SIGKILL"},`, 1)
}

// TestTimings: every delay lies within what was measured.
func TestTimings(t *testing.T) {
	within := func(what string, seed uint64, got, low, high float64) {
		t.Helper()
		if got < low-0.11 || got > high+0.11 {
			t.Errorf("seed %d: %s took %.1f s, measured were %.1f to %.1f", seed, what, got, low, high)
		}
	}
	for seed := range uint64(200) {
		s := simulate(t, fleettest.New, seed)
		s.put(name, "launched", sleep)
		began := s.at.now
		within("machine", seed, s.until("placed", func() bool { return s.Units()[0].MachineID != "" }), 0.8, 2.1)
		s.until("up", func() bool { return s.state(name) == up })
		within("create", seed, s.at.now.Sub(began).Seconds(), 1.7, 3.9)
		first := s.hash(name)

		s.put(name, "launched", longer)
		down := 0.0
		within("replace", seed, s.until("up again", func() bool {
			if s.state(name) != up {
				down += 0.1
			}
			return s.hash(name) != first && s.state(name) == up
		}), 1.6, 4.6)
		within("downtime", seed, down, 0.7, 1.5)

		s.put(name, "loaded", "")
		within("stop", seed, s.until("stopped", func() bool { return s.state(name) == "loaded loaded/inactive/dead" }), 1.6, 1.9)
		s.put(name, "launched", "")
		within("start", seed, s.until("started", func() bool { return s.state(name) == up }), 1.6, 1.8)
		s.put(name, "inactive", "")
		within("inactive", seed, s.until("unloaded", func() bool { return s.state(name) == "inactive" }), 2.6, 2.9)

		s.put("b.service", "launched", killed(sleep))
		s.until("b up", func() bool { return s.state("b.service") == up })
		old := s.hash("b.service")
		s.put("b.service", "launched", killed(longer))
		within("replace what ends at once", seed, s.until("b up again", func() bool {
			return s.hash("b.service") != old && s.state("b.service") == up
		}), 5.7, 9.7)

		ask(s.Cluster, "DELETE", "/fleet/v1/units/b.service", "")
		within("delete", seed, s.until("b gone", func() bool { return s.hash("b.service") == "" }), 1.6, 4.6)
		s.put("c.service", "launched", sleep)
		s.until("c up", func() bool { return s.state("c.service") == up })
		ask(s.Cluster, "DELETE", "/fleet/v1/units/c.service", "")
		within("delete of what takes its time", seed, s.until("c gone", func() bool { return s.hash("c.service") == "" }), 1.6, 4.6)
		if faults := s.Faults(); len(faults) > 0 {
			t.Fatalf("seed %d: %q", seed, faults)
		}
	}
}

// TestSlowWays: to delete a unit and put it again at once, and to stop it before it
// is replaced, which is the slowest.
func TestSlowWays(t *testing.T) {
	for _, version := range []string{fleettest.New, fleettest.Old} {
		seen := map[string][]float64{}
		if version == fleettest.Old {
			for seed := range uint64(200) {
				s := simulate(t, version, seed)
				s.put(name, "launched", killed(sleep))
				s.until("up", func() bool { return s.state(name) == up })
				old := s.hash(name)
				ask(s.Cluster, "DELETE", "/fleet/v1/units/"+name, "")
				s.put(name, "launched", killed(longer))
				seen["delete and put what ends at once"] = append(seen["delete and put what ends at once"],
					s.until("again", func() bool { return s.hash(name) != old && s.state(name) == up }))
			}
		}
		for seed := range uint64(200) {
			s := simulate(t, version, seed)
			s.put(name, "launched", sleep)
			s.until("up", func() bool { return s.state(name) == up })
			old := s.hash(name)
			again := func() bool { return s.hash(name) != old && s.state(name) == up }
			ask(s.Cluster, "DELETE", "/fleet/v1/units/"+name, "")
			s.put(name, "launched", longer)
			seen["delete and put"] = append(seen["delete and put"], s.until("again", again))

			if version == fleettest.Old {
				continue
			}
			old = s.hash(name)
			began := s.at.now
			s.put(name, "loaded", "")
			s.until("stopped", func() bool { return s.state(name) == "loaded loaded/inactive/dead" })
			s.put(name, "launched", sleep)
			s.until("again", again)
			seen["stop and put"] = append(seen["stop and put"], s.at.now.Sub(began).Seconds())
		}
		for what, measured := range map[string]float64{"delete and put": 3, "delete and put what ends at once": 5.7, "stop and put": 10} {
			if took := seen[what]; len(took) > 0 && (slices.Min(took) > measured || slices.Max(took) < measured) {
				t.Errorf("%s: %s takes %.1f to %.1f s, measured were %.1f", version, what, slices.Min(took), slices.Max(took), measured)
			}
		}
	}
}

// TestRestartsForNothing: options that are not in the server's own form are others
// each time they are sent, and the unit is restarted each time.
func TestRestartsForNothing(t *testing.T) {
	s := simulate(t, fleettest.New, 1)
	loose := strings.Replace(sleep, "3000", "3000 ", 1)
	s.put(name, "launched", loose)
	s.until("up", func() bool { return s.state(name) == up })
	s.rest(10)
	before := s.hash(name)
	s.put(name, "launched", loose)
	s.until("down", func() bool { return s.state(name) != up })
	s.until("up", func() bool { return s.state(name) == up })
	if s.hash(name) != before {
		t.Error("another hash")
	}
	s.put(name, "launched", sleep) // as it is held
	for range 100 {
		if s.rest(0.1); s.state(name) != up {
			t.Fatal("restarted, though nothing differs")
		}
	}
}

// TestBetween: a unit that is replaced is loaded for a moment, and then launched with
// its new hash while the old program still stops.
func TestBetween(t *testing.T) {
	for seed := range uint64(50) {
		s := simulate(t, fleettest.New, seed)
		s.put(name, "launched", sleep)
		s.until("up", func() bool { return s.state(name) == up })
		old, on := s.hash(name), s.Units()[0].MachineID
		s.put(name, "launched", longer)
		took := s.until("noticed", func() bool { return s.state(name) != up })
		if got := s.state(name); took < 0.2 || took > 3.4 || got != "loaded loaded/deactivating/stop-sigterm" {
			t.Errorf("seed %d: noticed after %.1f s, %s", seed, took, got)
		}
		s.until("launched", func() bool { return s.state(name) == "launched loaded/deactivating/stop-sigterm" })
		if s.hash(name) == old {
			t.Errorf("seed %d: launched with the old hash", seed)
		}
		s.until("up", func() bool { return s.state(name) == up })
		if now := s.Units()[0].MachineID; now != on || s.hash(name) == old {
			t.Errorf("seed %d: up on %s, was on %s", seed, now, on)
		}
	}
}

// TestStates: what is seen of units of every kind.
func TestStates(t *testing.T) {
	service := func(command string, more ...string) string {
		text := `[{"section":"Service","name":"ExecStart","value":"` + command + `"}`
		for _, m := range more {
			section, rest, _ := strings.Cut(m, ".")
			key, value, _ := strings.Cut(rest, "=")
			text += `,{"section":"` + section + `","name":"` + key + `","value":"` + value + `"}`
		}
		return text + "]"
	}
	for _, tt := range []struct{ unit, options, want string }{
		{"a.service", service("/bin/false"), "launched loaded/failed/failed"},
		{"a.service", service("sleep 3"), "launched bad-setting/inactive/dead"},
		{"a.service", service("/opt/missing"), "launched loaded/failed/failed"},
		{"a.service", service("/bin/true", "Service.Type=oneshot"), "launched loaded/inactive/dead"},
		{"a.service", service("/bin/true", "Service.Type=oneshot", "Service.RemainAfterExit=yes"), "launched loaded/active/exited"},
		{"a.service", service("/bin/sleep 9", "X-Fleet.MachineMetadata=node=n9"), "inactive"},
		{"a.service", service("/bin/sleep 9", "X-Fleet.MachineMetadata=node=n2"), up},
		{"a.service", service("/bin/sleep 9", "Service.Type=notify"), "launched loaded/activating/start"},
		{"a.service", service("/bin/false", "Service.Restart=always"), "launched loaded/activating/auto-restart"},
		{"a.service", service("/bin/dies 2"), "launched loaded/failed/failed"},
		{"a.service", service("/bin/sleep 9", "X-Fleet.Global=true"), "inactive loaded/active/running loaded/active/running"},
		{"a.service", service("/bin/sleep 9", "X-Fleet.Global=true", "X-Fleet.MachineMetadata=node=n1"), "inactive loaded/active/running"},
		{"a.timer", `[{"section":"Timer","name":"OnCalendar","value":"daily"}]`, "launched loaded/active/waiting"},
		{"a.socket", `[{"section":"Socket","name":"ListenStream","value":"80"}]`, "launched loaded/active/listening"},
	} {
		s := simulate(t, fleettest.New, 1)
		s.put(tt.unit, "launched", tt.options)
		s.rest(30)
		if got := s.state(tt.unit); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.unit, tt.options, got, tt.want)
		}
		s.rest(90)
		if got := s.state(tt.unit); strings.Contains(tt.options, "notify") && got != "launched loaded/failed/failed" {
			t.Errorf("notify after 2 minutes: %s", got)
		}
	}
}

// TestWedges: a template that is launched, or a bad [Install], and the agent of
// that machine does nothing more; the other does. Deleting the template does not
// help, nor does starting fleetd again, as long as the template's file is there.
func TestWedges(t *testing.T) {
	for unit, options := range map[string]string{
		"t@.service": sleep,
		"i.service":  strings.Replace(sleep, "]", `,{"section":"Install","name":"WantedBy","value":"nonsense"}]`, 1),
	} {
		s := simulate(t, fleettest.New, 1)
		s.put(unit, "launched", options)
		s.rest(10)
		s.put("x.service", "launched", strings.Replace(sleep, "]", `,{"section":"X-Fleet","name":"MachineMetadata","value":"node=n1"}]`, 1))
		s.put("y.service", "launched", strings.Replace(sleep, "]", `,{"section":"X-Fleet","name":"MachineMetadata","value":"node=n2"}]`, 1))
		s.rest(60)
		if s.state("x.service") != "inactive" || s.state("y.service") != up || len(s.Faults()) != 1 {
			t.Errorf("%s: x %s, y %s, faults %q", unit, s.state("x.service"), s.state("y.service"), s.Faults())
		}
		if status, got := ask(s.Cluster, "DELETE", "/fleet/v1/units/"+unit, ""); status != 204 {
			t.Fatalf("%s: %d %s", unit, status, got)
		}
		s.rest(60)
		if unit == "i.service" { // then nothing holds up the others any more
			if s.state("x.service") != up {
				t.Errorf("%s is deleted: x %s", unit, s.state("x.service"))
			}
			continue
		}
		if s.state("x.service") != "inactive" {
			t.Errorf("%s is deleted: x %s", unit, s.state("x.service"))
		}
		for _, cure := range []func(){func() {}, func() { s.RemoveFile(node1, unit) }} {
			if got := s.state("x.service"); got != "inactive" {
				t.Errorf("%s: x %s before the cure", unit, got)
			}
			cure()
			s.StopFleetd(node1)
			s.rest(1)
			s.StartFleetd(node1)
			s.rest(60)
		}
		if s.state("x.service") != up {
			t.Errorf("%s: x %s after its file was removed and fleetd was started again; %q", unit, s.state("x.service"), s.Journal(node1))
		}
	}
}

const (
	node1 = "11111111111111111111111111111111"
	node2 = "22222222222222222222222222222222"
)

func TestEtcd(t *testing.T) {
	s := simulate(t, fleettest.New, 1)
	s.put(name, "launched", sleep)
	s.rest(10)
	s.SetEtcd(false)
	if status, got := ask(s.Cluster, "GET", "/fleet/v1/units", ""); status != 500 || got != failure(500, "") {
		t.Errorf("%d %s", status, got)
	}
	s.rest(21)
	if status, got := ask(s.Cluster, "GET", "/fleet/v1/units", ""); status != 503 || got != failure(503, "fleet server unable to communicate with etcd") {
		t.Errorf("%d %s", status, got)
	}
	s.SetEtcd(true)
	for range 119 {
		if status, got := ask(s.Cluster, "GET", "/fleet/v1/units", ""); status != 200 || s.state(name) != "inactive" || !strings.Contains(got, `"currentState":"inactive"`) {
			t.Fatalf("back: %d %s, %s", status, got, s.state(name))
		}
		s.rest(0.1)
	}
	s.rest(0.1)
	if got := s.state(name); got != up {
		t.Errorf("later: %s", got)
	}
}

// TestTwoAtOnce: taking down a second unit of a machine is a fault.
func TestTwoAtOnce(t *testing.T) {
	s := simulate(t, fleettest.New, 1)
	for _, unit := range []string{"a.service", "b.service", "c.service"} {
		s.put(unit, "launched", sleep)
		s.rest(5)
	}
	s.put("a.service", "launched", longer)
	s.put("b.service", "launched", longer) // on the other machine
	if faults := s.Faults(); len(faults) > 0 {
		t.Errorf("%q", faults)
	}
	s.put("c.service", "launched", longer)
	if faults := s.Faults(); len(faults) != 1 {
		t.Errorf("%q", faults)
	}
}
