package plan

import (
	"maps"
	"slices"
	"strings"
)

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
		if by := m.triggers[s.Unit]; len(by) > 0 && m.ends(s.Unit) && (c.effect == DoRestart || c.effect == DoCycle) {
			// a job in the middle of its work
			s.Effect = DoNothing
			s.Reason += ", not restarted: it is at work, " + strings.Join(by, ", ") + " starts it anew"
		}
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
func (m *maker) ends(name string) bool {
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
