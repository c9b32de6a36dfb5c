package plan

import (
	"slices"
	"strings"
)

// putOff corrects a step for a manager that restarts a unit whenever anything of
// it changes: what is no reason to restart a unit that is up waits for one that
// is. Restarted nevertheless are a unit whose place in the cluster changes, and one
// that is taken over, because the mark of its new owner is part of it.
func (m *maker) putOff(s *Step) {
	if !m.obs.Replaces || !s.Acts() {
		return
	}
	if s.Action == Adopt && len(s.Changes) == 0 {
		// the same bytes are written nevertheless, with the owner
		s.Base = m.have[s.Unit]
		for _, p := range s.Base.paths() {
			f := s.Base[p]
			s.Changes = append(s.Changes, Change{Path: p, Before: &f, After: &f})
		}
		s.After.Previous = s.Base
	}
	if !m.obs.States[s.Unit].Up() {
		return
	}
	switch s.Effect {
	case DoRestart, DoCycle, DoStop, DoStart:
		return
	}
	placed := slices.DeleteFunc(differing(m.before(s.Unit, m.base(s)), m.after(s.Unit)), func(at setting) bool { return at.section != "X-Fleet" })
	if s.Action == Update && len(placed) > 0 && !m.isSelf(s.Unit) {
		s.Effect, s.Targets = DoRestart, []string{s.Unit}
		s.Ran[s.Unit] = true
		s.Reason = "[X-Fleet] " + list(placed)
		return
	}
	s.Reason = strings.TrimSuffix(s.Reason, ", reload")
	switch {
	case s.Action == Adopt && !m.isSelf(s.Unit):
		s.Effect, s.Targets = DoRestart, []string{s.Unit}
		s.Ran[s.Unit] = true
		s.Reason += ", restarted: the owner is written into it"
		return
	case s.Action == Delete:
		s.Reason += ", left: it cannot be removed without being stopped"
	default:
		s.Reason += ", put off: any change would restart it"
	}
	s.Action, s.Changes, s.Effect, s.Targets = None, nil, DoNothing, nil
	s.Enable, s.Disable, s.Base, s.After = false, false, nil, nil
}
