package lint

import (
	"regexp"
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us021 = Rule{
	ID: "US021", Name: "option-after-image", Severity: diag.Warning,
	Summary: "an option of the client stands after the image, where it is the container's",
	Check: func(u *Unit, report func(Problem)) {
		for _, c := range u.commands {
			at, ok := c.image()
			if !ok || c.verb == "pull" || len(c.Invocation.Splices) > 0 {
				continue
			}
			for i := at + 1; i < len(c.Words); i++ {
				text := c.Words[i].Text
				if i+1 < len(c.Words) {
					text += " " + c.Words[i+1].Text
				}
				match := clientOption.FindString(text)
				if match == "" {
					if len(c.Words[i].Text) > 0 && c.Words[i].Text[0] != '-' && i == at+1 {
						break // a program with arguments of its own
					}
					continue
				}
				report(Problem{
					Span: c.Words[i].Span,
					Message: quote(c.Words[i].Text) + " stands after the image " + strconv.Quote(c.Words[at].Text) + ": it is an argument of the container, not of " +
						c.client + " " + c.verb,
					Hint: "move it before the image",
				})
				break
			}
		}
	},
}

// clientOption is an option with a value that is meant for the client and hardly
// for anything that runs in a container.
var clientOption = regexp.MustCompile(`^(--rm( |$)|--restart[= ](always|no|unless-stopped|on-failure)|--volumes-from[= ]|--link[= ][\w.-]+:[\w.-]+( |$)|` +
	`(-p|--publish)[= ]([0-9.]+:)?[0-9]+:[0-9]+(/tcp|/udp)?( |$)|(-v|--volume)[= ]/[^ :]*:/|--net(work)?[= ](host|bridge|none)( |$)|--cap-add[= ]|--privileged( |$))`)
