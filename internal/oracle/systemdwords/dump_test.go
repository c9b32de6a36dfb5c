package systemdwords

import (
	"slices"
	"testing"
)

func TestUnquote(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string // nil if the line cannot have been printed
	}{
		{`/bin/a b c`, []string{"/bin/a", "b", "c"}},
		{`a "" ""`, []string{"a", "", ""}},
		{`a "b c" "\"" "\\" "\$A" "\` + "`" + `"`, []string{"a", "b c", `"`, `\`, "$A", "`"}},
		{`"a\nb" "\\n" "\\\n" "\033\177\001"`, []string{"a\nb", `\n`, "\\\n", "\x1b\x7f\x01"}},
		{`a "it's" é`, []string{"a", "it's", "é"}},
		{`a  b`, nil},
		{`a b `, nil},
		{`a "b`, nil},
		{`a "b"c`, nil},
		{`a\b`, nil},
		{`"\q"`, nil},
		{`"\`, nil},
		{``, nil},
	} {
		got, err := unquote(c.line)
		if !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("unquote(%s) = %q, %v; want %q", c.line, got, err, c.want)
		}
	}
}

func TestParseDump(t *testing.T) {
	const dump = "\t-> Unit a.service:\n\t\tDescription: x\n\t\tEnvironment: A=b c\n\t\tUnsetEnvironment: B\n\t\t-> ExecStartPre:\n\t\t\tCommand Line: /bin/a \"\"\n\t\t\tCommand Line: b\n" +
		"\t\t-> ExecStart:\n\t\t\tCommand Line: c\n\t-> Unit b.socket:\n\t\t-> ExecStopPre:\n\t\t\tCommand Line: d\n"
	units, err := parseDump(dump)
	if err != nil || len(units) != 2 {
		t.Fatalf("%d units, %v", len(units), err)
	}
	a := units[0]
	if a.name != "a.service" || len(a.commands) != 3 || a.commands[0].Key != "ExecStartPre" || !slices.Equal(a.commands[0].Argv, []string{"/bin/a", ""}) ||
		a.commands[2].Key != "ExecStart" || !slices.Equal(a.environment, []string{"A=b c"}) || !slices.Equal(a.unset, []string{"B"}) {
		t.Errorf("first unit %+v", a)
	}
	if b := units[1]; b.name != "b.socket" || len(b.commands) != 1 || b.commands[0].Key != "ExecStopPre" {
		t.Errorf("second unit %+v", b)
	}
}
