package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/parallel"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitname"
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
	return parallel.Each(len(wanted), func(doc *unitfile.Document, i int) error {
		files := wanted[i].Files
		for _, p := range files.paths() {
			f := &source.File{Name: p, Bytes: files[p].Data}
			err := doc.Read(f)
			var syntax *unitfile.SyntaxError
			switch {
			case errors.As(err, &syntax):
				at := f.Position(syntax.Span.Start)
				return &InputError{fmt.Sprintf("%s:%d:%d", p, at.Line, at.Column), err, syntax.Hint}
			case err != nil:
				return &InputError{Path: p, Err: err}
			}
		}
		return nil
	})
}

// Make compares what is wanted, all of it valid, with what was observed. What
// must not be done is in the plan's Refusals. None of the files is changed, and
// the plan refers to them.
func Make(wanted []Unit, observed *Observed, opts Options) *Plan {
	m := &maker{opts: opts, obs: observed}
	m.study(wanted)

	names := slices.Collect(maps.Keys(m.units))
	for name := range observed.Owned {
		if m.units[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	steps := make([]*Step, len(names)) // nil for a unit that takes no part
	// nothing of this fails
	_ = parallel.Each(len(names), func(r *reader, i int) error {
		if m.selected(r, names[i]) {
			steps[i] = m.decide(r, names[i])
		}
		return nil
	})
	p := &Plan{Steps: slices.DeleteFunc(steps, func(s *Step) bool { return s == nil })}
	p.Matched = len(p.Steps)
	m.order(p)
	m.limit(p)
	return p
}

// A maker makes one plan. Once the wanted units are studied it is only read.
type maker struct {
	opts     Options
	obs      *Observed
	units    map[string]*desired // that are wanted
	triggers map[string][]string // wanted timers, sockets and paths by what they start
	lacking  map[string][]string // wanted units by what they require and is owned and not wanted
}

// there is what stands at the paths of a unit that is wanted or owned; where that
// is what is wanted, it is the very same.
func (m *maker) there(name string) Files {
	want, owned := m.filesOf(name), m.obs.Owned[name].Files
	n, same := 0, true
	for p, w := range want {
		f, ok := m.obs.Files[p]
		if ok {
			n++
		}
		same = same && ok && f.Equal(w)
	}
	for p := range owned {
		if _, also := want[p]; also {
			continue
		}
		if _, ok := m.obs.Files[p]; ok {
			n++
			same = false
		}
	}
	switch {
	case n == 0:
		return nil
	case same:
		return want
	}
	have := make(Files, n)
	for p := range want {
		if f, ok := m.obs.Files[p]; ok {
			have[p] = f
		}
	}
	for p := range owned {
		if f, ok := m.obs.Files[p]; ok {
			have[p] = f
		}
	}
	return have
}

// A decision is about one unit: the step becomes what is decided.
type decision struct {
	*maker
	*Step
	reader *reader
	wanted bool
	want   Unit // the zero value if it is not wanted
	have   Files
	said   *text     // what was() found, nil until it is asked
	will   *settings // what after() found, likewise
}

// decide decides about one unit.
func (m *maker) decide(r *reader, name string) *Step {
	d := &decision{maker: m, Step: &Step{Unit: name}, reader: r, have: m.there(name)}
	entry, owned := m.obs.Owned[name]
	if owned {
		d.Before = &entry
	}
	if w := m.units[name]; w != nil {
		d.wanted, d.want, d.To = true, w.Unit, w.build
	}
	if !entry.Pending && maps.EqualFunc(d.have, d.want.Files, File.Equal) {
		d.From = d.To
	} else {
		d.From = tagText(d.was().images)
	}
	switch {
	case !d.wanted:
		d.drop()
	case owned:
		d.keep()
	default:
		d.take()
	}
	if d.Acts() {
		d.finish()
	}
	d.putOff()
	return d.Step
}

// was reads what stood there when all was well: before a change that is pending,
// else now.
func (d *decision) was() text {
	if d.said == nil {
		files := d.have
		if d.Before != nil && d.Before.Pending {
			files = d.Before.Previous
		}
		t := d.reader.read(d.Unit, files, d.there(unitname.TemplateOf(d.Unit)))
		d.said = &t
	}
	return *d.said
}

// after reads what a wanted unit will say, together with its wanted template.
func (d *decision) after() settings {
	if d.will == nil {
		s := d.reader.settings(d.Unit, d.want.Files, d.filesOf(unitname.TemplateOf(d.Unit)))
		d.will = &s
	}
	return *d.will
}

// says reads what files of a unit say, together with the template that is there
// now.
func (m *maker) says(r *reader, name string, files Files) settings {
	return r.settings(name, files, m.there(unitname.TemplateOf(name)))
}

// finish fills in what every step that acts has: who is up, the own unit left
// alone, the entry to come.
func (d *decision) finish() {
	if d.isSelf() && d.Effect != DoNothing && d.Effect != DoStart {
		if d.Action == Delete {
			d.Action, d.Changes, d.Effect, d.Targets, d.Disable = None, nil, DoNothing, nil, false
			d.Reason = "this run is part of it: it is never deleted by itself"
			return
		}
		d.Effect = DoNothing
		d.Reason += ", not restarted: this run is part of it"
	}
	if d.Effect == DoNothing {
		d.Targets = nil
	}
	d.Ran = make(map[string]bool, len(d.Targets))
	for _, target := range d.Targets {
		d.Ran[target] = d.obs.States[target].Up()
	}
	if d.Before != nil && d.Before.Pending && len(d.Targets) == 1 && d.Targets[0] == d.Unit {
		d.Ran[d.Unit] = d.Before.Ran
	}
	d.Base = d.base()
	if d.Enable || d.Disable {
		d.WasEnabled = !d.Fresh && d.says(d.reader, d.Unit, d.Base).has("Install")
	}
	if d.Effect == DoReload {
		d.WasReloadable = d.want.Partial() || reloadable(d.Unit, d.says(d.reader, d.Unit, d.Base))
	}
	if d.wanted {
		d.After = &Entry{Unit: d.Unit, Files: Sums(d.want.Files), Previous: d.Base, Tag: d.To}
	}
}

// base is what stood there when all was well and is to be put back if the change
// comes to nothing: what is changed or owned.
func (d *decision) base() Files {
	if d.Before != nil && d.Before.Pending {
		return d.Before.Previous
	}
	other := func(p string, _ File) bool {
		if d.Before != nil {
			if _, owned := d.Before.Files[p]; owned {
				return false
			}
		}
		return !slices.ContainsFunc(d.Changes, func(c Change) bool { return c.Path == p })
	}
	others := 0
	for p, f := range d.have {
		if other(p, f) {
			others++
		}
	}
	switch others {
	case len(d.have):
		return nil
	case 0:
		return d.have // one copy is enough
	}
	base := maps.Clone(d.have)
	maps.DeleteFunc(base, other)
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
