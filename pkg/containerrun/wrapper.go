package containerrun

import "strings"

// A Target is what a command line runs in the end, behind sudo, env and their
// like.
type Target struct {
	// Program is the index of the program that is run, or -1.
	Program int
	// Script is the index of the word that a shell reads as a script, or -1. Shell is
	// the shell's name, or "sh" where another program hands the word to a shell.
	Script int
	Shell  string
	// Assignments are the indexes of NAME=value words that env and sudo put into
	// the program's environment.
	Assignments []int
	// Issue is why the target cannot be told, or nil.
	Issue *Issue
}

// A wrapper is a program that runs the program named by its arguments. Its
// options are read the POSIX way, up to the first word that is none.
type wrapper struct {
	shorts   string   // short options that take a value
	longs    []string // long options that take a value in the next word
	operands int      // words between the options and the program
	assigns  bool     // NAME=value words may stand before the program
	script   string   // short option whose value, or next word, is a script
	numbers  bool     // -5 is an option with a value of its own
	anywhere bool     // the script's option may follow other words
}

var wrappers = map[string]wrapper{
	"catatonit":       {shorts: "g"},
	"chroot":          {longs: []string{"--groups", "--userspec"}, operands: 1},
	"chrt":            {shorts: "TPD", longs: []string{"--sched-runtime", "--sched-period", "--sched-deadline"}, operands: 1},
	"command":         {},
	"doas":            {shorts: "uC"},
	"dumb-init":       {shorts: "r", longs: []string{"--rewrite"}},
	"env":             {shorts: "uCS", longs: []string{"--unset", "--chdir", "--split-string", "--argv0"}, assigns: true},
	"exec":            {shorts: "a"},
	"flock":           {shorts: "wE", longs: []string{"--timeout", "--wait", "--conflict-exit-code"}, operands: 1, script: "c"},
	"ionice":          {shorts: "cn", longs: []string{"--class", "--classdata"}},
	"nice":            {shorts: "n", longs: []string{"--adjustment"}, numbers: true},
	"nohup":           {},
	"numactl":         {shorts: "iNCmpP", longs: []string{"--interleave", "--cpunodebind", "--physcpubind", "--membind", "--preferred"}},
	"runuser":         {shorts: "ugGsw", longs: []string{"--user", "--group", "--supp-group", "--shell"}, script: "c", anywhere: true},
	"setsid":          {},
	"stdbuf":          {shorts: "ioe", longs: []string{"--input", "--output", "--error"}},
	"su":              {shorts: "gGsTw", longs: []string{"--group", "--supp-group", "--shell", "--whitelist-environment"}, script: "c", anywhere: true},
	"sudo":            {shorts: "CDghpRrtTUu", longs: []string{"--close-from", "--chdir", "--group", "--host", "--prompt", "--chroot", "--role", "--type", "--command-timeout", "--other-user", "--user"}, assigns: true},
	"systemd-cat":     {shorts: "tp", longs: []string{"--identifier", "--priority", "--stderr-priority", "--level-prefix"}},
	"systemd-inhibit": {longs: []string{"--what", "--who", "--why", "--mode"}},
	"systemd-run":     {shorts: "pHMEu", longs: []string{"--property", "--host", "--machine", "--setenv", "--unit", "--description", "--slice", "--uid", "--gid", "--nice", "--working-directory", "--service-type", "--on-active", "--on-calendar", "--timer-property"}},
	"taskset":         {operands: 1},
	"time":            {shorts: "fo", longs: []string{"--format", "--output"}},
	"timeout":         {shorts: "ks", longs: []string{"--kill-after", "--signal"}, operands: 1},
	"tini":            {shorts: "pe"},
	"unbuffer":        {},
	"xargs":           {shorts: "adEILnPs", longs: []string{"--arg-file", "--delimiter", "--max-lines", "--max-args", "--max-procs", "--max-chars", "--process-slot-var"}},
	"unshare":         {shorts: "RwSG", longs: []string{"--root", "--wd", "--setuid", "--setgid", "--propagation", "--map-user", "--map-group"}},
}

var shells = map[string]bool{"sh": true, "bash": true, "dash": true, "ash": true, "ksh": true, "mksh": true, "zsh": true}

// IsShell reports whether a program is a shell.
func IsShell(program Arg) bool { return !program.Open && !program.Splits && shells[base(program.Text)] }

// Unwrap follows wrappers to the program that is run, or to the script that a
// shell is given.
func Unwrap(args []Arg) Target {
	target := Target{Program: -1, Script: -1}
	for at := 0; at < len(args); {
		if args[at].Splits || args[at].Open {
			return target
		}
		name := base(args[at].Text)
		if shells[name] {
			target.Script = scriptOf(args, at+1)
			if target.Script < 0 { // a script in a file, or none: nothing to read
				return Target{Program: at, Script: -1}
			}
			target.Shell = name
			return target
		}
		if name == "busybox" && at+1 < len(args) {
			at++
			continue
		}
		w, ok := wrappers[name]
		if !ok {
			target.Program = at
			return target
		}
		at = w.skip(args, at, &target)
		if target.Script >= 0 || target.Issue != nil {
			return target
		}
	}
	return target
}

// skip goes over a wrapper's own words and returns where the program stands.
func (w wrapper) skip(args []Arg, at int, target *Target) int {
	wrapperName := base(args[at].Text)
	at++
	if w.anywhere {
		for i := at; i+1 < len(args); i++ {
			if args[i].Text == "-"+w.script || args[i].Text == "--command" {
				target.Script, target.Shell = i+1, "sh"
				return i + 1
			}
		}
	}
	for at < len(args) {
		text := args[at].Text
		switch {
		case text == "--":
			return w.skipOperands(args, at+1, target)
		case text == "-" && wrapperName == "env": // the old form of -i
			at++
			continue
		case len(text) < 2 || text[0] != '-' || args[at].Splits || args[at].Open:
			return w.skipOperands(args, at, target)
		case strings.HasPrefix(text, "--"):
			name, value, hasValue := strings.Cut(text, "=")
			if name == "--split-string" {
				target.Issue = &Issue{Kind: SplitString, Arg: at, Text: name}
				return at
			}
			if name == "--command" && w.script != "" {
				if !hasValue && at+1 < len(args) {
					at++
				} else if hasValue && value != "" {
					return len(args) // a script inside a word with its option: not read
				}
				target.Script, target.Shell = at, "sh"
				return at
			}
			for _, long := range w.longs {
				if name == long && !hasValue {
					at++
				}
			}
			at++
		case w.numbers && text[1] >= '0' && text[1] <= '9':
			at++
		default:
			at = w.skipShorts(args, at, target)
			if target.Script >= 0 || target.Issue != nil {
				return at
			}
		}
	}
	return at
}

// skipShorts goes over short options written together.
func (w wrapper) skipShorts(args []Arg, at int, target *Target) int {
	letters := args[at].Text[1:]
	for i := range len(letters) {
		letter := letters[i : i+1]
		last := i+1 == len(letters)
		switch {
		case w.script == letter && last && at+1 < len(args):
			target.Script, target.Shell = at+1, "sh"
			return at + 1
		case letter == "S" && w.assigns && strings.Contains(w.shorts, "S"):
			target.Issue = &Issue{Kind: SplitString, Arg: at, Text: "-S"}
			return at
		case strings.Contains(w.shorts, letter):
			if last {
				return at + 2
			}
			return at + 1
		}
	}
	return at + 1
}

// skipOperands goes over the words that a wrapper takes for itself.
func (w wrapper) skipOperands(args []Arg, at int, target *Target) int {
	at += w.operands
	if w.script != "" && at+1 < len(args) && args[at].Text == "-"+w.script { // flock FILE -c SCRIPT
		target.Script, target.Shell = at+1, "sh"
		return at + 1
	}
	for w.assigns && at < len(args) && isAssignment(args[at]) {
		target.Assignments = append(target.Assignments, at)
		at++
	}
	return at
}

func isAssignment(a Arg) bool {
	name, _, found := strings.Cut(a.Text, "=")
	return found && !a.Open && ValidName(name)
}

// ValidName reports whether a text is the name of an environment variable as
// shells and systemd want it.
func ValidName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// scriptOf finds the script of sh -c: the first word after the options, if one of
// them is or holds -c. Options with values (-o, +o, -O) take the next word.
func scriptOf(args []Arg, at int) int {
	command := false
	for ; at < len(args); at++ {
		text := args[at].Text
		switch {
		case args[at].Splits || args[at].Open:
		case text == "--" || text == "-":
			at++
			if command && at < len(args) {
				return at
			}
			return -1
		case len(text) > 1 && (text[0] == '-' || text[0] == '+'):
			if strings.HasPrefix(text, "--") {
				if text == "--rcfile" || text == "--init-file" {
					at++
				}
				continue
			}
			command = command || text[0] == '-' && strings.Contains(text, "c")
			if strings.HasSuffix(text, "o") || strings.HasSuffix(text, "O") {
				at++
			}
			continue
		}
		if command {
			return at
		}
		return -1
	}
	return -1
}
