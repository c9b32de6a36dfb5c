//go:build lab

package lab

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/oracle/systemdwords"
	"github.com/unitstamp/unitstamp/pkg/execline"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

var (
	oracleSeed  = flag.Uint64("oracle.seed", 1, "seed of the generated units and command lines")
	oracleUnits = flag.Int("oracle.units", 8000, "number of generated units")
)

// execKeys is systemd's order of the keys (core/service.c).
var execKeys = []string{"ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost"}

// ourReading is what the project's own rooms make of a service.
type ourReading struct {
	commands []systemdwords.Command
	refused  string

	viaShell      bool // a command has the `|` prefix
	specifierPath bool // a command's path holds `%`
}

// readOurselves collects the commands of a service as systemd keeps them: a
// list for each key, emptied by an empty value.
func readOurselves(text []byte, specifiers map[byte]string) ourReading {
	doc, err := unitfile.Parse(&source.File{Name: "unit", Bytes: text})
	if err != nil {
		return ourReading{refused: err.Error()}
	}
	var reading ourReading
	lists := map[string][]systemdwords.Command{}
	for item := range doc.Assignments {
		if item.Section != "Service" || !slices.Contains(execKeys, item.Key) {
			continue
		}
		line := execline.Parse(item.Value.Text)
		if line.Reset {
			lists[item.Key] = nil
			continue
		}
		for _, command := range line.Commands {
			reading.viaShell = reading.viaShell || strings.Contains(command.Prefix, "|")
			reading.specifierPath = reading.specifierPath || strings.Contains(command.Words[0].Text, "%")
			argv, err := argvOf(command, specifiers)
			if err == nil {
				lists[item.Key] = append(lists[item.Key], systemdwords.Command{Key: item.Key, Argv: argv})
				continue
			}
			if !command.IgnoresFailure() {
				reading.refused = err.Error()
			}
			break // systemd drops the rest of the line
		}
		if line.Problem != nil && line.Problem.Fatal {
			reading.refused = line.Problem.Message
		}
	}
	for _, key := range execKeys {
		reading.commands = append(reading.commands, lists[key]...)
	}
	return reading
}

// argvOf gives the words that systemd prints: after specifiers, and with
// argv[0] in place of the path where `@` sets it.
func argvOf(command execline.Command, specifiers map[byte]string) ([]string, error) {
	var argv []string
	for _, word := range command.Words {
		text, err := systemdwords.Expand(word.Text, specifiers)
		if err != nil {
			return nil, err
		}
		argv = append(argv, text)
	}
	if command.Argv0 != nil {
		text, err := systemdwords.Expand(command.Argv0.Text, specifiers)
		if err != nil {
			return nil, err
		}
		argv[0] = text
	}
	return argv, nil
}

// differences compares both readings of one unit; an empty text is agreement.
func differences(ours ourReading, theirs systemdwords.Reading) string {
	refused := theirs.Refused != "" && !theirs.Relaxed
	switch {
	case refused && ours.refused != "":
		return ""
	case refused:
		return fmt.Sprintf("systemd refuses the unit (%s), we do not", theirs.Refused)
	case ours.refused != "":
		return fmt.Sprintf("we refuse the unit (%s), systemd does not", ours.refused)
	}
	for i := range max(len(ours.commands), len(theirs.Commands)) {
		var a, b systemdwords.Command
		if i < len(ours.commands) {
			a = ours.commands[i]
		}
		if i < len(theirs.Commands) {
			b = theirs.Commands[i]
		}
		if a.Key != b.Key || !slices.Equal(a.Argv, b.Argv) {
			return fmt.Sprintf("command %d:\n\tours    %s %q\n\ttheirs  %s %q", i+1, a.Key, a.Argv, b.Key, b.Argv)
		}
	}
	return ""
}

// excuse names the reason why both readings of a generated unit may differ. An empty
// text is no excuse.
func excuse(ours ourReading, theirs systemdwords.Reading) string {
	switch {
	case ours.viaShell:
		return "the prefix | is known to systemd since 258 only"
	case ours.specifierPath && theirs.Says("Executable name contains special characters", "Neither a valid executable name nor an absolute path",
		"Executable path specifies a directory", "Empty path in command line"):
		return "a command's path holds a specifier: what it becomes decides, not the text"
	case ours.refused == "" && theirs.Says("Invalid user/group name", "WorkingDirectory= path is not absolute"):
		return "systemd refuses another setting, which is not ours to judge"
	}
	return ""
}

// differencesFromSystemd252 names the real units on which we differ on purpose.
var differencesFromSystemd252 = map[string]string{}

func TestOracleExeclineRealUnits(t *testing.T) {
	var units []systemdwords.Unit
	files := realUnits(t, ".service")
	for _, file := range files {
		units = append(units, systemdwords.Unit{Name: file.name, Source: file.source})
	}
	specifiers, err := systemdwords.Specifiers(t.Context(), units)
	if err != nil {
		t.Fatal(err)
	}
	commands, refused := 0, 0
	for i, theirs := range readUnits(t, units) {
		commands += len(theirs.Commands)
		if theirs.Refused != "" {
			refused++
			t.Logf("systemd refuses %s: %s", files[i].file, theirs.Refused)
		}
		difference := differences(readOurselves(files[i].source, specifiers[i]), theirs)
		reason, expected := differencesFromSystemd252[files[i].file]
		switch {
		case difference != "" && !expected:
			t.Errorf("%s: %s", files[i].file, difference)
		case difference == "" && expected:
			t.Errorf("%s agrees with systemd, but the table says: %s", files[i].file, reason)
		case expected:
			t.Logf("%s differs: %s", files[i].file, reason)
		}
	}
	t.Logf("%d units, %d commands, %d refused by systemd", len(units), commands, refused)
}

// pieces are what generated lines are made of: everything that means something
// to systemd's reader, and neighbours that look like it.
var pieces = []string{
	" ", " ", " ", " ", "\t", "  ", "a", "b", "img", "/bin/x", "docker", "run", "--name", "=", ":", "1.2",
	`"`, `"`, `'`, `'`, `""`, `''`, `"a b"`, `'c d'`, `\\`, `\"`, `\'`, `\n`, `\t`, `\s`, `\x41`, `\x20`, `\x27`, `\x00`, `\x4`, `\xe9`,
	`\101`, `\400`, `\000`, `\18`, `\u00e9`, `\u0000`, `\U0001F600`, `\ud800`, `\U00110000`, `\ufdd0`, `\ufffe`, `\q`, `\.`, `\$`, `\%`, `\ `, "\\\t", `\;`, ` \; `, ` ; `, `;`, ` ;`, `; `, `";"`, `';'`, `\x3b`,
	"%n", "%p", "%i", "%%", "%%n", "%{", "% ", "%", "%N", "%j", "%t", "%Z",
	"$A", "${B}", "$$", "$", "${", "}", "$A$B", "#", " # ", "-", "@", ":", "+", "!", "!!",
	"é", "\u00a0", "\v", "\f", "\x01", "\x7f", "\u2028", "\ufeff", "\ufffd",
	"\\\n", "\\\n", "\\\n  ", "\\\r\n ", "\\ \n", "\\\n# c\n", "\\\n ; c\n", "\\\n# c \\\n", "\\\n\n", "\\\n\t\n", "\\\\\n", "\\\\\\\n",
	"\n", "\nExecStart=", "\nExecStart=/bin/y ", "\n ExecStop = ", "\r", "\r\nExecStart=/bin/z ", "\n\r", "\x00", "\n[Service]\n", "\n[Unit]\n", "\n[ Service ]\n",
}

func generatedUnit(random *rand.Rand, i int) systemdwords.Unit {
	var b strings.Builder
	if random.IntN(20) == 0 {
		b.WriteString("\ufeff")
	}
	b.WriteString("[Service]\nType=oneshot\nRemainAfterExit=yes\n")
	for range 1 + random.IntN(2) {
		b.WriteString(execKeys[random.IntN(len(execKeys))] + "=")
		b.WriteString([]string{"/bin/x ", "/bin/x ", "-/bin/x ", "docker run ", "@/bin/x y ", "", "-", "\"/bin/x\" ", "-@", ":+", "/a b ; "}[random.IntN(11)])
		for range random.IntN(14) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		if random.IntN(6) > 0 {
			b.WriteString("\n")
		}
	}
	name := fmt.Sprintf("g%d.service", i)
	if random.IntN(4) == 0 {
		name = fmt.Sprintf("g%d-x@.service", i)
	}
	return systemdwords.Unit{Name: name, Source: []byte(b.String())}
}

// mutatedUnit puts pieces into a real unit and takes stretches out.
func mutatedUnit(random *rand.Rand, i int, text []byte) systemdwords.Unit {
	text = slices.Clone(text)
	for range 1 + random.IntN(4) {
		at := random.IntN(len(text) + 1)
		switch random.IntN(3) {
		case 0:
			end := min(len(text), at+1+random.IntN(8))
			text = slices.Delete(text, at, end)
		default:
			text = slices.Insert(text, at, []byte(pieces[random.IntN(len(pieces))])...)
		}
	}
	return systemdwords.Unit{Name: fmt.Sprintf("m%d.service", i), Source: text}
}

func TestOracleExeclineGeneratedUnits(t *testing.T) {
	random := rand.New(rand.NewPCG(*oracleSeed, 0))
	real := realUnits(t, ".service")
	var units []systemdwords.Unit
	for i := range *oracleUnits {
		if i%3 == 0 {
			units = append(units, mutatedUnit(random, i, real[random.IntN(len(real))].source))
		} else {
			units = append(units, generatedUnit(random, i))
		}
	}
	specifiers, err := systemdwords.Specifiers(t.Context(), units)
	if err != nil {
		t.Fatal(err)
	}
	readings := readUnits(t, units)
	commands, refused, failed := 0, 0, 0
	excused := map[string]int{}
	for i, theirs := range readings {
		commands += len(theirs.Commands)
		if theirs.Refused != "" && !theirs.Relaxed {
			refused++
		}
		ours := readOurselves(units[i].Source, specifiers[i])
		difference := differences(ours, theirs)
		if difference == "" {
			continue
		}
		if reason := excuse(ours, theirs); reason != "" {
			excused[reason]++
		} else {
			t.Errorf("%s: %s\nunit %q\nsystemd says %v", units[i].Name, difference, units[i].Source, theirs.Messages)
			if failed++; failed == 20 {
				t.Fatal("enough")
			}
		}
	}
	t.Logf("seed %d: %d units, %d commands, %d refused by systemd", *oracleSeed, len(units), commands, refused)
	for _, reason := range slices.Sorted(maps.Keys(excused)) {
		t.Logf("%d differ: %s", excused[reason], reason)
	}
}

// Lines and joined lines of lengths round systemd's limit of 1 MiB.
func TestOracleExeclineLimits(t *testing.T) {
	const limit = 1 << 20
	var units []systemdwords.Unit
	add := func(text string) {
		units = append(units, systemdwords.Unit{Name: fmt.Sprintf("l%d.service", len(units)), Source: []byte(text)})
	}
	const head = "[Service]\nType=oneshot\n"
	fill := func(before string, length int) string { return before + strings.Repeat("x", length-len(before)) }
	for d := -3; d <= 3; d++ {
		add(head + fill("ExecStart=/bin/a ", limit+d) + "\n")
		add(head + fill("ExecStart=/bin/a ", limit+d))
		add(head + "ExecStart=/bin/a\n" + fill("#", limit+d) + "\n")
		add(head + fill("ExecStart=/bin/a ", limit/2) + "\\\n" + strings.Repeat("y", limit/2+d) + "\n")
		add(head + fill("ExecStart=/bin/a ", limit/2) + "\\\n" + strings.Repeat("y", limit/2+d) + "\\\n\n")
		add(head + fill("ExecStart=/bin/a ", limit/2) + "\\\n# c\n" + strings.Repeat("y", limit/4) + "\\\n" + strings.Repeat("z", limit/4+d) + "\n")
		add("\ufeff" + fill("[Unit]\nDescription=", 30) + "\n" + head + "\ufeff" + fill("ExecStart=/bin/a ", limit+d) + "\r\n")
	}
	specifiers, err := systemdwords.Specifiers(t.Context(), units)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i, theirs := range readUnits(t, units) {
		if theirs.Refused != "" {
			refused++
		}
		if difference := differences(readOurselves(units[i].Source, specifiers[i]), theirs); difference != "" {
			t.Errorf("unit %d, %d bytes: %.300s", i, len(units[i].Source), difference)
		}
	}
	if refused < len(units)/4 || refused > 3*len(units)/4 {
		t.Errorf("systemd refuses %d of %d units: the lengths are not round its limit", refused, len(units))
	}
}
