package plan

import (
	"fmt"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// drop decides about a unit that is owned and no longer wanted.
func (d *decision) drop() {
	d.Action, d.Reason = Delete, "no longer wanted"
	have := d.have
	for _, p := range sortedKeys(d.Before.Files) {
		f, there := have[p]
		switch {
		case !there:
		case f.Other != "", f.IsMask():
			d.Reason += fmt.Sprintf(", %s is left: it is %s now", p, describe(f))
		default:
			if Sum(f) != d.Before.Files[p] && !d.Before.Pending {
				d.Reason += fmt.Sprintf(", although %s was changed by hand", p)
			}
			d.Changes = append(d.Changes, Change{Path: p, Before: &f})
		}
	}
	if len(d.Changes) == 0 {
		d.Reason += ", its files are gone already"
	}
	if !d.obs.Running {
		return
	}
	state := d.obs.States[d.Unit]
	if state.Unknown {
		d.Reason += ", " + state.Idle
	}
	if state.Note != "" {
		d.Reason += ", " + state.Note
	}
	if _, main := d.Before.Files[d.Unit]; !main {
		switch {
		case d.dropped(unitname.TemplateOf(d.Unit)):
			d.Effect, d.Targets = DoStop, []string{d.Unit}
		case state.Load != "not-found": // else there is no file to restart it by
			d.affect(change{effect: DoRestart}, false)
		}
		return
	}
	if by := d.lacking[d.Unit]; len(by) > 0 {
		d.Reason += ", although " + strings.Join(by, ", ") + " cannot do without"
	}
	switch old := d.says(d.reader, d.Unit, have); {
	case old.is("Unit", "X-StopOnRemoval", false):
		d.Reason += ", not stopped: X-StopOnRemoval=no"
	case old.is("Unit", "RefuseManualStop", true):
		d.Reason += ", not stopped: RefuseManualStop=yes"
	default:
		d.Effect = DoStop
		d.Targets = []string{d.Unit}
		if unitname.IsTemplate(d.Unit) {
			d.Targets = d.instances(d.Unit, false)
		}
	}
	d.Disable = !unitname.IsQuadlet(d.Unit)
	if d.isSelf() {
		d.Effect = DoStop // finish takes care of it
	}
}

// dropped reports whether a unit's own file goes.
func (d *decision) dropped(name string) bool {
	_, main := d.obs.Owned[name].Files[name]
	return main && d.units[name] == nil && d.selected(d.reader, name)
}

// take decides about a unit that is wanted and not owned.
func (d *decision) take() {
	state := d.obs.States[d.Unit]
	have := d.have
	foreign := ""
	switch {
	case len(have) > 0:
		p := have.paths()[0]
		foreign = fmt.Sprintf("%s is there and was not put there by owner %q", p, d.opts.Owner)
		if other := d.obs.Others[d.Unit]; other != "" {
			foreign = fmt.Sprintf("it belongs to owner %q", other)
		}
	case state.Vendor && state.Load != "masked" && !d.want.Partial():
		foreign = "a unit of that name comes from " + state.Fragment
	}
	if d.obstructed(have, state) {
		return
	}
	if foreign != "" && !d.opts.Adopt {
		d.Action, d.Reason = Conflict, foreign
		return
	}
	d.Changes = changes(have, d.want.Files, nil)
	after := d.after()
	d.Enable = after.has("Install") && !unitname.IsQuadlet(d.Unit)
	if foreign == "" {
		d.Action, d.Reason, d.Fresh = Create, "new", true
		if d.want.Partial() {
			d.Reason = "new drop-in"
			d.affect(compare(d.Unit, nil, after), false)
			return
		}
		d.affect(change{effect: DoRestart}, true)
		return
	}
	d.Action, d.Reason = Adopt, foreign
	switch {
	case len(have) == 0:
		d.affect(change{effect: DoRestart}, true)
	case len(d.Changes) == 0:
		d.Reason += ", the same byte for byte"
		d.affect(change{}, !d.want.Partial())
	default:
		c := compare(d.Unit, d.was().settings, after)
		d.Reason += ", " + c.why
		d.affect(c, !d.want.Partial())
	}
}

// keep decides about a unit that is wanted and owned.
func (d *decision) keep() {
	have, entry := d.have, d.Before
	state := d.obs.States[d.Unit]
	if f, ok := have[d.Unit]; ok && f.IsMask() || state.Load == "masked" {
		d.Action, d.Reason = None, "masked on the target: left alone"
		return
	}
	var drifted []string
	foreign := ""
	for _, p := range have.paths() {
		f := have[p]
		if _, ours := entry.Files[p]; !ours {
			foreign = fmt.Sprintf("%s is there and was not put there by owner %q", p, d.opts.Owner)
			if !d.opts.Adopt {
				d.Action, d.Reason = Conflict, foreign
				return
			}
			continue
		}
		if w, wanted := d.want.Files[p]; wanted && f.Equal(w) || Sum(f) == entry.Files[p] {
			continue
		}
		if previous, ok := entry.Previous[p]; entry.Pending && ok && previous.Equal(f) {
			continue
		}
		drifted = append(drifted, p)
	}
	if d.obstructed(have, State{}) {
		return
	}
	if _, ours := entry.Files[d.Unit]; !ours && !d.want.Partial() && state.Vendor && !d.opts.Adopt {
		d.Action, d.Reason = Conflict, "a unit of that name comes from "+state.Fragment
		return
	}
	same := d.want.Files.match(entry.Files)
	if len(drifted) > 0 && same && !d.opts.Repair {
		d.Action, d.Reason, d.Drifted = None, "changed by hand: "+strings.Join(drifted, ", "), true
		return
	}
	d.Changes = changes(have, d.want.Files, entry.Files)
	switch {
	case len(d.Changes) > 0:
		d.update(drifted, same)
	case entry.Pending:
		d.resume()
	case !same:
		// What the earlier files were is not known any more, so whether the
		// running unit is this one is not either.
		d.Action, d.Reason = Update, "its files are as wanted, but not by an earlier run"
		d.affect(change{effect: DoRestart}, !d.want.Partial())
	default:
		d.check()
	}
	if foreign != "" && !entry.Pending {
		// also another owner's record is to know of it
		d.Action, d.Reason = Adopt, foreign+", "+d.Reason
	}
}

// update decides about an owned unit whose files are not as wanted.
func (d *decision) update(drifted []string, same bool) {
	base := d.have
	if d.Before.Pending {
		base = d.Before.Previous
	}
	after := d.after()
	c := compare(d.Unit, d.was().settings, after)
	_, main := base[d.Unit]
	_, ours := d.Before.Files[d.Unit]
	d.Action, d.Reason = Update, c.why
	switch {
	case !main && !d.want.Partial() && (d.Before.Pending || !ours):
		d.Action, d.Reason, d.Fresh = Create, "new", true
		c = change{effect: DoRestart, install: true}
	case !main && !d.want.Partial():
		d.Action, d.Reason = Create, d.Unit+" was removed by hand"
		c = change{effect: DoRestart, install: true}
		if same {
			c.effect = DoNothing // what runs is what the file says
			if !d.obs.States[d.Unit].Up() {
				c.effect = DoRestart
			}
		}
	case len(drifted) > 0 && same:
		d.Reason = "changed by hand: " + strings.Join(drifted, ", ")
	case len(drifted) > 0:
		d.Reason += ", although changed by hand: " + strings.Join(drifted, ", ")
	}
	if d.Before.Pending {
		d.Reason += ", an earlier run was cut off"
	}
	d.install(c, after)
	d.affect(c, !d.want.Partial())
	if d.Effect == DoReload {
		d.Action = Reload
	}
}

// install settles whether the unit is enabled or disabled. A new unit that has
// no [Install] section is neither.
func (d *decision) install(c change, after settings) {
	d.Enable = c.install && after.has("Install")
	_, main := d.base()[d.Unit]
	d.Disable = c.install && !after.has("Install") && main
}

// resume decides about a unit whose files are as wanted, written by a run that
// ended before it had seen the unit up.
func (d *decision) resume() {
	base := d.Before.Previous
	after := d.after()
	c := compare(d.Unit, d.was().settings, after)
	_, main := base[d.Unit]
	if !main && !d.want.Partial() {
		d.Fresh = true
		c = change{effect: DoRestart, install: true}
	}
	d.install(c, after)
	d.affect(c, !d.want.Partial())
	d.Action, d.Reason = Restart, "an earlier run was cut off before it had seen the unit up"
	switch d.Effect {
	case DoStart:
		d.Action = Start
	case DoReload:
		d.Action = Reload
	}
}

// check decides about a unit whose files are as wanted and proven.
func (d *decision) check() {
	d.Action, d.Reason = None, "up to date"
	state := d.obs.States[d.Unit]
	if !d.obs.Running || d.want.Partial() || unitname.IsQuadlet(d.Unit) {
		return
	}
	if state.Note != "" {
		defer func() { d.Reason += ", " + state.Note }()
	}
	if start, why := d.startable(); !start {
		if state.Active == "failed" {
			d.Reason, d.Drifted = failure(state)+", its files are up to date", true
		}
		d.Reason += why
		return
	}
	if state.Unknown {
		d.Reason += ", " + state.Idle
		return
	}
	if unitname.IsTemplate(d.Unit) || d.ends() {
		if state.Active != "failed" {
			return
		}
	}
	switch {
	case state.Up():
		if state.NeedReload {
			d.Reason += ", but systemd has not read its files since they changed"
		}
		if strings.HasPrefix(state.Sub, "auto-restart") {
			d.Reason, d.Drifted = failure(state)+" and is started again and again, its files are up to date", true
		}
		return
	case state.Active == "failed":
		d.Reason = failure(state)
	case state.Unmet:
		d.Reason = "its conditions do not hold"
	case state.Idle != "":
		d.Reason = state.Idle
	default:
		d.Reason = "stopped by hand"
	}
	d.Reason += ", its files are up to date"
	d.Drifted = !state.Unmet || state.Active == "failed"
	if d.opts.Repair {
		d.Action, d.Effect, d.Targets = Start, DoStart, []string{d.Unit}
	}
}

// failure says that a unit has failed, and how.
func failure(state State) string {
	if state.Result == "" || state.Result == "success" {
		return "has failed"
	}
	return "has failed (" + state.Result + ")"
}

// obstructed reports, and says in the step, that something stands in the way
// that is not overwritten even when asked.
func (d *decision) obstructed(have Files, state State) bool {
	for _, p := range have.paths() {
		if f := have[p]; f.Other != "" {
			d.Action, d.Reason = Conflict, fmt.Sprintf("%s is %s", p, f.Other)
			return true
		}
	}
	if have[d.Unit].IsMask() || state.Load == "masked" {
		d.Action, d.Reason = Conflict, "it is masked on the target"
		return true
	}
	return false
}
