//go:build lab

package apply

import (
	"encoding/base64"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// A sight is what a run can change on a node: the files of the unit folder by their
// path below it, and the units that systemd has loaded.
type sight struct {
	files map[string]string
	units map[string]seen
}

// seen is one unit as systemd has it.
type seen struct{ invocation, active, sub string }

func (s seen) up() bool {
	return slices.Contains([]string{"active", "reloading", "activating"}, s.active)
}

// look takes in the node as it is.
func (r *rig) look() sight {
	r.t.Helper()
	s := sight{map[string]string{}, map[string]seen{}}
	out := r.n.Must("sh", "-c", "cd "+unitDir+" && find . -maxdepth 2 -type f ! -name '.confapply*' -printf '%P ' -exec base64 -w0 {} ';' -printf '\\n'"+
		" && echo && systemctl show --property=Id,InvocationID,ActiveState,SubState '*'")
	files, units, _ := strings.Cut(out, "\n\n")
	for line := range strings.Lines(files) {
		p, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		content, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			r.t.Fatalf("%q: %v", line, err)
		}
		s.files[p] = string(content)
	}
	for block := range strings.SplitSeq(units, "\n\n") {
		of := map[string]string{}
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			of[key] = value
		}
		s.units[of["Id"]] = seen{of["InvocationID"], of["ActiveState"], of["SubState"]}
	}
	return s
}

// of are the files of one unit.
func (s sight) of(unit string) map[string]string {
	files := map[string]string{}
	for p, content := range s.files {
		if unitname.Of(p) == unit {
			files[p] = content
		}
	}
	return files
}

// witness holds every line of a report against what was on the node before and is
// after: files, invocations, states, and the exit code. What a case is about, it looks
// at itself.
func (r *rig) witness(code int, got report, before, after sight) {
	r.t.Helper()
	count := map[string]int{}
	for _, a := range got.Actions {
		count[a.Action]++
		count[a.Result]++
		r.witnessOne(got, a, before, after)
	}
	for word, n := range got.Summary {
		if n != count[word] {
			r.t.Errorf("the summary counts %d %s, the actions %d", n, word, count[word])
		}
	}
	bad := count["failed"] + count["rolled-back"]
	if good := bad == 0 && count["conflict"] == 0; good && code != 0 && code != 4 || !good && code == 0 || bad > 0 && code != 1 && code != 3 ||
		(got.Error == "") != (code == 0) {
		r.t.Errorf("exit code %d, error %q: %v", code, got.Error, got.Summary)
	}
}

func (r *rig) witnessOne(got report, a action, before, after sight) {
	r.t.Helper()
	was, is := before.units[a.Unit], after.units[a.Unit]
	fault := func(what string) {
		r.t.Helper()
		r.t.Errorf("%s, but %+v\nbefore %+v %q\nafter  %+v %q", what, a, was, before.of(a.Unit), is, after.of(a.Unit))
	}
	says := func(part string) bool { return strings.Contains(a.Reason, part) }
	job := strings.Contains(after.files[a.Unit], "Type=oneshot")
	alone := !r.restless && unitname.Kind(a.Unit) == "service" && !unitname.IsTemplate(a.Unit) && !r.reached(got, a.Unit, before, after)

	switch {
	case a.Action == "none" || a.Action == "conflict" || a.Result == "skipped" || a.Result == "failed":
		if !maps.Equal(before.of(a.Unit), after.of(a.Unit)) {
			fault("its files changed")
		}
		if alone && !job && was != is && a.Result != "failed" {
			fault("it is another one now")
		}
	case a.Result == "rolled-back":
		if a.Action != "restart" && !maps.Equal(before.of(a.Unit), after.of(a.Unit)) {
			fault("its files are not what they were")
		}
		if alone && a.Action != "restart" && !job && was.up() != is.up() {
			fault("it is not as it was")
		}
	case a.Action == "delete":
		if _, left := after.files[a.Unit]; left && !says("is left") {
			fault("its file is there")
		}
		if _, own := before.files[a.Unit]; own && alone && is.up() && !says("not stopped") {
			fault("it is up")
		}
	default:
		for p, content := range r.wanted {
			if now, there := after.files[p]; unitname.Of(p) == a.Unit && (!there || now != content) {
				fault(p + " is not as wanted")
			}
		}
		quiet := says("no restart") || says("not restarted") || says("reload") || says("not started") || says("started by") ||
			says("byte for byte") || says("removed by hand")
		switch {
		case !alone || job || says("new drop-in") || says("cut off"): // it depends on what there was
		case quiet && was.up() && was.invocation != is.invocation:
			fault("it was restarted")
		case !quiet && (was.invocation == is.invocation || !is.up()):
			fault("it was not started anew")
		}
	}
}

// reached reports whether a change of another unit may have reached this one.
func (r *rig) reached(got report, unit string, before, after sight) bool {
	text := before.files[unit] + after.files[unit]
	for _, a := range got.Actions {
		if a.Action == "none" || a.Action == "conflict" || a.Unit == unit {
			continue
		}
		stem := strings.TrimSuffix(a.Unit, path.Ext(a.Unit))
		if strings.Contains(text, a.Unit) || stem+".service" == unit || unitname.TemplateOf(unit) == a.Unit {
			return true
		}
	}
	return false
}
