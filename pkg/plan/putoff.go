package plan

import (
	"slices"
	"strings"
)

// putOff corrects a step for a manager that restarts a unit whenever anything of
// it changes: what is no reason to restart a unit that is up waits for one that
// is. Restarted nevertheless are a unit whose place in the cluster changes, and one
// that is taken over, because the mark of its new owner is part of it.
func (d *decision) putOff() {
	if !d.obs.Replaces || !d.Acts() {
		return
	}
	if d.Action == Adopt && len(d.Changes) == 0 {
		// the same bytes are written nevertheless, with the owner
		d.Base = d.have
		for _, p := range d.Base.paths() {
			f := d.Base[p]
			d.Changes = append(d.Changes, Change{Path: p, Before: &f, After: &f})
		}
		d.After.Previous = d.Base
	}
	if !d.obs.States[d.Unit].Up() {
		return
	}
	switch d.Effect {
	case DoRestart, DoCycle, DoStop, DoStart:
		return
	}
	placed := slices.DeleteFunc(differing(d.says(d.reader, d.Unit, d.base()), d.after()), func(at setting) bool { return at.section != "X-Fleet" })
	if d.Action == Update && len(placed) > 0 && !d.isSelf() {
		d.Effect, d.Targets = DoRestart, []string{d.Unit}
		d.Ran[d.Unit] = true
		d.Reason = "[X-Fleet] " + list(placed)
		return
	}
	d.Reason = strings.TrimSuffix(d.Reason, ", reload")
	switch {
	case d.Action == Adopt && !d.isSelf():
		d.Effect, d.Targets = DoRestart, []string{d.Unit}
		d.Ran[d.Unit] = true
		d.Reason += ", restarted: the owner is written into it"
		return
	case d.Action == Delete:
		d.Reason += ", left: it cannot be removed without being stopped"
	default:
		d.Reason += ", put off: any change would restart it"
	}
	d.Action, d.Changes, d.Effect, d.Targets = None, nil, DoNothing, nil
	d.Enable, d.Disable, d.Base, d.After = false, false, nil, nil
}
