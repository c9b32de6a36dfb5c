package lint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

var us029 = Rule{
	ID: "US029", Name: "trailing-comment", Severity: diag.Warning,
	Summary: "a comment stands after a value and is part of it",
	Check: func(u *Unit, report func(Problem)) {
		for _, e := range u.execs {
			for _, c := range e.line.Commands {
				at := slices.IndexFunc(texts(c.Words), func(text string) bool { return text == "#" })
				if at <= 0 || !c.Words[at].Plain() {
					continue
				}
				report(Problem{
					Span:    wordSpan(e.item, c.Words[at]),
					Message: "'#' and what follows it are arguments of the command: there are no comments at a line's end",
					Hint:    "put the comment on a line of its own, before the setting",
				})
			}
		}
		for it := range u.doc.Assignments {
			if unitimage.IsExec(it) || !plainSettings.MatchString(it.Key) {
				continue
			}
			text := it.Value.Text
			at := strings.Index(text, " #")
			if tab := strings.Index(text, "\t#"); at < 0 || tab >= 0 && tab < at {
				at = tab
			}
			if at < 0 {
				continue
			}
			start := it.Value.Offset(at + 1)
			report(Problem{
				Span:    source.Span{Start: start, End: start + 1},
				Message: "'#' and what follows it are part of the value of " + it.Key + "=: there are no comments at a line's end",
				Hint:    "put the comment on a line of its own, before the setting",
			})
		}
	},
}

// plainSettings are settings in whose values no '#' has a place.
var plainSettings = regexp.MustCompile(`^(After|Before|Requires|Wants|BindsTo|PartOf|Requisite|Conflicts|Type|Restart|RestartSec|Timeout.*Sec|KillMode|KillSignal|RemainAfterExit|User|Group|StartLimit.*|Limit.*|NotifyAccess|WantedBy|RequiredBy|Alias|EnvironmentFile|WorkingDirectory)$`)
