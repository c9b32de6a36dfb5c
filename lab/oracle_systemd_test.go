//go:build lab

package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/oracle/systemdwords"
)

func readUnits(t *testing.T, units []systemdwords.Unit) []systemdwords.Reading {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	readings, err := systemdwords.Read(ctx, units)
	if err != nil {
		t.Fatal(err)
	}
	return readings
}

// The words are recovered from a printed form. Every byte that an argument can
// hold is sent through systemd here, alone, doubled, between letters, and next
// to a backslash, and must come back as it was.
func TestOracleSystemdReturnsEveryByte(t *testing.T) {
	var want []string
	text := "[Service]\nType=oneshot\n"
	for b := 1; b < 256; b++ {
		escape := fmt.Sprintf(`\x%02x`, b)
		char := string([]byte{byte(b)})
		if b == '%' {
			char, escape = "%", "%%"
		}
		words := []string{char, char + char, "a" + char + "b", `\` + char, char + `\n`, "é" + char}
		if b >= 0x80 {
			// A word that is not UTF-8 is refused by systemd.
			char = string(rune(b))
			escape = fmt.Sprintf(`\u%04x`, b)
			words = []string{char, char + char, "a" + char + "b", `\` + char, char + `\n`, "é" + char}
		}
		text += "ExecStart=/bin/x"
		for _, form := range []string{"%s", "%s%s", "a%sb", `\\%s`, `%s\\n`, "é%s"} {
			text += " " + strings.ReplaceAll(form, "%s", escape)
		}
		text += "\n"
		want = append(want, words...)
	}
	reading := readUnits(t, []systemdwords.Unit{{Name: "bytes.service", Source: []byte(text)}})[0]
	if reading.Refused != "" {
		t.Fatalf("refused: %s", reading.Refused)
	}
	var got []string
	for _, command := range reading.Commands {
		got = append(got, command.Argv[1:]...)
	}
	if len(got) != len(want) {
		t.Fatalf("%d words, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("word %d is %q, want %q", i, got[i], want[i])
		}
	}
}

func TestOracleSystemdJudges(t *testing.T) {
	cases := []struct {
		name, source string
		commands     []string // key and words, joined by |
		refused      string   // part of the reason
		relaxed      bool
	}{
		{name: "plain", source: "[Service]\nExecStart=docker run a\n", commands: []string{"ExecStart|docker|run|a"}},
		{name: "empty word", source: "[Service]\nExecStart=/d \"\" '' x\n", commands: []string{"ExecStart|/d|||x"}},
		{name: "two commands", source: "[Service]\nType=oneshot\nExecStart=/d a ; /e b\n", commands: []string{"ExecStart|/d|a", "ExecStart|/e|b"}},
		{name: "argv0", source: "[Service]\nExecStart=@/d e f\n", commands: []string{"ExecStart|e|f"}},
		{name: "variables stay", source: "[Service]\nExecStart=/d $A ${B} $$\n", commands: []string{"ExecStart|/d|$A|${B}|$$"}},
		{name: "name", source: "[Service]\nExecStart=/d %n %%n\n", commands: []string{"ExecStart|/d|u3.service|%n"}},
		{name: "unbalanced", source: "[Service]\nExecStart=/d \"a\n", refused: "Unbalanced quoting"},
		{name: "specifier", source: "[Service]\nExecStart=/d %Z\n", refused: "Failed to resolve unit specifiers"},
		{name: "not utf-8", source: "[Service]\nExecStart=/d \xff\n", refused: "Invalid argument"},
		{name: "two starts", source: "[Service]\nExecStart=/d a\nExecStart=/d b\n", commands: []string{"ExecStart|/d|a", "ExecStart|/d|b"},
			refused: "more than one ExecStart=", relaxed: true},
		{name: "stop only", source: "[Service]\nExecReload=/d b\n", commands: []string{"ExecReload|/d|b"}, refused: "no ExecStart=", relaxed: true},
		{name: "reset", source: "[Service]\nExecStart=/d a\nExecStart=\nExecStart=/d b\n", commands: []string{"ExecStart|/d|b"}},
	}
	var units []systemdwords.Unit
	for i, c := range cases {
		name := fmt.Sprintf("u%d.service", i)
		if c.name == "name" {
			name = "u3.service"
		}
		units = append(units, systemdwords.Unit{Name: name, Source: []byte(c.source)})
	}
	readings := readUnits(t, units)
	for i, c := range cases {
		reading := readings[i]
		var got []string
		for _, command := range reading.Commands {
			got = append(got, command.Key+"|"+strings.Join(command.Argv, "|"))
		}
		if !slices.Equal(got, c.commands) {
			t.Errorf("%s: commands %q, want %q", c.name, got, c.commands)
		}
		if !strings.Contains(reading.Refused, c.refused) || (c.refused == "") != (reading.Refused == "") {
			t.Errorf("%s: refused %q, want %q", c.name, reading.Refused, c.refused)
		}
		if reading.Relaxed != c.relaxed {
			t.Errorf("%s: relaxed %v", c.name, reading.Relaxed)
		}
		if strings.Contains(reading.Refused, "/tmp") {
			t.Errorf("%s: reason names the scratch folder: %s", c.name, reading.Refused)
		}
	}
}

func TestOracleSystemdSpecifiers(t *testing.T) {
	units := []systemdwords.Unit{{Name: "a-b@.service", Instance: `7\x2dx`}, {Name: "plain.service"}}
	values, err := systemdwords.Specifiers(t.Context(), units)
	if err != nil {
		t.Fatal(err)
	}
	for letter, want := range map[byte]string{'p': "a-b", 'P': "a/b", 'i': `7\x2dx`, 'I': "7-x", 'n': `a-b@7\x2dx.service`, 'j': "b", 'J': "b"} {
		if got := values[0][letter]; got != want {
			t.Errorf("%%%c is %q, want %q", letter, got, want)
		}
	}
	if got := values[1]['n']; got != "plain.service" {
		t.Errorf("%%n is %q", got)
	}
	if _, known := values[1]['Z']; known {
		t.Errorf("%%Z should be refused")
	}
	if got, err := systemdwords.Expand("a%n%%n%{x}%", values[1]); err != nil || got != "aplain.service%n%{x}%" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := systemdwords.Expand("%Z", values[1]); err == nil {
		t.Error("%Z expanded")
	}
}
