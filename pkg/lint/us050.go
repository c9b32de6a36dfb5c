package lint

import (
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

var us050 = Rule{
	ID: "US050", Name: "unknown-setting", Severity: diag.Warning,
	Summary: "systemd does not know the setting or section, and ignores it",
	Check: func(u *Unit, report func(Problem)) {
		for i := range u.doc.Items {
			it := &u.doc.Items[i]
			switch {
			case it.Kind == unitfile.Section && !hasOwnSection(u.Name.Suffix, it.Section):
				report(Problem{
					Span:    it.KeySpan,
					Message: "a " + u.Name.Suffix + " file has no section " + strconv.Quote(it.Section) + ": systemd ignores all that stands in it",
					Hint:    "check the name; a section for other programs begins with X-",
				})
			case it.Kind == unitfile.Assignment && unknownSetting(u, it):
				p := Problem{
					Span:    it.KeySpan,
					Message: "systemd knows no setting " + strconv.Quote(it.Key) + " and ignores it",
					Hint:    "check the name; a setting for other programs begins with X-",
				}
				if near := nearestDirective(it.Key, it.Section); near != "" {
					p.Hint = "did you mean " + near + "=?"
				}
				report(p)
			}
		}
	},
}

// unknownSetting reports a setting that no section has. What does not look like a
// setting is the rest of a broken line, see US004.
func unknownSetting(u *Unit, it *unitfile.Item) bool {
	return hasOwnSection(u.Name.Suffix, it.Section) && readsDirectives(it.Section) && !strings.HasPrefix(it.Key, "X-") &&
		sectionsOf(it.Key) == nil && (settingName.MatchString(it.Key) || strings.EqualFold(it.Key, nearestDirective(it.Key, it.Section)))
}
