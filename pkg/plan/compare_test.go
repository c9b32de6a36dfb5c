package plan

import (
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

func settingsOf(t *testing.T, text string) settings {
	t.Helper()
	doc, err := unitfile.Parse(&source.File{Name: "a", Bytes: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return settings(nil).with(doc, nil).sorted()
}

// TestCompareKeys: what one key that differs, or a wish of the unit's, comes to.
func TestCompareKeys(t *testing.T) {
	const nothing = DoNothing
	type row struct {
		unit, section, key string
		want               Effect
	}
	var rows []row
	for _, key := range strings.Fields("AllowIsolate CollectMode Description Documentation IgnoreOnIsolate OnFailure OnFailureJobMode " +
		"OnSuccess RefuseManualStart SourcePath StopWhenUnneeded") {
		rows = append(rows, row{"a.service", "Unit", key, nothing}, row{"a.service", "Service", key, DoRestart})
	}
	rows = append(rows,
		row{"a.service", "Install", "WantedBy", nothing}, row{"a.service", "X-Any", "Key", nothing},
		row{"a.service", "Unit", "X-Reload-Triggers", DoReload}, row{"a.service", "Unit", "X-Restart-Triggers", DoRestart},
		row{"a.service", "Unit", "After", DoRestart}, row{"a.service", "Service", "Environment", DoRestart},
		row{"a.service", "Service", "ExecReload", DoReload}, row{"a.mount", "Mount", "Options", DoReload}, row{"a.mount", "Mount", "What", DoRestart},
		row{"-.mount", "Mount", "What", DoReload}, row{"a.slice", "Slice", "MemoryMax", nothing}, row{"a.target", "Unit", "Wants", nothing},
		row{"a.timer", "Timer", "OnCalendar", DoRestart}, row{"a.socket", "Socket", "ListenStream", DoRestart}, row{"a.path", "Path", "PathExists", DoRestart},
	)
	for _, key := range stopping {
		rows = append(rows, row{"a.service", "Service", key, DoCycle})
	}
	for _, tt := range rows {
		before, after := settingsOf(t, "["+tt.section+"]\n"+tt.key+"=1\n"), settingsOf(t, "["+tt.section+"]\n"+tt.key+"=2\n")
		if c := compare(tt.unit, before, after); c.effect != tt.want {
			t.Errorf("%s: [%s] %s: %q, want %q", tt.unit, tt.section, tt.key, c.effect, tt.want)
		}
	}

	for _, tt := range []struct {
		wishes string
		want   Effect
	}{
		{"[Unit]\nX-SwitchMethod=keep-old\n", nothing},
		{"[Unit]\nX-SwitchMethod=reload\n", DoReload},
		{"[Unit]\nX-SwitchMethod=restart\n", DoRestart},
		{"[Unit]\nX-SwitchMethod=stop-start\n", DoCycle},
		{"[Unit]\nX-SwitchMethod=stop-only\n", DoStop},
		{"[Unit]\nX-SwitchMethod=other\n", DoCycle},
		{"[Unit]\nX-SwitchMethod=restart\nX-RestartIfChanged=no\n", DoRestart},
		{"[Unit]\nX-RestartIfChanged=no\n", nothing},
		{"[Service]\nX-RestartIfChanged=false\n", nothing},
		{"[Service]\nX-RestartIfChanged=yes\n", DoCycle},
		{"[Service]\nX-ReloadIfChanged=yes\n", DoReload},
		{"[Service]\nX-ReloadIfChanged=true\nX-RestartIfChanged=false\n", DoReload},
		{"[Unit]\nRefuseManualStop=yes\n", nothing},
		{"[Unit]\nX-OnlyManualStart=yes\n", nothing},
		{"[Unit]\nX-StopIfChanged=yes\n", DoCycle},
		{"[Service]\nX-StopIfChanged=no\n", DoRestart},
	} {
		both := func(n string) settings {
			return settingsOf(t, tt.wishes+"[Service]\nExecStart=/bin/a "+n+"\nExecStop=/bin/b "+n+"\n")
		}
		if c := compare("a.service", both("1"), both("2")); c.effect != tt.want {
			t.Errorf("%q: %q, want %q", tt.wishes, c.effect, tt.want)
		}
	}
}
