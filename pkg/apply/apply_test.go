package apply_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// seeds is how many random targets each property is tried on.
const seeds = 500

// universe are the paths that random targets are made of.
var universe = []string{
	"a.service", "b.service", "c.service", "d.service", "e.service", "e.timer", "f.target",
	"a.service.d/x.conf", "b.service.d/y.conf", "t@.service", "t@1.service", "t@.service.d/z.conf",
}

// content makes a random file; refer adds relations between units.
func content(r *rand.Rand, p string, words ...string) plan.File {
	var b strings.Builder
	fmt.Fprintf(&b, "[Unit]\nDescription=%d\n", r.IntN(2))
	for _, key := range []string{"After", "Before", "Requires", "BindsTo", "Wants"} {
		if r.IntN(4) == 0 {
			fmt.Fprintf(&b, "%s=%s\n", key, universe[r.IntN(7)])
		}
	}
	section := map[string]string{"timer": "Timer", "target": "Unit"}[unitname.Kind(p)]
	if section == "" {
		section = "Service"
	}
	fmt.Fprintf(&b, "[%s]\nX=%d\n", section, r.IntN(3))
	if len(words) > 0 && r.IntN(3) == 0 {
		fmt.Fprintf(&b, "Environment=%s\n", words[r.IntN(len(words))])
	}
	return plan.File{Data: []byte(b.String())}
}

// random makes a target in any state, and units wanted of it.
func random(r *rand.Rand, words ...string) (m *model, wanted []plan.Unit) {
	m = newModel()
	m.static = r.IntN(5) == 0
	files := map[string]plan.Files{}
	for _, p := range universe {
		name := unitname.Of(p)
		if r.IntN(3) > 0 {
			if files[name] == nil {
				files[name] = plan.Files{}
			}
			files[name][p] = content(r, p, words...)
		}
		f := content(r, p)
		if w, ok := files[name][p]; ok && r.IntN(2) == 0 && len(words) == 0 {
			f = w
		}
		if r.IntN(3) > 0 {
			m.files[p] = f
		}
		if r.IntN(3) > 0 { // owned, as it stands there or as it once did
			e := m.record[name]
			if e.Unit == "" {
				e = plan.Entry{Unit: name, Files: map[string]string{}}
			}
			if r.IntN(4) == 0 {
				f = content(r, p)
			}
			e.Files[p] = plan.Sum(f)
			m.record[name] = e
		}
	}
	for _, p := range universe {
		if name := unitname.Of(p); !m.static && !unitname.IsTemplate(name) && m.content(name) != "" && r.IntN(2) == 0 {
			m.up[name], m.elsewhere[name] = m.content(name), true
		}
	}
	if !m.static && m.content("t@.service") != "" && r.IntN(2) == 0 {
		m.up["t@2.service"], m.elsewhere["t@2.service"] = m.content("t@2.service"), true
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		wanted = append(wanted, plan.Unit{Name: name, Files: files[name]})
	}
	return m, wanted
}

func makePlan(t *testing.T, m *model, wanted []plan.Unit, opts plan.Options) *plan.Plan {
	t.Helper()
	o, err := m.Observe(t.Context(), wanted)
	if err != nil {
		t.Fatal(err)
	}
	opts.AllowEmpty, opts.MaxDelete = true, plan.Limit{N: 100}
	p := plan.Make(wanted, o, opts)
	return p
}

func run(t *testing.T, m *model, p *plan.Plan, keepGoing bool) []apply.Result {
	t.Helper()
	return apply.Run(t.Context(), apply.Params{Engine: m, Plan: p, KeepGoing: keepGoing, Batch: len(p.Steps) % 4, Now: func() time.Time { return time.Unix(0, 0) }})
}

// TestAnyStateBecomesWanted: from any observed state, with everything allowed,
// one run reaches what is wanted, and a second has nothing to do.
func TestAnyStateBecomesWanted(t *testing.T) {
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 1))
		m, wanted := random(r)
		foreign := foreignFiles(m, wanted)
		before := m.dump()
		p := makePlan(t, m, wanted, plan.Options{Adopt: true, Repair: true})
		results := run(t, m, p, false)
		for _, result := range results {
			if result.Outcome != apply.Done {
				t.Fatalf("seed %d: %s: %s %s\n%s\n%s\n%v", seed, result.Step.Unit, result.Outcome, result.Reason, describe(p), m.dump(), m.log)
			}
		}
		want := map[string]plan.File{}
		for _, u := range wanted {
			maps.Copy(want, u.Files)
		}
		for p, f := range want {
			if !m.files[p].Equal(f) {
				t.Fatalf("seed %d: %s is not as wanted\nbefore:\n%s", seed, p, before)
			}
		}
		for p, f := range foreign {
			if !m.files[p].Equal(f) {
				t.Fatalf("seed %d: %s was touched, and is neither wanted nor owned", seed, p)
			}
		}
		for p := range m.files {
			if _, w := want[p]; !w {
				if _, f := foreign[p]; !f {
					t.Fatalf("seed %d: %s is still there", seed, p)
				}
			}
		}
		for _, u := range wanted {
			if _, up := m.up[u.Name]; !up && startable(u, wanted) && !m.static {
				t.Fatalf("seed %d: %s is not up\nbefore:\n%s\nplan:\n%s", seed, u.Name, before, describe(p))
			}
		}
		if again := makePlan(t, m, wanted, plan.Options{Repair: true}); again.Changes() {
			t.Fatalf("seed %d: the second plan has something to do:\n%s\nafter:\n%s", seed, describe(again), describe(p))
		}
	}
}

// startable reports whether a unit of the universe is to be up in the end.
func startable(u plan.Unit, wanted []plan.Unit) bool {
	if u.Partial() || unitname.IsTemplate(u.Name) {
		return false
	}
	return u.Name != "e.service" || !slices.ContainsFunc(wanted, func(w plan.Unit) bool { return w.Name == "e.timer" && !w.Partial() })
}

// foreignFiles are the files that nobody may touch.
func foreignFiles(m *model, wanted []plan.Unit) plan.Files {
	foreign := maps.Clone(m.files)
	for _, u := range wanted {
		for p := range u.Files {
			delete(foreign, p)
		}
	}
	for _, e := range m.record {
		for p := range e.Files {
			delete(foreign, p)
		}
	}
	return foreign
}

func describe(p *plan.Plan) string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "%d %s %s %s%v: %s\n", s.Group, s.Action, s.Unit, s.Effect, s.Targets, s.Reason)
	}
	return b.String()
}

// TestNothingForeignIsInAPlan: without leave to adopt, no step that acts has a
// path that somebody else put there.
func TestNothingForeignIsInAPlan(t *testing.T) {
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 2))
		m, wanted := random(r)
		p := makePlan(t, m, wanted, plan.Options{Repair: r.IntN(2) == 0})
		conflicts := 0
		for _, s := range p.Steps {
			if s.Action == plan.Conflict {
				conflicts++
			}
			if !s.Acts() && (len(s.Changes) > 0 || s.Effect != plan.DoNothing) {
				t.Fatalf("seed %d: a step that does not act would:\n%s", seed, describe(p))
			}
			for _, c := range s.Changes {
				if _, owned := m.record[s.Unit].Files[c.Path]; c.Before != nil && !owned {
					t.Fatalf("seed %d: %s is overwritten, and is not owned:\n%s", seed, c.Path, describe(p))
				}
			}
		}
		if conflicts != len(p.Refusals) {
			t.Fatalf("seed %d: %d conflicts, but refusals %v", seed, conflicts, p.Refusals)
		}
	}
}

// TestOrder: a unit is carried out after those that it is ordered after, unless
// they go round in a circle; deletions come last.
func TestOrder(t *testing.T) {
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 3))
		m, wanted := random(r)
		p := makePlan(t, m, wanted, plan.Options{Adopt: true, Repair: true})
		place := map[string]int{}
		deleting := false
		for i, s := range p.Steps {
			if !s.Acts() {
				continue
			}
			place[s.Unit] = i
			if deleting && s.Action != plan.Delete {
				t.Fatalf("seed %d: after a deletion:\n%s", seed, describe(p))
			}
			deleting = s.Action == plan.Delete
		}
		after, loose := ordering(wanted)
		for u := range after {
			for v := range after[u] {
				_, one := place[u]
				_, two := place[v]
				if one && two && place[u] < place[v] && !reaches(loose, v, u) {
					t.Fatalf("seed %d: %s comes before %s:\n%s\n%v\n%v", seed, u, v, describe(p), after, loose)
				}
			}
		}
	}
}

// ordering reads After= and Before= of wanted units, simply and by itself. The
// loose one holds more, also what puts units together and so lets them go round
// in a circle.
func ordering(wanted []plan.Unit) (after, loose map[string]map[string]bool) {
	after, loose = map[string]map[string]bool{}, map[string]map[string]bool{}
	files := map[string]plan.Files{}
	for _, u := range wanted {
		after[u.Name], loose[u.Name] = map[string]bool{}, map[string]bool{}
		files[u.Name] = u.Files
	}
	add := func(to map[string]map[string]bool, u, v string) {
		if to[u] != nil && to[v] != nil {
			to[u][v] = true
		}
	}
	for _, u := range wanted {
		template := unitname.TemplateOf(u.Name)
		add(loose, u.Name, template)
		add(loose, template, u.Name)
		if u.Name == "e.timer" {
			add(loose, "e.timer", "e.service")
			add(loose, "e.service", "e.timer")
		}
		for _, source := range []plan.Files{u.Files, files[template]} {
			for p, f := range source {
				for line := range strings.Lines(string(f.Data)) {
					key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
					own := unitname.Of(p) == u.Name
					switch key {
					case "After":
						add(loose, u.Name, value)
						if own {
							add(after, u.Name, value)
						}
					case "Before":
						add(loose, value, u.Name)
						if own {
							add(after, value, u.Name)
						}
					case "Requires", "BindsTo":
						add(loose, u.Name, value)
						add(loose, value, u.Name)
					}
				}
			}
		}
	}
	return after, loose
}

func reaches(after map[string]map[string]bool, from, to string) bool {
	seen := map[string]bool{}
	var visit func(string) bool
	visit = func(u string) bool {
		if u == to {
			return true
		}
		if seen[u] {
			return false
		}
		seen[u] = true
		for v := range after[u] {
			if visit(v) {
				return true
			}
		}
		return false
	}
	return visit(from)
}

// TestWhatFailsGoesBack: a unit that does not come up is what it was before,
// byte for byte, and runs what it ran; the others are as wanted.
func TestWhatFailsGoesBack(t *testing.T) {
	rolledBack := 0
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 4))
		m, wanted := random(r, "broken", "dies")
		// only good units are there and up
		files, up := maps.Clone(m.files), maps.Clone(m.up)
		p := makePlan(t, m, wanted, plan.Options{Adopt: true, Repair: true})
		for _, result := range run(t, m, p, r.IntN(2) == 0) {
			s := result.Step
			switch result.Outcome {
			case apply.RolledBack:
				rolledBack++
				for _, c := range s.Changes {
					f, was := files[c.Path]
					if got, is := m.files[c.Path]; is != was || !got.Equal(f) {
						t.Fatalf("seed %d: %s is not what it was:\n%s", seed, c.Path, describe(p))
					}
				}
				if _, ran := up[s.Unit]; ran && !deleted(p, s.Unit) && len(s.Targets) > 0 && !strings.Contains(m.content(s.Unit), "broken") {
					if _, runs := m.up[s.Unit]; !runs {
						t.Fatalf("seed %d: %s was up and is not\n%s\n%s\n%v", seed, s.Unit, describe(p), m.dump(), m.log)
					}
				}
				if e, owned := m.record[s.Unit]; owned && e.Pending {
					t.Fatalf("seed %d: the record of %s is pending", seed, s.Unit)
				}
			case apply.Done:
				for _, c := range s.Changes {
					if got, is := m.files[c.Path]; is != (c.After != nil) || is && !got.Equal(*c.After) {
						t.Fatalf("seed %d: %s is done, and not as wanted", seed, c.Path)
					}
				}
			case apply.Failed:
				if _, had := files[s.Unit]; unitname.TemplateOf(s.Unit) != "" && !had {
					continue // without its own file it runs from the new template
				}
				t.Fatalf("seed %d: %s failed: %s\n%s\n%s\n%v", seed, s.Unit, result.Reason, describe(p), m.dump(), m.log)
			}
		}
	}
	if rolledBack < seeds/4 {
		t.Errorf("only %d roll-backs: the test tests nothing", rolledBack)
	}
}

// deleted reports whether a unit goes down with one that is deleted.
func deleted(p *plan.Plan, unit string) bool {
	return slices.ContainsFunc(p.Steps, func(s *plan.Step) bool {
		return s.Action == plan.Delete && slices.Contains(s.Targets, unit)
	})
}

// TestKilledRunIsContinued: wherever a run ends, the next one reaches what is
// wanted; and if that does not come up, what ran before the first runs again.
func TestKilledRunIsContinued(t *testing.T) {
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 5))
		m, wanted := random(r)
		p := makePlan(t, m, wanted, plan.Options{Adopt: true, Repair: true})
		m.killed = 1 + r.IntN(20)
		func() {
			defer func() {
				if e := recover(); e != nil && e != error(errKilled) {
					panic(e)
				}
			}()
			run(t, m, p, false)
		}()
		m.killed = 0
		again := makePlan(t, m, wanted, plan.Options{Adopt: true, Repair: true})
		for _, result := range run(t, m, again, false) {
			if result.Outcome != apply.Done {
				t.Fatalf("seed %d: %s: %s %s\n%s\n%s\n%v", seed, result.Step.Unit, result.Outcome, result.Reason, describe(p), m.dump(), m.log)
			}
		}
		for _, u := range wanted {
			for p, f := range u.Files {
				if !m.files[p].Equal(f) {
					t.Fatalf("seed %d: %s is not as wanted", seed, p)
				}
			}
			if _, up := m.up[u.Name]; !up && startable(u, wanted) && !m.static {
				t.Fatalf("seed %d: %s is not up\n%s\n%s\n%s\n%v", seed, u.Name, describe(p), describe(again), m.dump(), m.log)
			}
		}
		if third := makePlan(t, m, wanted, plan.Options{Repair: true}); third.Changes() {
			t.Fatalf("seed %d: the third plan has something to do:\n%s", seed, describe(third))
		}
	}
}

// TestKilledWhileBroken: a killed run leaves a unit that does not come up; the
// next run puts back what ran before both.
func TestKilledWhileBroken(t *testing.T) {
	good := plan.File{Data: []byte("[Service]\nX=good\n")}
	for killed := 1; killed < 6; killed++ {
		m := newModel()
		m.files["a.service"], m.up["a.service"] = good, string(good.Data)
		m.record["a.service"] = plan.Entry{Unit: "a.service", Files: plan.Sums(plan.Files{"a.service": good})}
		wanted := []plan.Unit{{Name: "a.service", Files: plan.Files{"a.service": {Data: []byte("[Service]\nX=broken\n")}}}}
		m.killed = killed
		func() {
			defer func() { _ = recover() }()
			run(t, m, makePlan(t, m, wanted, plan.Options{}), false)
		}()
		m.killed = 0
		results := run(t, m, makePlan(t, m, wanted, plan.Options{}), false)
		if results[0].Outcome != apply.RolledBack || m.up["a.service"] != string(good.Data) || !m.files["a.service"].Equal(good) {
			t.Errorf("killed at %d: %s %s\n%s", killed, results[0].Outcome, results[0].Reason, m.dump())
		}
	}
}

// TestWhatNeedsItGoesBackToo: a unit that requires one that does not come up
// goes back with it, although nothing is wrong with itself.
func TestWhatNeedsItGoesBackToo(t *testing.T) {
	m := newModel()
	file := func(text string) plan.File { return plan.File{Data: []byte(text)} }
	before := plan.Files{"a.service": file("[Unit]\nRequires=b.service\n[Service]\nX=1\n"), "b.service": file("[Service]\nX=1\n"), "c.service": file("[Service]\nX=1\n"),
		"d.service": file("[Unit]\nRequires=a.service\n[Service]\nX=1\n")}
	for p, f := range before {
		m.files[p], m.up[p] = f, string(f.Data)
		m.record[p] = plan.Entry{Unit: p, Files: plan.Sums(plan.Files{p: f})}
	}
	wanted := []plan.Unit{
		{Name: "a.service", Files: plan.Files{"a.service": file("[Unit]\nRequires=b.service\n[Service]\nX=2\n")}},
		{Name: "b.service", Files: plan.Files{"b.service": file("[Unit]\nPartOf=c.service\n[Service]\nX=broken\n")}},
		{Name: "c.service", Files: plan.Files{"c.service": file("[Service]\nX=2\n")}},
		{Name: "d.service", Files: plan.Files{"d.service": file("[Unit]\nRequires=a.service\n[Service]\nX=2\n")}},
	}
	want := map[string]apply.Outcome{"a.service": apply.RolledBack, "b.service": apply.RolledBack, "c.service": apply.Done, "d.service": apply.RolledBack}
	for _, r := range run(t, m, makePlan(t, m, wanted, plan.Options{}), false) {
		if r.Outcome != want[r.Step.Unit] {
			t.Errorf("%s: %s %s", r.Step.Unit, r.Outcome, r.Reason)
		}
		if r.Step.Unit == "d.service" && r.Reason != "together with what it needs: b.service; back at what was there before" {
			t.Errorf("d.service: %s", r.Reason)
		}
		if back := m.files[r.Step.Unit].Equal(before[r.Step.Unit]); back != (r.Outcome == apply.RolledBack) {
			t.Errorf("%s holds %q", r.Step.Unit, m.files[r.Step.Unit].Data)
		}
	}
}

// TestRollBackIsVerified: a roll-back is not believed, it is looked at.
func TestRollBackIsVerified(t *testing.T) {
	m := newModel()
	m.liar = true
	wanted := []plan.Unit{{Name: "a.service", Files: plan.Files{"a.service": {Data: []byte("[Service]\nX=broken\n")}}}}
	r := run(t, m, makePlan(t, m, wanted, plan.Options{}), false)[0]
	if r.Outcome != apply.Failed || !strings.Contains(r.Reason, "a.service is not what it was") {
		t.Errorf("result %s %s", r.Outcome, r.Reason)
	}
}

func TestFullDiskChangesNothing(t *testing.T) {
	m := newModel()
	m.full = true
	wanted := []plan.Unit{{Name: "a.service", Files: plan.Files{"a.service": {Data: []byte("[Service]\n")}}}}
	results := run(t, m, makePlan(t, m, wanted, plan.Options{}), false)
	if r := results[0]; r.Outcome != apply.Failed || !r.World || !strings.Contains(r.Reason, "disk full") {
		t.Errorf("result %+v", r)
	}
	if len(m.log) > 0 || len(m.record) > 0 {
		t.Errorf("done: %v, record: %v", m.log, m.record)
	}
}

func TestCancelledRunSkipsTheRest(t *testing.T) {
	m := newModel()
	wanted := []plan.Unit{{Name: "a.service", Files: plan.Files{"a.service": {Data: []byte("[Service]\n")}}}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results := apply.Run(ctx, apply.Params{Engine: m, Plan: makePlan(t, m, wanted, plan.Options{}), Now: time.Now})
	if results[0].Outcome != apply.Skipped || len(m.files) > 0 {
		t.Errorf("result %+v", results[0])
	}
}

// cutShort is an engine during whose watch the run is cancelled.
type cutShort struct {
	*model
	cancel func()
}

func (e cutShort) Watch(ctx context.Context, s *plan.Step, l apply.Limits) error {
	e.cancel()
	if ctx.Err() != nil {
		return fmt.Errorf("look at it: %w", ctx.Err())
	}
	return nil // on the way back
}

// TestInterruptionIsSaid: what a cancelled run did not finish tells so in words.
func TestInterruptionIsSaid(t *testing.T) {
	m := newModel()
	unit := func(name string) plan.Unit {
		return plan.Unit{Name: name, Files: plan.Files{name: {Data: []byte("[Service]\n")}}}
	}
	ctx, cancel := context.WithCancel(t.Context())
	p := makePlan(t, m, []plan.Unit{unit("a.service"), unit("b.service")}, plan.Options{})
	results := apply.Run(ctx, apply.Params{Engine: cutShort{m, cancel}, Plan: p, Now: time.Now})
	for i, want := range []string{"rolled-back interrupted; removed again", "skipped not begun: interrupted"} {
		if got := string(results[i].Outcome) + " " + results[i].Reason; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestBatches: units that do not wait for each other go together, up to as many
// as are asked for; deletions go last and by themselves.
func TestBatches(t *testing.T) {
	for batch, want := range map[int]string{
		0: "a | b | c | d | x", 1: "a | b | c | d | x", 2: "a b | c d | x", 3: "a b | c d | x", 9: "a b | c d | x",
	} {
		m := newModel()
		m.record["x.service"] = plan.Entry{Unit: "x.service", Files: map[string]string{"x.service": ""}}
		var wanted []plan.Unit
		for _, name := range []string{"a", "b", "c", "d"} {
			text := "[Service]\n"
			if name == "c" {
				text = "[Unit]\nAfter=b.service\n"
			}
			wanted = append(wanted, plan.Unit{Name: name + ".service", Files: plan.Files{name + ".service": {Data: []byte(text)}}})
		}
		p := makePlan(t, m, wanted, plan.Options{})
		var got []string
		began := 0
		apply.Run(t.Context(), apply.Params{
			Engine: m, Plan: p, Batch: batch, Now: time.Now,
			Begin: func(s *plan.Step) {
				if began == 0 && len(got) > 0 {
					got = append(got, "|")
				}
				began++
				got = append(got, strings.TrimSuffix(s.Unit, ".service"))
			},
			End: func(apply.Result) { began = 0 },
		})
		if text := strings.Join(got, " "); text != want {
			t.Errorf("batch %d: %s, want %s", batch, text, want)
		}
	}
}
