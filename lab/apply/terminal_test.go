//go:build lab

package apply

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/scripttest"
)

// TestTerminal looks at what a person sees while steps are under way.
func TestTerminal(t *testing.T) {
	t.Parallel()
	shared := machine(t)
	const slow = "[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/sh -c 'sleep 1.4; systemd-notify --ready; exec sleep 9999'\n"
	onTerminal := func(r *rig, code int, typed func(string) string, args ...string) string {
		r.t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		command := slices.DeleteFunc(r.command("apply", args...), func(arg string) bool { return arg == "--json" })
		inside := r.n.Command(ctx, command...)
		// nsenter, between the terminal and the program, is not to end by Ctrl-C
		cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `trap "" INT; exec "$@"`, "sh"}, inside.Args...)...)
		stream, got := scripttest.OnTerminal(r.t, 100, cmd, typed)
		if got != code {
			r.t.Fatalf("%q: exit %d, want %d\n%q", command, got, code, stream)
		}
		for _, line := range scripttest.Screen(r.t, 1000, stream) {
			if strings.HasPrefix(line, "confapply: [") || strings.Contains(line, "^C") {
				r.t.Errorf("%q is left of %q", line, stream)
			}
		}
		return stream
	}
	frames := func(r *rig, stream string, want ...string) {
		r.t.Helper()
		at := 0
		for _, frame := range want {
			next := strings.Index(stream[at:], "\rconfapply: "+frame+"\x1b[K")
			if next < 0 {
				r.t.Fatalf("%q does not come behind what is before it in %q", frame, stream)
			}
			at += next
		}
	}

	inCase(t, shared, "seen", func(r *rig) {
		r.want(files{"seen.service": slow})
		frames(r, onTerminal(r, 0, nil, "--stable", "2s"),
			"[1/1] create seen.service … waiting for the job, 0s",
			"[1/1] create seen.service … waiting for the job, 1s",
			"[1/1] create seen.service … up, stable in 2s",
			"[1/1] create seen.service … up, stable in 1s")

		r.want(files{"seen.service": "[Service]\nExecStart=/bin/sh -c 'sleep 1; exit 1'\n"})
		frames(r, onTerminal(r, 1, nil, "--stable", "3s"),
			"[1/1] update seen.service … up, stable in 3s",
			"[1/1] update seen.service … rolling back, 0s",
			"[1/1] update seen.service … rolling back, 1s")
	})

	inCase(t, shared, "several", func(r *rig) {
		r.want(files{"one.service": slow, "three.service": program(1), "two.service": slow})
		frames(r, onTerminal(r, 0, nil, "--stable", "1500ms", "--batch", "3"),
			"[1-3/3] 3 of 3: one.service, three.service and 1 more … waiting for the job, 1s",
			"[1-3/3] 3 of 3: one.service, three.service and 1 more … up, stable in 1s")
	})

	inCase(t, shared, "interrupted", func(r *rig) {
		r.want(files{"interrupted.service": program(1), "later.service": program(1)})
		typed := false
		stream := onTerminal(r, 3, func(stream string) string {
			if typed || !strings.Contains(stream, "stable in 29s") {
				return ""
			}
			typed = true
			return "\x03" // Ctrl-C
		}, "--stable", "30s")
		frames(r, stream, "[1/2] create interrupted.service … up, stable in 29s")
		if last := scripttest.Screen(r.t, 1000, stream); last[len(last)-1] != "confapply: error: interrupted" {
			r.t.Errorf("%q", stream)
		}
		r.t.Logf("%q", stream)
	})
}
