package lint

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

var us025 = Rule{
	ID: "US025", Name: "unexpanded-variable", Severity: diag.Warning,
	Summary: "systemd does not expand $NAME inside a longer word",
	Check: func(u *Unit, report func(Problem)) {
		for i := range u.found.Calls {
			call := &u.found.Calls[i]
			if call.Shell || strings.Contains(call.Prefix, ":") {
				continue
			}
			for _, w := range call.Words[1:] {
				vanishingWord(w, report)
			}
		}
		for _, c := range u.commands {
			at, ok := c.image()
			if !ok || c.Shell || strings.Contains(c.Prefix, ":") {
				continue
			}
			for i := 1; i <= at; i++ {
				if !strings.HasPrefix(c.Words[i-1].Text, "--health-cmd") { // for a shell in the container
					unexpanded(c.client, c.Words[i], report)
				}
			}
		}
	},
}

var bareVariable = regexp.MustCompile(`\$[A-Za-z_][A-Za-z0-9_]*`)

// vanishingWord looks at a word that begins with '$': systemd takes all of it for the
// name of a variable (src/basic/env-util.c replace_env_argv).
func vanishingWord(w unitimage.Word, report func(Problem)) {
	m := bareVariable.FindStringIndex(w.Text)
	if !w.Splits || m == nil || m[0] != 0 || m[1] == len(w.Text) || holdsInvisible(w.Text) { // US008 mends that first
		return
	}
	report(expansion(w, m[1], "systemd takes "+quote(w.Text)+" as a whole for the name of a variable, which is not set: the word is left out"))
}

// unexpanded finds variables after the beginning of a word. What holds blanks is
// for a shell in the container.
func unexpanded(client string, w unitimage.Word, report func(Problem)) {
	if w.Splits || strings.ContainsAny(w.Text, " \t\n`(") {
		return
	}
	for _, m := range bareVariable.FindAllStringIndex(w.Text, -1) {
		span, verbatim := w.Place(m[0], m[1])
		if !verbatim { // it was $$NAME
			continue
		}
		name := w.Text[m[0]:m[1]]
		report(Problem{
			Span:    span,
			Message: "systemd does not expand " + strconv.Quote(name) + " inside a longer word: " + client + " gets it as it stands",
			Hint:    "write ${" + name[1:] + "}",
			Fix:     []source.Edit{{Span: span, New: "${" + name[1:] + "}"}},
		})
	}
}

// expansion is a problem with the variable that a word of unknown value begins with.
func expansion(w unitimage.Word, length int, message string) Problem {
	braced := "${" + w.Text[1:length] + "}"
	p := Problem{Span: w.Span, Message: message, Hint: "write " + braced + " for the variable " + w.Text[1:length]}
	if w.Span.Len() == len(w.Text) {
		p.Fix = []source.Edit{{Span: source.Span{Start: w.Span.Start, End: w.Span.Start + length}, New: braced}}
	}
	return p
}
