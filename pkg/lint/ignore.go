package lint

import (
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

var us090 = Rule{
	ID: "US090", Name: "unused-ignore", Severity: diag.Warning,
	Summary: "an ignore comment ignores nothing",
}

var us091 = Rule{
	ID: "US091", Name: "bad-ignore", Severity: diag.Error,
	Summary: "an ignore comment cannot be read",
}

// directive is how comments speak to unitstamp.
const directive = "unitstamp:"

// pragma is one rule named in an ignore comment.
type pragma struct {
	id   string
	span source.Span // of the rule's name
	// target is the item that the comment is about: the next one that is no comment.
	target source.Span
	used   bool
}

// ignore leaves out the problems that comments ask to ignore, and adds those about
// the comments themselves.
func (u *Unit) ignore(list []problem) []problem {
	if u.Settings.NoIgnores {
		return list
	}
	pragmas, bad := u.pragmas()
	if pragmas == nil {
		return append(list, bad...)
	}
	var kept []problem
	for _, p := range list {
		if !ignored(pragmas, p) {
			kept = append(kept, p)
		}
	}
	for _, p := range pragmas {
		if p.used {
			continue
		}
		if rule, _ := Lookup(p.id); !u.ran(&rule) {
			continue // it would perhaps be needed
		}
		kept = append(kept, problem{Problem{Span: p.span, Message: p.id + " is not found in the setting after this comment",
			Hint: "remove the comment"}, &us090})
	}
	return append(kept, bad...)
}

// ran reports whether a rule had all it needs to find something.
func (u *Unit) ran(rule *Rule) bool {
	_, on := u.Settings.severity(rule, false)
	return on && !rule.Optional && rule.Compare == nil
}

func ignored(pragmas []*pragma, p problem) bool {
	found := false
	for _, pragma := range pragmas {
		if pragma.id == p.rule.ID && p.Span.Start >= pragma.target.Start && p.Span.Start < pragma.target.End {
			pragma.used, found = true, true
		}
	}
	return found
}

// pragmas reads the ignore comments.
func (u *Unit) pragmas() (list []*pragma, bad []problem) {
	var waiting []*pragma
	for i := range u.doc.Items {
		it := &u.doc.Items[i]
		switch it.Kind {
		case unitfile.Blank:
			continue
		case unitfile.Comment:
			more, wrong := u.readPragma(it.Span)
			waiting, bad = append(waiting, more...), append(bad, wrong...)
			continue
		}
		for _, inner := range it.InnerComments {
			more, wrong := u.readPragma(inner)
			waiting, bad = append(waiting, more...), append(bad, wrong...)
		}
		for _, p := range waiting {
			p.target = it.Span
		}
		list, waiting = append(list, waiting...), nil
	}
	return append(list, waiting...), bad
}

// readPragma reads one comment line.
func (u *Unit) readPragma(line source.Span) (list []*pragma, bad []problem) {
	text := string(line.Of(u.File.Bytes))
	at := strings.Index(text, directive)
	if at < 0 || strings.Trim(text[:at], " \t#;") != "" {
		return nil, nil
	}
	wrong := func(from, to int, message, hint string) {
		bad = append(bad, problem{Problem{Span: source.Span{Start: line.Start + from, End: line.Start + min(to, len(text))}, Message: message, Hint: hint}, &us091})
	}
	text = strings.TrimRight(text, " \t\r\n\x00")
	const form = "write: # unitstamp: ignore=US012 -- the reason"
	at += len(directive)
	rest := strings.TrimLeft(text[at:], " \t")
	at = len(text) - len(rest)
	names, found := strings.CutPrefix(rest, "ignore=")
	if !found {
		wrong(at, len(text), "unknown directive "+strconv.Quote(rest), form)
		return nil, bad
	}
	at += len("ignore=")
	if end := strings.IndexAny(names, " \t"); end >= 0 {
		reason := strings.TrimLeft(names[end:], " \t")
		if !strings.HasPrefix(reason, "--") {
			wrong(len(text)-len(reason), len(text), strconv.Quote(reason)+" stands where only a reason may follow", form)
		}
		names = names[:end]
	}
	for name := range strings.SplitSeq(names, ",") {
		if rule, ok := Lookup(name); ok {
			list = append(list, &pragma{id: rule.ID, span: source.Span{Start: line.Start + at, End: line.Start + at + len(name)}})
		} else {
			wrong(at, at+len(name), "unknown rule "+strconv.Quote(name), "unitstamp rules lists them; several are separated by a comma without blanks")
		}
		at += len(name) + 1
	}
	return list, bad
}
