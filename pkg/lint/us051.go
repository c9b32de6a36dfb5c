package lint

import (
	"slices"
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us051 = Rule{
	ID: "US051", Name: "wrong-section", Severity: diag.Warning,
	Summary: "a setting stands in a section that does not have it, and is ignored",
	Check: func(u *Unit, report func(Problem)) {
		for it := range u.doc.Assignments {
			if !readsDirectives(it.Section) || !hasOwnSection(u.Name.Suffix, it.Section) {
				continue
			}
			sections := sectionsOf(it.Key)
			if sections == nil || slices.Contains(sections, it.Section) {
				continue
			}
			own := slices.DeleteFunc(sections, func(s string) bool { return !hasOwnSection(u.Name.Suffix, s) })
			if len(own) == 0 {
				own = sections
			}
			report(Problem{
				Span:    it.KeySpan,
				Message: strconv.Quote(it.Key) + " is a setting of [" + strings.Join(own, "], [") + "]: in [" + it.Section + "] systemd ignores it",
				Hint:    "move it to [" + own[0] + "]",
			})
		}
	},
}
