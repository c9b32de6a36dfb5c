package fleet

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/fleettest"
	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// TestLostRecordIsNoDrift: what is not known of one unit for a moment is waited for; for
// longer, it is told as that.
func TestLostRecordIsNoDrift(t *testing.T) {
	inLab(t, func(l *lab) {
		want := files{"a.service": service("/bin/sleep 1"), "b.service": service("/bin/sleep 1"), "g.service": service("/bin/sleep 1") + anywhere}
		l.apply(want)
		for _, unit := range []string{"a.service", "g.service"} {
			for _, seconds := range []float64{5, 24} {
				l.Forget(unit, seconds)
				l.restart("confapply")
				l.opts.Repair = true
				began := time.Now()
				if p := l.decide(want); p.Changes() || p.Steps[0].Reason != "up to date" || time.Since(began) > lease {
					l.Errorf("%s lost for %v s: %q after %v", unit, seconds, p.Steps[0].Reason, time.Since(began))
				}
			}
			l.Forget(unit, 1000)
			l.restart("confapply")
			l.opts.Repair = true
			for _, s := range l.decide(want).Steps {
				if s.Acts() || s.Drifted || s.Unit == unit && !strings.Contains(s.Reason, "up to date, machine 11111111 (10.88.0.1) says nothing of it: its agent may be blocked") {
					l.Errorf("%s lost for good: %s %q, drift %v", s.Unit, s.Action, s.Reason, s.Drifted)
				}
			}
			time.Sleep(1000 * time.Second)
		}
		// a unit of somebody else's holds up nobody
		l.Put("x.service", service("/bin/sleep 1"), "launched")
		l.Forget("x.service", 1000)
		began := time.Now()
		l.restart("confapply")
		if p := l.decide(want); p.Changes() || time.Since(began) > time.Second {
			l.Errorf("took %v", time.Since(began))
		}
	})
}

// TestLeftBehind: a unit that systemd could not load leaves its file behind when it is
// deleted. That is told, it counts as deleted, and the next unit of that name is
// created like any other.
func TestLeftBehind(t *testing.T) {
	bad := strings.Replace(service("/bin/a"), "ExecStart", "ExecStop", 1)
	hints := map[string]string{
		"created": "systemd cannot load it: bad-setting on machine 11111111 (10.88.0.1), and fleet leaves /run/fleet/units/a.service there when the unit is deleted: rm it by hand; removed again",
		"deleted": "no longer wanted, fleet leaves /run/fleet/units/a.service on machine 11111111 (10.88.0.1) when the unit is deleted: rm it by hand",
	}
	inLab(t, func(l *lab) {
		b := files{"b.service": service("/bin/sleep 1") + onNode1}
		l.apply(b)
		left, leaves := []string(nil), l.engine.api.replaces()
		if leaves {
			left = []string{"a.service"}
		}
		for _, how := range []string{"created", "deleted"} {
			var r map[string]apply.Result
			if how == "created" {
				r = l.apply(files{"a.service": bad + onNode1, "b.service": b["b.service"]})
				l.expect(r, "a.service", plan.Create, apply.RolledBack, "bad-setting")
			} else {
				l.Put("a.service", bad+onNode1+"[X-Confapply]\nOwner=confapply\n", "launched")
				time.Sleep(5 * time.Second)
				r = l.apply(b)
				l.expect(r, "a.service", plan.Delete, apply.Done, "no longer wanted")
			}
			if reason := r["a.service"].Reason; (reason == hints[how]) != leaves || strings.Contains(reason, "rm it") != leaves {
				l.Errorf("%s: %q", how, reason)
			}
			if got := l.Left(node1); !slices.Equal(got, left) || l.seen("a.service") != "" {
				l.Errorf("%s: left %q, %s", how, got, l.seen("a.service"))
			}
			time.Sleep(time.Minute)
			if p := l.decide(b); p.Changes() || len(p.Steps) != 1 {
				l.Errorf("%s: afterwards %v", how, p.Steps)
			}
			// elsewhere: a service, and a oneshot, which has to be said to be launched
			for _, text := range []string{service("/bin/sleep 1"), service("/bin/true", "Type=oneshot"), service("/bin/false", "Type=oneshot")} {
				good := files{"a.service": text + "[X-Fleet]\nMachineMetadata=node=n2\n", "b.service": b["b.service"]}
				outcome := apply.Done
				if strings.Contains(text, "false") {
					outcome = apply.RolledBack
				}
				l.expect(l.apply(good), "a.service", plan.Create, outcome, "")
				if p := l.decide(good); outcome == apply.Done && p.Changes() {
					l.Errorf("%s: %s %q", how, p.Steps[0].Unit, p.Steps[0].Reason)
				}
				l.apply(b)
			}
			// and there, where it takes the place of what was left
			good := files{"a.service": service("/bin/sleep 1") + onNode1, "b.service": b["b.service"]}
			l.expect(l.apply(good), "a.service", plan.Create, apply.Done, "new")
			if got := l.Left(node1); len(got) > 0 || l.seen("a.service") != running {
				l.Errorf("%s: left %q, %s", how, got, l.seen("a.service"))
			}
			l.apply(b)
		}
	})
}

// TestNotStarted: a unit that is loaded and never said to have been started has neither
// run nor failed: an agent can be held up between the two.
func TestNotStarted(t *testing.T) {
	doubted := sight{phase: ended, machine: "1", plain: "inactive/dead on 1", doubt: true}
	doubtedFailure := sight{phase: wrong, machine: "1", plain: "inactive/dead on 1", text: "wrong", doubt: true}
	const blockedText = "inactive/dead on 1: fleet does not say that it was started, for 30s: the agent there is blocked"
	for _, tt := range []struct {
		seen []sight
		want string
	}{
		{[]sight{{phase: ended}, {phase: ended}}, ""},
		{[]sight{{phase: wrong, text: "wrong"}}, "wrong"},
		{[]sight{doubted}, blockedText},
		{[]sight{doubtedFailure}, blockedText},
		{[]sight{doubted, {phase: ended, machine: "1"}, doubted}, ""},
		{[]sight{doubtedFailure, {phase: wrong, machine: "1"}, doubtedFailure}, "wrong"},
		{[]sight{{phase: ended, machine: "2"}, doubted}, blockedText},
		{[]sight{{phase: ended, machine: "1"}, {phase: wrong, machine: "1", text: "wrong"}}, "wrong"},
		{[]sight{{phase: ended, machine: "1"}, {phase: stale, machine: "1"}, doubted}, blockedText},
	} {
		p := progress{bear: settled, last: sight{phase: -1}}
		got := ""
		for second := range 60 {
			done, err := p.see(tt.seen[min(second, len(tt.seen)-1)], time.Unix(int64(second), 0))
			if done {
				break
			}
			if err != nil {
				got = err.Error()
				break
			}
			if second == 59 {
				got = "not up within 1m0s: " + p.last.text
			}
		}
		if got != tt.want {
			t.Errorf("%v: %q, want %q", tt.seen, got, tt.want)
		}
	}
}

// TestHeldUp: a oneshot whose agent loads it and then is held up, by somebody else's unit
// that it cannot load, has not run.
func TestHeldUp(t *testing.T) {
	inOne(t, fleettest.Options{Version: fleettest.New}, func(l *lab) {
		l.Put("a.service", service("/bin/true", "Type=oneshot")+onNode1+"[X-Confapply]\nOwner=confapply\n", "loaded")
		l.Put("x.service", service("/bin/sleep 1")+onNode1+"[Install]\nWantedBy=nonsense\n", "launched")
		l.ask("PUT", "a.service", `{"desiredState":"launched"}`)
		w := l.engine.expect(l.unit("a.service"), true)
		if err := l.engine.await(l.Context(), w, l.limits); err == nil || err.Error() != "inactive/dead on machine 11111111 (10.88.0.1): fleet does not say that it was started, for 30s: the agent there is blocked" {
			l.Error(err)
		}
		l.ask("DELETE", "x.service", "")
		if err := l.engine.await(l.Context(), w, l.limits); err != nil {
			l.Error(err)
		}
	})
}

// unit is a unit as fleet has it.
func (l *lab) unit(name string) apiUnit {
	l.Helper()
	if _, err := l.engine.Observe(l.Context(), nil); err != nil {
		l.Fatal(err)
	}
	u, err := l.engine.api.unit(l.Context(), name)
	if err != nil || u == nil {
		l.Fatalf("%v %v", u, err)
	}
	return *u
}

// TestStoppedInTheMiddle: an agent that hears of an update no more, because its fleetd
// ends then, is not blocked: the unit comes up elsewhere.
func TestStoppedInTheMiddle(t *testing.T) {
	late := 0
	for seed := range uint64(60) {
		inOne(t, fleettest.Options{Version: fleettest.New, Seed: seed}, func(l *lab) {
			l.apply(files{"a.service": service("/bin/sleep 1")})
			p := l.decide(files{"a.service": service("/bin/sleep 2")})
			l.After("PUT", "/fleet/v1/units/a.service", func() {
				go func() {
					l.Block(node1, true)
					time.Sleep(4 * time.Second)
					l.StopFleetd(node1)
				}()
			})
			l.limits.Stable = 0
			l.expect(l.carryOut(p), "a.service", plan.Update, apply.Done, "ExecStart differs")
			if l.took > lease {
				late++
			}
		})
	}
	if late == 0 {
		t.Error("it always came up soon: the test tests nothing")
	}
}

// TestDeletedDuringOutage: when etcd is back, fleet knows of no state for a while: that
// does not make a unit gone.
func TestDeletedDuringOutage(t *testing.T) {
	inLab(t, func(l *lab) {
		l.apply(files{"a.service": service("/bin/sleep 1"), "b.service": service("/bin/sleep 1")})
		l.restart("confapply")
		p := l.decide(files{"b.service": service("/bin/sleep 1")})
		l.Block(node1, true)
		l.After("DELETE", "/fleet/v1/units/a.service", func() {
			go func() {
				l.SetEtcd(false)
				time.Sleep(5 * time.Second)
				l.SetEtcd(true)
				time.Sleep(40 * time.Second)
				l.Block(node1, false)
			}()
		})
		l.expect(l.carryOut(p), "a.service", plan.Delete, apply.Done, "")
		if on := l.Running("a.service"); len(on) > 0 || l.took < 45*time.Second {
			l.Errorf("gone after %v, runs on %q", l.took, on)
		}
	})
}

// TestTwicePaged: a unit that moves to the next page while the list is read is one unit.
func TestTwicePaged(t *testing.T) {
	c, wanted := many(t, 150)
	e := open(&client{base: "http://fleet/fleet/v1", http: &http.Client{Transport: c}}, "unix:///fleet.sock", "confapply")
	n := 0
	c.After("GET", "/fleet/v1/units", func() { go c.Put("a.service", service("/bin/sleep 1"), inactive) })
	err := e.api.pages(t.Context(), "/units", nil, func(p page) {
		n += len(p.Units)
		time.Sleep(50 * time.Millisecond)
	})
	if err != nil || n != 151 {
		t.Fatalf("%d entries, %v: the test tests nothing", n, err)
	}
	c.After("GET", "/fleet/v1/units", func() { go c.Put("b.service", service("/bin/sleep 1"), inactive) })
	o, err := e.Observe(t.Context(), wanted)
	if err != nil || len(o.Owned) != 150 || len(o.Files) != 150 {
		t.Errorf("%d owned, %d files, %v", len(o.Owned), len(o.Files), err)
	}
}
