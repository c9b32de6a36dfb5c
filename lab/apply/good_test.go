//go:build lab

package apply

import (
	"strings"
	"testing"
)

// TestWhatComesUp has the kinds of units that do as they should.
func TestWhatComesUp(t *testing.T) {
	t.Parallel()
	shared := machine(t)

	inCase(t, shared, "simple", func(r *rig) {
		v1, v2 := program(1), program(2)
		r.want(files{"simple.service": v1})
		_, got := r.apply(0)
		r.expect(got, "simple.service", "create", "done", "new")
		r.state("simple.service", "active/running")
		r.file("simple.service", v1)

		same := r.kept("simple.service")
		_, got = r.apply(0)
		r.expect(got, "simple.service", "none", "done", "up to date")
		same()

		before := r.invocation("simple.service")
		r.want(files{"simple.service": v2})
		_, got = r.apply(0)
		r.expect(got, "simple.service", "update", "done", "ExecStart differs")
		if r.invocation("simple.service") == before {
			r.t.Error("the update did not restart it")
		}
		r.file("simple.service", v2)
		if starts := strings.Count(r.n.Journal("simple.service"), "build 2"); starts != 1 {
			r.t.Errorf("build 2 was started %d times", starts)
		}
	})

	inCase(t, shared, "oneshot", func(r *rig) {
		unit := func(build string) string {
			return "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo ran " + build + "'\n"
		}
		r.want(files{"oneshot.service": unit("1")})
		_, got := r.apply(0)
		r.expect(got, "oneshot.service", "create", "done", "new")
		r.state("oneshot.service", "inactive/dead")
		_, got = r.apply(0)
		r.expect(got, "oneshot.service", "none", "done", "up to date")
		r.want(files{"oneshot.service": unit("2")})
		_, got = r.apply(0)
		r.expect(got, "oneshot.service", "update", "done", "ExecStart differs")
		if log := r.n.Journal("oneshot.service"); strings.Count(log, "ran 1") != 1 || strings.Count(log, "ran 2") != 1 {
			r.t.Errorf("each build runs once:\n%s", log)
		}
	})

	inCase(t, shared, "notify", func(r *rig) {
		r.want(files{"notify.service": "[Service]\nType=notify\nNotifyAccess=all\n" +
			"ExecStart=/bin/sh -c 'sleep 1; systemd-notify --ready; exec sleep 9999'\n"})
		_, got := r.apply(0)
		r.expect(got, "notify.service", "create", "done", "new")
		if s := got.of("notify.service").Seconds; s < 2 {
			r.t.Errorf("done after %v s: not waited until it was ready and stable", s)
		}
		r.state("notify.service", "active/running")
	})

	inCase(t, shared, "timer", func(r *rig) {
		service := func(build string) string {
			return "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo tick " + build + "'\n"
		}
		timer := func(when string) string {
			return "[Timer]\nOnCalendar=" + when + "\n[Install]\nWantedBy=timers.target\n"
		}
		r.want(files{"timer.service": service("1"), "timer.timer": timer("2030-01-01")})
		_, got := r.apply(0)
		r.expect(got, "timer.service", "create", "done", "started by timer.timer")
		r.expect(got, "timer.timer", "create", "done", "new")
		r.state("timer.timer", "active/waiting")
		if links := r.n.Must("ls", unitDir+"/timers.target.wants"); !strings.Contains(links, "timer.timer") {
			r.t.Errorf("the timer is not enabled: %q", links)
		}
		r.want(files{"timer.service": service("2"), "timer.timer": timer("2031-01-01")})
		_, got = r.apply(0)
		r.expect(got, "timer.service", "update", "done", "ExecStart differs")
		r.expect(got, "timer.timer", "update", "done", "OnCalendar differs")
		r.state("timer.timer", "active/waiting")
		if log := r.n.Journal("timer.service"); strings.Contains(log, "tick") {
			r.t.Errorf("the service was started by the update:\n%s", log)
		}
		// the timer goes, the service stays
		r.want(files{"timer.service": service("2")})
		_, got = r.apply(0)
		r.expect(got, "timer.timer", "delete", "done", "no longer wanted")
		if code := exitCode(r, "ls", unitDir+"/timers.target.wants/timer.timer"); code == 0 {
			r.t.Error("the deleted timer is still enabled")
		}
	})

	inCase(t, shared, "socket", func(r *rig) {
		socket := func(port string) string { return "[Socket]\nListenStream=127.0.0.1:" + port + "\n" }
		r.want(files{"socket.socket": socket("7001"), "socket.service": program(1)})
		_, got := r.apply(0)
		r.expect(got, "socket.socket", "create", "done", "new")
		r.expect(got, "socket.service", "create", "done", "started by socket.socket")
		r.state("socket.socket", "active/listening")
		r.state("socket.service", "inactive/dead")
		r.n.Must("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/7001")
		r.eventually("the service runs", func() bool { return r.show("socket.service", "ActiveState") == "active" })

		// the service alone: the socket keeps listening
		same := r.kept("socket.socket")
		before := r.invocation("socket.service")
		r.want(files{"socket.socket": socket("7001"), "socket.service": program(2)})
		_, got = r.apply(0)
		r.expect(got, "socket.service", "update", "done", "ExecStart differs")
		same()
		if r.invocation("socket.service") == before {
			r.t.Error("the service was not restarted")
		}

		// the socket alone: its running service makes way and comes back
		r.want(files{"socket.socket": socket("7002"), "socket.service": program(2)})
		_, got = r.apply(0)
		r.expect(got, "socket.socket", "update", "done", "ListenStream differs")
		r.state("socket.service", "active/running")
		if listening := r.show("socket.socket", "Listen"); !strings.Contains(listening, "7002") {
			r.t.Errorf("the socket listens on %q", listening)
		}
	})

	inCase(t, shared, "template", func(r *rig) {
		template := "[Service]\nExecStart=/bin/sh -c 'echo %i; exec sleep 9999'\n"
		r.want(files{"tmpl@.service": template + "[Install]\nWantedBy=multi-user.target\nDefaultInstance=one\n"})
		_, got := r.apply(0)
		r.expect(got, "tmpl@.service", "create", "done", "new")
		r.state("tmpl@one.service", "active/running")
		r.n.Must("systemctl", "start", "tmpl@two.service")

		one, two := r.invocation("tmpl@one.service"), r.invocation("tmpl@two.service")
		r.want(files{"tmpl@.service": template + "Environment=A=b\n[Install]\nWantedBy=multi-user.target\nDefaultInstance=one\n"})
		_, got = r.apply(0)
		r.expect(got, "tmpl@.service", "update", "done", "Environment differs")
		if r.invocation("tmpl@one.service") == one || r.invocation("tmpl@two.service") == two {
			r.t.Error("not every instance was restarted")
		}

		// an instance with a file of its own
		own := "[Service]\nExecStart=/bin/sleep 8888\n"
		r.want(files{"tmpl@.service": template + "Environment=A=b\n[Install]\nWantedBy=multi-user.target\nDefaultInstance=one\n", "tmpl@three.service": own})
		_, got = r.apply(0)
		r.expect(got, "tmpl@three.service", "create", "done", "new")
		same := r.kept("tmpl@three.service")
		r.want(files{"tmpl@.service": template + "Environment=A=c\n", "tmpl@three.service": own})
		_, got = r.apply(0)
		same()
		r.state("tmpl@two.service", "active/running")
	})
	for _, instance := range []string{"one", "two", "three"} {
		if code := exitCode(&rig{t: t, n: shared}, "systemctl", "is-active", "--quiet", "tmpl@"+instance+".service"); code == 0 {
			t.Errorf("instance %s outlived its template", instance)
		}
	}

	inCase(t, shared, "dropins", func(r *rig) {
		base := program(1)
		r.want(files{"dropins.service": base, "dropins.service.d/10-env.conf": "[Service]\nEnvironment=A=1\n"})
		r.apply(0)
		if env := r.show("dropins.service", "Environment"); env != "A=1" {
			r.t.Errorf("Environment is %q", env)
		}
		before := r.invocation("dropins.service")
		r.want(files{"dropins.service": base, "dropins.service.d/10-env.conf": "[Service]\nEnvironment=A=2\n"})
		_, got := r.apply(0)
		r.expect(got, "dropins.service", "update", "done", "Environment differs")
		if r.invocation("dropins.service") == before {
			r.t.Error("a changed drop-in did not restart the unit")
		}
		// a foreign drop-in in the same folder stays
		r.n.Write(unitDir+"/dropins.service.d/99-foreign.conf", "[Unit]\nDescription=foreign\n", 0o644)
		r.n.Must("systemctl", "daemon-reload")
		r.want(files{"dropins.service": base})
		_, got = r.apply(0)
		r.expect(got, "dropins.service", "update", "done", "Environment differs")
		r.file("dropins.service.d/10-env.conf", "")
		r.file("dropins.service.d/99-foreign.conf", "[Unit]\nDescription=foreign\n")
	})

	inCase(t, shared, "quiet", func(r *rig) {
		base := program(1, "ExecReload=/bin/sh -c 'echo reloaded once'")
		r.want(files{"quiet.service": base})
		r.apply(0)
		same := r.kept("quiet.service")

		described := strings.Replace(base, "a program", "the same program", 1)
		r.want(files{"quiet.service": described})
		_, got := r.apply(0)
		r.expect(got, "quiet.service", "update", "done", "Description differs, no restart")
		r.file("quiet.service", described)
		if d := r.show("quiet.service", "Description"); d != "the same program" {
			r.t.Errorf("systemd says %q: not reloaded", d)
		}
		same()

		commented := "# a comment\n" + described
		r.want(files{"quiet.service": commented})
		_, got = r.apply(0)
		r.expect(got, "quiet.service", "update", "done", "no restart")
		r.file("quiet.service", commented)
		same()

		r.want(files{"quiet.service": strings.Replace(commented, "reloaded once", "reloaded anew", 1)})
		_, got = r.apply(0)
		r.expect(got, "quiet.service", "reload", "done", "ExecReload differs, reload")
		same()
		if log := r.n.Journal("quiet.service"); strings.Count(log, "reloaded anew") != 1 || strings.Contains(log, "reloaded once") {
			r.t.Errorf("reloads:\n%s", log)
		}
	})

	inCase(t, shared, "slow-stop", func(r *rig) {
		slow := func(build string) string {
			// mixed: else systemd may catch the sleep that the trap has just begun
			return "[Service]\nKillMode=mixed\nExecStart=/bin/sh -c 'trap \"sleep 2; exit 0\" TERM; echo up " + build + "; while :; do sleep 0.1; done'\n"
		}
		r.want(files{"slow-stop.service": slow("1")})
		r.apply(0)
		r.want(files{"slow-stop.service": slow("2")})
		_, got := r.apply(0)
		r.expect(got, "slow-stop.service", "update", "done", "ExecStart differs")
		if s := got.of("slow-stop.service").Seconds; s < 3 {
			r.t.Errorf("done after %v s, though stopping takes 2 and the window 1", s)
		}
		r.state("slow-stop.service", "active/running")
	})

	inCase(t, shared, "requires", func(r *rig) {
		a := "[Unit]\nRequires=req-b.service\nAfter=req-b.service\n" + program(1)
		r.want(files{"req-a.service": a, "req-b.service": program(1)})
		_, got := r.apply(0)
		if got.Actions[0].Unit != "req-b.service" {
			r.t.Errorf("order: %v", got.Actions)
		}
		one := r.invocation("req-a.service")
		r.want(files{"req-a.service": a, "req-b.service": program(2)})
		_, got = r.apply(0)
		r.expect(got, "req-b.service", "update", "done", "ExecStart differs")
		r.expect(got, "req-a.service", "none", "done", "up to date")
		r.state("req-a.service", "active/running")
		r.state("req-b.service", "active/running")
		if r.invocation("req-a.service") == one {
			r.t.Error("systemd did not carry the restart to the unit that requires it")
		}

		// stopped by its old file: what requires it goes down with it, and comes back
		r.want(files{"req-a.service": a, "req-b.service": program(2, "ExecStop=/bin/true")})
		_, got = r.apply(0)
		r.expect(got, "req-b.service", "update", "done", "ExecStop differs")
		r.state("req-a.service", "active/running")

		// both change: each starts once
		before := strings.Count(r.n.Journal("req-a.service"), "build 3")
		r.want(files{"req-a.service": strings.Replace(a, "build 1", "build 3", 1), "req-b.service": program(3)})
		r.apply(0)
		for _, unit := range []string{"req-a.service", "req-b.service"} {
			if starts := strings.Count(r.n.Journal(unit), "build 3") - before; starts != 1 {
				r.t.Errorf("%s: build 3 was started %d times", unit, starts)
			}
		}
	})

	inCase(t, shared, "batch", func(r *rig) {
		bad := "[Service]\nExecStart=/bin/sh -c 'sleep 0.3; exit 1'\n"
		r.want(files{"ba-1.service": program(1), "ba-2.service": bad, "ba-3.service": program(1), "ba-4.service": program(1)})
		_, got := r.apply(1, "--batch", "3")
		r.expect(got, "ba-1.service", "create", "done", "")
		r.expect(got, "ba-2.service", "create", "rolled-back", "removed again")
		r.expect(got, "ba-3.service", "create", "done", "")
		r.expect(got, "ba-4.service", "create", "skipped", "")
		r.state("ba-1.service", "active/running")
		r.state("ba-3.service", "active/running")
		r.file("ba-2.service", "")
		r.file("ba-4.service", "")
	})

	inCase(t, shared, "install", func(r *rig) {
		enabled := func() bool {
			return exitCode(r, "test", "-L", unitDir+"/multi-user.target.wants/install.service") == 0
		}
		r.want(files{"install.service": program(1, "[Install]", "WantedBy=multi-user.target")})
		r.apply(0)
		if !enabled() {
			r.t.Error("not enabled")
		}
		same := r.kept("install.service")
		r.want(files{"install.service": program(1)})
		_, got := r.apply(0)
		r.expect(got, "install.service", "update", "done", "[Install] differs, no restart")
		if enabled() {
			r.t.Error("still enabled without [Install]")
		}
		same()
	})
}

func exitCode(r *rig, command ...string) int {
	_, _, code := r.n.Run(r.t.Context(), command...)
	return code
}
