package apply_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// model is an engine whose target is in memory. A unit whose file holds the
// word "broken" does not come up, one with "dies" does not stay up.
type model struct {
	mu     sync.Mutex
	files  plan.Files
	record map[string]plan.Entry
	up     map[string]string // the content that runs, by unit
	failed map[string]bool
	// elsewhere are units that have a file that is not in the folder.
	elsewhere map[string]bool
	static    bool     // nothing runs
	full      bool     // no file can be written
	liar      bool     // files are not put back, and nobody says so
	log       []string // what was done to units, in order
	killed    int      // after so many changes of the target everything stops; 0 is never
}

var errKilled = errors.New("killed")

// tick counts a change of the target.
func (m *model) tick() {
	if m.killed > 0 {
		if m.killed--; m.killed == 0 {
			panic(errKilled)
		}
	}
}

func newModel() *model {
	return &model{files: plan.Files{}, record: map[string]plan.Entry{}, up: map[string]string{}, failed: map[string]bool{}, elsewhere: map[string]bool{}}
}

func (m *model) Check([]plan.Unit) error { return nil }

func (m *model) Lock(context.Context, bool) (func() error, error) {
	return func() error { return nil }, nil
}

func (m *model) Observe(_ context.Context, wanted []plan.Unit) (*plan.Observed, error) {
	o := &plan.Observed{
		Files: plan.Files{}, Owned: maps.Clone(m.record), Others: map[string]string{},
		States: map[string]plan.State{}, Instances: map[string][]string{}, Running: !m.static,
	}
	look := func(p string) {
		if f, ok := m.files[p]; ok {
			o.Files[p] = f
		}
	}
	for _, u := range wanted {
		o.States[u.Name] = m.state(u.Name)
		for p := range u.Files {
			look(p)
		}
	}
	for name, e := range m.record {
		o.States[name] = m.state(name)
		for p := range e.Files {
			look(p)
		}
	}
	for name := range m.up {
		if template := unitname.TemplateOf(name); template != "" {
			o.Instances[template] = append(o.Instances[template], name)
			o.States[name] = m.state(name)
		}
	}
	for _, list := range o.Instances {
		slices.Sort(list)
	}
	return o, nil
}

func (m *model) state(name string) plan.State {
	s := plan.State{Load: "not-found", Active: "inactive"}
	if m.content(name) != "" {
		s.Load = "loaded"
	}
	if m.failed[name] {
		s.Active = "failed"
	}
	if _, up := m.up[name]; up {
		s.Load, s.Active = "loaded", "active"
	}
	return s
}

// content is what systemd would read for a unit.
func (m *model) content(name string) string {
	var text strings.Builder
	_, own := m.files[name]
	for _, p := range slices.Sorted(maps.Keys(m.files)) {
		unit := unitname.Of(p)
		if unit == name || unit == unitname.TemplateOf(name) && (p != unit || !own) {
			text.Write(m.files[p].Data)
		}
	}
	return text.String()
}

func (m *model) Change(_ context.Context, group []*plan.Step, _ apply.Limits) map[string]apply.Failure {
	failures := map[string]apply.Failure{}
	m.write(group, true)
	if m.full {
		for _, s := range group {
			failures[s.Unit] = apply.Failure{Err: errors.New("disk full"), Untouched: true}
		}
		return failures
	}
	for _, s := range group {
		for _, target := range s.Targets {
			if s.Effect == plan.DoStop || s.Effect == plan.DoCycle {
				m.tick()
				delete(m.up, target)
				m.log = append(m.log, "stop "+target)
			}
		}
		for _, c := range s.Changes {
			m.tick()
			if m.liar && s.Reason == "back to what was there before" {
				continue
			}
			if c.After == nil {
				delete(m.files, c.Path)
			} else {
				m.files[c.Path] = *c.After
			}
		}
	}
	for _, s := range group {
		for _, target := range s.Targets {
			switch s.Effect {
			case plan.DoStart, plan.DoRestart, plan.DoCycle, plan.DoReload:
				m.tick()
				m.log = append(m.log, string(s.Effect)+" "+target)
				if err := m.start(target); err != nil {
					failures[s.Unit] = apply.Failure{Err: err}
				}
			default:
				delete(m.failed, target)
			}
		}
	}
	return failures
}

func (m *model) start(target string) error {
	content := m.content(target)
	delete(m.failed, target)
	if content == "" && !m.elsewhere[target] || strings.Contains(content, "broken") {
		delete(m.up, target)
		m.failed[target] = true
		return apply.Unitf("%s is broken", target)
	}
	m.up[target] = content
	return nil
}

func (m *model) Watch(_ context.Context, s *plan.Step, _ apply.Limits) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.Effect == plan.DoNothing || s.Effect == plan.DoStop || s.Action == plan.Delete {
		return nil
	}
	for _, target := range s.Targets {
		if strings.Contains(m.up[target], "dies") || m.failed[target] {
			delete(m.up, target)
			m.failed[target] = true
			return apply.Unitf("%s died", target)
		}
	}
	return nil
}

func (m *model) Commit(steps []*plan.Step) error {
	m.write(steps, false)
	return nil
}

func (m *model) write(steps []*plan.Step, pending bool) {
	for _, s := range steps {
		switch {
		case s.After != nil:
			m.tick()
			e := *s.After
			e.Pending, e.Ran = pending, pending && s.Ran[s.Unit]
			if pending {
				e.Previous = s.Base
			}
			m.record[s.Unit] = e
		case !pending:
			m.tick()
			delete(m.record, s.Unit)
		}
	}
}

// dump is all that the target holds, for messages and comparisons.
func (m *model) dump() string {
	var b strings.Builder
	for _, p := range slices.Sorted(maps.Keys(m.files)) {
		fmt.Fprintf(&b, "%s: %q\n", p, m.files[p].Data)
	}
	for _, u := range slices.Sorted(maps.Keys(m.up)) {
		fmt.Fprintf(&b, "up %s: %q\n", u, m.up[u])
	}
	return b.String()
}
