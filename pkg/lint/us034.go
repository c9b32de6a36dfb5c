package lint

import (
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us034 = Rule{
	ID: "US034", Name: "not-installed", Severity: diag.Info,
	Summary: "nothing starts the unit at boot",
	Compare: func(units []*Unit, report func(*Unit, Problem)) {
		var names strings.Builder // of all units that others start
		for _, u := range units {
			for it := range u.doc.Assignments {
				switch it.Key {
				case "Wants", "Requires", "BindsTo", "Upholds", "Unit", "Sockets", "Also":
					names.WriteString(it.Value.Text + " ")
				}
			}
			if u.Name.Suffix == ".timer" || u.Name.Suffix == ".socket" || u.Name.Suffix == ".path" {
				names.WriteString(strings.TrimSuffix(u.Name.Full, u.Name.Suffix) + ".service ")
			}
		}
		for _, u := range units {
			runs := u.runs()
			if !u.complete() || u.fleet() || u.serviceType() == "oneshot" || len(runs) == 0 || u.hasSection("Install") {
				continue
			}
			if u.Name.Full != "" && strings.Contains(names.String(), u.Name.Full) {
				continue
			}
			report(u, Problem{
				Span:    runs[0].span(),
				Message: "there is no [Install] section: systemctl enable cannot make the unit start at boot",
				Hint:    "add [Install] with WantedBy=multi-user.target, unless another unit starts it",
			})
		}
	},
}
