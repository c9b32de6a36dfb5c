package lint

import (
	"regexp"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/imageref"
)

var us024 = Rule{
	ID: "US024", Name: "invalid-image", Severity: diag.Error,
	Summary: "what stands where the image belongs is no image",
	Check: func(u *Unit, report func(Problem)) {
		for _, c := range u.commands {
			at, ok := c.image()
			if !ok || c.client != "docker" || len(c.Invocation.Splices) > 0 {
				continue
			}
			word := c.Words[at]
			if !word.Known() || word.Variables || word.Text == `\` && !c.Shell || placeholder(word.Text) || strings.ContainsFunc(word.Text, func(r rune) bool { return straight[r] != "" }) || imageID.MatchString(word.Text) {
				continue
			}
			if _, err := imageref.Parse(word.Text); err == nil {
				continue
			}
			report(Problem{
				Span:    word.Span,
				Message: quote(word.Text) + " stands where the image belongs, and docker refuses it",
				Hint:    "a name is in lower case; the first word that is no option is the image",
			})
		}
	},
}

// imageID is the ID of an image, which docker takes as well.
var imageID = regexp.MustCompile(`^(sha256:)?[0-9a-f]{64}$`)

// placeholder reports whether another program is to put something in a text's
// place.
func placeholder(text string) bool {
	return strings.ContainsAny(text, "${}<>@%#") || strings.HasPrefix(text, "__") || text == strings.ToUpper(text) && strings.ContainsAny(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}
