package lint

import (
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us033 = Rule{
	ID: "US033", Name: "engine-ordering", Severity: diag.Warning,
	Summary: "nothing orders the unit after the engine that it needs",
	Check: func(u *Unit, report func(Problem)) {
		if !u.complete() {
			return
		}
		for _, c := range u.commands {
			engine := map[string]string{"docker": "docker.service", "nerdctl": "containerd.service"}[c.client]
			if engine == "" || remote(c) {
				continue
			}
			if !u.mentions(engine, "After") {
				report(Problem{
					Span:    c.span(),
					Message: "the unit is not ordered after " + engine + ": it may start before it, and at shutdown be stopped after it",
					Hint:    "add After=" + engine + " and Requires=" + engine + " to [Unit]",
				})
			} else if !u.mentions(engine, "Requires", "Wants", "BindsTo", "PartOf", "Requisite") {
				report(Problem{
					Span: c.span(), Minor: true,
					Message: "nothing starts " + engine + " with the unit: After= alone only says in which order",
					Hint:    "add Requires=" + engine + " or Wants=" + engine + " to [Unit]",
				})
			}
			return
		}
	},
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
