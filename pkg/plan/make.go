package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

// Options are what a person asked for.
type Options struct {
	// Owner is whose record decides what may be overwritten and deleted.
	Owner string
	// Adopt takes over units that are there and belong to somebody else.
	Adopt bool
	// Repair puts back what was changed by hand, and starts what was stopped.
	Repair bool
	// AllowEmpty lets an empty wanted set through.
	AllowEmpty bool
	// MaxDelete is how many units may be deleted.
	MaxDelete Limit
	// RequireStamped refuses units that run containers without a build's tag.
	RequireStamped bool
	// Select tells which units take part; the zero value takes all.
	Select Selection
	// Self is the unit in which this very process runs, "" if unknown. It and
	// what starts it are never stopped, restarted or deleted.
	Self string
}

// An InputError is a wanted unit that cannot be read or taken.
type InputError struct {
	// Path is where the file will lie below the unit folder, with line and
	// column where they are known.
	Path string
	Err  error
	Hint string
}

func (e *InputError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap returns the reason.
func (e *InputError) Unwrap() error { return e.Err }

// Validate fails on the first wanted file that systemd would refuse to load. The
// only errors are *InputError.
func Validate(wanted []Unit) error {
	for _, u := range wanted {
		for _, p := range u.Files.paths() {
			f := &source.File{Name: p, Bytes: u.Files[p].Data}
			_, err := unitfile.Parse(f)
			var syntax *unitfile.SyntaxError
			switch {
			case errors.As(err, &syntax):
				at := f.Position(syntax.Span.Start)
				return &InputError{fmt.Sprintf("%s:%d:%d", p, at.Line, at.Column), err, syntax.Hint}
			case err != nil:
				return &InputError{Path: p, Err: err}
			}
		}
	}
	return nil
}

// Make compares what is wanted, all of it valid, with what was observed. What
// must not be done is in the plan's Refusals.
func Make(wanted []Unit, observed *Observed, opts Options) *Plan {
	m := &maker{
		opts: opts,
		obs:  observed,
		want: make(map[string]Unit, len(wanted)),
		have: make(map[string]Files),

		builds: make(map[string]string, len(wanted)),
	}
	for _, u := range wanted {
		m.want[u.Name] = u
	}
	for p, f := range observed.Files {
		unit := UnitOf(p)
		if m.have[unit] == nil {
			m.have[unit] = Files{}
		}
		m.have[unit][p] = f
	}
	m.relate(wanted)

	p := &Plan{}
	names := slices.Collect(maps.Keys(m.want))
	for name := range observed.Owned {
		if _, also := m.want[name]; !also {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if !m.selected(name) {
			continue
		}
		p.Matched++
		p.Steps = append(p.Steps, m.step(name))
	}
	m.order(p)
	m.limit(p)
	return p
}

type maker struct {
	opts      Options
	obs       *Observed
	want      map[string]Unit
	have      map[string]Files // observed files by unit
	relations map[string]*relation
	triggers  map[string][]string // wanted timers, sockets and paths by what they start
	builds    map[string]string   // of the wanted units
}

// step decides about one unit.
func (m *maker) step(name string) *Step {
	s := &Step{Unit: name}
	want, wanted := m.want[name]
	entry, owned := m.obs.Owned[name]
	if owned {
		s.Before = &entry
	}
	if wanted {
		s.To = m.builds[name]
	}
	switch {
	case entry.Pending:
		s.From = tagText(name, entry.Previous)
	case maps.EqualFunc(m.have[name], want.Files, File.Equal):
		s.From = s.To
	default:
		s.From = tagText(name, m.have[name])
	}
	switch {
	case !wanted:
		m.drop(s)
	case owned:
		m.keep(s, want)
	default:
		m.take(s, want)
	}
	if s.Acts() {
		m.finish(s, want, wanted)
	}
	m.putOff(s)
	return s
}

// finish fills in what every step that acts has: who is up, the own unit left
// alone, the entry to come.
func (m *maker) finish(s *Step, want Unit, wanted bool) {
	if m.isSelf(s.Unit) && s.Effect != DoNothing && s.Effect != DoStart {
		if s.Action == Delete {
			s.Action, s.Changes, s.Effect, s.Targets, s.Disable = None, nil, DoNothing, nil, false
			s.Reason = "this run is part of it: it is never deleted by itself"
			return
		}
		s.Effect = DoNothing
		s.Reason += ", not restarted: this run is part of it"
	}
	if s.Effect == DoNothing {
		s.Targets = nil
	}
	s.Ran = make(map[string]bool, len(s.Targets))
	for _, target := range s.Targets {
		s.Ran[target] = m.obs.States[target].Up()
	}
	if s.Before != nil && s.Before.Pending && len(s.Targets) == 1 && s.Targets[0] == s.Unit {
		s.Ran[s.Unit] = s.Before.Ran
	}
	s.Base = m.base(s)
	if s.Enable || s.Disable {
		s.WasEnabled = !s.Fresh && m.before(s.Unit, s.Base).has("Install")
	}
	if wanted {
		s.After = &Entry{Unit: s.Unit, Files: Sums(want.Files), Previous: s.Base, Tag: s.To}
	}
}

// base is what stood there when all was well: before a change that is pending,
// else now.
func (m *maker) base(s *Step) Files {
	if s.Before != nil && s.Before.Pending {
		return s.Before.Previous
	}
	base := Files{}
	for _, c := range s.Changes {
		if c.Before != nil {
			base[c.Path] = *c.Before
		}
	}
	if s.Before != nil {
		for p := range s.Before.Files {
			if f, ok := m.have[s.Unit][p]; ok {
				base[p] = f
			}
		}
	}
	if len(base) == 0 {
		return nil
	}
	return base
}

// changes lists what differs between what is there and what is wanted. Owned
// paths that are no longer wanted go.
func changes(have, want Files, owned map[string]string) []Change {
	var list []Change
	for p, w := range want {
		h, there := have[p]
		switch {
		case !there:
			list = append(list, Change{Path: p, After: &w})
		case !h.Equal(w):
			list = append(list, Change{Path: p, Before: &h, After: &w})
		}
	}
	for p := range owned {
		h, there := have[p]
		if _, wanted := want[p]; !wanted && there {
			list = append(list, Change{Path: p, Before: &h})
		}
	}
	slices.SortFunc(list, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return list
}

func describe(f File) string {
	switch {
	case f.IsMask():
		return "a mask"
	case f.Link != "":
		return "a link to " + f.Link
	case f.Other != "":
		return f.Other
	}
	return "a file"
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
