package lint

import (
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us033 = Rule{
	ID: "US033", Name: "engine-ordering", Severity: diag.Warning,
	Summary: "nothing orders the unit after the engine that it needs",
	Compare: func(units []*Unit, report func(*Unit, Problem)) {
		byName := map[string]*Unit{}
		for _, u := range units {
			if u.complete() {
				byName[u.Name.Full] = u
			}
		}
		for _, u := range units {
			if c, engine := u.engine(); c != nil {
				engineOrdering(u, c, engine, byName, func(p Problem) { report(u, p) })
			}
		}
	},
}

// engine is the service of the engine that a unit's commands need, and the first of
// them, or nil.
func (u *Unit) engine() (*command, string) {
	if !u.complete() {
		return nil, ""
	}
	for _, c := range u.commands {
		engine := map[string]string{"docker": "docker.service", "nerdctl": "containerd.service"}[c.client]
		if engine != "" && !remote(c) {
			return c, engine
		}
	}
	return nil, ""
}

func engineOrdering(u *Unit, c *command, engine string, byName map[string]*Unit, report func(Problem)) {
	if ordered, known := u.ordered(engine, byName, map[*Unit]bool{}); !ordered {
		p := Problem{
			Span: c.span(), Minor: !known,
			Message: "the unit is not ordered after " + engine + ": it may start before it, and at shutdown be stopped after it",
			Hint:    "add After=" + engine + " and Requires=" + engine + " to [Unit]",
		}
		if !known {
			p.Message = "the unit itself is not ordered after " + engine + ", and whether those that it is ordered after are cannot be told"
		}
		report(p)
		return
	}
	if !u.mentions(engine, "Requires", "Wants", "BindsTo", "PartOf", "Requisite") {
		report(Problem{
			Span: c.span(), Minor: true,
			Message: "nothing starts " + engine + " with the unit: After= alone only says in which order",
			Hint:    "add Requires=" + engine + " or Wants=" + engine + " to [Unit]",
		})
	}
}

// ordered reports whether a unit is ordered after the engine, by itself or after
// another unit that is; known is false if it is ordered after services that are not
// at hand.
func (u *Unit) ordered(engine string, byName map[string]*Unit, seen map[*Unit]bool) (ordered, known bool) {
	if seen[u] {
		return false, true
	}
	seen[u] = true
	if u.mentions(engine, "After") {
		return true, true
	}
	known = true
	for it := range u.values("Unit", "After") {
		for name := range strings.FieldsSeq(it.Value.Text) {
			if !strings.HasSuffix(name, ".service") {
				continue
			}
			other := byName[name]
			if other == nil {
				known = false
				continue
			}
			far, sure := other.ordered(engine, byName, seen)
			if far {
				return true, true
			}
			known = known && sure
		}
	}
	return false, known
}

// mentions reports whether dependencies name the engine, by its service or its
// socket, or by a target or unit that is named after it.
func (u *Unit) mentions(engine string, keys ...string) bool {
	stem := strings.TrimSuffix(engine, ".service")
	for it := range u.values("Unit", keys...) {
		if strings.Contains(it.Value.Text, stem) {
			return true
		}
	}
	return false
}

// remote reports whether the command speaks to an engine elsewhere.
func remote(c *command) bool {
	for _, w := range c.Words[1:] {
		if w.Text == "-H" || strings.HasPrefix(w.Text, "--host") || strings.HasPrefix(w.Text, "--context") {
			return true
		}
		if len(w.Text) == 0 || w.Text[0] != '-' {
			return false
		}
	}
	return false
}
