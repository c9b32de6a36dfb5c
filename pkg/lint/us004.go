package lint

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

var us004 = Rule{
	ID: "US004", Name: "broken-continuation", Severity: diag.Error,
	Summary: "a line goes on where it should not, or ends where it should go on",
	Check: func(u *Unit, report func(Problem)) {
		for i := range u.doc.Items {
			blankAfterBackslash(u, i, report)
		}
		for _, e := range u.execs {
			swallowedSetting(u, e, report)
		}
	},
}

// settingName is what the names of systemd's settings look like.
var settingName = regexp.MustCompile(`^[A-Z][A-Za-z0-9-]*$`)

// blankAfterBackslash finds a '\' that a blank follows to the line's end: systemd
// passes it on as an argument and takes the next line for one of its own.
func blankAfterBackslash(u *Unit, index int, report func(Problem)) {
	it := &u.doc.Items[index]
	if it.Kind != unitfile.Assignment && it.Kind != unitfile.Junk {
		return
	}
	src := u.File.Bytes
	end := it.KeySpan.End
	if it.Kind == unitfile.Assignment {
		end = valueSpan(it).End
	}
	start := end
	for start > 0 && src[start-1] == '\\' {
		start--
	}
	after := end
	for after < it.Span.End && (src[after] == ' ' || src[after] == '\t') {
		after++
	}
	if (end-start)%2 == 0 || after == end {
		return
	}
	p := Problem{
		Span:    source.Span{Start: end - 1, End: after},
		Message: "a blank follows the '\\' at the line's end: the line does not go on, and the command gets a '\\' as its last word",
	}
	if goesOn(u.doc.Items[index+1:]) {
		p.Hint = "remove the blank"
		p.Fix = []source.Edit{{Span: source.Span{Start: end, End: after}}}
	} else {
		p.Hint = "remove the '\\', there is nothing to go on with"
		begin := end - 1
		for begin > it.Span.Start && (src[begin-1] == ' ' || src[begin-1] == '\t') {
			begin--
		}
		p.Fix = []source.Edit{{Span: source.Span{Start: begin, End: after}}}
	}
	report(p)
}

// goesOn reports whether what follows a line was meant to be part of it: no
// setting, no header, no empty line.
func goesOn(items []unitfile.Item) bool {
	for _, it := range items {
		switch it.Kind {
		case unitfile.Comment:
			continue
		case unitfile.Junk:
			return true
		case unitfile.Assignment:
			return !settingName.MatchString(it.Key)
		}
		return false
	}
	return false
}

// ownLine is what nobody gives a command as an argument at a line's start.
var ownLine = regexp.MustCompile(`^(?:(Exec[A-Z][A-Za-z]+|Restart|RestartSec|Timeout[A-Z][A-Za-z]*|KillMode|RemainAfterExit|EnvironmentFile|WantedBy|RequiredBy)=|(\[(?:Unit|Service|Install|X-Fleet)\])$)`)

// swallowedSetting finds a setting that a '\' at the end of the line before makes
// part of a command.
func swallowedSetting(u *Unit, e exec, report func(Problem)) {
	for _, c := range e.line.Commands {
		for _, w := range c.Words {
			match := ownLine.FindStringSubmatch(w.Text)
			if match == nil || !w.Plain() {
				continue
			}
			start := e.item.Value.Offset(w.Start)
			before := strings.TrimRight(string(u.File.Bytes[e.item.Span.Start:start]), " \t")
			joined := strings.TrimRight(before, "\r\n")
			if joined == before {
				continue // in the middle of a line
			}
			p := Problem{
				Span:    source.Span{Start: start, End: start + len(match[1]) + len(match[2])},
				Message: strconv.Quote(match[1]+match[2]) + " is an argument of the command before it, because of the '\\' at that line's end",
				Hint:    "remove the '\\'",
			}
			if strings.HasSuffix(joined, `\`) {
				kept := strings.TrimRight(joined[:len(joined)-1], " \t")
				p.Fix = []source.Edit{{Span: source.Span{Start: e.item.Span.Start + len(kept), End: e.item.Span.Start + len(joined)}}}
			}
			report(p)
		}
	}
}
