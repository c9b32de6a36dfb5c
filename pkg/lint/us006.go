package lint

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/execline"
)

var us006 = Rule{
	ID: "US006", Name: "shell-syntax", Severity: diag.Warning,
	Summary: "what only a shell understands stands in a command that systemd runs itself",
	Check: func(u *Unit, report func(Problem)) {
		for _, e := range u.execs {
			for _, c := range e.line.Commands {
				if strings.Contains(c.Prefix, "|") || len(c.Words) == 0 { // run by a shell
					continue
				}
				if i, what := shellSyntax(c); i > 0 {
					report(Problem{
						Span:    wordSpan(e.item, c.Words[i]),
						Message: strconv.Quote(what) + " means nothing to systemd: the program gets it as an argument",
						Hint:    "run the command with /bin/sh -c '…', or write it without",
					})
				}
			}
		}
	},
}

// operator is a redirection, a pipe or a list operator that is a word of its own.
var operator = regexp.MustCompile(`^(\|\|?|&&|&|[0-9]?>>?|[0-9]?>>?&[0-9]|&>|<|[0-9&]?>>?/.*)$`)

// shellSyntax finds the first word that wants a shell.
func shellSyntax(c execline.Command) (index int, what string) {
	program := c.Words[0].Text[strings.LastIndexByte(c.Words[0].Text, '/')+1:]
	comparison := program == "test" || program == "[" || program == "expr"
	for i, w := range c.Words {
		switch {
		case i == 0 || !w.Plain():
		case operator.MatchString(w.Text):
			if comparison && (w.Text == "<" || w.Text == ">" || w.Text == "|" || w.Text == "&") {
				continue
			}
			return i, w.Text
		case strings.Contains(w.Text, "$("):
			return i, "$("
		case strings.Count(w.Text, "`") > 0 && strings.Count(strings.Join(texts(c.Words), " "), "`")%2 == 0:
			return i, "`"
		}
	}
	return 0, ""
}

func texts(words []execline.Word) []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = w.Text
	}
	return list
}
