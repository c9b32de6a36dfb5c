package fleet

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/fleettest"
	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

const (
	onNode1  = "[X-Fleet]\nMachineMetadata=node=n1\n"
	anywhere = "[X-Fleet]\nGlobal=true\n"
)

// away are moments around those in which the fleetd of a machine is stopped, for a
// minute or for so long that it has been forgotten, and started again.
var away = []struct {
	name          string
	stopped, back float64 // seconds ago
}{
	{"just stopped", 1, 0}, {"10 s", 10, 0}, {"14 s", 14, 0}, {"18 s", 18, 0}, {"22 s", 22, 0}, {"26 s", 26, 0}, {"a minute", 60, 0},
	{"just back", 60, 0.5}, {"back 2 s", 60, 2}, {"back 4 s", 60, 4}, {"back 6 s", 60, 6}, {"back 15 s", 60, 15}, {"back 25 s", 60, 25},
	{"restarted", 5, 0.5}, {"restarted 3 s", 5, 3}, {"restarted 10 s", 5, 10},
}

// inEach runs a test at each of those moments, on both generations of the server, with
// a.service on the machine that is away and b.service on the other.
func inEach(t *testing.T, more files, test func(l *lab, want files)) {
	t.Helper()
	for _, m := range away {
		for _, version := range []string{fleettest.New, fleettest.Old} {
			for seed := range uint64(4) {
				t.Run(m.name, func(t *testing.T) {
					inOne(t, fleettest.Options{Version: version, Seed: seed}, func(l *lab) {
						want := files{}
						for _, name := range []string{"a.service", "b.service"} {
							want[name] = service("/bin/sleep 1")
							l.apply(want)
						}
						for name, text := range more {
							want[name] = text
						}
						l.apply(want)
						if units := l.Units(); units[0].MachineID != node1 || units[1].MachineID != node2 {
							l.Fatalf("%v", units)
						}
						rest := func(seconds float64) { time.Sleep(time.Duration(seconds * float64(time.Second))) }
						l.StopFleetd(node1)
						rest(m.stopped)
						if m.back > 0 {
							l.StartFleetd(node1)
							rest(m.back)
						}
						test(l, want)
					})
				})
			}
		}
	}
}

// TestAwayIsNoDrift: whatever is known of the units of a machine whose fleetd is away or
// just back, it is neither drift nor anything to repair.
func TestAwayIsNoDrift(t *testing.T) {
	twice, unknown, odd := 0, 0, 0
	inEach(t, files{"p.service": service("/bin/sleep 1") + onNode1, "g.service": service("/bin/sleep 1") + anywhere}, func(l *lab, want files) {
		for _, repair := range []bool{false, true} {
			l.restart("confapply")
			l.opts.Repair = repair
			n := len(l.Requests())
			began := time.Now()
			for _, u := range l.Units() {
				if u.Name == "a.service" && u.CurrentState == "loaded" {
					odd++
				}
			}
			for _, s := range l.decide(want).Steps {
				if s.Acts() || s.Drifted || !strings.HasPrefix(s.Reason, "up to date") {
					l.Errorf("%s: %s %q, drift %v", s.Unit, s.Action, s.Reason, s.Drifted)
				}
				switch {
				case s.Reason == "up to date":
				case s.Unit == "p.service" && strings.HasPrefix(s.Reason, "up to date, no machine has MachineMetadata node=n1 now: if only the fleetd there is away, the unit runs on unseen"):
					unknown++
				case strings.HasPrefix(s.Reason, "up to date, it runs on machine 11111111") && strings.HasSuffix(s.Reason, " as well, and will until the fleetd there is back and stops it"):
					if running := l.Running(s.Unit); len(running) != 2 {
						l.Errorf("%s: %q, but it runs on %q", s.Unit, s.Reason, running)
					}
					twice++
				default:
					l.Errorf("%s: %q", s.Unit, s.Reason)
				}
			}
			if w := l.writes(n); len(w) > 0 || time.Since(began) > lease+5*time.Second {
				l.Errorf("writes %q, took %v", w, time.Since(began))
			}
		}
	})
	if twice == 0 || unknown == 0 || odd == 0 {
		t.Errorf("%d units seen twice, %d unknown, %d loaded: the test tests nothing", twice, unknown, odd)
	}
}

// TestUnrelatedUpdate: the units of that machine are no matter of an update of others.
func TestUnrelatedUpdate(t *testing.T) {
	inEach(t, files{"p.service": service("/bin/sleep 1") + onNode1, "g.service": service("/bin/sleep 1") + anywhere}, func(l *lab, want files) {
		want["b.service"] = service("/bin/sleep 2")
		n := len(l.Requests())
		r := l.apply(want)
		l.expect(r, "b.service", plan.Update, apply.Done, "ExecStart differs")
		for _, unit := range []string{"a.service", "p.service", "g.service"} {
			l.expect(r, unit, plan.None, apply.Done, "up to date")
		}
		for _, w := range l.writes(n) {
			if !strings.Contains(w, " b.service ") {
				l.Errorf("written: %s", w)
			}
		}
	})
}

// TestUpdateOfTheMoved: the units themselves can be updated: they come up where they are
// by then, and one that runs twice is told.
func TestUpdateOfTheMoved(t *testing.T) {
	told := 0
	inEach(t, files{"g.service": service("/bin/sleep 1") + anywhere, "o.service": service("/bin/true", "Type=oneshot")}, func(l *lab, want files) {
		next := files{"b.service": want["b.service"]}
		for _, unit := range []string{"a.service", "g.service", "o.service"} {
			next[unit] = strings.NewReplacer("sleep 1", "sleep 2", "bin/true", "bin/true 2").Replace(want[unit])
		}
		n := len(l.Requests())
		r := l.apply(next)
		for _, unit := range []string{"a.service", "g.service", "o.service"} {
			l.expect(r, unit, plan.Update, apply.Done, "ExecStart differs")
			if strings.HasSuffix(r[unit].Reason, "; machine 11111111 (10.88.0.1) has left the cluster: if only the fleetd there is away, the version before runs on until it is back") {
				told++
			}
		}
		if got := l.seen("a.service"); got != running && got != "launched loaded loaded/active/running" {
			l.Error(got)
		}
		puts := 0
		for _, w := range l.writes(n) {
			if strings.HasPrefix(w, "PUT") {
				puts++
			}
		}
		if puts != 3 {
			l.Errorf("written: %q", l.writes(n))
		}
		l.StartFleetd(node1)
		time.Sleep(time.Minute)
		for unit, places := range map[string]int{"a.service": 1, "b.service": 1, "g.service": 2} {
			if on := l.Running(unit); len(on) != places {
				l.Errorf("%s runs on %q", unit, on)
			}
		}
		for _, s := range l.decide(next).Steps {
			if s.Reason != "up to date" {
				l.Errorf("afterwards: %s %s %q", s.Action, s.Unit, s.Reason)
			}
		}
	})
	if told == 0 {
		t.Error("no unit ran twice: the test tests nothing")
	}
}

// TestPinnedUpdate: a unit that only the machine that is away can run fails by itself,
// before anything is sent, and is updated when the machine is back.
func TestPinnedUpdate(t *testing.T) {
	inLab(t, func(l *lab) {
		want := files{"p.service": service("/bin/sleep 1") + onNode1, "b.service": service("/bin/sleep 1") + "[X-Fleet]\nMachineMetadata=node=n2\n"}
		l.apply(want)
		l.StopFleetd(node1)
		time.Sleep(time.Minute)
		next := files{}
		for unit, text := range want {
			next[unit] = strings.Replace(text, "sleep 1", "sleep 2", 1)
		}
		l.restart("confapply")
		n := len(l.Requests())
		p := l.decide(next)
		for _, r := range apply.Run(l.Context(), apply.Params{Engine: l.engine, Plan: p, Limits: l.limits, KeepGoing: true, Now: time.Now}) {
			switch r.Step.Unit {
			case "b.service":
				l.expect(map[string]apply.Result{"b.service": r}, "b.service", plan.Update, apply.Done, "")
			case "p.service":
				l.expect(map[string]apply.Result{"p.service": r}, "p.service", plan.Update, apply.Failed, "left as it is: no machine has MachineMetadata node=n1 now: if only the fleetd there is away")
				if !r.World {
					l.Error("that is no fault of the unit")
				}
			}
		}
		for _, w := range l.writes(n) {
			if strings.Contains(w, "p.service") {
				l.Errorf("written: %s", w)
			}
		}
		// what is no reason to restart it is put off, as always
		want["p.service"] = strings.Replace(want["p.service"], "Description=a", "Description=b", 1)
		want["b.service"] = next["b.service"]
		l.expect(l.apply(want), "p.service", plan.None, apply.Done, "put off")
		// a new one is refused: that may well be a mistake
		var input *plan.InputError
		if _, err := l.engine.Observe(l.Context(), units(files{"q.service": service("/bin/sleep 1") + onNode1})); !errors.As(err, &input) {
			l.Error(err)
		}
		// deleted, it is gone when fleetd is back
		l.restart("confapply")
		r := l.apply(files{"b.service": next["b.service"]})
		l.expect(r, "p.service", plan.Delete, apply.Done, "no longer wanted, no machine has MachineMetadata node=n1 now: if only the fleetd there is away, the unit runs on unseen")
		if on := l.Running("p.service"); len(on) != 1 {
			l.Errorf("runs on %q", on)
		}
		l.StartFleetd(node1)
		time.Sleep(20 * time.Second)
		if on := l.Running("p.service"); len(on) != 0 {
			l.Errorf("runs on %q", on)
		}
		l.expect(l.apply(next), "p.service", plan.Create, apply.Done, "new")
	})
}

// TestDeletedUnseen: a unit that is deleted where fleetd has just ended runs on, and that
// is told.
func TestDeletedUnseen(t *testing.T) {
	told := 0
	for seed := range uint64(20) {
		inOne(t, fleettest.Options{Version: fleettest.New, Seed: seed}, func(l *lab) {
			l.apply(files{"a.service": service("/bin/sleep 1")})
			l.StopFleetd(node1)
			r := l.apply(files{})
			l.expect(r, "a.service", plan.Delete, apply.Done, "no longer wanted")
			if strings.Contains(r["a.service"].Reason, "machine 11111111 (10.88.0.1) has left the cluster: if only the fleetd there is away, the version before runs on") {
				told++
			}
			if on := l.Running("a.service"); len(on) != 1 {
				l.Errorf("runs on %q", on)
			}
		})
	}
	if told == 0 {
		t.Error("never told")
	}
}

// TestMovesWhileWatched: a unit that is moved while it is watched, because its machine is
// forgotten, and one that comes to a machine that is back, are watched there.
func TestMovesWhileWatched(t *testing.T) {
	inLab(t, func(l *lab) {
		l.limits.Stable = 60 * time.Second
		p := l.decide(files{"a.service": service("/bin/sleep 1", "X-StopTakes=1")})
		go func() {
			time.Sleep(10 * time.Second)
			l.StopFleetd(node1)
		}()
		l.expect(l.carryOut(p), "a.service", plan.Create, apply.Done, "new")
		if l.seen("a.service") != running || l.took < 80*time.Second {
			l.Errorf("%s after %v", l.seen("a.service"), l.took)
		}
		l.StartFleetd(node1)
		time.Sleep(time.Minute)
		want := files{"a.service": service("/bin/sleep 1", "X-StopTakes=1"), "g.service": service("/bin/sleep 1") + anywhere}
		l.apply(want)
		l.StopFleetd(node1)
		time.Sleep(time.Minute)
		want["g.service"] = service("/bin/sleep 2") + anywhere
		p = l.decide(want)
		go func() {
			time.Sleep(20 * time.Second)
			l.StartFleetd(node1)
		}()
		l.expect(l.carryOut(p), "g.service", plan.Update, apply.Done, "ExecStart differs")
		if got := l.seen("g.service"); got != "launched inactive loaded/active/running loaded/active/running" {
			l.Error(got)
		}
		for _, s := range l.States() {
			if s.Name == "g.service" && s.Hash != l.States()[len(l.States())-1].Hash {
				l.Errorf("two versions: %v", l.States())
			}
		}
	})
	// and one that does not come up there is not good
	inLab(t, func(l *lab) {
		l.apply(files{"g.service": service("/bin/sleep 1") + anywhere})
		l.StopFleetd(node1)
		time.Sleep(time.Minute)
		l.limits.Stable = 60 * time.Second
		p := l.decide(files{"g.service": service("/bin/dies 90") + anywhere})
		go func() {
			time.Sleep(50 * time.Second)
			l.StartFleetd(node1)
		}()
		l.expect(l.carryOut(p), "g.service", plan.Update, apply.RolledBack, "it does not stay up: failed/failed on machine 22222222")
	})
}
