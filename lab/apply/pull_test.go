//go:build lab

package apply

import (
	"fmt"
	"testing"
)

// TestPull fetches images while the old containers still run.
func TestPull(t *testing.T) {
	t.Parallel()
	shared := machine(t)
	// a client that notes, when it pulls, what it sees of the unit
	shared.Write("/usr/local/bin/docker", "#!/bin/sh\n"+
		"case $1 in\n"+
		"pull) systemctl show --value --property=InvocationID pull.service >/run/at-pull\n"+
		"	case $2 in *:59-*) echo no such tag >&2; exit 1;; esac;;\n"+
		"*) exec sleep 9999;;\n"+
		"esac\n", 0o755)

	inCase(t, shared, "pull", func(r *rig) {
		unit := func(build int) files {
			return files{"pull.service": fmt.Sprintf("[Service]\nExecStart=/usr/local/bin/docker run --rm myrepo/web:%d-develop\n", build)}
		}
		r.want(unit(57))
		r.apply(0)
		first := r.invocation("pull.service")
		r.want(unit(58))
		_, got := r.apply(0, "--pull")
		r.expect(got, "pull.service", "update", "done", "ExecStart differs")
		if at := r.n.Read("/run/at-pull"); at != first+"\n" {
			r.t.Errorf("at the pull %q ran, not %q", at, first)
		}

		same := r.kept("pull.service")
		r.want(unit(59))
		_, got = r.apply(1, "--pull")
		r.expect(got, "pull.service", "update", "failed", "myrepo/web:59-develop could not be pulled: no such tag")
		same()
		r.file("pull.service", unit(58)["pull.service"])
		r.want(unit(58))
		_, got = r.apply(0, "--pull")
		r.expect(got, "pull.service", "none", "done", "up to date")
		same()
	})
}
