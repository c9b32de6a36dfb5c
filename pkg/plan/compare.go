package plan

import (
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// An Effect is what becomes of the running unit.
type Effect string

// The effects.
const (
	DoNothing Effect = ""
	DoStart   Effect = "start"
	DoStop    Effect = "stop"
	DoRestart Effect = "restart"
	// DoCycle stops the unit by its old file and starts it by the new one. What
	// depends on it and stopped with it is started again.
	DoCycle  Effect = "stop-start"
	DoReload Effect = "reload"
)

// A change is what the difference between two versions of a unit asks for while
// the unit is up.
type change struct {
	effect Effect
	why    string
	// install tells that [Install] differs, so that the unit is to be enabled
	// anew.
	install bool
}

// inert are keys of [Unit] that a running unit needs no restart for: they
// describe it, or the manager looks at them the next time it needs them
// (as NixOS's switch-to-configuration has it).
var inert = []string{
	"AllowIsolate", "CollectMode", "Description", "Documentation", "IgnoreOnIsolate",
	"OnFailure", "OnFailureJobMode", "OnSuccess", "OnSuccessJobMode", "RefuseManualStart", "RefuseManualStop",
	"SourcePath", "StopWhenUnneeded",
}

// stopping are the keys of [Service] by which a program is stopped. When they
// differ, the old program has to be stopped by the old ones.
var stopping = []string{
	"ExecStop", "ExecStopPost", "FinalKillSignal", "KillMode", "KillSignal", "RestartKillSignal",
	"SendSIGHUP", "SendSIGKILL", "TimeoutStopFailureMode", "TimeoutStopSec", "WatchdogSignal",
}

// compare decides what a running unit of that name needs to get from the old
// settings to the new ones. The keys X-SwitchMethod, X-RestartIfChanged,
// X-ReloadIfChanged, X-StopIfChanged and X-OnlyManualStart are heeded as
// NixOS and sd-switch do.
func compare(name string, before, after settings) change {
	var c change
	var restart, reload []setting
	quiet, stops := "", false
	for _, at := range differing(before, after) {
		switch {
		case at.section == "Install":
			c.install = true
		case strings.HasPrefix(at.section, "X-"):
			// systemd ignores the section
		case at.section == "Unit" && slices.Contains(inert, at.key):
			quiet = at.key
		case at.section == "Unit" && at.key == "X-Reload-Triggers",
			at.section == "Mount" && at.key == "Options":
			reload = append(reload, at)
		case at.section == "Service" && at.key == "ExecReload":
			if after.sets(at) {
				reload = append(reload, at)
			} else {
				quiet = at.key
			}
		default:
			restart = append(restart, at)
			stops = stops || at.section == "Service" && slices.Contains(stopping, at.key)
		}
	}

	switch {
	case len(restart) > 0:
		c.effect, c.why = restartBy(name, stops, before, after)
		c.why = list(restart) + c.why
	case len(reload) > 0:
		c.effect, c.why = DoReload, list(reload)+", reload"
	case c.install:
		c.why = "[Install] differs, no restart"
	case quiet != "":
		c.why = quiet + " differs, no restart"
	default:
		c.why = "nothing that systemd reads differs, no restart"
	}
	return c
}

// restartBy picks the way of a restart, and says why if there is none.
func restartBy(name string, stops bool, before, after settings) (Effect, string) {
	switch method := after.last("Unit", "X-SwitchMethod"); method {
	case "keep-old":
		return DoNothing, ", not restarted: X-SwitchMethod=keep-old"
	case "reload":
		return DoReload, ", reload: X-SwitchMethod=reload"
	case "restart":
		return DoRestart, ""
	case "stop-start":
		return DoCycle, ""
	case "stop-only":
		return DoStop, ", stopped: X-SwitchMethod=stop-only"
	}
	for _, section := range []string{"Unit", "Service"} {
		switch { // a unit that is to be reloaded may say that it is not to be restarted
		case after.is(section, "X-ReloadIfChanged", true):
			return DoReload, ", reload: X-ReloadIfChanged=yes"
		case after.is(section, "X-RestartIfChanged", false):
			return DoNothing, ", not restarted: X-RestartIfChanged=no"
		case after.is(section, "X-OnlyManualStart", true):
			return DoNothing, ", not restarted: X-OnlyManualStart=yes"
		}
	}
	for _, key := range []string{"RefuseManualStart", "RefuseManualStop"} {
		if after.is("Unit", key, true) {
			return DoNothing, ", not restarted: " + key + "=yes"
		}
	}
	if before.is("Unit", "RefuseManualStop", true) {
		return DoRestart, "" // by its old file it could not be stopped
	}
	switch unitname.Kind(name) {
	case "slice", "target":
		return DoNothing, ", no restart for a " + unitname.Kind(name)
	}
	if name == "-.mount" {
		return DoReload, ", reload: the root of all files is never unmounted"
	}
	for _, section := range []string{"Unit", "Service"} {
		switch {
		case after.is(section, "X-StopIfChanged", true):
			return DoCycle, ""
		case after.is(section, "X-StopIfChanged", false):
			return DoRestart, ""
		}
	}
	if stops {
		return DoCycle, ""
	}
	return DoRestart, ""
}

// reloadable reports whether systemd can reload such a unit (can_reload in its
// unit types): a service by a command or a message, a mount by mounting it again.
func reloadable(name string, s settings) bool {
	switch unitname.Kind(name) {
	case "service":
		return s.last("Service", "ExecReload") != "" || s.last("Service", "Type") == "notify-reload"
	case "mount":
		return true
	}
	return false
}

// list names up to three settings.
func list(ats []setting) string {
	const most = 3
	var names []string
	for _, at := range ats[:min(len(ats), most)] {
		names = append(names, at.key)
	}
	more := ""
	if len(ats) > most {
		more = " and more"
	}
	verb := " differs"
	if len(ats) > 1 {
		verb = " differ"
	}
	return strings.Join(names, ", ") + more + verb
}
