package fleet

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/corpus"
	"github.com/unitstamp/unitstamp/internal/fleettest"
	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

func TestRefused(t *testing.T) {
	e := open(nil, "", "confapply")
	const ok = "[Service]\nExecStart=/bin/a\n"
	for _, tt := range []struct{ unit, text, want string }{
		{"a.service", ok, ""},
		{"a@1.service", ok, ""},
		{"a@.service", ok, ""},
		{"a.timer", "[Timer]\nOnCalendar=daily\n", ""},
		{"a.target", "[Unit]\nDescription=a\n", `fleet runs no units of the kind "target"`},
		{"a.slice", "[Unit]\nDescription=a\n", `fleet runs no units of the kind "slice"`},
		{"a.swap", "[Swap]\nWhat=/dev/a\n", `fleet runs no units of the kind "swap"`},
		{"a.container", "[Container]\nImage=a\n", "podman's generator"},
		{"a@1.mount", "[Mount]\nWhat=/dev/a\n", "templates and instances of path, service, socket, timer only"},
		{"a.service", "# nothing\n", "without any setting"},
		{"a.service", "[Unit]\nDescription=a\n", "a service without any command"},
		{"a.service", "[Service]\nExecStart=a b\n", `ExecStart=: "a" is no absolute path`},
		{"a.service", "[Service]\nExecStart=-@a b\n", `ExecStart=: "a" is no absolute path`},
		{"a.service", ok + "ExecStop=\"a b\" c\n", `ExecStop=: "a" is no absolute path`},
		{"a.service", ok + "ExecStartPre=-/bin/a\nExecStartPre=\nExecStop=%h/x\nExecStopPost=\"/bin/a b\"\n", ""},
		{"a@1.service", ok + "ExecStop=%i/x\n", `ExecStop=: "%i/x" is no absolute path`},
		{"a.service", ok + "X=" + strings.Repeat("x", 2045) + "\n", ""},
		{"a.service", ok + "X=" + strings.Repeat("x", 2046) + "\n", "X= is a line of 2048 bytes once it is joined, fleet takes less than 2048"},
		{"a.service", ok + "X=" + strings.Repeat("x", 1500) + " \\\n" + strings.Repeat("x", 1500) + "\n", "is a line of 3004 bytes once it is joined"},
		{"a.service", ok + "X=a\\\\\n", "backslash"},
		{"a.service", ok + "[X]Y]\nZ=1\n", `would not read the section "X]Y" back`},
		{"a.service", ok + "[X-Confapply]\nOwner=me\n", "is set by confapply itself"},
		{"a.service", ok + "[Install]\nWantedBy=multi-user.target\nAlias=b.service c@%i.service\n", ""},
		{"a.service", ok + "[Install]\nWantedBy=multi-user\n", `[Install] WantedBy=: "multi-user" is no name of a unit`},
		{"a.service", ok + "[Install]\nWantedBy=multi/user.target\n", `"multi/user.target" is no name`},
		{"a.service", ok + "[Install]\nRequiredBy=.target\n", `".target" is no name`},
		{"a.service", ok + "[Install]\nAlias=b.timer\n", `Alias=: "b.timer" is no service`},
		{"a.service", ok + "[Install]\nAlso=b.service\n", "Also=b.service: fleet cannot enable"},
		{"a.service", ok + "[X-Fleet]\nGlobal=true\nMachineMetadata=a=b\n", ""},
		{"a.service", ok + "[X-Fleet]\nMachineof=b.service\n", `[X-Fleet] has no "Machineof"`},
		{"a.service", ok + "[X-Fleet]\nMachineID=1\nConflicts=b*\n", "MachineID= cannot be used with Conflicts="},
		{"a.service", ok + "[X-Fleet]\nX-ConditionMachineID=1\nX-ConditionMachineOf=b.service\n", "MachineID= cannot be used with MachineOf="},
		{"a.service", ok + "[X-Fleet]\nMachineID=1\nGlobal=yes\n", "MachineID= cannot be used with Global="},
		{"a.service", ok + "[X-Fleet]\nMachineID=1\nReplaces=b.service\n", "MachineID= cannot be used with Replaces="},
		{"a.service", ok + "[X-Fleet]\nGlobal=on\nMachineOf=b.service\n", "MachineOf= cannot be used with Global="},
		{"a.service", ok + "[X-Fleet]\nGlobal=on\nReplaces=b.service\n", "Replaces= cannot be used with Global="},
		{"a.service", ok + "[X-Fleet]\nGlobal=on\nGlobal=false\nReplaces=b.service\n", ""},
		{"a.service", ok + "[X-Fleet]\nConflicts=a*\nReplaces=b.service\n", "Conflicts= cannot be used with Replaces="},
		{"a@1.service", ok + "[X-Fleet]\nConflicts=b@*\nMachineOf=b@%i.service\n", "MachineOf=b@1.service is one of Conflicts=b@*"},
	} {
		err := e.Check(units(files{tt.unit: tt.text}))
		var input *plan.InputError
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s\n%s: %v", tt.unit, tt.text, err)
		case tt.want != "" && (!errors.As(err, &input) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s\n%s: error %v, want %s", tt.unit, tt.text, err, tt.want)
		}
	}
	dropin := []plan.Unit{{Name: "a.service", Files: plan.Files{"a.service": {Data: []byte(ok)}, "a.service.d/x.conf": {Data: []byte(ok)}}}}
	if err := e.Check(dropin); err == nil || !strings.Contains(err.Error(), "fleet has no drop-ins") {
		t.Error(err)
	}
}

// TestCorpus: what passes the check fleet stores as it was sent, of both
// generations, and takes for the same when it is read again.
func TestCorpus(t *testing.T) {
	passed := 0
	for _, version := range []string{fleettest.New, fleettest.Old} {
		inOne(t, fleettest.Options{Version: version}, func(l *lab) {
			for _, f := range corpus.Units(t) {
				name := filepath.Base(f.Name)
				u := plan.Unit{Name: name, Files: plan.Files{name: {Data: f.Bytes}}}
				if !unitname.Valid(name) || plan.Validate([]plan.Unit{u}) != nil || l.engine.Check([]plan.Unit{u}) != nil {
					continue
				}
				passed++
				o, err := normalise(name, f.Bytes)
				if err != nil {
					l.Fatal(err)
				}
				want := apiUnit{Name: name, Options: o.marked(name, "confapply").inAPI(), DesiredState: inactive}
				if status, err := l.engine.api.put(l.Context(), want); err != nil || status != 201 {
					l.Errorf("%s: %d %v", f.Name, status, err)
					continue
				}
				got, err := l.engine.api.unit(l.Context(), name)
				if err != nil || !got.options().same(want.options()) || got.options().hash() != want.options().hash() {
					l.Errorf("%s: %v\nsent %q\nheld %q", f.Name, err, want.options().serialise(), got.options().serialise())
				}
				if err := l.engine.api.destroy(l.Context(), name); err != nil {
					l.Fatal(err)
				}
			}
		})
	}
	if passed == 0 {
		t.Error("no unit passed")
	}
	t.Logf("%d units sent", passed)
}
