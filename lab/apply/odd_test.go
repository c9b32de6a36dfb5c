//go:build lab

package apply

import (
	"strings"
	"testing"
)

// TestOddUnits has what is met more rarely: in each case an earlier way of doing it
// harmed something.
func TestOddUnits(t *testing.T) {
	t.Parallel()
	shared := machine(t)

	inCase(t, shared, "reload-fails", func(r *rig) {
		r.want(files{"rf.service": program(1)})
		r.apply(0)
		same := r.kept("rf.service")
		r.want(files{"rf.service": program(1, "ExecReload=/bin/false")})
		_, got := r.apply(1)
		r.expect(got, "rf.service", "reload", "rolled-back", "job failed")
		r.file("rf.service", program(1))
		r.want(files{"rf.service": program(1)})
		_, got = r.apply(0)
		r.expect(got, "rf.service", "none", "done", "up to date")
		same()
	})

	inCase(t, shared, "conditions", func(r *rig) {
		r.restless = true // what its conditions forbid does not come up
		unmet := "[Unit]\nConditionPathExists=/not/there\n" + program(1)
		r.want(files{"conditions.service": unmet})
		_, got := r.apply(0)
		r.expect(got, "conditions.service", "create", "done", "new")
		r.file("conditions.service", unmet)
		r.state("conditions.service", "inactive/dead")
		if log := r.n.Journal("conditions.service"); strings.Contains(log, "build 1") {
			r.t.Errorf("it was started:\n%s", log)
		}
	})

	inCase(t, shared, "loops", func(r *rig) {
		r.want(files{"loops.service": "[Service]\nRestart=always\nRestartSec=60\nExecStart=/bin/sleep 9999\n"})
		r.apply(0)
		r.n.Must("systemctl", "kill", "--signal=KILL", "loops.service")
		r.eventually("it waits to be started again", func() bool { return r.show("loops.service", "SubState") == "auto-restart" })
		_, got := r.apply(0)
		r.expect(got, "loops.service", "none", "done", "has failed (signal) and is started again and again")
		out, _, code := r.n.Run(t.Context(), r.command("status", "--check")...)
		if code != 1 || !strings.Contains(out, `"agrees": false`) {
			r.t.Errorf("status: exit %d, %s", code, out)
		}
	})

	inCase(t, shared, "refuses", func(r *rig) {
		unit := func(build int) string { return "[Unit]\nRefuseManualStart=yes\n" + program(build) }
		pulls := "[Unit]\nRequires=ref.service\n[Install]\nWantedBy=multi-user.target\n"
		r.want(files{"ref.service": unit(1), "ref-pulls.target": pulls})
		r.apply(0)
		same := r.kept("ref.service")
		r.want(files{"ref.service": unit(2), "ref-pulls.target": pulls})
		_, got := r.apply(0)
		r.expect(got, "ref.service", "update", "done", "not restarted: RefuseManualStart=yes")
		same()
	})

	inCase(t, shared, "connections", func(r *rig) {
		socket := func(port string) string { return "[Socket]\nListenStream=127.0.0.1:" + port + "\nAccept=yes\n" }
		echo := "[Service]\nStandardInput=socket\nExecStart=/bin/cat\n"
		r.want(files{"con.socket": socket("7201"), "con@.service": echo})
		r.apply(0)
		client := r.n.Command(t.Context(), "bash", "-c",
			"exec 3<>/dev/tcp/127.0.0.1/7201; echo one >&3; read -t 5 a <&3; until test -e /run/con-go; do sleep 0.1; done; echo two >&3; read -t 5 b <&3; echo $a $b")
		var said strings.Builder
		client.Stdout = &said
		if err := client.Start(); err != nil {
			r.t.Fatal(err)
		}
		live := func() string {
			return strings.TrimSpace(r.n.Must("sh", "-c", "systemctl list-units --no-legend --plain 'con@*' | cut -d' ' -f1"))
		}
		r.eventually("the connection is served", func() bool { return live() != "" })
		same := r.kept(live())
		r.want(files{"con.socket": socket("7202"), "con@.service": echo + "Environment=A=1\n"})
		_, got := r.apply(0)
		r.expect(got, "con.socket", "update", "done", "ListenStream differs")
		r.expect(got, "con@.service", "update", "done", "open connections go on as they are: con.socket")
		same()
		r.n.Write("/run/con-go", "", 0o644)
		if err := client.Wait(); err != nil || said.String() != "one two\n" {
			r.t.Errorf("the client said %q: %v", said.String(), err)
		}
	})

	inCase(t, shared, "idles-out", func(r *rig) {
		socket := "[Socket]\nListenStream=127.0.0.1:7203\n"
		r.want(files{"idle.socket": socket, "idle.service": "[Service]\nExecStart=/bin/sleep 9999\n"})
		r.apply(0)
		r.n.Must("systemctl", "start", "idle.service")
		same := r.kept("idle.socket")
		r.restless = true
		brief := "[Service]\nExecStart=/bin/sleep 0.3\n"
		r.want(files{"idle.socket": socket, "idle.service": brief})
		_, got := r.apply(0)
		r.expect(got, "idle.service", "update", "done", "ExecStart differs")
		r.file("idle.service", brief)
		r.state("idle.service", "inactive/dead")
		same()
	})

	inCase(t, shared, "dragged-along", func(r *rig) {
		needs := "[Unit]\nRequires=drag-b.service\nAfter=drag-b.service\n"
		r.n.Write(unitDir+"/drag-theirs.service", needs+program(1), 0o644)
		r.want(files{"drag-a.service": needs + program(1), "drag-b.service": program(1)})
		r.apply(0)
		r.n.Must("systemctl", "start", "drag-theirs.service")
		r.want(files{"drag-a.service": needs + program(1)})
		_, got := r.apply(0)
		r.expect(got, "drag-b.service", "delete", "done",
			"although drag-a.service cannot do without, drag-a.service went down with it, drag-theirs.service went down with it")
		r.state("drag-a.service", "inactive/dead")
		r.file("drag-b.service", "")
	})

	inCase(t, shared, "edited", func(r *rig) {
		r.want(files{"edited.service": program(1), "edited.service.d/ours.conf": "[Service]\nEnvironment=A=1\n"})
		r.apply(0)
		r.n.Write(unitDir+"/edited.service.d/override.conf", "[Service]\nEnvironment=A=2\n", 0o644)
		r.n.Must("systemctl", "daemon-reload")
		same := r.kept("edited.service")
		_, got := r.apply(0)
		if a := got.of("edited.service"); a.Reason != "up to date, also set by "+unitDir+"/edited.service.d/override.conf" {
			r.t.Errorf("%+v", a)
		}
		same()
	})

	inCase(t, shared, "renamed", func(r *rig) {
		r.restless = true // the old one makes way, whatever its step says
		conflicts := "[Unit]\nConflicts=named-old.service\n"
		r.want(files{"named-old.service": program(1)})
		r.apply(0)
		r.want(files{"named-new.service": conflicts + "[Service]\nExecStart=/bin/sh -c 'sleep 0.5; exit 1'\n"})
		_, got := r.apply(1)
		r.expect(got, "named-new.service", "create", "rolled-back", "removed again")
		r.expect(got, "named-old.service", "delete", "skipped", "not begun")
		r.state("named-old.service", "active/running")

		r.want(files{"named-new.service": conflicts + program(1)})
		_, got = r.apply(0)
		r.expect(got, "named-old.service", "delete", "done", "no longer wanted")
		r.state("named-new.service", "active/running")
		r.file("named-old.service", "")
	})

	inCase(t, shared, "template-goes", func(r *rig) {
		r.want(files{"goes@.service": program(1, "[Install]", "DefaultInstance=one", "WantedBy=multi-user.target"),
			"goes@one.service.d/x.conf": "[Service]\nEnvironment=A=1\n", "stays-too.service": program(1)})
		r.apply(0)
		r.state("goes@one.service", "active/running")
		same := r.kept("stays-too.service")
		r.want(files{"stays-too.service": program(1)})
		_, got := r.apply(0)
		r.expect(got, "goes@.service", "delete", "done", "no longer wanted")
		r.expect(got, "goes@one.service", "delete", "done", "no longer wanted")
		if load := r.show("goes@one.service", "LoadState"); load != "not-found" {
			r.t.Errorf("the instance is %s", load)
		}
		same()
	})
}
