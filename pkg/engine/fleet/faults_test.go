package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/fleettest"
	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// TestUnschedulable: no machine takes the unit now, though one would by its
// metadata.
func TestUnschedulable(t *testing.T) {
	inLab(t, func(l *lab) {
		l.Put("x1.service", service("/bin/sleep 1"), "launched")
		text := service("/bin/sleep 1") + "[X-Fleet]\nConflicts=x*\nMachineMetadata=node=n1\n"
		r := l.apply(files{"a.service": text})
		l.expect(r, "a.service", plan.Create, apply.RolledBack, "no machine takes it: MachineMetadata=node=n1, Conflicts=x*; removed again")
		if l.took < unplaced || l.took > 20*time.Second || r["a.service"].World {
			l.Errorf("took %v, world %v", l.took, r["a.service"].World)
		}
		l.Put("a.service", text+"[X-Confapply]\nOwner=confapply\n", "launched")
		if s := l.decide(files{"a.service": text}).Steps[0]; s.Action != plan.None || !strings.HasPrefix(s.Reason, "no machine takes it") {
			l.Errorf("%s %s", s.Action, s.Reason)
		}
	})
}

func TestBlockedAgent(t *testing.T) {
	inLab(t, func(l *lab) {
		pinned := "[X-Fleet]\nMachineMetadata=node=n1\n"
		a := files{"a.service": service("/bin/sleep 1") + pinned}
		l.apply(a)
		l.Block(node1, true)
		r := l.apply(files{"a.service": a["a.service"], "b.service": service("/bin/sleep 1") + pinned})
		l.expect(r, "b.service", plan.Create, apply.RolledBack, "nothing is known of it on machine 11111111 (10.88.0.1), for 30s: the agent there is blocked; removed again")
		if !r["b.service"].World {
			l.Error("that is no fault of the unit")
		}
		before, _ := l.File("a.service")
		r = l.apply(files{"a.service": service("/bin/sleep 2") + pinned})
		if l.engine.api.replaces() {
			l.expect(r, "a.service", plan.Update, apply.RolledBack, "the version before is active/running on machine 11111111 (10.88.0.1), for 30s: the agent there is blocked; back at")
		} else {
			l.expect(r, "a.service", plan.Update, apply.RolledBack, "still has it after 2m0s (active/running): its agent is blocked")
		}
		if after, _ := l.File("a.service"); after != before || !r["a.service"].World {
			l.Errorf("now\n%s", after)
		}
		l.Block(node1, false)
		time.Sleep(30 * time.Second)
		if l.seen("a.service") != running {
			l.Error(l.seen("a.service"))
		}
	})
}

// TestOutage: etcd goes away while a plan is made, or while a unit comes up.
func TestOutage(t *testing.T) {
	inLab(t, func(l *lab) {
		want := files{"a.service": service("/bin/sleep 1"), "b.service": service("/bin/sleep 1")}
		l.apply(want)
		l.SetEtcd(false)
		l.restart("confapply")
		began := time.Now()
		_, err := l.engine.Observe(l.Context(), units(want))
		if err == nil || !strings.HasPrefix(err.Error(), "fleet answers 500: it cannot reach its store") || time.Since(began) > time.Minute {
			l.Errorf("%v after %v", err, time.Since(began))
		}
		time.Sleep(20 * time.Second)
		if _, err = l.engine.Observe(l.Context(), units(want)); err == nil || err.Error() != "fleet answers 503: fleet server unable to communicate with etcd" {
			l.Error(err)
		}
		l.SetEtcd(true)
		n := len(l.Requests())
		for unit, r := range l.apply(want) {
			if r.Step.Reason != "up to date" {
				l.Errorf("%s: %s", unit, r.Step.Reason)
			}
		}
		if w := l.writes(n); len(w) > 0 {
			l.Errorf("after the outage: %q", w)
		}

		// while a unit comes up
		p := l.decide(files{"a.service": want["a.service"], "b.service": service("/bin/sleep 2")})
		go func() {
			time.Sleep(time.Second)
			l.SetEtcd(false)
			time.Sleep(25 * time.Second)
			l.SetEtcd(true)
		}()
		l.expect(l.carryOut(p), "b.service", plan.Update, apply.Done, "")
	})
}

// TestNoStates: units that are to run and no state of any, for long, is a fault of
// fleet's.
func TestNoStates(t *testing.T) {
	inLab(t, func(l *lab) {
		l.Put("a.service", service("/bin/sleep 1")+"[X-Confapply]\nOwner=confapply\n", "launched")
		l.Forget("a.service", 1e6)
		began := time.Now()
		_, err := l.engine.Observe(l.Context(), nil)
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "no state of any unit for 30s") || took < lease || took > lease+5*time.Second {
			l.Errorf("%v after %v", err, took)
		}
		l.SetMachines([]fleettest.Machine{})
		if _, err := l.engine.Observe(l.Context(), nil); err == nil || !strings.HasPrefix(err.Error(), "fleet knows of no machine") {
			l.Error(err)
		}
	})
}

// TestLostRecord: a record that is gone for some seconds changes nothing.
func TestLostRecord(t *testing.T) {
	inLab(t, func(l *lab) {
		l.limits.Stable = 10 * time.Second
		p := l.decide(files{"a.service": service("/bin/sleep 1")})
		go func() {
			time.Sleep(6 * time.Second)
			l.Forget("a.service", 24)
		}()
		l.expect(l.carryOut(p), "a.service", plan.Create, apply.Done, "new")
		if l.took < 24*time.Second {
			l.Errorf("took %v", l.took)
		}
	})
}

// TestLostAnswers: a write without a good answer is looked after, not repeated.
func TestLostAnswers(t *testing.T) {
	for _, status := range []int{0, 500, 503} {
		inLab(t, func(l *lab) {
			want := files{"a.service": service("/bin/sleep 1")}
			l.Fail("PUT", "/fleet/v1/units/a.service", status, true)
			l.expect(l.apply(want), "a.service", plan.Create, apply.Done, "")
			if w := l.writes(0); len(w) != 1 {
				l.Errorf("carried out: %q", w)
			}
			n := len(l.Requests())
			want["b.service"] = service("/bin/sleep 1")
			l.Fail("PUT", "/fleet/v1/units/b.service", status, false)
			l.expect(l.apply(want), "b.service", plan.Create, apply.Done, "")
			if w := l.writes(n); !slices.Equal(w, []string{fmt.Sprintf("PUT b.service %d", status), "PUT b.service 201"}) {
				l.Errorf("not carried out: %q", w)
			}
			n = len(l.Requests())
			delete(want, "b.service")
			l.Fail("DELETE", "/fleet/v1/units/b.service", status, true)
			l.expect(l.apply(want), "b.service", plan.Delete, apply.Done, "")
			if w := l.writes(n); len(w) != 1 {
				l.Errorf("deleted: %q", w)
			}
		})
	}
}

// then does something after each request.
type then struct {
	http.RoundTripper
	do func(*http.Request)
}

func (t then) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(r)
	t.do(r)
	return response, err
}

// TestReadBack: what is written is read back at once, and somebody else's is told as
// that and left alone.
func TestReadBack(t *testing.T) {
	inLab(t, func(l *lab) {
		l.apply(files{"a.service": service("/bin/sleep 1")})
		p := l.decide(files{"a.service": service("/bin/sleep 2")})
		theirs := service("/bin/sleep 9") + "[X-Confapply]\nOwner=confapply\n"
		l.engine.api.http.Transport = then{l.Cluster, func(r *http.Request) {
			if r.Method == http.MethodPut {
				l.Put("a.service", theirs, launched)
			}
		}}
		n := len(l.Requests())
		l.expect(l.carryOut(p), "a.service", plan.Update, apply.Failed, "somebody else has changed it in this moment: what fleet holds is not what was sent")
		if got, _ := l.File("a.service"); got != theirs || l.took > 10*time.Second {
			l.Errorf("after %v\n%s", l.took, got)
		}
		puts := slices.DeleteFunc(l.writes(n), func(w string) bool { return !strings.HasPrefix(w, "PUT") })
		if len(puts) != 1 {
			l.Errorf("written: %q", puts)
		}
	})
}

func TestSane(t *testing.T) {
	for _, tt := range []struct {
		unit, state string
		ok          bool
	}{
		{"a.service", launched, true}, {"a@.service", inactive, true}, {"a@1.service", loaded, true},
		{"a.service", "running", false}, {"a.service", "", false}, {"a@.service", launched, false}, {"a@.service", loaded, false},
	} {
		if err := sane(apiUnit{Name: tt.unit, DesiredState: tt.state}); (err == nil) != tt.ok {
			t.Errorf("%s %s: %v", tt.unit, tt.state, err)
		}
	}
}

// TestLostWriteIsNotForced: a write that came to nothing is not sent again over what
// somebody else has written meanwhile.
func TestLostWriteIsNotForced(t *testing.T) {
	theirs := service("/bin/sleep 9") + "[X-Confapply]\nOwner=confapply\n"
	inLab(t, func(l *lab) {
		want := files{"a.service": service("/bin/sleep 1"), "b.service": service("/bin/sleep 1")}
		l.apply(want)
		next := files{"a.service": service("/bin/sleep 2"), "b.service": want["b.service"], "c.service": service("/bin/sleep 2")}
		if !l.engine.api.replaces() {
			next["a.service"] = want["a.service"] // it is deleted first
		}
		for _, unit := range []string{"a.service", "c.service"} {
			l.Fail("PUT", "/fleet/v1/units/"+unit, 503, false)
			l.After("PUT", "/fleet/v1/units/"+unit, func() { go l.Put(unit, theirs, "launched") })
		}
		p := l.decide(next)
		n := len(l.Requests())
		l.limits.Stable = 0
		r := apply.Run(l.Context(), apply.Params{Engine: l.engine, Plan: p, Limits: l.limits, KeepGoing: true, Now: time.Now})
		for _, result := range r {
			unit := result.Step.Unit
			if !result.Step.Acts() {
				continue
			}
			if got, _ := l.File(unit); result.Outcome != apply.Failed || !strings.Contains(result.Reason, "somebody else has changed it in this moment") || got != theirs {
				l.Errorf("%s: %s %s\n%s", unit, result.Outcome, result.Reason, got)
			}
		}
		for _, w := range l.writes(n) {
			if !strings.HasSuffix(w, " 503") {
				l.Errorf("written: %s", w)
			}
		}
	})
}

// TestPoisoned: a unit that was given a state that there is not cannot be helped,
// and is not tried.
func TestPoisoned(t *testing.T) {
	inOne(t, fleettest.Options{Version: fleettest.New}, func(l *lab) {
		l.Put("a.service", service("/bin/sleep 1"), "launched")
		l.Put("b.service", service("/bin/sleep 1"), "launched")
		l.ask("PUT", "a.service", `{"desiredState":"running"}`)
		n := len(l.Requests())
		r := l.apply(files{"a.service": service("/bin/sleep 1")})
		l.expect(r, "a.service", plan.Create, apply.Failed, "fleet answers 500 for this unit alone")
		if w := l.writes(n); len(w) > 0 || !r["a.service"].World {
			l.Errorf("%q", w)
		}
		if faults := l.Faults(); len(faults) != 1 {
			l.Errorf("%q", faults)
		}
		l.Cluster.Forgive()
	})
}

// TestSomebodyElse: units that change between the plan and the change, or right
// after it, are left as they are.
func TestSomebodyElse(t *testing.T) {
	inLab(t, func(l *lab) {
		l.apply(files{"a.service": service("/bin/sleep 1"), "b.service": service("/bin/sleep 1")})
		theirs := service("/bin/sleep 9") + "[X-Confapply]\nOwner=confapply\n"
		for name, want := range map[string]struct {
			meanwhile func()
			reason    string
		}{
			"changed": {func() { l.Put("a.service", theirs, "launched") }, "it was changed by somebody else since the plan was made"},
			"removed": {func() { l.ask("DELETE", "a.service", "") }, "it was removed by somebody else since the plan was made"},
			"created": {func() { l.Put("c.service", theirs, "launched") }, "it was put there by somebody else since the plan was made"},
		} {
			l.apply(files{"a.service": service("/bin/sleep 1"), "b.service": service("/bin/sleep 1")})
			l.restart("confapply")
			next := files{"a.service": service("/bin/sleep 2"), "b.service": service("/bin/sleep 1")}
			unit := "a.service"
			if name == "created" {
				next["a.service"], next["c.service"], unit = service("/bin/sleep 1"), service("/bin/sleep 2"), "c.service"
			}
			p := l.decide(next)
			want.meanwhile()
			n := len(l.Requests())
			r := l.carryOut(p)
			if r[unit].Outcome != apply.Failed || r[unit].Reason != want.reason || !r[unit].World || len(l.writes(n)) > 0 {
				l.Errorf("%s: %s %q, %q", name, r[unit].Outcome, r[unit].Reason, l.writes(n))
			}
			if name == "created" {
				l.ask("DELETE", "c.service", "")
			}
			time.Sleep(10 * time.Second)
		}
		// in the moment of the change
		l.apply(files{"a.service": service("/bin/sleep 1"), "b.service": service("/bin/sleep 1")})
		p := l.decide(files{"a.service": service("/bin/sleep 2"), "b.service": service("/bin/sleep 1")})
		l.After("PUT", "/fleet/v1/units/a.service", func() { go l.Put("a.service", theirs, "launched") })
		r := l.carryOut(p)
		if got, _ := l.File("a.service"); r["a.service"].Outcome == apply.Done || !strings.Contains(got, "sleep 9") {
			l.Errorf("%s %s\n%s", r["a.service"].Outcome, r["a.service"].Reason, got)
		}
	})
}

// TestKnownOld: a server that says it is old is not sent options that it passes
// over; one that does not say is found out.
func TestKnownOld(t *testing.T) {
	for _, says := range []string{"", "fleetd/0.11.8"} {
		inOne(t, fleettest.Options{Version: fleettest.Old}, func(l *lab) {
			l.apply(files{"a.service": service("/bin/sleep 1")})
			l.Say(says)
			n := len(l.Requests())
			l.expect(l.apply(files{"a.service": service("/bin/sleep 2")}), "a.service", plan.Update, apply.Done, "")
			want := []string{"DELETE a.service 204", "PUT a.service 201"}
			if says == "" {
				want = slices.Insert(want, 0, "PUT a.service 204")
			}
			if w := l.writes(n); !slices.Equal(w, want) {
				l.Errorf("%q", w)
			}
		})
	}
}

// TestOneAtATime: however many units change at once, a machine has one down at
// most, and what depends on another follows it.
func TestOneAtATime(t *testing.T) {
	inLab(t, func(l *lab) {
		l.batch, l.limits.Stable = 100, 0
		one, two := files{}, files{}
		for i := range 9 {
			name := fmt.Sprintf("u%d.service", i)
			more := ""
			if i == 4 {
				more = "[X-Fleet]\nGlobal=true\n"
			}
			one[name], two[name] = service("/bin/sleep 1")+more, service("/bin/sleep 2")+more
		}
		one["web@1.service"], two["web@1.service"] = service("/bin/sleep 1"), service("/bin/sleep 2")
		one["side@1.service"] = service("/bin/sleep 1") + "[X-Fleet]\nMachineOf=web@%i.service\n"
		two["side@1.service"] = one["side@1.service"]
		for unit, r := range l.apply(one) {
			l.expect(map[string]apply.Result{unit: r}, unit, plan.Create, apply.Done, "")
		}
		if l.took > 30*time.Second {
			l.Errorf("11 new units took %v", l.took)
		}
		for unit, r := range l.apply(two) {
			if unit != "side@1.service" {
				l.expect(map[string]apply.Result{unit: r}, unit, plan.Update, apply.Done, "")
			}
		}
		for unit, r := range l.apply(files{}) {
			l.expect(map[string]apply.Result{unit: r}, unit, plan.Delete, apply.Done, "")
		}
		if n := len(l.Units()) + len(l.States()); n > 0 {
			l.Errorf("%d left", n)
		}
	})
}

// TestFewDeletions: what is deleted, or was new and does not come up, goes a few at a
// time.
func TestFewDeletions(t *testing.T) {
	inLab(t, func(l *lab) {
		l.batch, l.limits.Stable = 100, 0
		good, bad := files{}, files{}
		for i := range 20 {
			good[fmt.Sprintf("a%d.service", i)] = service("/bin/sleep 1")
			bad[fmt.Sprintf("b%d.service", i)] = service("/bin/false")
		}
		l.apply(good)
		maps.Copy(bad, good)
		for unit, r := range l.apply(bad) {
			if r.Step.Acts() {
				l.expect(map[string]apply.Result{unit: r}, unit, plan.Create, apply.RolledBack, "removed again")
			}
		}
		l.apply(files{})
		if n := len(l.Units()) + len(l.States()); n > 0 {
			l.Errorf("%d left", n)
		}
	})
}

// TestTakenAlong: what goes down because another is replaced comes up again.
func TestTakenAlong(t *testing.T) {
	inLab(t, func(l *lab) {
		pinned := "[X-Fleet]\nMachineMetadata=node=n1\n"
		one := files{"b.service": service("/bin/sleep 1") + pinned, "a.service": service("/bin/sleep 1") + pinned + "[Unit]\nRequires=b.service\n"}
		l.apply(one)
		two := files{"b.service": service("/bin/sleep 2") + pinned, "a.service": one["a.service"]}
		l.expect(l.apply(two), "b.service", plan.Update, apply.Done, "")
		if l.seen("a.service") != running || l.seen("b.service") != running {
			l.Errorf("a %s, b %s", l.seen("a.service"), l.seen("b.service"))
		}
	})
}

// TestTakenAlongSlowly: what goes down with another and takes longer for it than that
// takes to be up again comes up too.
func TestTakenAlongSlowly(t *testing.T) {
	inLab(t, func(l *lab) {
		pinned := "[X-Fleet]\nMachineMetadata=node=n1\n"
		one := files{"b.service": service("/bin/sleep 1") + pinned, "a.service": service("/bin/sleep 1", "X-StopTakes=20") + pinned + "[Unit]\nRequires=b.service\n"}
		l.apply(one)
		l.expect(l.apply(files{"b.service": service("/bin/sleep 2") + pinned, "a.service": one["a.service"]}), "b.service", plan.Update, apply.Done, "")
		if l.seen("a.service") != running || l.seen("b.service") != running {
			l.Errorf("a %s, b %s", l.seen("a.service"), l.seen("b.service"))
		}
	})
}

// TestOutageWhilePutBack: etcd goes away when a unit that was put back is looked at.
func TestOutageWhilePutBack(t *testing.T) {
	inLab(t, func(l *lab) {
		l.apply(files{"a.service": service("/bin/sleep 1")})
		l.restart("confapply")
		p := l.decide(files{"a.service": service("/bin/false")})
		back := make(chan bool)
		l.After("GET", "/fleet/v1/machines", func() {
			go func() {
				l.SetEtcd(false)
				time.Sleep(25 * time.Second)
				l.SetEtcd(true)
				close(back)
			}()
		})
		l.expect(l.carryOut(p), "a.service", plan.Update, apply.RolledBack, "failed/failed")
		<-back
	})
}

// TestMachineLost: a machine goes away while a unit on it is replaced; the unit comes
// up on another.
func TestMachineLost(t *testing.T) {
	inLab(t, func(l *lab) {
		l.apply(files{"a.service": service("/bin/sleep 1")})
		p := l.decide(files{"a.service": service("/bin/sleep 2")})
		on := l.Units()[0].MachineID
		l.After("PUT", "/fleet/v1/units/a.service", func() {
			go func() {
				time.Sleep(500 * time.Millisecond)
				l.SetMachines(slices.DeleteFunc(fleettest.Machines(), func(m fleettest.Machine) bool { return m.ID == on }))
			}()
		})
		l.expect(l.carryOut(p), "a.service", plan.Update, apply.Done, "")
		if l.seen("a.service") != running {
			l.Error(l.seen("a.service"))
		}
	})
}

// TestOutageWhileWatched: etcd goes away while a unit is watched that is up; no
// answer, and no state for some seconds after it, is no fault of the unit's.
func TestOutageWhileWatched(t *testing.T) {
	inLab(t, func(l *lab) {
		l.limits.Stable = 20 * time.Second
		p := l.decide(files{"a.service": service("/bin/sleep 1")})
		go func() {
			time.Sleep(8 * time.Second)
			l.SetEtcd(false)
			time.Sleep(25 * time.Second)
			l.SetEtcd(true)
		}()
		l.expect(l.carryOut(p), "a.service", plan.Create, apply.Done, "new")
		// one that does not end is told as what it is
		p = l.decide(files{"a.service": service("/bin/sleep 1"), "b.service": service("/bin/sleep 1")})
		go func() {
			time.Sleep(8 * time.Second)
			l.SetEtcd(false)
		}()
		r := l.carryOut(p)
		if b := r["b.service"]; b.Outcome != apply.Failed || !b.World || !strings.Contains(b.Reason, "unable to communicate with etcd") || l.took > 10*time.Minute {
			l.Errorf("%s %q after %v", b.Outcome, b.Reason, l.took)
		}
	})
}

func TestTimeout(t *testing.T) {
	inLab(t, func(l *lab) {
		l.limits.Timeout = 3 * time.Second
		r := l.apply(files{"a.service": service("/bin/sleep 1", "Type=notify")})
		l.expect(r, "a.service", plan.Create, apply.RolledBack, "not up within 3s: activating/start on machine")
	})
}

func TestInterrupted(t *testing.T) {
	inLab(t, func(l *lab) {
		l.apply(files{"a.service": service("/bin/sleep 1")})
		before, _ := l.File("a.service")
		p := l.decide(files{"a.service": service("/bin/sleep 2")})
		ctx, cancel := context.WithTimeout(l.Context(), 2*time.Second)
		defer cancel()
		r := apply.Run(ctx, apply.Params{Engine: l.engine, Plan: p, Limits: l.limits, Now: time.Now})
		if after, _ := l.File("a.service"); r[0].Outcome != apply.RolledBack || after != before || l.seen("a.service") != running {
			l.Errorf("%s %s\n%s%s", r[0].Outcome, r[0].Reason, after, l.seen("a.service"))
		}
	})
}

func TestPlaceable(t *testing.T) {
	for _, tt := range []struct{ requirement, want string }{
		{"MachineMetadata=node=n9", "a.service: [X-Fleet] no machine has MachineMetadata node=n9"},
		{`MachineMetadata="node=n9" "node=n1"`, ""},
		{`MachineMetadata="node=n1" "disk=ssd"`, "a.service: [X-Fleet] no machine has MachineMetadata disk=ssd node=n1"},
		{"X-ConditionMachineMetadata=node=n2", ""},
		{"MachineID=" + node2, ""},
		{"MachineID=3", "a.service: [X-Fleet] no machine has MachineID=3"},
		{"MachineOf=b.service", ""},
		{"MachineOf=c.service", ""},
		{"MachineOf=d.service", "a.service: [X-Fleet] MachineOf=d.service is a unit that is neither wanted nor there"},
		{"Global=true\nMachineMetadata=node=n9", "a.service: [X-Fleet] no machine has MachineMetadata node=n9"},
	} {
		inOne(t, fleettest.Options{Version: fleettest.New}, func(l *lab) {
			l.Put("c.service", service("/bin/sleep 1"), "launched")
			f := files{"a.service": service("/bin/sleep 1") + "[X-Fleet]\n" + tt.requirement + "\n", "b.service": service("/bin/sleep 1")}
			_, err := l.engine.Observe(l.Context(), units(f))
			got := ""
			var input *plan.InputError
			if errors.As(err, &input) {
				got = err.Error()
			} else if err != nil {
				l.Fatal(err)
			}
			if got != tt.want {
				l.Errorf("%s: %q, want %q", tt.requirement, got, tt.want)
			}
		})
	}
}

// TestGlobalConflicts: only the newer fleet takes both.
func TestGlobalConflicts(t *testing.T) {
	inLab(t, func(l *lab) {
		f := files{"a.service": service("/bin/sleep 1") + "[X-Fleet]\nGlobal=true\nConflicts=b*\n"}
		_, err := l.engine.Observe(l.Context(), units(f))
		if !l.engine.api.replaces() {
			var input *plan.InputError
			if !errors.As(err, &input) || !strings.Contains(err.Error(), "Conflicts= cannot be used with Global=") {
				l.Error(err)
			}
			return
		}
		l.expect(l.apply(f), "a.service", plan.Create, apply.Done, "new")
	})
}

func TestStartTime(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 90 * time.Second, "300": 5 * time.Minute, "2min 30s": 150 * time.Second, "5min": 5 * time.Minute, "1h": time.Hour, "45sec": 45 * time.Second,
		"infinity": 0, "0": 0, "nan": 0, "soon": 0,
	} {
		o := options{{Section: "Service", Name: "TimeoutStartSec", Value: value}}
		if got := startTime(o); got != want {
			t.Errorf("TimeoutStartSec=%s: %v, want %v", value, got, want)
		}
	}
	if got := startTime(options{{Section: "Service", Name: "Type", Value: "oneshot"}}); got != 0 {
		t.Error(got)
	}
}

// TestPatience: a unit that may take longer than usual is given that time and a
// minute for fleet, unless the user says how long.
func TestPatience(t *testing.T) {
	usual := apply.Limits{Timeout: 10 * time.Minute, Usual: true}
	for _, tt := range []struct {
		limits apply.Limits
		own    time.Duration
		want   time.Duration
	}{
		{usual, 90 * time.Second, 10 * time.Minute},
		{usual, 20 * time.Minute, 21 * time.Minute},
		{usual, 0, 10 * time.Minute},
		{apply.Limits{Timeout: 5 * time.Minute}, 20 * time.Minute, 5 * time.Minute},
		{apply.Limits{}, 20 * time.Minute, 21 * time.Minute},
		{apply.Limits{}, 0, 0},
	} {
		if got := (expectation{limit: tt.own}).patience(tt.limits); got != tt.want {
			t.Errorf("%+v, %v by its own word: %v, want %v", tt.limits, tt.own, got, tt.want)
		}
	}
}

// TestOutageBeforePlaced: while etcd is away, and for a while after it, nothing is
// placed; that is not for want of a machine.
func TestOutageBeforePlaced(t *testing.T) {
	inLab(t, func(l *lab) {
		l.apply(files{"a.service": service("/bin/sleep 1")})
		p := l.decide(files{"a.service": service("/bin/sleep 1"), "b.service": service("/bin/sleep 1")})
		l.After("PUT", "/fleet/v1/units/b.service", func() {
			go func() {
				time.Sleep(300 * time.Millisecond)
				l.SetEtcd(false)
				time.Sleep(25 * time.Second)
				l.SetEtcd(true)
			}()
		})
		l.expect(l.carryOut(p), "b.service", plan.Create, apply.Done, "")
	})
}

// TestMoves: a unit that is to be elsewhere has gone from where it was when it is
// said to be done.
func TestMoves(t *testing.T) {
	test := func(l *lab) {
		l.limits.Stable = 0
		for i, where := range []string{"Global=true", "MachineMetadata=node=n2", "MachineMetadata=node=n1", "Global=true", "MachineID=" + node1} {
			r := l.apply(files{"a.service": service("/bin/sleep 1") + "[X-Fleet]\n" + where + "\n"})
			if i > 0 {
				l.expect(r, "a.service", plan.Update, apply.Done, "[X-Fleet]")
			}
			n := 0
			for _, s := range l.States() {
				if s.SystemdActiveState == "active" {
					n++
				}
			}
			want := 1
			if where == "Global=true" {
				want = 2
			}
			if n != want || len(l.States()) != want {
				l.Errorf("%s: %v", where, l.States())
			}
		}
	}
	for seed := range uint64(20) { // it depends on who is first
		inOne(t, fleettest.Options{Version: fleettest.New, Seed: seed}, test)
		inOne(t, fleettest.Options{Version: fleettest.Old, Seed: seed}, test)
	}
}

// TestContinued: an owned unit that somebody sent again with its continued lines is
// the same unit.
func TestContinued(t *testing.T) {
	inLab(t, func(l *lab) {
		text := "[Service]\nExecStart=/bin/sleep \\\n  1\n"
		l.Put("a.service", text+"[X-Confapply]\nOwner=confapply\n", "launched")
		l.expect(l.apply(files{"a.service": "# a note\n" + text}), "a.service", plan.None, apply.Done, "up to date")
	})
}

// TestRequired: a new unit that requires one that is replaced waits for it.
func TestRequired(t *testing.T) {
	inLab(t, func(l *lab) {
		pinned := "[X-Fleet]\nMachineMetadata=node=n1\n"
		l.apply(files{"b.service": service("/bin/sleep 1") + pinned})
		r := l.apply(files{
			"b.service": service("/bin/sleep 2") + pinned,
			"a.service": service("/bin/sleep 1") + pinned + "[Unit]\nRequires=b.service\n",
		})
		l.expect(r, "a.service", plan.Create, apply.Done, "")
		l.expect(r, "b.service", plan.Update, apply.Done, "")
		// and one that fails takes the other back with it
		r = l.apply(files{
			"b.service": service("/bin/false") + pinned,
			"a.service": service("/bin/sleep 2") + pinned + "[Unit]\nRequires=b.service\n",
		})
		l.expect(r, "a.service", plan.Update, apply.Failed, "not begun: b.service")
		l.expect(r, "b.service", plan.Update, apply.RolledBack, "failed/failed")
		if l.seen("a.service") != running || l.seen("b.service") != running {
			l.Errorf("a %s, b %s", l.seen("a.service"), l.seen("b.service"))
		}
	})
}

// TestLeft: a unit that went down with another, and whose own change is then
// refused, runs again as it was.
func TestLeft(t *testing.T) {
	inOne(t, fleettest.Options{Version: fleettest.New}, func(l *lab) {
		pinned := "[X-Fleet]\nMachineMetadata=node=n1\n"
		one := files{"b.service": service("/bin/sleep 1") + pinned, "a.service": service("/bin/sleep 1") + pinned + "[Unit]\nRequires=b.service\n"}
		l.apply(one)
		before, _ := l.File("a.service")
		l.Fail("PUT", "/fleet/v1/units/a.service", 400, false)
		r := l.apply(files{"b.service": strings.Replace(one["b.service"], "1", "2", 1), "a.service": strings.Replace(one["a.service"], "1", "2", 1)})
		l.expect(r, "b.service", plan.Update, apply.Done, "")
		l.expect(r, "a.service", plan.Update, apply.Failed, "fleet answers 400")
		if after, _ := l.File("a.service"); after != before || l.seen("a.service") != running {
			l.Errorf("a %s\n%s", l.seen("a.service"), after)
		}
	})
}

// TestVersions: what a server is known to do by its version; one that does not say is
// taken for new.
func TestVersions(t *testing.T) {
	for server, want := range map[string][2]bool{
		"fleetd/0.11.8": {false, false}, "fleetd/0.12.0": {false, false}, "fleetd/0.13.0": {true, false}, "fleetd/1.0.0": {true, true},
		"fleetd/1.0.0+git": {true, true}, "fleetd/2.1": {true, true}, "": {true, true}, "nginx": {true, true},
	} {
		c := client{server: server}
		if got := [2]bool{c.replaces(), c.keepsFiles()}; got != want {
			t.Errorf("%q: replaces, keeps files: %v", server, got)
		}
	}
}
