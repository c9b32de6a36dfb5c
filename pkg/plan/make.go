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
}

// step decides about one unit.
func (m *maker) step(name string) *Step {
	s := &Step{Unit: name, Ran: map[string]bool{}}
	want, wanted := m.want[name]
	entry, owned := m.obs.Owned[name]
	if owned {
		s.Before = &entry
	}
	if wanted {
		s.To = tagText(name, want.Files)
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
	for _, target := range s.Targets {
		s.Ran[target] = m.obs.States[target].Up()
	}
	if s.Before != nil && s.Before.Pending && len(s.Targets) == 1 && s.Targets[0] == s.Unit {
		s.Ran[s.Unit] = s.Before.Ran
	}
	s.Base = m.base(s)
	s.WasEnabled = !s.Fresh && m.before(s.Unit, s.Base).has("Install")
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

// drop decides about a unit that is owned and no longer wanted.
func (m *maker) drop(s *Step) {
	s.Action, s.Reason = Delete, "no longer wanted"
	have := m.have[s.Unit]
	for _, p := range sortedKeys(s.Before.Files) {
		f, there := have[p]
		switch {
		case !there:
		case f.Other != "", f.IsMask():
			s.Reason += fmt.Sprintf(", %s is left: it is %s now", p, describe(f))
		default:
			if Sum(f) != s.Before.Files[p] && !s.Before.Pending {
				s.Reason += fmt.Sprintf(", although %s was changed by hand", p)
			}
			s.Changes = append(s.Changes, Change{Path: p, Before: &f})
		}
	}
	if len(s.Changes) == 0 {
		s.Reason += ", its files are gone already"
	}
	if !m.obs.Running {
		return
	}
	if _, main := s.Before.Files[s.Unit]; !main {
		m.affect(s, change{effect: DoRestart}, false)
		return
	}
	if old := m.before(s.Unit, have); old.is("Unit", "X-StopOnRemoval", false) {
		s.Reason += ", not stopped: X-StopOnRemoval=no"
		s.Effect = DoNothing
	} else {
		s.Effect = DoStop
		s.Targets = []string{s.Unit}
		if IsTemplate(s.Unit) {
			s.Targets = m.instances(s.Unit, false)
		}
	}
	s.Disable = !IsQuadlet(s.Unit)
	if m.isSelf(s.Unit) {
		s.Effect = DoStop // finish takes care of it
	}
}

// take decides about a unit that is wanted and not owned.
func (m *maker) take(s *Step, want Unit) {
	state := m.obs.States[s.Unit]
	have := m.have[s.Unit]
	foreign := ""
	switch {
	case len(have) > 0:
		p := have.paths()[0]
		foreign = fmt.Sprintf("%s is there and was not put there by owner %q", p, m.opts.Owner)
		if other := m.obs.Others[s.Unit]; other != "" {
			foreign = fmt.Sprintf("it belongs to owner %q", other)
		}
	case state.Vendor && state.Load != "masked" && !want.Partial():
		foreign = "a unit of that name comes from " + state.Fragment
	}
	if m.obstructed(s, have, state) {
		return
	}
	if foreign != "" && !m.opts.Adopt {
		s.Action, s.Reason = Conflict, foreign
		return
	}
	s.Changes = changes(have, want.Files, nil)
	after := m.after(s.Unit)
	s.Enable = after.has("Install") && !IsQuadlet(s.Unit)
	if foreign == "" {
		s.Action, s.Reason, s.Fresh = Create, "new", true
		if want.Partial() {
			s.Reason = "new drop-in"
			m.affect(s, compare(s.Unit, nil, after), false)
			return
		}
		m.affect(s, change{effect: DoRestart}, true)
		return
	}
	s.Action, s.Reason = Adopt, foreign
	switch {
	case len(have) == 0:
		m.affect(s, change{effect: DoRestart}, true)
	case len(s.Changes) == 0:
		s.Reason += ", the same byte for byte"
		m.affect(s, change{}, !want.Partial())
	default:
		c := compare(s.Unit, m.before(s.Unit, have), after)
		s.Reason += ", " + c.why
		m.affect(s, c, !want.Partial())
	}
}

// keep decides about a unit that is wanted and owned.
func (m *maker) keep(s *Step, want Unit) {
	have, entry := m.have[s.Unit], s.Before
	state := m.obs.States[s.Unit]
	if f, ok := have[s.Unit]; ok && f.IsMask() || state.Load == "masked" {
		s.Action, s.Reason = None, "masked on the target: left alone"
		return
	}
	var drifted []string
	for _, p := range have.paths() {
		f, sum := have[p], Sum(have[p])
		w, wanted := want.Files[p]
		if _, ours := entry.Files[p]; !ours {
			if !m.opts.Adopt {
				s.Action = Conflict
				s.Reason = fmt.Sprintf("%s is there and was not put there by owner %q", p, m.opts.Owner)
				return
			}
			continue
		}
		if sum == entry.Files[p] || wanted && f.Equal(w) {
			continue
		}
		if previous, ok := entry.Previous[p]; entry.Pending && ok && previous.Equal(f) {
			continue
		}
		drifted = append(drifted, p)
	}
	if m.obstructed(s, have, State{}) {
		return
	}
	if _, ours := entry.Files[s.Unit]; !ours && !want.Partial() && state.Vendor && !m.opts.Adopt {
		s.Action, s.Reason = Conflict, "a unit of that name comes from "+state.Fragment
		return
	}
	same := maps.Equal(entry.Files, Sums(want.Files))
	if len(drifted) > 0 && same && !m.opts.Repair {
		s.Action, s.Reason = None, "changed by hand: "+strings.Join(drifted, ", ")
		return
	}
	s.Changes = changes(have, want.Files, entry.Files)
	switch {
	case len(s.Changes) > 0:
		m.update(s, want, drifted, same)
	case entry.Pending:
		m.resume(s, want)
	case !same:
		// What the earlier files were is not known any more, so whether the
		// running unit is this one is not either.
		s.Action, s.Reason = Update, "its files are as wanted, but not by an earlier run"
		m.affect(s, change{effect: DoRestart}, !want.Partial())
	default:
		m.check(s, want)
	}
}

// update decides about an owned unit whose files are not as wanted.
func (m *maker) update(s *Step, want Unit, drifted []string, same bool) {
	base := m.have[s.Unit]
	if s.Before.Pending {
		base = s.Before.Previous
	}
	after := m.after(s.Unit)
	c := compare(s.Unit, m.before(s.Unit, base), after)
	_, main := base[s.Unit]
	_, ours := s.Before.Files[s.Unit]
	s.Action, s.Reason = Update, c.why
	switch {
	case !main && !want.Partial() && (s.Before.Pending || !ours):
		s.Action, s.Reason, s.Fresh = Create, "new", true
		c = change{effect: DoRestart, install: true}
	case !main && !want.Partial():
		s.Action, s.Reason = Create, s.Unit+" was removed by hand"
		c = change{effect: DoRestart, install: true}
		if same {
			c.effect = DoNothing // what runs is what the file says
			if !m.obs.States[s.Unit].Up() {
				c.effect = DoRestart
			}
		}
	case len(drifted) > 0 && same:
		s.Reason = "changed by hand: " + strings.Join(drifted, ", ")
	case len(drifted) > 0:
		s.Reason += ", although changed by hand: " + strings.Join(drifted, ", ")
	}
	if s.Before.Pending {
		s.Reason += ", an earlier run was cut off"
	}
	m.install(s, c, after)
	m.affect(s, c, !want.Partial())
	if s.Effect == DoReload {
		s.Action = Reload
	}
}

// install settles whether the unit is enabled or disabled. A new unit that has
// no [Install] section is neither.
func (m *maker) install(s *Step, c change, after settings) {
	s.Enable = c.install && after.has("Install")
	_, main := m.base(s)[s.Unit]
	s.Disable = c.install && !after.has("Install") && main
}

// resume decides about a unit whose files are as wanted, written by a run that
// ended before it had seen the unit up.
func (m *maker) resume(s *Step, want Unit) {
	base := s.Before.Previous
	after := m.after(s.Unit)
	c := compare(s.Unit, m.before(s.Unit, base), after)
	_, main := base[s.Unit]
	if !main && !want.Partial() {
		s.Fresh = true
		c = change{effect: DoRestart, install: true}
	}
	m.install(s, c, after)
	m.affect(s, c, !want.Partial())
	s.Action, s.Reason = Restart, "an earlier run was cut off before it had seen the unit up"
	switch s.Effect {
	case DoStart:
		s.Action = Start
	case DoReload:
		s.Action = Reload
	}
}

// check decides about a unit whose files are as wanted and proven.
func (m *maker) check(s *Step, want Unit) {
	s.Action, s.Reason = None, "up to date"
	state := m.obs.States[s.Unit]
	if !m.obs.Running || want.Partial() || IsQuadlet(s.Unit) {
		return
	}
	if start, why := m.startable(s.Unit); !start {
		s.Reason += why
		return
	}
	if IsTemplate(s.Unit) || m.ends(s.Unit, want) {
		if state.Active != "failed" {
			return
		}
	}
	switch {
	case state.Up():
		if state.NeedReload {
			s.Reason += ", but systemd has not read its files since they changed"
		}
		return
	case state.Active == "failed":
		s.Reason = "has failed"
		if state.Result != "" && state.Result != "success" {
			s.Reason += " (" + state.Result + ")"
		}
	case state.Unmet:
		s.Reason = "its conditions do not hold"
	default:
		s.Reason = "stopped by hand"
	}
	s.Reason += ", its files are up to date"
	if m.opts.Repair {
		s.Action, s.Effect, s.Targets = Start, DoStart, []string{s.Unit}
	}
}

// obstructed reports, and says in the step, that something stands in the way
// that is not overwritten even when asked.
func (m *maker) obstructed(s *Step, have Files, state State) bool {
	for _, p := range have.paths() {
		if f := have[p]; f.Other != "" {
			s.Action, s.Reason = Conflict, fmt.Sprintf("%s is %s", p, f.Other)
			return true
		}
	}
	if have[s.Unit].IsMask() || state.Load == "masked" {
		s.Action, s.Reason = Conflict, "it is masked on the target"
		return true
	}
	return false
}

// affect settles what becomes of the running unit: c is what it would take if
// it were up, start tells that it is to be up when all is done.
func (m *maker) affect(s *Step, c change, start bool) {
	if !m.obs.Running || IsQuadlet(s.Unit) {
		return
	}
	if IsTemplate(s.Unit) {
		m.affectInstances(s, c, start)
		return
	}
	s.Targets = []string{s.Unit}
	if m.obs.States[s.Unit].Up() {
		s.Effect = c.effect
		return
	}
	quiet := c.effect == DoNothing || c.effect == DoReload
	if !start || c.effect == DoStop || quiet && !m.opts.Repair {
		return
	}
	ok, why := m.startable(s.Unit)
	if ok {
		s.Effect = DoStart
	} else {
		s.Reason += why
	}
}

// affectInstances is affect for a template: what changes is its instances.
func (m *maker) affectInstances(s *Step, c change, start bool) {
	if c.effect == DoNothing {
		return
	}
	dropins := slices.ContainsFunc(s.Changes, func(c Change) bool { return c.Path != s.Unit })
	s.Targets = m.instances(s.Unit, dropins)
	if c.effect == DoReload {
		s.Targets = slices.DeleteFunc(s.Targets, func(name string) bool { return !m.obs.States[name].Up() })
	}
	if len(s.Targets) > 0 {
		s.Effect = c.effect
		return
	}
	instance := m.after(s.Unit).last("Install", "DefaultInstance")
	if start && instance != "" && c.effect != DoReload && c.effect != DoStop {
		prefix, kind, _ := strings.Cut(s.Unit, "@")
		s.Effect, s.Targets = DoStart, []string{prefix + "@" + instance + kind}
	}
}

// instances are the live instances of a template that it speaks for: those
// without a wanted file of their own, or all.
func (m *maker) instances(template string, all bool) []string {
	var names []string
	for _, name := range m.obs.Instances[template] {
		_, owned := m.obs.Owned[name]
		if _, wanted := m.want[name]; owned && !wanted && m.selected(name) {
			continue // it is deleted by itself
		}
		if own, wanted := m.want[name]; all || !wanted || own.Partial() {
			names = append(names, name)
		}
	}
	return names
}

// startable reports whether a wanted unit is one that is started by itself, and
// if not, why.
func (m *maker) startable(name string) (bool, string) {
	switch Kind(name) {
	case "slice":
		return false, ", a slice is started by what lives in it"
	}
	s := m.after(name)
	if s.is("Unit", "RefuseManualStart", true) {
		return false, ", not started: RefuseManualStart=yes"
	}
	if s.is("Unit", "X-OnlyManualStart", true) || s.is("Service", "X-OnlyManualStart", true) {
		return false, ", not started: X-OnlyManualStart=yes"
	}
	if by := m.triggers[name]; len(by) > 0 && !s.has("Install") {
		return false, ", started by " + strings.Join(by, ", ")
	}
	return true, ""
}

// ends reports whether the unit is one that is meant to end: inactive is how it
// looks when all is well.
func (m *maker) ends(name string, want Unit) bool {
	s := m.after(name)
	return Kind(name) == "service" && s.last("Service", "Type") == "oneshot" && !s.is("Service", "RemainAfterExit", true)
}

// isSelf reports whether a unit is the one this run is part of, or starts it.
func (m *maker) isSelf(name string) bool {
	self := m.opts.Self
	return self != "" && (name == self || slices.Contains(m.triggers[self], name) ||
		slices.Contains(starts(name, m.before(name, m.have[name])), self))
}

// after is what a wanted unit will say, together with its wanted template.
func (m *maker) after(name string) settings {
	return m.settings(name, m.want[name].Files, m.want[TemplateOf(name)].Files)
}

// before is what the files of a unit say, together with the template that is
// there now.
func (m *maker) before(name string, files Files) settings {
	return m.settings(name, files, m.have[TemplateOf(name)])
}

// settings reads files together; what cannot be read says nothing.
func (m *maker) settings(name string, files, template Files) settings {
	joined := make(Files, len(files)+len(template))
	maps.Copy(joined, files)
	if TemplateOf(name) != "" {
		maps.Copy(joined, template)
	}
	s, err := readSettings(name, joined)
	if err != nil {
		return settings{}
	}
	return s
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
