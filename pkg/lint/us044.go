package lint

import (
	"regexp"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/execline"
	"github.com/unitstamp/unitstamp/pkg/source"
)

var us044 = Rule{
	ID: "US044", Name: "literal-secret", Severity: diag.Warning,
	Summary: "a secret stands in the unit, for everybody to read",
	Check: func(u *Unit, report func(Problem)) {
		secret := func(span source.Span, text string) {
			name, value, _ := strings.Cut(text, "=")
			if !secretName.MatchString(name) || harmlessValue.MatchString(value) || strings.ContainsAny(value, "$%{<`") {
				return
			}
			report(Problem{
				Span:    source.Span{Start: span.Start, End: min(span.End, span.Start+len(name))},
				Message: "the value of " + name + " stands in the unit: whoever may run systemctl show or docker inspect, or reads the repository, reads it",
				Hint:    "put it into a file that only root reads, with EnvironmentFile= or --env-file, or use LoadCredential=",
			})
		}
		for _, c := range u.commands {
			for _, o := range c.Invocation.Options {
				if (o.Name == "-e" || o.Name == "--env") && o.ValueArg < len(c.Words) {
					word := c.Words[o.ValueArg]
					span, _ := word.Place(len(word.Text)-len(o.Value), len(word.Text))
					if o.Value == "" || word.Variables {
						continue
					}
					secret(span, o.Value)
				}
			}
		}
		for it := range u.doc.Assignments {
			if it.Key != "Environment" {
				continue
			}
			words, _ := execline.Words(it.Value.Text)
			for _, w := range words {
				if len(w.Text) > 0 {
					span, _ := partSpan(it, w, 0, len(w.Text))
					secret(span, w.Text)
				}
			}
		}
	},
}

// secretName is what variables are called that hold secrets, and harmlessValue what
// none is.
var (
	secretName    = regexp.MustCompile(`(?i)^(.*_)?(PASSWORD|PASSWD|PASS|SECRET|TOKEN|API_?KEY|(SECRET|PRIVATE)_?(ACCESS_?)?KEY|CREDENTIALS?)$`)
	harmlessValue = regexp.MustCompile(`(?i)^(|/.*|\./.*|true|false|yes|no|none|null|0|1|x+|\*+|\.+|.*:///.*)$`)
)
