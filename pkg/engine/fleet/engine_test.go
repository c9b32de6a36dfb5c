package fleet

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/unitstamp/unitstamp/internal/fleettest"
	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

const (
	node1 = "11111111111111111111111111111111"
	node2 = "22222222222222222222222222222222"
)

// lab is a cluster and an engine for it, in a time of their own that passes as
// fast as it can.
type lab struct {
	*testing.T
	*fleettest.Cluster
	engine *Engine
	opts   plan.Options
	limits apply.Limits
	batch  int
	plan   *plan.Plan
	took   time.Duration
}

// inLab runs a test in both generations of the server, each with some seeds.
func inLab(t *testing.T, test func(*lab)) {
	t.Helper()
	for _, version := range []string{fleettest.New, fleettest.Old} {
		for seed := range uint64(3) {
			inOne(t, fleettest.Options{Version: version, Seed: seed}, test)
		}
	}
}

func inOne(t *testing.T, opts fleettest.Options, test func(*lab)) {
	t.Helper()
	t.Run(fmt.Sprintf("%s/%d", opts.Version, opts.Seed), func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := fleettest.NewCluster(opts)
			l := &lab{T: t, Cluster: c, limits: apply.Limits{Stable: 5 * time.Second, Timeout: 10 * time.Minute}}
			l.restart("confapply")
			test(l)
			if faults := c.Faults(); len(faults) > 0 {
				t.Errorf("faults: %q", faults)
			}
		})
	})
}

// restart makes a new engine, as a new run of the program does.
func (l *lab) restart(owner string) {
	l.engine = open(&client{base: "http://fleet/fleet/v1", http: &http.Client{Transport: l.Cluster}}, "unix:///fleet.sock", owner)
	l.opts = plan.Options{Owner: owner, AllowEmpty: true, MaxDelete: plan.Limit{N: 1000}}
}

type files map[string]string

func units(f files) []plan.Unit {
	var list []plan.Unit
	for _, name := range slices.Sorted(maps.Keys(f)) {
		list = append(list, plan.Unit{Name: name, Files: plan.Files{name: {Data: []byte(f[name])}}})
	}
	return list
}

// decide makes the plan for wanted files.
func (l *lab) decide(f files) *plan.Plan {
	l.Helper()
	if err := l.engine.Check(units(f)); err != nil {
		l.Fatal(err)
	}
	o, err := l.engine.Observe(l.Context(), units(f))
	if err != nil {
		l.Fatal(err)
	}
	l.plan = plan.Make(units(f), o, l.opts)
	return l.plan
}

// apply is one whole run of the program.
func (l *lab) apply(f files) map[string]apply.Result {
	l.Helper()
	l.restart(l.engine.owner)
	return l.carryOut(l.decide(f))
}

func (l *lab) carryOut(p *plan.Plan) map[string]apply.Result {
	l.Helper()
	began := time.Now()
	results := map[string]apply.Result{}
	for _, r := range apply.Run(l.Context(), apply.Params{Engine: l.engine, Plan: p, Limits: l.limits, Batch: l.batch, Now: time.Now}) {
		results[r.Step.Unit] = r
	}
	l.took = time.Since(began)
	return results
}

// expect fails unless a unit ended like that, its reason with these words in it.
func (l *lab) expect(results map[string]apply.Result, unit string, action plan.Action, outcome apply.Outcome, words string) {
	l.Helper()
	r, known := results[unit]
	if !known || r.Step.Action != action || r.Outcome != outcome || !strings.Contains(r.Reason, words) {
		l.Errorf("%s: %v %v %q, want %s %s %q", unit, r.Step.Action, r.Outcome, r.Reason, action, outcome, words)
	}
}

// seen is what the cluster says of a unit: desired, current, then each record.
func (l *lab) seen(unit string) string {
	var words []string
	for _, u := range l.Units() {
		if u.Name == unit {
			words = append(words, u.DesiredState, u.CurrentState)
		}
	}
	for _, s := range l.States() {
		if s.Name == unit {
			words = append(words, s.SystemdLoadState+"/"+s.SystemdActiveState+"/"+s.SystemdSubState)
		}
	}
	return strings.Join(words, " ")
}

// writes are the requests that changed something, or tried to, since the n-th.
func (l *lab) writes(from int) []string {
	var list []string
	for _, r := range l.Requests()[from:] {
		if r.Method != http.MethodGet {
			list = append(list, fmt.Sprintf("%s %s %d", r.Method, strings.TrimPrefix(r.Path, "/fleet/v1/units/"), r.Status))
		}
	}
	return list
}

func service(command string, more ...string) string {
	return "[Unit]\nDescription=a\n\n[Service]\nExecStart=" + command + "\n" + strings.Join(more, "\n") + "\n"
}

const running = "launched launched loaded/active/running"

func TestLife(t *testing.T) {
	inLab(t, func(l *lab) {
		a := "# a comment\n[Service]\nExecStart=/usr/bin/docker run \\\n  --rm \\\n; a note\n  myrepo/a:57-develop\n[Unit]\nDescription=  x  \n[Service]\nUser=b\n"
		r := l.apply(files{"a.service": a})
		l.expect(r, "a.service", plan.Create, apply.Done, "new")
		if l.seen("a.service") != running {
			l.Fatal(l.seen("a.service"))
		}
		want := "[Service]\nExecStart=/usr/bin/docker run    --rm    myrepo/a:57-develop\nUser=b\n\n[Unit]\nDescription=x\n\n[X-Confapply]\nOwner=confapply\n"
		if got, _ := l.File("a.service"); got != want {
			l.Errorf("fleet holds\n%s", got)
		}

		n := len(l.Requests())
		r = l.apply(files{"a.service": a + "# another comment\n"})
		l.expect(r, "a.service", plan.None, apply.Done, "up to date")
		if w := l.writes(n); len(w) > 0 {
			l.Errorf("an unchanged unit: %q", w)
		}

		n = len(l.Requests())
		b := strings.Replace(a, "57", "58", 1)
		r = l.apply(files{"a.service": b})
		l.expect(r, "a.service", plan.Update, apply.Done, "ExecStart differs")
		if s := r["a.service"].Step; s.From != "57-develop" || s.To != "58-develop" {
			l.Errorf("from %s to %s", s.From, s.To)
		}
		wantWrites := []string{"PUT a.service 201"}
		if l.engine.api.server == "fleetd/0.11.8" {
			wantWrites = []string{"DELETE a.service 204", "PUT a.service 201"}
		}
		if w := l.writes(n); !slices.Equal(w, wantWrites) {
			l.Errorf("writes %q", w)
		}
		if got, _ := l.File("a.service"); got != strings.Replace(want, "57", "58", 1) || l.seen("a.service") != running {
			l.Errorf("fleet holds\n%s%s", got, l.seen("a.service"))
		}

		r = l.apply(files{"a.service": strings.Replace(b, "  x", "y", 1)})
		l.expect(r, "a.service", plan.None, apply.Done, "Description differs, no restart, put off")

		r = l.apply(files{})
		l.expect(r, "a.service", plan.Delete, apply.Done, "no longer wanted")
		if l.seen("a.service") != "" {
			l.Error(l.seen("a.service"))
		}
	})
}

// TestBrokenGoesBack: what does not come up is what it was before, and the mark of
// a broken unit is not left behind.
func TestBrokenGoesBack(t *testing.T) {
	for name, broken := range map[string]struct{ text, reason string }{
		"fails":        {service("/bin/false"), "failed/failed on machine 11111111 (10.88.0.1); back at"},
		"missing":      {service("/opt/missing"), "failed/failed on"},
		"dies":         {service("/bin/dies 3"), "it does not stay up: failed/failed on"},
		"loops":        {service("/bin/false", "Restart=always"), "activating/auto-restart: it does not stay up"},
		"loops slowly": {service("/bin/dies 2", "Restart=always"), "it does not stay up"},
		"ends":         {service("/bin/true"), "it has ended: inactive/dead"},
		"never ready":  {service("/bin/sleep 9", "Type=notify"), "failed/failed on"},
		"oneshot":      {service("/bin/false", "Type=oneshot"), "failed/failed on"},
		"refused":      {strings.Replace(service("/bin/a"), "ExecStart", "ExecStop", 1), "systemd cannot load it: bad-setting on"},
		"killed":       {service("/bin/false", "KillSignal=SIGKILL"), "failed/failed on"},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				good := files{"a.service": service("/bin/sleep 1", "KillSignal=SIGKILL"), "b.service": service("/bin/sleep 1")}
				l.apply(good)
				before, _ := l.File("a.service")
				r := l.apply(files{"a.service": broken.text, "b.service": good["b.service"]})
				l.expect(r, "a.service", plan.Update, apply.RolledBack, strings.TrimSuffix(broken.reason, "; back at"))
				if after, _ := l.File("a.service"); after != before || l.seen("a.service") != running || r["a.service"].World {
					l.Errorf("now\n%s%s, world %v", after, l.seen("a.service"), r["a.service"].World)
				}
				r = l.apply(files{"a.service": good["a.service"], "b.service": good["b.service"], "c.service": broken.text})
				l.expect(r, "c.service", plan.Create, apply.RolledBack, "removed again")
				if l.seen("c.service") != "" {
					l.Error(l.seen("c.service"))
				}
			})
		})
	}
}

func TestKinds(t *testing.T) {
	for name, tt := range map[string]struct{ unit, text, next, seen string }{
		"oneshot":         {"a.service", service("/bin/true", "Type=oneshot"), service("/bin/true 2", "Type=oneshot"), "launched launched loaded/inactive/dead"},
		"remains":         {"a.service", service("/bin/true", "Type=oneshot", "RemainAfterExit=yes"), service("/bin/true 2", "Type=oneshot", "RemainAfterExit=yes"), "launched launched loaded/active/exited"},
		"timer":           {"a.timer", "[Timer]\nOnCalendar=daily\n", "[Timer]\nOnCalendar=weekly\n", "launched launched loaded/active/waiting"},
		"socket":          {"a.socket", "[Socket]\nListenStream=80\n", "[Socket]\nListenStream=81\n", "launched launched loaded/active/listening"},
		"template":        {"a@.service", service("/bin/sleep 1"), service("/bin/sleep 2"), "inactive inactive"},
		"instance":        {"a@1.service", service("/bin/sleep %i"), service("/bin/sleep 2%i"), running},
		"some nodes":      {"a.service", service("/bin/sleep 1") + "[X-Fleet]\nGlobal=true\nMachineMetadata=node=n1\n", service("/bin/sleep 2") + "[X-Fleet]\nGlobal=true\nMachineMetadata=node=n1\n", "launched inactive loaded/active/running"},
		"global":          {"a.service", service("/bin/sleep 1") + "[X-Fleet]\nGlobal=true\n", service("/bin/sleep 2") + "[X-Fleet]\nGlobal=true\n", "launched inactive loaded/active/running loaded/active/running"},
		"everywhere once": {"a.service", service("/bin/true", "Type=oneshot") + "[X-Fleet]\nGlobal=true\n", service("/bin/true 2", "Type=oneshot") + "[X-Fleet]\nGlobal=true\n", "launched inactive loaded/inactive/dead loaded/inactive/dead"},
		"one node":        {"a.service", service("/bin/sleep 1") + "[X-Fleet]\nMachineMetadata=node=n2\n", service("/bin/sleep 2") + "[X-Fleet]\nMachineMetadata=\"node=n2\" \"node=n3\"\n", running},
		"by hand":         {"a.service", service("/bin/sleep 1") + "[Unit]\nX-OnlyManualStart=yes\n", service("/bin/sleep 2") + "[Unit]\nX-OnlyManualStart=yes\n", "loaded loaded loaded/inactive/dead"},
		"ends fast":       {"a.service", service("/bin/sleep 1", "KillSignal=SIGKILL"), service("/bin/sleep 2", "KillSignal=SIGKILL"), running},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				r := l.apply(files{tt.unit: tt.text})
				l.expect(r, tt.unit, plan.Create, apply.Done, "new")
				if l.seen(tt.unit) != tt.seen {
					l.Errorf("created: %s", l.seen(tt.unit))
				}
				r = l.apply(files{tt.unit: tt.text})
				l.expect(r, tt.unit, plan.None, apply.Done, "up to date")
				r = l.apply(files{tt.unit: tt.next})
				l.expect(r, tt.unit, plan.Update, apply.Done, "differ")
				if got, _ := l.File(tt.unit); l.seen(tt.unit) != tt.seen || !strings.Contains(got, "Owner=confapply\n") {
					l.Errorf("updated: %s\n%s", l.seen(tt.unit), got)
				}
				if p := l.decide(files{tt.unit: tt.next}); p.Changes() {
					l.Errorf("a second plan: %v", p.Steps[0])
				}
				l.expect(l.apply(files{}), tt.unit, plan.Delete, apply.Done, "")
			})
		})
	}
}

func TestForeignUnits(t *testing.T) {
	inLab(t, func(l *lab) {
		theirs := service("/bin/sleep 1")
		l.Put("a.service", theirs, "launched")
		l.Put("b.service", theirs+"[X-Confapply]\nOwner=other\n", "launched")
		l.Put("c.service", theirs, "loaded")
		l.Put("t@1.service", theirs+"[X-Confapply]\nOwner=confapply\nTemplate=yes\n", "launched")
		r := l.apply(files{"a.service": theirs, "b.service": service("/bin/sleep 2")})
		l.expect(r, "a.service", plan.Conflict, apply.Skipped, `was not put there by owner "confapply"`)
		l.expect(r, "b.service", plan.Conflict, apply.Skipped, `it belongs to owner "other"`)
		if w := l.writes(0); len(w) > 0 || len(r) != 2 {
			l.Errorf("%q, %v", w, r)
		}
		l.restart("confapply")
		l.opts.Adopt = true
		r = l.carryOut(l.decide(files{"a.service": theirs, "b.service": service("/bin/sleep 2"), "d.service": theirs}))
		l.expect(r, "a.service", plan.Adopt, apply.Done, "restarted: the owner is written into it")
		l.expect(r, "b.service", plan.Adopt, apply.Done, "")
		for _, unit := range []string{"a.service", "b.service"} {
			if got, _ := l.File(unit); !strings.Contains(got, "[X-Confapply]\nOwner=confapply\n") || strings.Contains(got, "other") || l.seen(unit) != running {
				l.Errorf("%s %s\n%s", unit, l.seen(unit), got)
			}
		}
		// what is adopted and does not come up is theirs again
		l.restart("confapply")
		l.opts.Adopt = true
		before, _ := l.File("c.service")
		r = l.carryOut(l.decide(files{"a.service": theirs, "b.service": service("/bin/sleep 2"), "d.service": theirs, "c.service": service("/bin/false")}))
		l.expect(r, "c.service", plan.Adopt, apply.RolledBack, "failed/failed")
		if after, _ := l.File("c.service"); after != before || !strings.HasPrefix(l.seen("c.service"), "loaded ") {
			l.Errorf("%s\n%s", l.seen("c.service"), after)
		}
	})
}

func TestByHand(t *testing.T) {
	inLab(t, func(l *lab) {
		want := files{"a.service": service("/bin/sleep 1")}
		l.apply(want)
		l.ask("PUT", "a.service", `{"desiredState":"loaded"}`)
		time.Sleep(5 * time.Second)
		l.expect(l.apply(want), "a.service", plan.None, apply.Done, "stopped by hand")
		l.restart("confapply")
		l.opts.Repair = true
		l.expect(l.carryOut(l.decide(want)), "a.service", plan.Start, apply.Done, "stopped by hand")
		if l.seen("a.service") != running {
			l.Error(l.seen("a.service"))
		}
		l.Kill("a.service")
		l.expect(l.apply(want), "a.service", plan.None, apply.Done, "has failed")
		l.restart("confapply")
		l.opts.Repair = true
		l.expect(l.carryOut(l.decide(want)), "a.service", plan.Start, apply.Done, "has failed")
		if l.seen("a.service") != running {
			l.Error(l.seen("a.service"))
		}
		// stopped by hand, and then another build: it starts
		l.ask("PUT", "a.service", `{"desiredState":"inactive"}`)
		time.Sleep(5 * time.Second)
		l.expect(l.apply(files{"a.service": service("/bin/sleep 2")}), "a.service", plan.Update, apply.Done, "")
		if l.seen("a.service") != running {
			l.Error(l.seen("a.service"))
		}
	})
}

// ask makes a request of somebody else's.
func (l *lab) ask(method, unit, body string) {
	l.Helper()
	request, err := http.NewRequestWithContext(l.Context(), method, "http://fleet/fleet/v1/units/"+unit, strings.NewReader(body))
	if err != nil {
		l.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := l.RoundTrip(request)
	if err != nil || response.StatusCode >= 300 {
		l.Fatalf("%v %v", response, err)
	}
}
