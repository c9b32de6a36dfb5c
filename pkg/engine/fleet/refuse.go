package fleet

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

const (
	// maxLine is one more than the longest line that fleet takes, in bytes.
	maxLine = 2048
	// agentLimit is fleet's limit for a name, in bytes.
	maxName = 256
)

var (
	// managed are the kinds of unit that fleet's agents run; others are stored and
	// never started.
	managed = []string{"automount", "device", "mount", "path", "service", "socket", "timer"}
	// templated are the kinds that fleet takes templates and instances of.
	templated = []string{"path", "service", "socket", "timer"}
	// linked are the kinds that [Install] may name.
	linked = []string{"automount", "device", "mount", "path", "scope", "service", "slice", "socket", "swap", "target", "timer"}
)

// Check refuses units that fleet cannot take, and those that it takes to its own
// harm: most of what is refused here fleet accepts with 201, and the agent of a
// machine never again starts or stops anything.
func (e *Engine) Check(wanted []plan.Unit) error {
	for _, u := range wanted {
		if err := e.check(u); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) check(u plan.Unit) error {
	refuse := func(format string, args ...any) error {
		return &plan.InputError{Path: u.Name, Err: fmt.Errorf(format, args...)}
	}
	kind := unitname.Kind(u.Name)
	switch {
	case unitname.IsQuadlet(u.Name):
		return refuse("a file for podman's generator, which fleet does not run")
	case !slices.Contains(managed, kind):
		return refuse("fleet runs no units of the kind %q, only %s", kind, strings.Join(managed, ", "))
	case strings.Contains(u.Name, "@") && !slices.Contains(templated, kind):
		return refuse("fleet takes templates and instances of %s only, not %q", strings.Join(templated, ", "), kind)
	case len(u.Name) > maxName:
		return refuse("a name of %d bytes: fleet takes at most %d", len(u.Name), maxName)
	}
	for p := range u.Files {
		if p != u.Name {
			return &plan.InputError{
				Path: p, Err: errors.New("fleet has no drop-ins"), Hint: "put its settings into " + u.Name,
			}
		}
	}
	o, err := normalise(u.Name, u.Files[u.Name].Data)
	if err != nil {
		return refuse("%w", err)
	}
	if len(o) == 0 {
		return refuse("a unit without any setting, which fleet does not take")
	}
	for _, option := range o.marked(u.Name, e.owner) {
		switch {
		case strings.ContainsAny(option.Section, "[]") || strings.TrimSpace(option.Section) == "":
			return refuse("fleet would not read the section %q back", option.Section)
		case strings.ContainsAny(option.Value, "\n\r") || strings.HasSuffix(option.Value, `\`):
			return refuse("%s=: a value that ends in a backslash would take in the next line", option.Name)
		case len(option.Name)+len("=")+len(option.Value) >= maxLine:
			return refuse("%s= is a line of %d bytes once it is joined, fleet takes less than %d",
				option.Name, len(option.Name)+1+len(option.Value), maxLine)
		}
	}
	for _, option := range o {
		if isMark(option) {
			return refuse("[%s] %s= is set by confapply itself, to know its units", markSection, option.Name)
		}
	}
	if why := badCommand(kind, o); why != "" {
		return refuse("%s", why)
	}
	if why := badInstall(u.Name, o); why != "" {
		return refuse("%s", why)
	}
	if why := badRequirement(u.Name, o); why != "" {
		return refuse("%s", why)
	}
	return nil
}

// badCommand finds a program without its whole path: systemd refuses the unit
// then, and the agent cannot get rid of it again.
func badCommand(kind string, o options) string {
	commands := 0
	for _, option := range o {
		if !strings.HasPrefix(option.Name, "Exec") || option.Value == "" ||
			!slices.Contains([]string{"Service", "Socket", "Mount", "Swap"}, option.Section) || option.Name == "ExecSearchPath" {
			continue
		}
		commands++
		program, _, _ := strings.Cut(strings.TrimLeft(option.Value, "-@+!:|"), " ")
		program = strings.Trim(program, `"'`)
		if !strings.HasPrefix(program, "/") && !isPathSpecifier(program) {
			return fmt.Sprintf("%s=: %q is no absolute path: systemd refuses the unit, and fleet keeps trying for ever", option.Name, program)
		}
	}
	if kind == "service" && commands == 0 {
		return "a service without any command, which systemd refuses"
	}
	return ""
}

// isPathSpecifier reports whether a word begins with a specifier that stands for a
// whole path.
func isPathSpecifier(word string) bool {
	return len(word) > 1 && word[0] == '%' && strings.IndexByte("CdDEfhLsStTVyY", word[1]) >= 0
}

// badInstall finds names in [Install] with which systemd cannot enable the unit:
// the agent would stop short at it each time, and start nothing more.
func badInstall(name string, o options) string {
	for _, key := range []string{"WantedBy", "RequiredBy", "UpheldBy", "Alias", "Also"} {
		for _, value := range o.values("Install", key) {
			for _, word := range strings.Fields(value) {
				stem, kind := strings.TrimSuffix(word, path.Ext(word)), unitname.Kind(word)
				switch {
				case key == "Also":
					return fmt.Sprintf("[Install] Also=%s: fleet cannot enable a unit that may be on another machine", word)
				case !slices.Contains(linked, kind) || stem == "" || strings.HasPrefix(stem, "@") || strings.ContainsFunc(stem, notInName):
					return fmt.Sprintf("[Install] %s=: %q is no name of a unit; the agent could never again start anything", key, word)
				case key == "Alias" && kind != unitname.Kind(name):
					return fmt.Sprintf("[Install] Alias=: %q is no %s", word, unitname.Kind(name))
				}
			}
		}
	}
	return ""
}

// notInName tells characters that no unit's name has; '%' begins a specifier.
func notInName(r rune) bool {
	return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || strings.ContainsRune(`:-_.\@%`, r))
}

// badRequirement finds what fleet does not know or refuses in [X-Fleet].
func badRequirement(name string, o options) string {
	for _, option := range o {
		if option.Section == fleetSection && !slices.Contains(requirementKeys, option.Name) {
			return fmt.Sprintf("[X-Fleet] has no %q, which fleet would pass over in silence; it knows MachineID, MachineOf, MachineMetadata, Conflicts, Replaces, Global", option.Name)
		}
	}
	if why := requirementsOf(name, o).contradiction(); why != "" {
		return "[X-Fleet] " + why
	}
	return ""
}
