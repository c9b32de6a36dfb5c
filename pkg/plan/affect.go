package plan

import (
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// affect settles what becomes of the running unit: c is what it would take if
// it were up, start tells that it is to be up when all is done.
func (d *decision) affect(c change, start bool) {
	if !d.obs.Running || unitname.IsQuadlet(d.Unit) {
		return
	}
	if unitname.IsTemplate(d.Unit) {
		d.affectInstances(c, start)
		return
	}
	d.Targets = []string{d.Unit}
	if d.obs.States[d.Unit].Up() {
		d.Effect = d.possible(c.effect)
		if by := d.triggers[d.Unit]; len(by) > 0 && d.ends() && (c.effect == DoRestart || c.effect == DoCycle) {
			// a job in the middle of its work
			d.Effect = DoNothing
			d.Reason += ", not restarted: it is at work, " + strings.Join(by, ", ") + " starts it anew"
		}
		return
	}
	quiet := c.effect == DoNothing || c.effect == DoReload
	if !start || c.effect == DoStop || quiet && !d.opts.Repair {
		return
	}
	ok, why := d.startable()
	if ok {
		d.Effect = DoStart
	} else {
		d.Reason += why
	}
}

// affectInstances is affect for a template: what changes is its instances.
func (d *decision) affectInstances(c change, start bool) {
	c.effect = d.possible(c.effect)
	if c.effect == DoNothing {
		return
	}
	dropins := slices.ContainsFunc(d.Changes, func(c Change) bool { return c.Path != d.Unit })
	d.Targets = d.instances(d.Unit, dropins)
	if c.effect == DoReload {
		d.Targets = slices.DeleteFunc(d.Targets, func(name string) bool { return !d.obs.States[name].Up() })
	}
	if by := d.connections(); by != "" && len(d.Targets) > 0 && (c.effect == DoRestart || c.effect == DoCycle) {
		d.Targets = nil
		d.Reason += ", open connections go on as they are: " + by + " starts it for each"
		return
	}
	if len(d.Targets) > 0 {
		d.Effect = c.effect
		return
	}
	instance := d.after().last("Install", "DefaultInstance")
	if start && instance != "" && c.effect != DoReload && c.effect != DoStop {
		prefix, kind, _ := strings.Cut(d.Unit, "@")
		d.Effect, d.Targets = DoStart, []string{prefix + "@" + instance + kind}
	}
}

// possible is the effect, or none if it is a reload that systemd would refuse.
func (d *decision) possible(effect Effect) Effect {
	if effect == DoReload && !d.want.Partial() && !reloadable(d.Unit, d.after()) {
		d.Reason += ", not reloaded: systemd cannot without ExecReload="
		return DoNothing
	}
	return effect
}

// connections is the socket that starts an instance of the template for each
// connection, "" if there is none.
func (d *decision) connections() string {
	for _, by := range d.triggers[d.Unit] {
		if unitname.Kind(by) == "socket" {
			return by
		}
	}
	return ""
}

// instances are the live instances of a template that it speaks for: those
// without a wanted file of their own, or all.
func (d *decision) instances(template string, all bool) []string {
	var names []string
	for _, name := range d.obs.Instances[template] {
		_, owned := d.obs.Owned[name]
		own := d.units[name]
		if owned && own == nil && d.selected(d.reader, name) {
			continue // it is deleted by itself
		}
		if all || own == nil || own.Partial() {
			names = append(names, name)
		}
	}
	return names
}

// startable reports whether a wanted unit is one that is started by itself, and
// if not, why.
func (d *decision) startable() (bool, string) {
	if unitname.Kind(d.Unit) == "slice" {
		return false, ", a slice is started by what lives in it"
	}
	s := d.after()
	if s.is("Unit", "RefuseManualStart", true) {
		return false, ", not started: RefuseManualStart=yes"
	}
	if s.is("Unit", "X-OnlyManualStart", true) || s.is("Service", "X-OnlyManualStart", true) {
		return false, ", not started: X-OnlyManualStart=yes"
	}
	if by := d.triggers[d.Unit]; len(by) > 0 && !s.has("Install") {
		return false, ", started by " + strings.Join(by, ", ")
	}
	return true, ""
}

// ends reports whether the unit is one that is meant to end: inactive is how it
// looks when all is well.
func (d *decision) ends() bool {
	s := d.after()
	return unitname.Kind(d.Unit) == "service" && s.last("Service", "Type") == "oneshot" && !s.is("Service", "RemainAfterExit", true)
}

// isSelf reports whether the unit is the one this run is part of, or starts it.
func (d *decision) isSelf() bool {
	self := d.opts.Self
	return self != "" && (d.Unit == self || slices.Contains(d.triggers[self], d.Unit) ||
		slices.Contains(starts(d.Unit, d.says(d.reader, d.Unit, d.have)), self))
}
