//go:build lab

package apply

import (
	"strings"
	"testing"
)

// TestRollback goes back by the record alone, and proves that what was there
// before is up.
func TestRollback(t *testing.T) {
	t.Parallel()
	shared := machine(t)
	back := func(r *rig, code int, args ...string) report {
		r.t.Helper()
		_, got := r.run(code, append([]string{"confapply", "rollback", "--engine", "systemd", "--owner", r.owner, "--json", "--stable", "1s"}, args...))
		return got
	}

	inCase(t, shared, "back", func(r *rig) {
		timer := "[Timer]\nOnCalendar=2030-01-01\n"
		job := func(build string) string { return "[Service]\nType=oneshot\nExecStart=/bin/echo ran " + build + "\n" }
		r.want(files{"back.service": program(1), "needs.service": needing(1), "job.service": job("1"), "job.timer": timer})
		r.apply(0)
		r.want(files{"back.service": program(2), "needs.service": needing(1), "job.service": job("2"), "job.timer": timer})
		r.apply(0)

		// without a name the last one; a job waits for its timer
		got := back(r, 0, "job.service")
		r.expect(got, "job.service", "update", "done", "ExecStart differs")
		r.file("job.service", job("1"))
		if log := r.n.Journal("job.service"); strings.Contains(log, "ran") {
			r.t.Errorf("the job was run:\n%s", log)
		}

		before := r.invocation("back.service")
		got = back(r, 0, "back.service")
		r.expect(got, "back.service", "update", "done", "ExecStart differs")
		r.file("back.service", program(1))
		r.state("back.service", "active/running")
		r.state("needs.service", "active/running")
		if r.invocation("back.service") == before {
			r.t.Error("it was not restarted")
		}
	})

	inCase(t, shared, "broken", func(r *rig) {
		broken := "[Service]\nExecStart=/bin/sh -c 'test -e /run/good; exec sleep 9999'\nExecStartPre=/usr/bin/test -e /run/good\n"
		r.n.Write("/run/good", "", 0o644)
		r.want(files{"broken.service": broken})
		r.apply(0)
		r.want(files{"broken.service": program(2)})
		r.apply(0)
		r.n.Must("rm", "/run/good")

		// the version before does not come up any more: the newer one runs again
		one := r.invocation("broken.service")
		got := back(r, 1)
		r.expect(got, "broken.service", "update", "rolled-back", "exit-code")
		r.file("broken.service", program(2))
		r.state("broken.service", "active/running")
		if two := r.invocation("broken.service"); two == one || two == "" {
			r.t.Errorf("invocation %q, then %q: it was never stopped", one, two)
		}
		out := r.n.Must("confapply", "history", "--engine", "systemd", "--owner", r.owner, "broken.service")
		if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 3 || !strings.HasSuffix(lines[2], "rolled-back") {
			r.t.Errorf("history:\n%s", out)
		}
	})
}

func needing(build int) string {
	return "[Unit]\nRequires=back.service\nAfter=back.service\n" + strings.TrimPrefix(program(build), "[Unit]\n")
}
