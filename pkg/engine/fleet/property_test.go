package fleet

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/fleettest"
	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// clusters is how many random ones the property is tried on.
const clusters = 300

var universe = []string{"a.service", "b.service", "c.service", "d.service", "d.timer", "e.socket", "f@.service", "f@1.service", "g.service"}

// content is a random unit file.
func content(r *rand.Rand, name string) string {
	text := fmt.Sprintf("[Unit]\nDescription=%d\n", r.IntN(2))
	if other := universe[r.IntN(3)]; r.IntN(4) == 0 && other < name { // no circles
		text += "Requires=" + other + "\n"
	}
	switch unitname.Kind(name) {
	case "timer":
		text += fmt.Sprintf("[Timer]\nOnCalendar=%d:00\n", r.IntN(3))
	case "socket":
		text += fmt.Sprintf("[Socket]\nListenStream=%d\n", 80+r.IntN(3))
	default:
		text += fmt.Sprintf("# note\n[Service]\nExecStart=/bin/sleep \\\n  %d\n", r.IntN(3))
		if r.IntN(3) == 0 {
			text += "KillSignal=SIGKILL\n"
		}
	}
	switch r.IntN(6) {
	case 0:
		text += "[X-Fleet]\nGlobal=true\n"
	case 1:
		text += fmt.Sprintf("[X-Fleet]\nMachineMetadata=node=n%d\n", 1+r.IntN(2))
	}
	if r.IntN(3) == 0 {
		text += "[Install]\nWantedBy=multi-user.target\n"
	}
	return text
}

// held is a random unit as fleet may hold it: as it would be sent, or as somebody
// else sends it.
func held(r *rand.Rand, name, text, owner string) string {
	o, err := normalise(name, []byte(text))
	if err != nil {
		panic(err)
	}
	switch {
	case r.IntN(2) == 0 && owner == "":
		return text
	case owner == "":
		return string(o.serialise())
	}
	return string(o.marked(name, owner).serialise())
}

// TestAnyClusterBecomesWanted: from any state one run reaches what is wanted, a
// second has nothing to do, what belongs to others is left alone, and nothing that
// harms a cluster is ever sent, whatever answers are lost and whichever fleetd is
// started again meanwhile.
func TestAnyClusterBecomesWanted(t *testing.T) {
	changed, lost, restarted := 0, 0, 0
	for seed := range uint64(clusters) {
		r := rand.New(rand.NewPCG(seed, 7))
		version := []string{fleettest.New, fleettest.Old}[r.IntN(2)]
		inOne(t, fleettest.Options{Version: version, Seed: seed}, func(l *lab) {
			want := files{}
			foreign := map[string]string{}
			for _, name := range universe {
				if r.IntN(3) > 0 {
					want[name] = content(r, name)
				}
				if r.IntN(3) == 0 {
					continue
				}
				text := content(r, name)
				if w, wanted := want[name]; wanted && r.IntN(2) == 0 {
					text = w
				}
				owner := []string{"", "other", "confapply", "confapply"}[r.IntN(4)]
				state := []string{inactive, loaded, launched, launched}[r.IntN(4)]
				if unitname.IsTemplate(name) {
					state = inactive
				}
				l.Put(name, held(r, name, text, owner), state)
				if owner != "confapply" {
					foreign[name], _ = l.File(name)
				}
			}
			l.batch, l.limits.Stable = 1+r.IntN(4), time.Duration(r.IntN(3))*time.Second
			l.opts.Adopt, l.opts.Repair = r.IntN(2) == 0, r.IntN(2) == 0
			opts := l.opts
			for range r.IntN(4) {
				name := universe[r.IntN(len(universe))]
				l.Fail([]string{"PUT", "DELETE", "GET"}[r.IntN(3)], "/fleet/v1/units/"+name, []int{0, 500, 503}[r.IntN(3)], r.IntN(2) == 0)
				lost++
			}
			if r.IntN(3) == 0 { // a fleetd is started again some time
				node, before, away := []string{node1, node2}[r.IntN(2)], r.IntN(8), 1+r.IntN(9)
				restarted++
				go func() {
					time.Sleep(time.Duration(before) * time.Second)
					l.StopFleetd(node)
					time.Sleep(time.Duration(away) * time.Second)
					l.StartFleetd(node)
				}()
			}
			p := l.decide(want)
			for unit, result := range l.carryOut(p) {
				if result.Step.Acts() {
					changed++
				}
				if result.Outcome != apply.Done && result.Step.Action != plan.Conflict {
					l.Errorf("%s: %s %s %q", unit, result.Step.Action, result.Outcome, result.Reason)
				}
			}
			for _, s := range p.Steps {
				text, there := l.File(s.Unit)
				switch w, wanted := want[s.Unit]; {
				case s.Action == plan.Conflict, strings.Contains(s.Reason, "put off"):
				case !wanted && there:
					l.Errorf("%s is still there", s.Unit)
				case wanted:
					o, err := normalise(s.Unit, []byte(w))
					if expected := string(o.marked(s.Unit, "confapply").serialise()); err != nil || text != expected {
						l.Errorf("%s is\n%s\nnot\n%s", s.Unit, text, expected)
					}
					if s.Acts() && !unitname.IsTemplate(s.Unit) && s.Effect != plan.DoNothing && !strings.HasPrefix(l.seen(s.Unit), launched) {
						l.Errorf("%s is %s", s.Unit, l.seen(s.Unit))
					}
				}
			}
			for name, before := range foreign {
				if _, wanted := want[name]; wanted && opts.Adopt {
					continue
				}
				if after, there := l.File(name); !there || after != before {
					l.Errorf("%s is somebody else's and is now\n%s", name, after)
				}
				for _, request := range l.Requests() {
					if request.Method != http.MethodGet && strings.HasSuffix(request.Path, "/"+name) {
						l.Errorf("%s %s, of somebody else", request.Method, name)
					}
				}
			}
			time.Sleep(30 * time.Second)
			n := len(l.Requests())
			l.restart("confapply")
			l.opts.Adopt, l.opts.Repair = opts.Adopt, opts.Repair
			late := map[string]bool{} // what was put off, or went down with a unit that was deleted
			for _, s := range p.Steps {
				late[s.Unit] = late[s.Unit] || strings.Contains(s.Reason, "put off")
				for name, text := range want {
					if s.Action == plan.Delete && strings.Contains(text, "Requires="+s.Unit+"\n") {
						late[name] = true
					}
				}
			}
			if again := l.decide(want); again.Changes() {
				for _, s := range again.Steps {
					if s.Acts() && !late[s.Unit] {
						l.Errorf("again: %s %s %s; %s", s.Action, s.Unit, s.Reason, l.seen(s.Unit))
					}
				}
			}
			if w := l.writes(n); len(w) > 0 {
				l.Errorf("a plan wrote: %q", w)
			}
			if l.Failed() {
				var log []string
				for _, request := range l.Requests() {
					if request.Method != http.MethodGet {
						log = append(log, fmt.Sprintf("%s %s %d", request.Method, request.Path, request.Status))
					}
				}
				l.Logf("requests: %s", strings.Join(slices.Compact(log), "\n"))
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if changed < 2*clusters || lost < clusters || restarted < clusters/5 {
		t.Errorf("only %d changes, %d lost answers and %d restarts: the test tests nothing", changed, lost, restarted)
	}
}
