package lint

import (
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us013 = Rule{
	ID: "US013", Name: "name-in-use", Severity: diag.Warning,
	Summary: "a container that was left behind keeps the service from starting",
	Check: func(u *Unit, report func(Problem)) {
		if !u.complete() {
			return
		}
		for _, c := range u.runs() {
			word, name, ok := c.containerName()
			if !ok || c.ignoresFailure() || c.program() == "systemd-docker" {
				continue
			}
			_, rm := c.flag("--rm")
			_, replace := c.flag("--replace")
			if rm || replace || u.removes(name) || u.scripted("rm") {
				continue
			}
			report(Problem{
				Span:    word.Span,
				Message: "nothing removes the container " + strconv.Quote(name) + " before the next start, which then fails: the name is already in use",
				Hint:    "add --rm, or ExecStartPre=-" + c.Words[0].Text + " rm -f " + name,
			})
		}
	},
}
