package lint

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
)

var us025 = Rule{
	ID: "US025", Name: "unexpanded-variable", Severity: diag.Warning,
	Summary: "systemd does not expand $NAME inside a longer word",
	Check: func(u *Unit, report func(Problem)) {
		for _, c := range u.commands {
			at, ok := c.image()
			if !ok || c.Shell || strings.Contains(c.Prefix, ":") {
				continue
			}
			for i := 1; i <= at; i++ {
				text := c.Words[i].Text
				if strings.ContainsAny(text, " \t\n`(") || i < at && strings.HasPrefix(c.Words[i-1].Text, "--health-cmd") {
					continue // for a shell in the container, or a matter of US006
				}
				for _, m := range bareVariable.FindAllStringIndex(text, -1) {
					span, verbatim := c.Words[i].Place(m[0], m[1])
					if !verbatim || m[0] == 0 && m[1] == len(text) {
						continue
					}
					name := text[m[0]+1 : m[1]]
					report(Problem{
						Span:    span,
						Message: "systemd does not expand " + strconv.Quote(text[m[0]:m[1]]) + " inside a longer word: " + c.client + " gets it as it stands",
						Hint:    "write ${" + name + "}",
						Fix:     []source.Edit{{Span: span, New: "${" + name + "}"}},
					})
				}
			}
		}
	},
}

var bareVariable = regexp.MustCompile(`\$[A-Za-z_][A-Za-z0-9_]*`)
