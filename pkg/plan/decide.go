package plan

import (
	"fmt"
	"maps"
	"strings"
)

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
		s.Action, s.Reason, s.Drifted = None, "changed by hand: "+strings.Join(drifted, ", "), true
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
	if IsTemplate(s.Unit) || m.ends(s.Unit) {
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
	case state.Idle != "":
		s.Reason = state.Idle
	default:
		s.Reason = "stopped by hand"
	}
	s.Reason += ", its files are up to date"
	s.Drifted = !state.Unmet || state.Active == "failed"
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
