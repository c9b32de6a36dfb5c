package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

const (
	v1 = "[Service]\nExecStart=/usr/bin/docker run myrepo/a:57-develop\n"
	v2 = "[Service]\nExecStart=/usr/bin/docker run myrepo/a:58-develop\n"
)

// world is an observed target in a few words, for tests.
type world struct {
	files  map[string]string // what stands there; "-> x" is a link, "!x" something else
	owned  map[string]string // what the record says was written, by path
	states map[string]string // load/active, as in "loaded/active"
	others map[string]string
	dir    bool // nothing runs
	edit   func(*Observed)
}

func (w world) observed() *Observed {
	o := &Observed{
		Files: Files{}, Owned: map[string]Entry{}, Others: w.others,
		States: map[string]State{}, Instances: map[string][]string{}, Running: !w.dir,
	}
	for p, content := range w.files {
		switch {
		case strings.HasPrefix(content, "-> "):
			o.Files[p] = File{Link: content[3:]}
		case strings.HasPrefix(content, "!"):
			o.Files[p] = File{Other: content[1:]}
		default:
			o.Files[p] = File{Data: []byte(content)}
		}
	}
	for p, content := range w.owned {
		name := unitname.Of(p)
		e := o.Owned[name]
		if e.Unit == "" {
			e = Entry{Unit: name, Files: map[string]string{}}
		}
		e.Files[p] = Sum(File{Data: []byte(content)})
		o.Owned[name] = e
	}
	for _, name := range sortedKeys(w.states) {
		state := w.states[name]
		load, active, _ := strings.Cut(state, "/")
		o.States[name] = State{Load: load, Active: active, Vendor: strings.HasSuffix(active, "!"), Fragment: "/usr/lib/systemd/system/" + name}
		s := o.States[name]
		s.Active = strings.TrimSuffix(active, "!")
		o.States[name] = s
		if template := unitname.TemplateOf(name); template != "" {
			o.Instances[template] = append(o.Instances[template], name)
		}
	}
	if w.edit != nil {
		w.edit(o)
	}
	return o
}

func units(files map[string]string) []Unit {
	byName := map[string]Files{}
	for p, content := range files {
		name := unitname.Of(p)
		if byName[name] == nil {
			byName[name] = Files{}
		}
		byName[name][p] = File{Data: []byte(content)}
	}
	var list []Unit
	for _, name := range sortedKeys(byName) {
		list = append(list, Unit{name, byName[name]})
	}
	return list
}

// describe is a step in one line: action unit effect(targets) reason.
func (s *Step) describe() string {
	text := string(s.Action) + " " + s.Unit
	if s.Effect != DoNothing {
		text += fmt.Sprintf(" %s%v", s.Effect, s.Targets)
	}
	if s.Enable {
		text += " enable"
	}
	if s.Disable {
		text += " disable"
	}
	return text + ": " + s.Reason
}

func TestMake(t *testing.T) {
	mine := func(files map[string]string, states map[string]string) world {
		return world{files: files, owned: files, states: states}
	}
	type m = map[string]string
	for _, tt := range []struct {
		name   string
		wanted m
		world  world
		opts   Options
		want   []string // describe, one a step; a suffix of "…" stands for any end
	}{
		{"new", m{"a.service": v1}, world{}, Options{}, []string{"create a.service start[a.service]: new"}},
		{"new in a folder", m{"a.service": v1}, world{dir: true}, Options{}, []string{"create a.service: new"}},
		{"new and enabled", m{"a.service": v1 + "[Install]\nWantedBy=x.target\n"}, world{}, Options{}, []string{"create a.service start[a.service] enable: new"}},
		{"up to date", m{"a.service": v1}, mine(m{"a.service": v1}, m{"a.service": "loaded/active"}), Options{}, []string{"none a.service: up to date"}},
		{"update", m{"a.service": v2}, mine(m{"a.service": v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service restart[a.service]: ExecStart differs"}},
		{"update of one that is down", m{"a.service": v2}, mine(m{"a.service": v1}, m{"a.service": "loaded/inactive"}), Options{},
			[]string{"update a.service start[a.service]: ExecStart differs"}},
		{"update in a folder", m{"a.service": v2}, world{files: m{"a.service": v1}, owned: m{"a.service": v1}, dir: true}, Options{},
			[]string{"update a.service: ExecStart differs"}},
		{"description", m{"a.service": "[Unit]\nDescription=b\n" + v1}, mine(m{"a.service": v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service: Description differs, no restart"}},
		{"comment", m{"a.service": "#\n" + v1}, mine(m{"a.service": v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service: nothing that systemd reads differs, no restart"}},
		{"own section", m{"a.service": v1 + "[X-Unitstamp]\nHold=yes\n"}, mine(m{"a.service": v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service: nothing that systemd reads differs, no restart"}},
		{"ExecReload", m{"a.service": v1 + "ExecReload=/bin/true\n"}, mine(m{"a.service": v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"reload a.service reload[a.service]: ExecReload differs, reload"}},
		{"ExecReload of one that is down", m{"a.service": v1 + "ExecReload=/bin/true\n"}, mine(m{"a.service": v1}, m{"a.service": "loaded/inactive"}), Options{},
			[]string{"update a.service: ExecReload differs, reload"}},
		{"ExecReload gone", m{"a.service": v1}, mine(m{"a.service": v1 + "ExecReload=/bin/true\n"}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service: ExecReload differs, no restart"}},
		{"ExecStop", m{"a.service": v1 + "ExecStop=/bin/true\n"}, mine(m{"a.service": v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service stop-start[a.service]: ExecStop differs"}},
		{"install only", m{"a.service": v1 + "[Install]\nWantedBy=x.target\n"}, mine(m{"a.service": v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service enable: [Install] differs, no restart"}},
		{"X-RestartIfChanged", m{"a.service": "[Unit]\nX-RestartIfChanged=false\n" + v2}, mine(m{"a.service": v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service: ExecStart, X-RestartIfChanged differ, not restarted: X-RestartIfChanged=no"}},
		{"X-SwitchMethod", m{"a.service": "[Unit]\nX-SwitchMethod=keep-old\n" + v2}, mine(m{"a.service": v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service: ExecStart, X-SwitchMethod differ, not restarted: X-SwitchMethod=keep-old"}},
		{"X-ReloadIfChanged before", m{"a.service": "[Service]\nExecReload=/r\nX-ReloadIfChanged=yes\nX-RestartIfChanged=no\n" + v2}, mine(m{"a.service": "[Service]\nExecReload=/r\nX-ReloadIfChanged=yes\nX-RestartIfChanged=no\n" + v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"reload a.service reload[a.service]: ExecStart differs, reload: X-ReloadIfChanged=yes"}},
		{"reload without a command", m{"a.service": "[Unit]\nX-ReloadIfChanged=yes\n" + v2}, mine(m{"a.service": "[Unit]\nX-ReloadIfChanged=yes\n" + v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service: ExecStart differs, reload: X-ReloadIfChanged=yes, not reloaded: systemd cannot without ExecReload="}},
		{"reload by message", m{"a.service": "[Unit]\nX-ReloadIfChanged=yes\n" + v2 + "Type=notify-reload\n"}, mine(m{"a.service": v1 + "Type=notify-reload\n"}, m{"a.service": "loaded/active"}), Options{},
			[]string{"reload a.service reload[a.service]: ExecStart, X-ReloadIfChanged differ, reload: X-ReloadIfChanged=yes"}},
		{"drop-in that reloads a vendor's unit", m{"a.service.d/x.conf": "[Unit]\nX-Reload-Triggers=2\n"},
			mine(m{"a.service.d/x.conf": "[Unit]\nX-Reload-Triggers=1\n"}, m{"a.service": "loaded/active!"}), Options{},
			[]string{"reload a.service reload[a.service]: X-Reload-Triggers differs, reload"}},
		{"RefuseManualStart", m{"a.service": "[Unit]\nRefuseManualStart=yes\n" + v2}, mine(m{"a.service": "[Unit]\nRefuseManualStart=yes\n" + v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service: ExecStart differs, not restarted: RefuseManualStart=yes"}},
		{"RefuseManualStop before", m{"a.service": v1 + "ExecStop=/s\n"}, mine(m{"a.service": "[Unit]\nRefuseManualStop=yes\n" + v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service restart[a.service]: ExecStop differs"}},
		{"RefuseManualStop, not wanted", m{"b.service": v1}, mine(m{"b.service": v1, "a.service": "[Unit]\nRefuseManualStop=yes\n" + v1}, m{"a.service": "loaded/active", "b.service": "loaded/active"}), Options{},
			[]string{"delete a.service disable: no longer wanted, not stopped: RefuseManualStop=yes", "none b.service: up to date"}},
		{"not wanted and required", m{"b.service": "[Unit]\nRequires=a.service c.service\n" + v1}, mine(m{"b.service": "[Unit]\nRequires=a.service c.service\n" + v1, "a.service": v1}, m{"a.service": "loaded/active", "b.service": "loaded/active"}), Options{},
			[]string{"delete a.service stop[a.service] disable: no longer wanted, although b.service cannot do without", "none b.service: up to date"}},
		{"an instance's drop-in goes with the template", m{"b.service": v1}, mine(m{"b.service": v1, "a@.service": v1, "a@1.service.d/x.conf": "[Service]\nUser=a\n"}, m{"a@1.service": "loaded/active", "b.service": "loaded/active"}), Options{},
			[]string{"delete a@.service stop[] disable: no longer wanted", "delete a@1.service stop[a@1.service]: no longer wanted", "none b.service: up to date"}},
		{"a drop-in goes whose unit is gone", m{"b.service": v1}, mine(m{"b.service": v1, "a.service.d/x.conf": "[Service]\nUser=a\n"}, m{"a.service": "not-found/active", "b.service": "loaded/active"}), Options{},
			[]string{"delete a.service: no longer wanted", "none b.service: up to date"}},
		{"a timer's service that may never end", m{"a.service": v2, "a.timer": "[Timer]\n"}, mine(m{"a.service": v1, "a.timer": "[Timer]\n"}, m{"a.service": "loaded/active", "a.timer": "loaded/active"}), Options{},
			[]string{"update a.service restart[a.service]: ExecStart differs", "none a.timer: up to date"}},
		{"a timer's job that failed", m{"a.service": v1, "a.timer": "[Timer]\n"}, mine(m{"a.service": v1, "a.timer": "[Timer]\n"}, m{"a.service": "loaded/failed", "a.timer": "loaded/active"}), Options{Repair: true},
			[]string{"none a.service: has failed, its files are up to date, started by a.timer", "none a.timer: up to date"}},
		{"connections", m{"a@.service": v2, "a.socket": "[Socket]\nAccept=yes\n"}, mine(m{"a@.service": v1, "a.socket": "[Socket]\nAccept=yes\n"}, m{"a.socket": "loaded/active", "a@0-1:2-3:4.service": "loaded/active"}), Options{},
			[]string{"update a@.service: ExecStart differs, open connections go on as they are: a.socket starts it for each", "none a.socket: up to date"}},
		{"started again and again", m{"a.service": v1}, world{files: m{"a.service": v1}, owned: m{"a.service": v1}, edit: func(o *Observed) {
			o.States["a.service"] = State{Load: "loaded", Active: "activating", Sub: "auto-restart", Result: "exit-code"}
		}}, Options{},
			[]string{"none a.service: has failed (exit-code) and is started again and again, its files are up to date"}},
		{"a note", m{"a.service": v1}, world{files: m{"a.service": v1}, owned: m{"a.service": v1}, edit: func(o *Observed) {
			o.States["a.service"] = State{Load: "loaded", Active: "failed", Note: "noted"}
		}}, Options{},
			[]string{"none a.service: has failed, its files are up to date, noted"}},
		{"root", m{"-.mount": "[Mount]\nWhat=/dev/b\nWhere=/\n"}, mine(m{"-.mount": "[Mount]\nWhat=/dev/a\nWhere=/\n"}, m{"-.mount": "loaded/active"}), Options{},
			[]string{"reload -.mount reload[-.mount]: What differs, reload: the root of all files is never unmounted"}},
		{"X-ReloadIfChanged", m{"a.service": "[Unit]\nX-ReloadIfChanged=yes\n" + v2 + "ExecReload=/r\n"}, mine(m{"a.service": v1 + "ExecReload=/r\n"}, m{"a.service": "loaded/active"}), Options{},
			[]string{"reload a.service reload[a.service]: ExecStart, X-ReloadIfChanged differ, reload: X-ReloadIfChanged=yes"}},
		{"target", m{"a.target": "[Unit]\nWants=b.service\n"}, mine(m{"a.target": "[Unit]\n"}, m{"a.target": "loaded/active"}), Options{},
			[]string{"update a.target: Wants differs, no restart for a target"}},
		{"order inside a key", m{"a.service": "[Service]\nExecStartPre=/b\nExecStartPre=/a\n"},
			mine(m{"a.service": "[Service]\nExecStartPre=/a\nExecStartPre=/b\n"}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service restart[a.service]: ExecStartPre differs"}},
		{"order of keys", m{"a.service": "[Service]\nExecStart=/b\nUser=a\n"},
			mine(m{"a.service": "[Service]\nUser=a\nExecStart=/b\n"}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service: nothing that systemd reads differs, no restart"}},
		{"value cleared", m{"a.service": "[Service]\nExecStart=/a\nExecStart=\nExecStart=/b\n"},
			mine(m{"a.service": "[Service]\nExecStart=/b\n"}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service: nothing that systemd reads differs, no restart"}},
		{"timer", m{"a.service": v1, "a.timer": "[Timer]\nOnCalendar=daily\n"}, world{}, Options{},
			[]string{"create a.service: new, started by a.timer", "create a.timer start[a.timer]: new"}},
		{"timer of another unit", m{"a.service": v1, "b.timer": "[Timer]\nUnit=a.service\n"}, world{}, Options{},
			[]string{"create a.service: new, started by b.timer", "create b.timer start[b.timer]: new"}},
		{"socket of instances", m{"a@.service": v1, "a.socket": "[Socket]\nAccept=yes\n"}, world{}, Options{},
			[]string{"create a@.service: new", "create a.socket start[a.socket]: new"}},
		{"drop-in", m{"a.service": v1, "a.service.d/x.conf": "[Service]\nUser=a\n"}, mine(m{"a.service": v1}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service restart[a.service]: User differs"}},
		{"drop-in gone", m{"a.service": v1}, mine(m{"a.service": v1, "a.service.d/x.conf": "[Service]\nUser=a\n"}, m{"a.service": "loaded/active"}), Options{},
			[]string{"update a.service restart[a.service]: User differs"}},
		{"drop-in for a vendor's unit", m{"a.service.d/x.conf": "[Service]\nUser=a\n"}, world{states: m{"a.service": "loaded/active!"}}, Options{},
			[]string{"create a.service restart[a.service]: new drop-in"}},
		{"drop-in for a vendor's unit that is down", m{"a.service.d/x.conf": "[Service]\nUser=a\n"}, world{states: m{"a.service": "loaded/inactive!"}}, Options{},
			[]string{"create a.service: new drop-in"}},
		{"template", m{"a@.service": v2}, mine(m{"a@.service": v1}, m{"a@1.service": "loaded/active", "a@2.service": "loaded/failed"}), Options{},
			[]string{"update a@.service restart[a@1.service a@2.service]: ExecStart differs"}},
		{"template and an instance of its own", m{"a@.service": v2, "a@1.service": v1},
			mine(m{"a@.service": v1, "a@1.service": v1}, m{"a@1.service": "loaded/active"}), Options{},
			[]string{"update a@.service: ExecStart differs", "none a@1.service: up to date"}},
		{"drop-in of a template", m{"a@.service": v1, "a@1.service": v1, "a@.service.d/x.conf": "[Service]\nUser=a\n"},
			mine(m{"a@.service": v1, "a@1.service": v1}, m{"a@1.service": "loaded/active"}), Options{},
			[]string{"update a@.service restart[a@1.service]: User differs", "none a@1.service: up to date"}},
		{"default instance", m{"a@.service": v1 + "[Install]\nDefaultInstance=x\n"}, world{}, Options{},
			[]string{"create a@.service start[a@x.service] enable: new"}},

		{"foreign", m{"a.service": v1}, world{files: m{"a.service": v1}}, Options{Owner: "me"},
			[]string{`conflict a.service: a.service is there and was not put there by owner "me"`}},
		{"foreign, adopted, same", m{"a.service": v1}, world{files: m{"a.service": v1}}, Options{Owner: "me", Adopt: true},
			[]string{`adopt a.service: a.service is there and was not put there by owner "me", the same byte for byte`}},
		{"foreign, adopted", m{"a.service": v2}, world{files: m{"a.service": v1}, states: m{"a.service": "loaded/active"}}, Options{Owner: "me", Adopt: true},
			[]string{`adopt a.service restart[a.service]: a.service is there and was not put there by owner "me", ExecStart differs`}},
		{"another owner's", m{"a.service": v1}, world{files: m{"a.service": v1}, others: m{"a.service": "you"}}, Options{Owner: "me"},
			[]string{`conflict a.service: it belongs to owner "you"`}},
		{"vendor's", m{"a.service": v1}, world{states: m{"a.service": "loaded/active!"}}, Options{},
			[]string{"conflict a.service: a unit of that name comes from /usr/lib/systemd/system/a.service"}},
		{"vendor's, adopted", m{"a.service": v1}, world{states: m{"a.service": "loaded/active!"}}, Options{Adopt: true},
			[]string{"adopt a.service restart[a.service]: a unit of that name comes from /usr/lib/systemd/system/a.service"}},
		{"foreign drop-in", m{"a.service": v1, "a.service.d/x.conf": "[Service]\n"},
			world{files: m{"a.service": v1, "a.service.d/x.conf": "#\n"}, owned: m{"a.service": v1}, states: m{"a.service": "loaded/active"}}, Options{Owner: "me"},
			[]string{`conflict a.service: a.service.d/x.conf is there and was not put there by owner "me"`}},
		{"foreign beside an own drop-in, adopted", m{"a.service": v2, "a.service.d/x.conf": "#\n"},
			world{files: m{"a.service": v1, "a.service.d/x.conf": "#\n"}, owned: m{"a.service.d/x.conf": "#\n"}, states: m{"a.service": "loaded/active"}}, Options{Owner: "me", Adopt: true},
			[]string{`adopt a.service restart[a.service]: a.service is there and was not put there by owner "me", ExecStart differs`}},
		{"foreign beside an own drop-in, adopted, same", m{"a.service": v1, "a.service.d/x.conf": "#\n"},
			world{files: m{"a.service": v1, "a.service.d/x.conf": "#\n"}, owned: m{"a.service.d/x.conf": "#\n"}, states: m{"a.service": "loaded/active"}}, Options{Owner: "me", Adopt: true},
			[]string{`adopt a.service restart[a.service]: a.service is there and was not put there by owner "me", its files are as wanted, but not by an earlier run`}},
		{"masked", m{"a.service": v1}, world{files: m{"a.service": "-> /dev/null"}, states: m{"a.service": "masked/inactive"}}, Options{Adopt: true},
			[]string{"conflict a.service: it is masked on the target"}},
		{"owned and masked", m{"a.service": v2}, world{files: m{"a.service": "-> /dev/null"}, owned: m{"a.service": v1}}, Options{Repair: true},
			[]string{"none a.service: masked on the target: left alone"}},
		{"a folder in the way", m{"a.service": v1}, world{files: m{"a.service": "!a folder"}}, Options{Adopt: true},
			[]string{"conflict a.service: a.service is a folder"}},

		{"changed by hand", m{"a.service": v1}, world{files: m{"a.service": v2}, owned: m{"a.service": v1}, states: m{"a.service": "loaded/active"}}, Options{},
			[]string{"none a.service: changed by hand: a.service"}},
		{"changed by hand, repaired", m{"a.service": v1}, world{files: m{"a.service": v2}, owned: m{"a.service": v1}, states: m{"a.service": "loaded/active"}}, Options{Repair: true},
			[]string{"update a.service restart[a.service]: changed by hand: a.service"}},
		{"changed by hand and a new build", m{"a.service": v2}, world{files: m{"a.service": "#\n" + v1}, owned: m{"a.service": v1}, states: m{"a.service": "loaded/active"}}, Options{},
			[]string{"update a.service restart[a.service]: ExecStart differs, although changed by hand: a.service"}},
		{"changed by hand to what is wanted", m{"a.service": v2}, world{files: m{"a.service": v2}, owned: m{"a.service": v1}, states: m{"a.service": "loaded/active"}}, Options{},
			[]string{"update a.service restart[a.service]: its files are as wanted, but not by an earlier run"}},
		{"removed by hand", m{"a.service": v1}, world{owned: m{"a.service": v1}, states: m{"a.service": "not-found/inactive"}}, Options{},
			[]string{"create a.service start[a.service]: a.service was removed by hand"}},
		{"removed by hand while it runs", m{"a.service": v1}, world{owned: m{"a.service": v1}, states: m{"a.service": "loaded/active"}}, Options{},
			[]string{"create a.service: a.service was removed by hand"}},
		{"stopped by hand", m{"a.service": v1}, mine(m{"a.service": v1}, m{"a.service": "loaded/inactive"}), Options{},
			[]string{"none a.service: stopped by hand, its files are up to date"}},
		{"stopped by hand, repaired", m{"a.service": v1}, mine(m{"a.service": v1}, m{"a.service": "loaded/inactive"}), Options{Repair: true},
			[]string{"start a.service start[a.service]: stopped by hand, its files are up to date"}},
		{"failed", m{"a.service": v1}, mine(m{"a.service": v1}, m{"a.service": "loaded/failed"}), Options{},
			[]string{"none a.service: has failed, its files are up to date"}},
		{"oneshot", m{"a.service": v1 + "Type=oneshot\n"}, mine(m{"a.service": v1 + "Type=oneshot\n"}, m{"a.service": "loaded/inactive"}), Options{Repair: true},
			[]string{"none a.service: up to date"}},
		{"a job at work", m{"a.service": v2 + "Type=oneshot\n", "a.timer": "[Timer]\n"},
			mine(m{"a.service": v1 + "Type=oneshot\n", "a.timer": "[Timer]\n"}, m{"a.service": "loaded/activating", "a.timer": "loaded/active"}), Options{},
			[]string{"update a.service: ExecStart differs, not restarted: it is at work, a.timer starts it anew", "none a.timer: up to date"}},

		{"deletion", m{"b.service": v1}, mine(m{"a.service": v1, "b.service": v1}, m{"a.service": "loaded/active", "b.service": "loaded/active"}), Options{},
			[]string{"delete a.service stop[a.service] disable: no longer wanted", "none b.service: up to date"}},
		{"deletion, kept running", m{"b.service": v1}, mine(m{"a.service": v1 + "[Unit]\nX-StopOnRemoval=no\n", "b.service": v1}, m{"b.service": "loaded/active"}), Options{},
			[]string{"delete a.service disable: no longer wanted, not stopped: X-StopOnRemoval=no", "none b.service: up to date"}},
		{"deletion of what is gone", m{"b.service": v1}, world{files: m{"b.service": v1}, owned: m{"a.service": v1, "b.service": v1}, dir: true}, Options{},
			[]string{"delete a.service: no longer wanted, its files are gone already", "none b.service: up to date"}},
		{"deletions come last", m{"b.service": v2, "z.service": v2}, mine(m{"a.service": v1, "b.service": v1, "z.service": v2}, m{"b.service": "loaded/active", "z.service": "loaded/active"}), Options{},
			[]string{"update b.service restart[b.service]: ExecStart differs", "delete a.service stop[a.service] disable: no longer wanted", "none z.service: up to date"}},
		{"self", m{"a.service": v2, "a.timer": "[Timer]\nOnCalendar=a\n"},
			mine(m{"a.service": v1, "a.timer": "[Timer]\nOnCalendar=b\n"}, m{"a.service": "loaded/activating", "a.timer": "loaded/active"}), Options{Self: "a.service"},
			[]string{"update a.service: ExecStart differs, not restarted: this run is part of it",
				"update a.timer: OnCalendar differs, not restarted: this run is part of it"}},
		{"self is never deleted", m{"b.service": v1}, mine(m{"a.service": v1, "a.timer": "[Timer]\n", "b.service": v1}, m{"b.service": "loaded/active"}), Options{Self: "a.service"},
			[]string{"none a.service: this run is part of it: it is never deleted by itself",
				"none a.timer: this run is part of it: it is never deleted by itself", "none b.service: up to date"}},

		{"after", m{"a.service": "[Unit]\nAfter=c.service\n" + v1, "b.service": v1, "c.service": v1}, world{}, Options{},
			[]string{"create c.service…", "create a.service…", "create b.service…"}},
		{"before", m{"a.service": v1, "b.service": v1, "c.service": "[Unit]\nBefore=a.service b.service\n" + v1}, world{}, Options{},
			[]string{"create c.service…", "create a.service…", "create b.service…"}},
		{"after through one that stays", m{"a.service": "[Unit]\nAfter=b.service\n" + v2, "b.service": "[Unit]\nAfter=c.service\n" + v1, "c.service": v2},
			mine(m{"a.service": "[Unit]\nAfter=b.service\n" + v1, "b.service": "[Unit]\nAfter=c.service\n" + v1, "c.service": v1},
				m{"a.service": "loaded/active", "b.service": "loaded/active", "c.service": "loaded/active"}), Options{},
			[]string{"update c.service…", "update a.service…", "none b.service…"}},
		{"after in a circle", m{"a.service": "[Unit]\nAfter=b.service\n" + v1, "b.service": "[Unit]\nAfter=a.service\n" + v1}, world{}, Options{},
			[]string{"create b.service…", "create a.service…"}},
		{"pending, written", m{"a.service": v2}, world{files: m{"a.service": v2}, owned: m{"a.service": v2}, states: m{"a.service": "loaded/active"}, edit: pending("a.service", v1)}, Options{},
			[]string{"restart a.service restart[a.service]: an earlier run was cut off before it had seen the unit up"}},
		{"pending, not written", m{"a.service": v2}, world{files: m{"a.service": v1}, owned: m{"a.service": v2}, states: m{"a.service": "loaded/active"}, edit: pending("a.service", v1)}, Options{},
			[]string{"update a.service restart[a.service]: ExecStart differs, an earlier run was cut off"}},
		{"pending and new", m{"a.service": v2}, world{owned: m{"a.service": v2}, states: m{"a.service": "not-found/inactive"}, edit: pending("a.service", "")}, Options{},
			[]string{"create a.service start[a.service]: new, an earlier run was cut off"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.opts.MaxDelete = Limit{N: 5}
			p := Make(units(tt.wanted), tt.world.observed(), tt.opts)
			var got []string
			for _, s := range p.Steps {
				got = append(got, s.describe())
			}
			if len(got) != len(tt.want) {
				t.Fatalf("steps:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			for i, want := range tt.want {
				if prefix, any := strings.CutSuffix(want, "…"); got[i] != want && !(any && strings.HasPrefix(got[i], prefix)) {
					t.Errorf("step %d: %s\nwant:   %s", i+1, got[i], want)
				}
			}
		})
	}
}

// pending marks a unit's entry as one that was begun; "" is a unit that is new.
func pending(name, before string) func(*Observed) {
	return func(o *Observed) {
		e := o.Owned[name]
		e.Pending = true
		if before != "" {
			e.Previous = Files{name: File{Data: []byte(before)}}
			e.Ran = true
		}
		o.Owned[name] = e
	}
}

func TestRefusals(t *testing.T) {
	type m = map[string]string
	many := m{}
	for i := range 10 {
		many[fmt.Sprintf("u%d.service", i)] = v1
	}
	old := world{files: many, owned: many, dir: true}
	for _, tt := range []struct {
		name   string
		wanted m
		world  world
		opts   Options
		want   string // part of the only refusal, "" for none
	}{
		{"empty", m{}, world{dir: true}, Options{MaxDelete: Limit{N: 5}}, "no unit is wanted"},
		{"empty allowed", m{}, world{dir: true}, Options{AllowEmpty: true}, ""},
		{"too many", m{"a.service": v1}, old, Options{MaxDelete: Limit{N: 9}}, "10 units would be deleted, at most 9 may be"},
		{"just enough", m{"a.service": v1}, old, Options{MaxDelete: Limit{N: 10}}, ""},
		{"too great a share", m{"u0.service": v1}, old, Options{MaxDelete: Limit{89, true}}, "9 units would be deleted, at most 89% may be"},
		{"just the share", m{"u0.service": v1}, old, Options{MaxDelete: Limit{90, true}}, ""},
		{"conflict", m{"a.service": v1}, world{files: m{"a.service": v1}, dir: true}, Options{}, "a.service: a.service is there"},
		{"stamped", m{"a.service": v1, "b.service": "[Service]\nExecStart=/bin/true\n"}, world{dir: true}, Options{RequireStamped: true}, ""},
		{"unstamped", m{"a.service": "[Service]\nExecStart=/usr/bin/docker run myrepo/a:latest\n"}, world{dir: true}, Options{RequireStamped: true}, `"myrepo/a:latest" carries no build's tag`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Make(units(tt.wanted), tt.world.observed(), tt.opts)
			switch {
			case tt.want == "" && len(p.Refusals) == 0:
			case len(p.Refusals) != 1 || !strings.Contains(p.Refusals[0].Reason, tt.want) || tt.want == "":
				t.Errorf("refusals %v, want %q", p.Refusals, tt.want)
			}
		})
	}
}

func TestSelection(t *testing.T) {
	wanted := units(map[string]string{
		"a.service": v1, "b.service": v2,
		"c.service": "[Service]\nExecStart=/usr/bin/docker run other/c:58-master\n",
		"d.service": "[Service]\nExecStart=/usr/bin/docker run myrepo/a:latest\n",
		"e.service": "[Service]\nExecStart=/bin/true\n",
	})
	observed := world{
		files: map[string]string{"gone.service": v1, "gone2.service": "[Service]\n"},
		owned: map[string]string{"gone.service": v1, "gone2.service": "[Service]\n"}, dir: true,
	}.observed()
	for _, tt := range []struct {
		names          []string
		branch, builds string
		images         []string
		want           string
	}{
		{nil, "", "", nil, "a b c d e gone gone2"},
		{[]string{"b.service"}, "", "", nil, "b"},
		{[]string{"b.service", "gone*"}, "", "", nil, "b gone gone2"},
		{nil, "develop", "", nil, "a b gone"},
		{nil, "", ">=58", nil, "b c"},
		{nil, "master", ">=58", nil, "c"},
		{nil, "", "", []string{"docker.io/myrepo/a"}, "a b gone"},
		{[]string{"?.service"}, "develop", "57", []string{"docker.io/myrepo/a"}, "a"},
		{[]string{"x*"}, "", "", nil, ""},
	} {
		sel := Selection{Names: tt.names, Images: tt.images}
		var err error
		if sel.Builds, err = buildtag.ParseSelection(tt.branch, tt.builds, buildtag.Options{}); err != nil {
			t.Fatal(err)
		}
		p := Make(wanted, observed, Options{Select: sel, MaxDelete: Limit{N: 5}})
		var names []string
		for _, s := range p.Steps {
			names = append(names, s.Unit)
		}
		if got := strings.ReplaceAll(strings.Join(sorted(names), " "), ".service", ""); got != tt.want || p.Matched != len(names) {
			t.Errorf("%+v: %s, want %s", tt, got, tt.want)
		}
	}
}

func sorted(names []string) []string {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return sortedKeys(m)
}

func TestMalformed(t *testing.T) {
	err := Validate(units(map[string]string{"a.service": "[Service\n"}))
	var input *InputError
	if !errors.As(err, &input) || input.Path != "a.service:1:1" {
		t.Errorf("error %v", err)
	}
}

func TestGroups(t *testing.T) {
	type m = map[string]string
	up := m{}
	before := m{}
	after := m{
		"a.service": "[Unit]\nRequires=hub.service\n", "hub.service": "[Unit]\nRequires=b.service\n", "b.service": "",
		"c.service": "", "d.service": "[Unit]\nPartOf=c.service\n",
		"e.timer": "[Timer]\n", "e.service": "", "h.service": "[Install]\nAlso=i.service\n", "i.service": "",
		"f.service": "[Unit]\nAfter=a.service\n", "g.service": "[Unit]\nAfter=f.service\nBefore=c.service\n",
	}
	for name := range after {
		after[name] += "[Service]\nUser=new\n"
		before[name] = strings.Replace(after[name], "new", "old", 1)
		up[name] = "loaded/active"
	}
	before["hub.service"] = after["hub.service"]
	p := Make(units(after), world{files: before, owned: before, states: up}.observed(), Options{})
	var got []string
	for _, group := range p.Groups() {
		var names []string
		for _, s := range group {
			names = append(names, s.Unit)
		}
		got = append(got, strings.Join(names, " "))
	}
	want := "a.service b.service | f.service | g.service | c.service d.service | e.service e.timer | h.service i.service"
	if strings.Join(got, " | ") != want {
		t.Errorf("groups %s\nwant   %s", strings.Join(got, " | "), want)
	}
}

// TestPutOff: where any change restarts a unit, what is no reason for that waits
// while the unit is up.
func TestPutOff(t *testing.T) {
	const base = "[Unit]\nDescription=a\n[Service]\nExecStart=/bin/a\nExecReload=/bin/b\n"
	replace := func(old, new string) string { return strings.Replace(base, old, new, 1) }
	for _, tt := range []struct {
		name, want    string
		foreign, down bool
		action        Action
		effect        Effect
		reason        string
	}{
		{"Description", replace("=a", "=b"), false, false, None, DoNothing, "Description differs, no restart, put off: any change would restart it"},
		{"Description of one that is down", replace("=a", "=b"), false, true, Update, DoNothing, "Description differs, no restart"},
		{"ExecReload", replace("/bin/b", "/bin/c"), false, false, None, DoNothing, "ExecReload differs, put off: any change would restart it"},
		{"ExecStart", replace("/bin/a", "/bin/c"), false, false, Update, DoRestart, "ExecStart differs"},
		{"X-RestartIfChanged", replace("/bin/a", "/bin/c") + "[Unit]\nX-RestartIfChanged=no\n", false, false, None, DoNothing, "ExecStart, X-RestartIfChanged differ, not restarted: X-RestartIfChanged=no, put off: any change would restart it"},
		{"X-Fleet", base + "[X-Fleet]\nGlobal=yes\n", false, false, Update, DoRestart, "[X-Fleet] Global differs"},
		{"adopted as it is", base, true, false, Adopt, DoRestart, `a.service is there and was not put there by owner "", the same byte for byte, restarted: the owner is written into it`},
		{"adopted", replace("=a", "=b"), true, false, Adopt, DoRestart, `a.service is there and was not put there by owner "", Description differs, no restart, restarted: the owner is written into it`},
	} {
		w := world{files: map[string]string{"a.service": base}, states: map[string]string{"a.service": "loaded/active"}}
		if !tt.foreign {
			w.owned = map[string]string{"a.service": base}
		}
		if tt.down {
			w.states["a.service"] = "loaded/inactive"
		}
		o := w.observed()
		o.Replaces = true
		s := Make(units(map[string]string{"a.service": tt.want}), o, Options{Adopt: true}).Steps[0]
		if s.Action != tt.action || s.Effect != tt.effect || s.Reason != tt.reason || (s.Action == None) != (len(s.Changes) == 0) {
			t.Errorf("%s: %s %q, %s, %d changes", tt.name, s.Action, s.Effect, s.Reason, len(s.Changes))
		}
	}
}

// TestPeersComeFirst: a unit that is bound to the machine of another is changed
// after that.
func TestPeersComeFirst(t *testing.T) {
	p := Make(units(map[string]string{
		"a@1.service": "[Service]\n[X-Fleet]\nMachineOf=%p-b@%i.service\n", "a-b@1.service": "[Service]\n",
		"c.service": "[Service]\n[X-Fleet]\nX-ConditionMachineOf=d.service\n", "d.service": "[Service]\n",
	}), world{}.observed(), Options{})
	var names []string
	for _, s := range p.Steps {
		names = append(names, s.Unit)
	}
	if got := strings.Join(names, " "); got != "a-b@1.service a@1.service d.service c.service" {
		t.Errorf("order %s", got)
	}
}

// TestChainStaysSmall: of a long chain each step names the next ones alone, and
// passes over those that do not act.
func TestChainStaysSmall(t *testing.T) {
	const length = 2000
	files, there := map[string]string{}, map[string]string{}
	name := func(i int) string { return fmt.Sprintf("u%04d.service", i) }
	for i := range length {
		text := v1
		if i > 0 {
			text = "[Unit]\nAfter=" + name(i-1) + "\nRequires=" + name(i-1) + "\n" + v1
		}
		files[name(i)] = text
		if i%2 == 1 {
			there[name(i)] = text
		}
	}
	p := Make(units(files), world{files: there, owned: there, states: map[string]string{}}.observed(), Options{})
	last := ""
	for _, s := range p.Steps {
		if !s.Acts() {
			continue
		}
		want := "[]"
		if last != "" {
			want = "[" + last + "]"
		}
		if s.Unit < last || fmt.Sprint(s.Needs) != want || fmt.Sprint(s.Waits) != want {
			t.Fatalf("%s after %s needs %v and waits for %v", s.Unit, last, s.Needs, s.Waits)
		}
		last = s.Unit
	}
	if groups := p.Groups(); len(groups) != 1 || len(groups[0]) != length/2 {
		t.Errorf("%d groups", len(groups))
	}
}

// TestReverseOfAReload: what could not be reloaded before is not reloaded on the
// way back.
func TestReverseOfAReload(t *testing.T) {
	for _, tt := range []struct {
		before, after string
		want          Effect
	}{
		{v1, v1 + "ExecReload=/r\n", DoNothing},
		{v1 + "ExecReload=/r\n", v1 + "ExecReload=/s\n", DoReload},
	} {
		before := map[string]string{"a.service": tt.before}
		w := world{files: before, owned: before, states: map[string]string{"a.service": "loaded/active"}}
		s := Make(units(map[string]string{"a.service": tt.after}), w.observed(), Options{}).Steps[0]
		if s.Effect != DoReload || s.Reverse().Effect != tt.want {
			t.Errorf("%q, then %q: %q, back by %q", tt.before, tt.after, s.Effect, s.Reverse().Effect)
		}
	}
}

// TestMaskHint: a mask that ends with the boot is lifted in another way.
func TestMaskHint(t *testing.T) {
	for fragment, want := range map[string]string{
		"/etc/systemd/system/a.service": "systemctl unmask a.service lifts the mask",
		"/run/systemd/system/a.service": "systemctl unmask --runtime a.service lifts the mask",
	} {
		w := world{edit: func(o *Observed) { o.States["a.service"] = State{Load: "masked", Fragment: fragment} }}
		p := Make(units(map[string]string{"a.service": v1}), w.observed(), Options{})
		if len(p.Refusals) != 1 || p.Refusals[0].Hint != want {
			t.Errorf("%s: %v", fragment, p.Refusals)
		}
	}
}
