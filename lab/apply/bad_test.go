//go:build lab

package apply

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestWhatDoesNotComeUp has units that fail: what ran before runs again.
func TestWhatDoesNotComeUp(t *testing.T) {
	t.Parallel()
	shared := machine(t)

	// broken are second builds that do not come up, each in its own way.
	for _, broken := range []struct{ name, unit, reason string }{
		{"at-start", "[Service]\nType=exec\nExecStart=/usr/bin/not-there\n", "job failed"},
		{"exit-code", "[Service]\nExecStart=/bin/sh -c 'exit 3'\n", "exit status 3"},
		{"notify-never", "[Service]\nType=notify\nTimeoutStartSec=1\nExecStart=/bin/sleep 9999\n", "timeout"},
		{"dies-late", "[Service]\nExecStart=/bin/sh -c 'sleep 2; exit 1'\n", "does not stay up: failed/failed, exit-code, exit status 1"},
		{"ends-well", "[Service]\nExecStart=/bin/sleep 1\n", "does not stay up: inactive/dead"},
		{"crash-loop", "[Service]\nRestart=always\nRestartSec=100ms\nExecStart=/bin/sh -c 'sleep 0.3; exit 1'\n", "does not stay up"},
		{"crash-loop-slow", "[Service]\nRestart=always\nRestartSec=10\nExecStart=/bin/sh -c 'sleep 0.3; exit 1'\n", "activating/auto-restart"},
		{"bad-setting", "[Service]\nType=simple\n", "systemd cannot load it: bad-setting"},
	} {
		name := "broken-" + broken.name
		service := name + ".service"
		inCase(t, shared, name, func(r *rig) {
			good := program(1)
			// new: removed again
			r.want(files{service: broken.unit})
			_, got := r.apply(1, "--stable", "3s")
			r.expect(got, service, "create", "rolled-back", broken.reason)
			r.file(service, "")
			if load := r.show(service, "LoadState"); load != "not-found" {
				r.t.Errorf("after the roll-back it is %s", load)
			}
			if failed := r.n.Must("systemctl", "--failed", "--no-legend"); failed != "" {
				r.t.Errorf("left over as failed: %s", failed)
			}

			// update: what ran before runs again, byte for byte
			r.want(files{service: good})
			r.apply(0)
			r.want(files{service: broken.unit})
			_, got = r.apply(1, "--stable", "3s")
			r.expect(got, service, "update", "rolled-back", broken.reason)
			if got.Summary["rolled-back"] != 1 || got.Error == "" {
				r.t.Errorf("summary %v, error %q", got.Summary, got.Error)
			}
			r.file(service, good)
			r.state(service, "active/running")
			if starts := strings.Count(r.n.Journal(service), "build 1"); starts != 2 {
				r.t.Errorf("build 1 was started %d times, want once before and once after", starts)
			}
			same := r.kept(service)
			r.want(files{service: good})
			_, got = r.apply(0)
			r.expect(got, service, "none", "done", "up to date")
			same()
		})
	}

	inCase(t, shared, "oneshot-fails", func(r *rig) {
		good := "[Service]\nType=oneshot\nExecStart=/bin/true\n"
		r.want(files{"oneshot-fails.service": good})
		r.apply(0)
		r.want(files{"oneshot-fails.service": "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 7'\n"})
		_, got := r.apply(1)
		r.expect(got, "oneshot-fails.service", "update", "rolled-back", "exit status 7")
		r.file("oneshot-fails.service", good)
		r.state("oneshot-fails.service", "inactive/dead")
	})

	inCase(t, shared, "timeout", func(r *rig) {
		r.want(files{"timeout.service": "[Service]\nType=notify\nTimeoutStartSec=infinity\nExecStart=/bin/sleep 9999\n"})
		_, got := r.apply(1, "--timeout", "2s")
		r.expect(got, "timeout.service", "create", "rolled-back", "not done within 2s")
		r.file("timeout.service", "")
	})

	inCase(t, shared, "stops-there", func(r *rig) {
		r.want(files{"stop-a.service": program(1), "stop-b.service": program(1), "stop-c.service": program(1)})
		r.apply(0)
		same := r.kept("stop-c.service")
		bad := "[Service]\nExecStart=/bin/false\n"
		r.want(files{"stop-a.service": program(2), "stop-b.service": bad, "stop-c.service": program(2)})
		_, got := r.apply(1)
		r.expect(got, "stop-a.service", "update", "done", "ExecStart")
		r.expect(got, "stop-b.service", "update", "rolled-back", "")
		r.expect(got, "stop-c.service", "update", "skipped", "not begun")
		r.file("stop-c.service", program(1))
		same()
		_, got = r.apply(1, "--keep-going")
		r.expect(got, "stop-a.service", "none", "done", "up to date")
		r.expect(got, "stop-b.service", "update", "rolled-back", "")
		r.expect(got, "stop-c.service", "update", "done", "")
	})

	inCase(t, shared, "goes-back-together", func(r *rig) {
		a := "[Unit]\nRequires=together-b.service\nAfter=together-b.service\n"
		r.want(files{"together-a.service": a + program(1), "together-b.service": program(1)})
		r.apply(0)
		r.want(files{"together-a.service": a + program(2), "together-b.service": "[Service]\nType=exec\nExecStart=/not/there\n"})
		_, got := r.apply(1)
		r.expect(got, "together-b.service", "update", "rolled-back", "job failed")
		r.expect(got, "together-a.service", "update", "rolled-back", "")
		r.file("together-a.service", a+program(1))
		r.file("together-b.service", program(1))
		r.state("together-a.service", "active/running")
		r.state("together-b.service", "active/running")
	})

	inCase(t, shared, "dropin-breaks", func(r *rig) {
		r.want(files{"dropin-breaks.service": program(1)})
		r.apply(0)
		r.want(files{"dropin-breaks.service": program(1), "dropin-breaks.service.d/bad.conf": "[Service]\nExecStart=\nExecStart=/bin/false\n"})
		_, got := r.apply(1)
		r.expect(got, "dropin-breaks.service", "update", "rolled-back", "")
		r.file("dropin-breaks.service.d/bad.conf", "")
		if code := exitCode(r, "test", "-e", unitDir+"/dropin-breaks.service.d"); code == 0 {
			r.t.Error("the drop-in folder is left")
		}
		r.state("dropin-breaks.service", "active/running")
	})
}

// TestWhoseUnits has units that others have a say in.
func TestWhoseUnits(t *testing.T) {
	t.Parallel()
	shared := machine(t)

	inCase(t, shared, "foreign", func(r *rig) {
		theirs := program(7)
		r.n.Write(unitDir+"/foreign.service", theirs, 0o644)
		r.n.Must("systemctl", "daemon-reload")
		r.n.Must("systemctl", "start", "foreign.service")
		same := r.kept("foreign.service")
		r.want(files{"foreign.service": program(8), "other.service": program(1)})
		_, got := r.apply(4)
		r.expect(got, "foreign.service", "conflict", "skipped", "was not put there by owner")
		r.expect(got, "other.service", "create", "skipped", "new")
		r.file("foreign.service", theirs)
		r.file("other.service", "")
		same()
		_, got = r.apply(0, "--adopt")
		r.expect(got, "foreign.service", "adopt", "done", "ExecStart differs")
		r.file("foreign.service", program(8))
	})

	inCase(t, shared, "vendor", func(r *rig) {
		r.n.Write("/usr/lib/systemd/system/vendor.service", program(7), 0o644)
		r.n.Must("systemctl", "daemon-reload")
		r.want(files{"vendor.service": program(8)})
		_, got := r.apply(4)
		r.expect(got, "vendor.service", "conflict", "skipped", "comes from /")
		_, got = r.apply(0, "--adopt")
		r.expect(got, "vendor.service", "adopt", "done", "")
		r.state("vendor.service", "active/running")

		// a drop-in alone for a vendor's unit is no conflict
		r.n.Write("/usr/lib/systemd/system/vendor2.service", program(7), 0o644)
		r.n.Must("systemctl", "daemon-reload")
		r.n.Must("systemctl", "start", "vendor2.service")
		r.want(files{"vendor.service": program(8), "vendor2.service.d/env.conf": "[Service]\nEnvironment=A=1\n"})
		_, got = r.apply(0)
		r.expect(got, "vendor2.service", "create", "done", "new drop-in")
		if env := r.show("vendor2.service", "Environment"); env != "A=1" {
			r.t.Errorf("Environment is %q", env)
		}
		r.want(files{"vendor.service": program(8)})
		r.apply(0)
		r.state("vendor2.service", "active/running")
		if env := r.show("vendor2.service", "Environment"); env != "" {
			r.t.Errorf("Environment is %q", env)
		}
		r.n.Must("systemctl", "stop", "vendor2.service")
	})

	inCase(t, shared, "masked", func(r *rig) {
		r.n.Must("systemctl", "mask", "masked.service")
		r.want(files{"masked.service": program(1)})
		_, got := r.apply(4)
		r.expect(got, "masked.service", "conflict", "skipped", "masked")
		_, got = r.apply(4, "--adopt")
		r.expect(got, "masked.service", "conflict", "skipped", "masked")
		r.n.Must("systemctl", "unmask", "masked.service")
		r.apply(0)

		// an owned unit that somebody masked is left alone
		r.n.Must("systemctl", "stop", "masked.service")
		r.n.Must("ln", "-sf", "/dev/null", unitDir+"/masked.service")
		r.n.Must("systemctl", "daemon-reload")
		r.want(files{"masked.service": program(2)})
		_, got = r.apply(0, "--repair")
		r.expect(got, "masked.service", "none", "done", "masked")
		if link := r.n.Must("readlink", unitDir+"/masked.service"); link != "/dev/null\n" {
			r.t.Errorf("the mask is %q", link)
		}
	})

	inCase(t, shared, "hand-stopped", func(r *rig) {
		r.want(files{"hand-stopped.service": program(1)})
		r.apply(0)
		r.n.Must("systemctl", "stop", "hand-stopped.service")
		_, got := r.apply(0)
		r.expect(got, "hand-stopped.service", "none", "done", "stopped by hand")
		r.state("hand-stopped.service", "inactive/dead")
		_, got = r.apply(0, "--repair")
		r.expect(got, "hand-stopped.service", "start", "done", "stopped by hand")
		r.state("hand-stopped.service", "active/running")

		r.n.Write(unitDir+"/hand-stopped.service", program(9), 0o644)
		_, got = r.apply(0)
		r.expect(got, "hand-stopped.service", "none", "done", "changed by hand")
		r.file("hand-stopped.service", program(9))
		_, got = r.apply(0, "--repair")
		r.expect(got, "hand-stopped.service", "update", "done", "changed by hand")
		r.file("hand-stopped.service", program(1))
	})

	inCase(t, shared, "deletion", func(r *rig) {
		r.restless = true
		r.want(files{"deletion.service": "[Service]\nExecStart=/bin/sh -c 'sleep 2; exit 1'\n[Install]\nWantedBy=multi-user.target\n", "stays.service": program(1)})
		r.apply(0)
		r.eventually("it has failed", func() bool { return r.show("deletion.service", "ActiveState") == "failed" })
		same := r.kept("stays.service")
		r.want(files{"stays.service": program(1)})
		_, got := r.apply(0)
		r.expect(got, "deletion.service", "delete", "done", "no longer wanted")
		same()
		r.file("deletion.service", "")
		if failed := r.n.Must("systemctl", "list-units", "--all", "--no-legend", "deletion.service"); failed != "" {
			r.t.Errorf("left over: %s", failed)
		}
		if code := exitCode(r, "test", "-L", unitDir+"/multi-user.target.wants/deletion.service"); code == 0 {
			r.t.Error("still enabled")
		}
	})

	inCase(t, shared, "self", func(r *rig) {
		// a service that applies its own successor, started by a timer
		self := func(build string) string {
			return "[Service]\nType=oneshot\nEnvironment=BUILD=" + build + "\nExecStart=/bin/sh -c 'confapply apply --engine systemd --units " +
				r.dir + " --owner self --stable 0s --json >/run/self.json'\n"
		}
		r.want(files{"self.service": self("1"), "self.timer": "[Timer]\nOnCalendar=2030-01-01\n"})
		r.apply(0)
		r.want(files{"self.service": self("2"), "self.timer": "[Timer]\nOnCalendar=2031-01-01\n"})
		r.n.Must("systemctl", "start", "self.service")
		r.file("self.service", self("2"))
		if got := r.n.Read("/run/self.json"); !strings.Contains(got, "not restarted: this run is part of it") {
			r.t.Errorf("report: %s", got)
		}
		r.state("self.timer", "active/waiting")
	})
}

// TestTroubleOnTheWay has runs that are disturbed.
func TestTroubleOnTheWay(t *testing.T) {
	t.Parallel()
	shared := machine(t)

	inCase(t, shared, "two-at-once", func(r *rig) {
		r.want(files{"two.service": program(1)})
		end := r.begin("--stable", "3s")
		r.eventually("the first is at work", func() bool { return r.show("two.service", "ActiveState") == "active" })
		same := r.kept("two.service")
		if _, got := r.apply(4); got.Error != "another run is at work on the same target" || len(got.Actions) > 0 {
			r.t.Errorf("the second says %+v", got)
		}
		_, got := r.apply(0, "--wait")
		r.expect(got, "two.service", "none", "done", "up to date")
		r.expect(end(0), "two.service", "create", "done", "new")
		same()
		r.file("two.service", program(1))
		r.state("two.service", "active/running")
		if starts := strings.Count(r.n.Journal("two.service"), "build 1"); starts != 1 {
			r.t.Errorf("started %d times", starts)
		}
	})

	inCase(t, shared, "killed", func(r *rig) {
		dependent := "[Unit]\nRequires=killed-a.service\nAfter=killed-a.service\n"
		units := func(build int) files {
			return files{
				"killed-a.service": program(build), "killed-b.service": dependent + program(build),
				"killed-c.service": program(build, "ExecStop=/bin/true"), "killed-c.service.d/x.conf": "[Unit]\nDescription=c\n",
				"killed-d.timer": "[Timer]\nOnCalendar=2030-01-01\n", "killed-d.service": program(build),
			}
		}
		r.want(units(1))
		r.apply(0)
		build := 1
		for _, after := range []string{"0.02", "0.05", "0.08", "0.11", "0.15", "0.2", "0.3", "0.45", "0.7", "1.1", "1.6"} {
			build++
			r.want(units(build))
			r.n.Run(t.Context(), append([]string{"timeout", "--signal=KILL", after}, r.command("apply", "--stable", "300ms")...)...)
			_, got := r.apply(0, "--stable", "300ms")
			for _, a := range got.Actions {
				if a.Result != "done" {
					r.t.Errorf("killed after %s s, then: %+v", after, a)
				}
			}
			for p, content := range units(build) {
				r.file(p, content)
			}
			for _, unit := range []string{"killed-a.service", "killed-b.service", "killed-c.service"} {
				r.state(unit, "active/running")
				if log := r.n.Journal(unit); !strings.Contains(log, "build "+strconv.Itoa(build)) {
					r.t.Errorf("killed after %s s: %s does not run build %d", after, unit, build)
				}
			}
			_, got = r.apply(0, "--stable", "0s")
			for _, a := range got.Actions {
				if a.Action != "none" {
					r.t.Errorf("killed after %s s, the second run after it: %+v", after, a)
				}
			}
		}
		if left := r.n.Must("find", unitDir, "-name", ".confapply-tmp*"); left != "" {
			r.t.Errorf("left over: %s", left)
		}
	})

	inCase(t, shared, "killed-while-broken", func(r *rig) {
		good := program(1)
		r.want(files{"kb.service": good})
		r.apply(0)
		r.want(files{"kb.service": "[Service]\nExecStart=/bin/sh -c 'sleep 1; exit 1'\n"})
		r.n.Run(t.Context(), append([]string{"timeout", "--signal=KILL", "0.5"}, r.command("apply", "--stable", "5s")...)...)
		_, got := r.apply(1, "--stable", "3s")
		r.expect(got, "kb.service", "restart", "rolled-back", "does not stay up")
		r.file("kb.service", good)
		r.state("kb.service", "active/running")
	})

	inCase(t, shared, "interrupted", func(r *rig) {
		good := program(1)
		r.want(files{"int.service": good})
		r.apply(0)
		r.want(files{"int.service": program(2)})
		_, got := r.run(3, append([]string{"timeout", "--preserve-status", "--signal=TERM", "1"}, r.command("apply", "--stable", "20s")...))
		r.expect(got, "int.service", "update", "rolled-back", "interrupted; back at what was there before")
		r.file("int.service", good)
		r.state("int.service", "active/running")
		if log := r.n.Journal("int.service"); strings.Count(log, "build 1") != 2 || strings.Count(log, "build 2") != 1 {
			r.t.Errorf("started:\n%s", log)
		}
	})

	inCase(t, shared, "bus-restarted", func(r *rig) {
		r.want(files{"bus.service": program(1)})
		r.apply(0)
		r.want(files{"bus.service": program(2)})
		end := r.begin("--stable", "3s")
		time.Sleep(time.Second)
		// systemctl has a way of its own to systemd
		r.n.Must("systemctl", "stop", "dbus.socket", "dbus.service")
		time.Sleep(time.Second)
		r.n.Must("systemctl", "start", "dbus.socket", "dbus.service")
		r.expect(end(0), "bus.service", "update", "done", "ExecStart differs")
		if starts := strings.Count(r.n.Journal("bus.service"), "build 2"); starts != 1 {
			r.t.Errorf("build 2 was started %d times", starts)
		}
		r.file("bus.service", program(2))
		r.state("bus.service", "active/running")

		// restarted while a job is under way: its end is missed, and seen all the same
		r.want(files{"bus.service": "[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/sh -c 'sleep 3; systemd-notify --ready; exec sleep 9999'\n"})
		end = r.begin("--stable", "1s")
		time.Sleep(1500 * time.Millisecond)
		// systemctl has a way of its own to systemd
		r.n.Must("systemctl", "stop", "dbus.socket", "dbus.service")
		time.Sleep(time.Second)
		r.n.Must("systemctl", "start", "dbus.socket", "dbus.service")
		r.expect(end(0), "bus.service", "update", "done", "ExecStart, NotifyAccess")
		r.state("bus.service", "active/running")
	})
}

// TestFullDisk has a unit folder without room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	shared := machine(t)
	shared.Must("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", unitDir)
	inCase(t, shared, "full", func(r *rig) {
		one := program(1)
		r.want(files{"full.service": one, "full.service.d/a.conf": "[Unit]\nDescription=one\n"})
		r.apply(0)
		same := r.kept("full.service")
		r.n.Run(t.Context(), "dd", "if=/dev/zero", "of="+unitDir+"/ballast", "bs=1k", "count=200")
		r.want(files{"full.service": program(2), "full.service.d/a.conf": "[Unit]\nDescription=two\n"})
		stderr, got := r.apply(3)
		r.expect(got, "full.service", "update", "failed", "no space left on device")
		if !strings.Contains(stderr, "failed") {
			r.t.Errorf("stderr: %s", stderr)
		}
		r.file("full.service", one)
		r.file("full.service.d/a.conf", "[Unit]\nDescription=one\n")
		same()
		// what would be stopped by its old file first goes on as well, and is still enabled
		r.want(files{"full.service": one + "ExecStop=/bin/true\n[Install]\nWantedBy=basic.target\n#" + strings.Repeat("x", 8000) + "\n"})
		_, got = r.apply(3)
		r.expect(got, "full.service", "update", "failed", "no space left on device")
		r.file("full.service", one)
		same()
		r.want(files{"full.service": program(2), "full.service.d/a.conf": "[Unit]\nDescription=two\n"})
		r.n.Must("rm", unitDir+"/ballast")
		if left := r.n.Must("find", unitDir, "-name", ".confapply-tmp*"); left != "" {
			r.t.Errorf("left over: %s", left)
		}
		_, got = r.apply(0)
		r.expect(got, "full.service", "update", "done", "")
		r.file("full.service", program(2))
	})
}
