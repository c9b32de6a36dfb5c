package lint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us036 = Rule{
	ID: "US036", Name: "unit-name", Severity: diag.Error,
	Summary: "systemd takes no unit of that name",
	Check: func(u *Unit, report func(Problem)) {
		name := u.Name.Full
		stem := strings.TrimSuffix(name, u.Name.Suffix)
		bad := strings.IndexFunc(name, func(r rune) bool {
			return r > 0x7f || !alphanumeric(byte(r)) && !strings.ContainsRune(`:-_.\@`, r)
		})
		switch {
		case name == "":
		case len(name) > 255:
			report(Problem{Message: fmt.Sprintf("the unit's name has %d bytes, and systemd takes 255", len(name)), Hint: "give the file a shorter name"})
		case bad >= 0:
			report(Problem{
				Message: strconv.Quote(name) + " is no name for a unit: it holds " + strconv.Quote(string(firstRune(name[bad:]))),
				Hint:    "letters, digits, ':', '-', '_', '.', '\\' and one '@' are allowed; systemd-escape makes names of other texts",
			})
		case strings.HasPrefix(stem, "@"):
			report(Problem{Message: strconv.Quote(name) + " is no name for a unit: nothing stands before the '@'", Hint: "give the file a name before the '@'"})
		}
	},
}
