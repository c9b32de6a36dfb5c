package lint

import (
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

var us035 = Rule{
	ID: "US035", Name: "fleet-options", Severity: diag.Error,
	Summary: "fleet refuses the unit for options that exclude each other",
	Check: func(u *Unit, report func(Problem)) {
		set := map[string]*unitfile.Item{}
		for it := range u.doc.Assignments {
			if it.Section != "X-Fleet" {
				continue
			}
			switch it.Key {
			case "MachineID", "MachineOf", "Conflicts", "Replaces":
				set[it.Key] = it
			case "Global":
				if isTrue(it.Value.Text) {
					set[it.Key] = it
				}
			case "X-ConditionMachineID", "X-ConditionMachineOf", "X-Conflicts", "X-ConditionMachineBootID", "X-ConditionMachineMetadata":
				report(Problem{
					Span: it.KeySpan, Minor: true,
					Message: strconv.Quote(it.Key) + " is the name that fleet used before 0.9",
					Hint:    "write the name without \"X-\" and \"Condition\"",
				})
			}
		}
		for _, pair := range [][2]string{
			{"MachineID", "MachineOf"}, {"MachineID", "Conflicts"}, {"MachineID", "Global"}, {"MachineID", "Replaces"},
			{"Global", "MachineOf"}, {"Global", "Replaces"}, {"Conflicts", "Replaces"},
		} {
			if set[pair[0]] != nil && set[pair[1]] != nil {
				report(Problem{
					Span:    set[pair[1]].KeySpan,
					Message: "fleet refuses " + pair[1] + "= together with " + pair[0] + "=",
					Hint:    "leave one of them out",
				})
			}
		}
	},
}
