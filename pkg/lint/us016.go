package lint

import (
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

var us016 = Rule{
	ID: "US016", Name: "illegal-name", Severity: diag.Error,
	Summary: "the engine refuses the container's name",
	Check: func(u *Unit, report func(Problem)) {
		for _, c := range u.commands {
			if !c.Image {
				continue
			}
			word, name, ok := c.containerName()
			if !ok || c.Shell {
				continue
			}
			start := len(word.Text) - len(name)
			if i := illegalIn(word, start, name); i >= 0 {
				report(Problem{
					Span:    word.Span,
					Message: strconv.Quote(name) + " is no name for a container: it holds " + strconv.Quote(string(firstRune(name[i:]))),
					Hint:    "letters, digits, '_', '.' and '-' are allowed, the first being a letter or digit",
				})
				continue
			}
			if u.Name.Template && (strings.Contains(name, "%n") || strings.Contains(name, "%N")) {
				report(Problem{
					Span:    word.Span,
					Message: strconv.Quote(name) + " holds an '@' in an instance of a template: it is no name for a container",
					Hint:    "write %p-%i",
				})
			}
		}
	},
}

// illegalIn returns the offset of the first known byte of a name that the engines
// refuse, or -1. The name begins at start in the word.
func illegalIn(word unitimage.Word, start int, name string) int {
	if strings.Contains(name, "{{") {
		return -1 // a template, or a name to be made
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case alphanumeric(c) || !word.KnownAt(start+i):
		case i > 0 && strings.IndexByte("_.-", c) >= 0, i == 0 && c == '/':
		default:
			return i
		}
	}
	return -1
}

func firstRune(text string) rune {
	for _, r := range text {
		return r
	}
	return 0
}
