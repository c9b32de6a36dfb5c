package lint

import (
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us017 = Rule{
	ID: "US017", Name: "other-name", Severity: diag.Warning,
	Summary: "what is stopped or removed is not what was started",
	Check: func(u *Unit, report func(Problem)) {
		if !u.complete() {
			return
		}
		created, ok := u.createdNames()
		if !ok {
			return
		}
		for _, c := range u.commands {
			if c.Item.Key != "ExecStop" && c.Item.Key != "ExecStopPost" || c.Image || c.Shell || !isRemoval(c.verb) {
				continue
			}
			names, _ := c.names()
			for _, w := range names {
				if !comparable(w.Text, w.Known()) || created[w.Text] || len(names) > 1 {
					continue
				}
				report(Problem{
					Span:    w.Span,
					Message: c.client + " " + c.verb + " is about " + strconv.Quote(w.Text) + ", but the unit starts " + quoteAll(created),
					Hint:    "write one name in all places",
				})
			}
		}
	},
}

// createdNames are the names that the unit gives to containers, and false if it
// makes one whose name cannot be told, or none.
func (u *Unit) createdNames() (names map[string]bool, ok bool) {
	names = map[string]bool{}
	for _, c := range u.commands {
		switch {
		case c.Image && c.verb != "pull":
			word, name, ok := c.containerName()
			if !ok || !comparable(name, word.Known()) || len(c.Invocation.Splices) > 0 {
				return nil, false
			}
			names[name] = true
		case !c.Image && (c.verb == "start" || c.verb == "restart" || c.verb == "rename" || c.verb == "compose"):
			return nil, false
		}
	}
	return names, len(names) > 0
}

// comparable reports whether two names that read the same are the same, and two
// that do not are not: both are known, or hold specifiers of one unit.
func comparable(name string, known bool) bool {
	for i := range specifiers(name) {
		if name[i+1] != 'i' && name[i+1] != 'n' && name[i+1] != 'p' && name[i+1] != 'N' {
			return false
		}
		known = true
	}
	for i := range name {
		if name[i] == '$' || name[i] == '{' || name[i] == '`' {
			return false
		}
	}
	return known
}

func quoteAll(names map[string]bool) string {
	text := ""
	for i, name := range sortedKeys(names) {
		if i > 0 {
			text += ", "
		}
		text += strconv.Quote(name)
	}
	return text
}
