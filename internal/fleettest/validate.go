package fleettest

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

const (
	maxName = 256
	maxLine = 2048
)

var types = []string{"service", "socket", "busname", "target", "snapshot", "device", "mount", "automount", "swap", "timer", "path", "slice", "scope"}

// validName is what the server thinks of a name.
func (c *Cluster) validName(name string) error {
	dot := strings.LastIndexByte(name, '.')
	switch {
	case name == "":
		return errors.New("unit name cannot be empty")
	case len(name) > maxName:
		return fmt.Errorf("unit name exceeds maximum length (%d)", maxName)
	case dot < 0:
		return errors.New(`unit name must contain "."`)
	case dot == len(name)-1:
		return errors.New(`unit name cannot end in "."`)
	case !slices.Contains(types, name[dot+1:]):
		return fmt.Errorf("invalid unit type: %q", name[dot+1:])
	}
	for _, r := range name[:dot] {
		if !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || strings.ContainsRune(`:-_.\@`, r)) {
			return fmt.Errorf("invalid character %q in unit name", r)
		}
	}
	if name[0] == '@' {
		return errors.New(`unit name cannot start in "@"`)
	}
	if c.opts.Version != Old && strings.Contains(name, "@") && !slices.Contains([]string{"path", "service", "socket", "target", "timer"}, name[dot+1:]) {
		return fmt.Errorf("invalid unit type for template: %q", name[dot+1:])
	}
	return nil
}

// validOptions is what the server thinks of options.
func (c *Cluster) validOptions(name string, options []option) error {
	if c.opts.Version != Old {
		for _, o := range options {
			for line := range strings.Lines(o.Name + "=" + o.Value) {
				if len(strings.TrimSuffix(line, "\n")) >= maxLine {
					return fmt.Errorf("line too long (max %d bytes)", maxLine)
				}
			}
		}
	}
	u := &unit{name: name, options: options}
	for _, peer := range u.peers() {
		for _, conflict := range u.conflicts() {
			if match, err := path.Match(conflict, peer); err == nil && match {
				return fmt.Errorf("unresolvable requirements: peer %q matches conflict %q", peer, conflict)
			}
		}
	}
	target, global := len(u.target()) > 0, u.global()
	peers, conflicts, replaces := len(u.peers()) > 0, len(u.conflicts()) > 0, len(u.replaces()) > 0
	switch {
	case target && peers:
		return errors.New("MachineID cannot be used with Peers")
	case target && conflicts:
		return errors.New("MachineID cannot be used with Conflicts")
	case target && global:
		return errors.New("MachineID cannot be used with Global")
	case target && replaces:
		return errors.New("MachineID cannot be used with Replaces")
	case global && peers:
		return errors.New("Global cannot be used with Peers")
	case global && conflicts && c.opts.Version == Old:
		return errors.New("Global cannot be used with Conflicts")
	case global && replaces:
		return errors.New("Global cannot be used with Replaces")
	case conflicts && replaces:
		return errors.New("Conflicts cannot be used with Replaces")
	}
	return nil
}

// wedges is why an agent could never again do anything after it is given such a
// unit, "" if it could.
func wedges(name string, options []option, desired string) string {
	if isTemplate(name) && desired != "inactive" {
		return "a template that is to run"
	}
	for _, o := range options {
		if o.Section != "Install" || !slices.Contains([]string{"WantedBy", "RequiredBy", "Alias", "Also"}, o.Name) {
			continue
		}
		for _, word := range strings.Fields(o.Value) {
			if kind := word[strings.LastIndexByte(word, '.')+1:]; !slices.Contains(types, kind) || !strings.Contains(word, ".") {
				return "a bad name in [Install]"
			}
		}
	}
	return ""
}

// managed reports whether fleetd sees such files in its folder (fleet unit/unit.go).
func managed(name string) bool {
	return slices.Contains([]string{"service", "socket", "timer", "path", "device", "mount", "automount"}, name[strings.LastIndexByte(name, '.')+1:])
}

// careless is why a careful client would not send a unit, "" if it would.
func careless(name string, sent, stored []option, desired string) string {
	if why := wedges(name, sent, desired); why != "" {
		return why
	}
	if !managed(name) {
		return "a kind of unit that fleetd does not manage"
	}
	if !slices.Equal(sent, stored) {
		return "options that the server holds otherwise, so that they never are the same"
	}
	for _, o := range sent {
		value := strings.ReplaceAll(o.Value, "\\\n", "")
		switch {
		case o.Section == "" || o.Name == "":
			return "an option without section or name"
		case strings.Contains(value, "\n"), strings.HasSuffix(value, `\`):
			return "a value that runs into the next line"
		case strings.HasPrefix(o.Name, "Exec") && value != "" && !strings.HasPrefix(strings.TrimLeft(value, "-@+!:|"), "/"):
			return "a program without its whole path"
		}
	}
	return ""
}
