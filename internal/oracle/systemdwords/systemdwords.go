// Package systemdwords asks systemd itself which command lines a unit file
// holds. It is the judge of the project's own reader and shares no code with
// it: a unit is handed to the real `systemd-analyze verify`, whose debug
// output names the words of every command after unquoting and specifier
// expansion and before the expansion of `$` variables.
//
// The units stand in a scratch folder under their own names, and the search
// path holds nothing else but empty targets, so that units and drop-ins of the
// machine have no say.
//
// What systemd does not print cannot be judged: the prefix characters of a
// command (their effect on argv[0] is seen), and the path of a command whose
// argv[0] was set with `@`.
package systemdwords

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Unit is one unit file.
type Unit struct {
	// Name is the unit's file name, such as `web.service` or `web@.service`.
	Name string
	// Instance is the instance of a template, `i` if empty.
	Instance string
	// Source is the file's text.
	Source []byte
}

// Command is one command of a unit as systemd reads it.
type Command struct {
	Key  string   // `ExecStart`, `ExecStartPre`, …
	Argv []string // Argv[0] is the path, or the next word after `@`
}

// Message is one remark of systemd about a line of the file.
type Message struct {
	Line int // 1-based; of a continued line the last
	Text string
}

// Reading is what systemd makes of one unit.
type Reading struct {
	// Commands are in systemd's order: by key, then as written.
	Commands []Command
	// Environment are the assignments of `Environment=`, as printed (`A=b`).
	Environment []string
	// Unset are the names or assignments of `UnsetEnvironment=`.
	Unset []string
	// Messages are systemd's remarks on lines of the file.
	Messages []Message
	// Refused is the reason why systemd will not load the unit, or empty.
	Refused string
	// Relaxed tells that the unit was refused for a reason outside its command
	// lines (two ExecStart= without Type=oneshot, no ExecStart= at all) and
	// that Commands come from a second reading with a drop-in that lifts it.
	Relaxed bool
}

// Says tells whether a remark of systemd begins with one of the texts.
func (r Reading) Says(texts ...string) bool {
	for _, message := range r.Messages {
		for _, text := range texts {
			if strings.HasPrefix(message.Text, text) {
				return true
			}
		}
	}
	return false
}

// Folder is what the folder of the unit files (`%Y`) is called in Argv, in place
// of a scratch folder of random name.
const Folder = "/units"

// batch is the number of units that are read by one process.
const batch = 150

// Read returns systemd's reading of every unit, in the order given.
func Read(ctx context.Context, units []Unit) ([]Reading, error) {
	readings := make([]Reading, len(units))
	for _, group := range distinctNames(units) {
		if err := readGroup(ctx, units, group, readings); err != nil {
			return nil, err
		}
	}
	return readings, nil
}

// Version returns the first line of `systemd-analyze --version`.
func Version(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "systemd-analyze", "--version").Output()
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}

// distinctNames splits the units into groups of at most batch in which no
// name, with or without its instance, occurs twice.
func distinctNames(units []Unit) [][]int {
	var groups [][]int
	var taken []map[string]bool
	for i, unit := range units {
		g := 0
		for g < len(groups) && (len(groups[g]) >= batch || taken[g][templateOf(unit.Name)]) {
			g++
		}
		if g == len(groups) {
			groups = append(groups, nil)
			taken = append(taken, map[string]bool{})
		}
		groups[g] = append(groups[g], i)
		taken[g][templateOf(unit.Name)] = true
	}
	return groups
}

// templateOf maps `web@7.service` and `web@.service` to the same text.
func templateOf(name string) string {
	prefix, rest, found := strings.Cut(name, "@")
	if !found {
		return name
	}
	return prefix + "@" + filepath.Ext(rest)
}

// loadedName is the name under which systemd loads the unit.
func loadedName(unit Unit) string {
	prefix, rest, found := strings.Cut(unit.Name, "@")
	if !found || strings.HasPrefix(rest, ".") == false {
		return unit.Name
	}
	instance := unit.Instance
	if instance == "" {
		instance = "i"
	}
	return prefix + "@" + instance + rest
}

func readGroup(ctx context.Context, units []Unit, group []int, readings []Reading) error {
	dir, err := newScratch()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, i := range group {
		if err := os.WriteFile(filepath.Join(dir, "units", units[i].Name), units[i].Source, 0o644); err != nil {
			return err
		}
	}
	if err := verify(ctx, dir, units, group, readings); err != nil {
		return err
	}

	var relaxed []int
	for _, i := range group {
		if readings[i].Refused != "" && isServiceRule(readings[i].Refused) {
			relaxed = append(relaxed, i)
			if err := writeRelaxation(dir, units[i].Name); err != nil {
				return err
			}
		}
	}
	if len(relaxed) == 0 {
		return nil
	}
	again := make([]Reading, len(readings))
	if err := verify(ctx, dir, units, relaxed, again); err != nil {
		return err
	}
	for _, i := range relaxed {
		if again[i].Refused == "" {
			readings[i].Commands = again[i].Commands
			readings[i].Environment = again[i].Environment
			readings[i].Unset = again[i].Unset
			readings[i].Relaxed = true
		}
	}
	return nil
}

// newScratch makes a folder with the targets that every unit depends on.
func newScratch() (string, error) {
	dir, err := os.MkdirTemp("", "systemdwords-")
	if err != nil {
		return "", err
	}
	for _, sub := range []string{"units", "base"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
	}
	for _, target := range []string{"sysinit", "basic", "shutdown", "sockets"} {
		path := filepath.Join(dir, "base", target+".target")
		if err := os.WriteFile(path, []byte("[Unit]\nDescription="+target+"\n"), 0o644); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// isServiceRule tells the refusals that speak about the service as a whole
// (core/service.c service_verify) from those about a line.
func isServiceRule(reason string) bool {
	return strings.HasPrefix(reason, "Service ") && strings.HasSuffix(reason, "Refusing.")
}

func writeRelaxation(dir, name string) error {
	folder := filepath.Join(dir, "units", name+".d")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	text := "[Unit]\nSuccessAction=exit\n[Service]\nType=oneshot\nRestart=no\nRemainAfterExit=yes\n"
	return os.WriteFile(filepath.Join(folder, "relax.conf"), []byte(text), 0o644)
}

// verify runs systemd-analyze once over the units of the group. Its exit code
// says nothing about one unit, so only its output is read.
func verify(ctx context.Context, dir string, units []Unit, group []int, readings []Reading) error {
	args := []string{"verify", "--man=no", "--generators=no"}
	for _, i := range group {
		args = append(args, filepath.Join(dir, "units", loadedName(units[i])))
	}
	cmd := exec.CommandContext(ctx, "systemd-analyze", args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"LANG=C.UTF-8",
		"SYSTEMD_LOG_LEVEL=debug",
		"SYSTEMD_LOG_TARGET=console",
		"SYSTEMD_LOG_COLOR=0",
		"SYSTEMD_LOG_LOCATION=0",
		"SYSTEMD_UNIT_PATH=" + filepath.Join(dir, "base"),
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		var status *exec.ExitError
		if !errors.As(err, &status) || !status.Exited() {
			return fmt.Errorf("systemd-analyze: %w", err)
		}
	}
	dumped, err := parseDump(stdout.String())
	if err != nil {
		return err
	}
	byName := make(map[string]dumpedUnit, len(dumped))
	for _, unit := range dumped {
		byName[unit.name] = unit
	}
	log := parseLog(stderr.String(), filepath.Join(dir, "units"))
	for _, i := range group {
		unit, found := byName[loadedName(units[i])]
		for _, command := range unit.commands {
			for k, word := range command.Argv {
				command.Argv[k] = strings.ReplaceAll(word, filepath.Join(dir, "units"), Folder)
			}
		}
		readings[i] = Reading{
			Commands:    unit.commands,
			Environment: unit.environment,
			Unset:       unit.unset,
			Messages:    log.lines[units[i].Name],
		}
		if !found {
			readings[i].Refused = log.reason(loadedName(units[i]), units[i].Name)
		}
	}
	return nil
}

// journal is systemd's log, sorted by file and by unit.
type journal struct {
	lines map[string][]Message // by file name
	units map[string][]string  // by unit name
}

func parseLog(text, folder string) journal {
	log := journal{lines: map[string][]Message{}, units: map[string][]string{}}
	for entry := range strings.SplitSeq(text, "\n") {
		if rest, found := strings.CutPrefix(entry, folder+"/"); found {
			file, rest, _ := strings.Cut(rest, ":")
			number, message, _ := strings.Cut(rest, ": ")
			if line, err := strconv.Atoi(number); err == nil {
				log.lines[file] = append(log.lines[file], Message{Line: line, Text: message})
			}
			continue
		}
		if unit, message, found := strings.Cut(entry, ": "); found {
			log.units[unit] = append(log.units[unit], message)
		}
	}
	return log
}

// reason picks the most telling line about a unit that was not loaded.
func (log journal) reason(unit, file string) string {
	for _, message := range log.units[unit] {
		if strings.HasSuffix(message, "Refusing.") {
			return message
		}
	}
	if messages := log.lines[file]; len(messages) > 0 && log.mentions(unit, "fatal error") {
		last := messages[len(messages)-1]
		return fmt.Sprintf("line %d: %s", last.Line, last.Text)
	}
	if messages := log.units[unit]; len(messages) > 0 {
		return messages[0]
	}
	return "not loaded, no reason given"
}

func (log journal) mentions(unit, text string) bool {
	for _, message := range log.units[unit] {
		if strings.Contains(message, text) {
			return true
		}
	}
	return false
}
