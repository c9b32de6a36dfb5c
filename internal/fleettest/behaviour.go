package fleettest

import (
	"path"
	"strconv"
	"strings"
)

// behaviour is what becomes of a unit that is started.
type behaviour struct {
	load              string // other than loaded
	active, sub       string
	end               float64 // seconds until it is otherwise, 0 for never
	endActive, endSub string
}

// behave reads it off the unit. Programs go by their base names: "false" fails,
// "true" ends well, "dies N" fails after N seconds, "missing" is not there; what
// has the word "broken" in its command fails too, and all others stay up. A
// service that is to notify never does.
func behave(name string, options []option) behaviour {
	switch path.Ext(name) {
	case ".timer", ".path", ".automount":
		return behaviour{active: "active", sub: "waiting"}
	case ".socket":
		return behaviour{active: "active", sub: "listening"}
	case ".mount":
		return behaviour{active: "active", sub: "mounted"}
	case ".target", ".slice":
		return behaviour{active: "active", sub: "active"}
	}
	words := strings.Fields(last(options, "Service", "ExecStart"))
	if len(words) == 0 {
		return behaviour{load: "bad-setting"}
	}
	program := strings.TrimLeft(words[0], "-@+!:|")
	if !strings.HasPrefix(program, "/") {
		return behaviour{load: "bad-setting"}
	}
	oneshot := last(options, "Service", "Type") == "oneshot"
	remains := strings.HasPrefix(last(options, "Service", "RemainAfterExit"), "y")
	b := behaviour{active: "active", sub: "running"}
	base := path.Base(program)
	switch {
	case base == "false", base == "missing", strings.Contains(strings.Join(words, " "), "broken"):
		b = behaviour{active: "failed", sub: "failed"}
	case base == "dies":
		b.end, b.endActive, b.endSub = 1, "failed", "failed"
		if len(words) > 1 {
			if n, err := strconv.ParseFloat(words[1], 64); err == nil {
				b.end = n
			}
		}
	case base == "true" && remains:
		b.sub = "exited"
	case base == "true":
		b = behaviour{active: "inactive", sub: "dead"}
	case oneshot:
		b = behaviour{active: "activating", sub: "start"}
	case last(options, "Service", "Type") == "notify":
		b = behaviour{active: "activating", sub: "start", end: 90, endActive: "failed", endSub: "failed"}
	}
	if last(options, "Service", "Restart") == "always" {
		if b.active == "failed" {
			b.active, b.sub, b.end, b.endActive, b.endSub = "activating", "auto-restart", 0, "", ""
		}
		if b.endActive == "failed" {
			b.endActive, b.endSub = "activating", "auto-restart"
		}
	}
	return b
}

// stopTime is how many seconds a unit takes to end: what was measured, or as many
// as [Service] X-StopTakes= says.
func stopTime(options []option) float64 {
	if instant(options) {
		return 0.05
	}
	if n, err := strconv.ParseFloat(last(options, "Service", "X-StopTakes"), 64); err == nil {
		return n
	}
	return 0.7
}

// instant reports whether a unit ends as soon as it is told to: such a one is
// gone before fleet has cleaned up after it.
func instant(options []option) bool { return last(options, "Service", "KillSignal") == "SIGKILL" }
