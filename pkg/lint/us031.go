package lint

import "github.com/unitstamp/unitstamp/pkg/diag"

var us031 = Rule{
	ID: "US031", Name: "no-restart", Severity: diag.Info,
	Summary: "nothing restarts the container when it ends",
	Check: func(u *Unit, report func(Problem)) {
		if !u.complete() || u.serviceType() == "oneshot" || u.remains() || u.doc.Last("Service", "Restart") != nil {
			return
		}
		for _, c := range u.runs() {
			report(Problem{
				Span:    c.span(),
				Message: "there is no Restart=: when the container ends, by itself or not, the service stays down",
				Hint:    "set Restart=on-failure or always, or Restart=no if that is meant",
			})
			return
		}
	},
}
