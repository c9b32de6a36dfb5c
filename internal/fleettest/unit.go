package fleettest

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"strings"

	systemd "github.com/coreos/go-systemd/v22/unit"
)

// option is an option of a unit in the API.
type option struct {
	Section string `json:"section,omitempty"`
	Name    string `json:"name,omitempty"`
	Value   string `json:"value,omitempty"`
}

// Unit is a unit in the API.
type Unit struct {
	Name         string   `json:"name,omitempty"`
	Options      []option `json:"options,omitempty"`
	DesiredState string   `json:"desiredState,omitempty"`
	CurrentState string   `json:"currentState,omitempty"`
	MachineID    string   `json:"machineID,omitempty"`
}

// UnitState is the state of a unit on a machine in the API.
type UnitState struct {
	Name               string `json:"name,omitempty"`
	Hash               string `json:"hash,omitempty"`
	MachineID          string `json:"machineID,omitempty"`
	SystemdLoadState   string `json:"systemdLoadState,omitempty"`
	SystemdActiveState string `json:"systemdActiveState,omitempty"`
	SystemdSubState    string `json:"systemdSubState,omitempty"`
}

// serialise writes options as the server writes unit files.
func serialise(options []option) string {
	list := make([]*systemd.UnitOption, 0, len(options))
	for _, o := range options {
		list = append(list, systemd.NewUnitOption(o.Section, o.Name, o.Value))
	}
	text, err := io.ReadAll(systemd.Serialize(list))
	if err != nil {
		panic(err) // from memory
	}
	return string(text)
}

// hash is what the server tells unit files apart by.
func hash(options []option) string {
	sum := sha1.Sum([]byte(serialise(options)))
	return hex.EncodeToString(sum[:])
}

// stored is what the server makes of options that it is sent: it writes them as a
// file and reads that.
func (c *Cluster) stored(options []option) ([]option, error) {
	if c.opts.Version == Old {
		return storedOld(options), nil
	}
	list, err := systemd.DeserializeOptions(bytes.NewReader([]byte(serialise(options))))
	if err != nil {
		return nil, err
	}
	result := make([]option, 0, len(list))
	for _, o := range list {
		result = append(result, option{o.Section, o.Name, o.Value})
	}
	return result, nil
}

// storedOld leaves sections as they come and joins continued lines with a blank.
func storedOld(options []option) []option {
	var result []option
	for _, o := range options {
		value := strings.ReplaceAll(o.Value, "\\\n", " ")
		first, rest, _ := strings.Cut(value, "\n")
		result = append(result, option{o.Section, strings.TrimSpace(o.Name), strings.TrimSpace(first)})
		for line := range strings.Lines(rest) {
			if name, value, ok := strings.Cut(line, "="); ok {
				result = append(result, option{o.Section, strings.TrimSpace(name), strings.TrimSpace(value)})
			}
		}
	}
	return result
}

// values are those of a key.
func values(options []option, section, name string) []string {
	var list []string
	for _, o := range options {
		if o.Section == section && o.Name == name {
			list = append(list, o.Value)
		}
	}
	return list
}

// last is the value that counts of a key.
func last(options []option, section, name string) string {
	list := values(options, section, name)
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}

// requirement are the values of a key of [X-Fleet], with the names of the unit in
// place of specifiers, quoted ones apart.
func (u *unit) requirement(names ...string) []string {
	full := u.name
	name := full[:strings.LastIndexByte(full, '.')]
	prefix, instance, _ := strings.Cut(name, "@")
	var list []string
	for _, key := range names {
		for _, value := range values(u.options, "X-Fleet", key) {
			value = strings.NewReplacer("%n", full, "%N", name, "%p", prefix, "%i", instance).Replace(value)
			if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
				list = append(list, strings.Split(value[1:len(value)-1], `" "`)...)
			} else {
				list = append(list, value)
			}
		}
	}
	return list
}

func (u *unit) conflicts() []string { return u.requirement("Conflicts", "X-Conflicts") }
func (u *unit) peers() []string     { return u.requirement("MachineOf", "X-ConditionMachineOf") }
func (u *unit) replaces() []string  { return u.requirement("Replaces") }
func (u *unit) target() []string {
	return u.requirement("MachineID", "X-ConditionMachineID", "X-ConditionMachineBootID")
}

func (u *unit) global() bool {
	list := u.requirement("Global")
	return len(list) > 0 && slices.Contains([]string{"true", "yes", "1", "on", "t"}, strings.ToLower(list[len(list)-1]))
}

// fits reports whether a machine has the metadata that a unit wants.
func (u *unit) fits(m *node) bool {
	wanted := map[string][]string{}
	for _, pair := range u.requirement("MachineMetadata", "X-ConditionMachineMetadata") {
		if key, value, ok := strings.Cut(pair, "="); ok && key != "" && value != "" {
			wanted[key] = append(wanted[key], value)
		}
	}
	for key, list := range wanted {
		if !slices.Contains(list, m.Metadata[key]) {
			return false
		}
	}
	return true
}

func isTemplate(name string) bool { return strings.Contains(name, "@.") }

func (c *Cluster) names() []string { return slices.Sorted(maps.Keys(c.units)) }

// Units is what the registry holds, past the API.
func (c *Cluster) Units() (list []Unit) {
	c.locked(func() { list = c.list() })
	return list
}

// File is a unit as a file, past the API, and whether it is there.
func (c *Cluster) File(name string) (text string, there bool) {
	c.locked(func() {
		if u := c.units[name]; u != nil {
			text, there = serialise(u.options), true
		}
	})
	return text, there
}

// States are what the agents know, past the API.
func (c *Cluster) States() (list []UnitState) {
	c.locked(func() { list = c.states() })
	return list
}

// Put stores a unit past the API, from the text of a file, and lets it come up at
// once if it is to.
func (c *Cluster) Put(name, text, desired string) {
	list, err := systemd.DeserializeOptions(strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	c.locked(func() {
		u := &unit{name: name, desired: desired}
		for _, o := range list {
			u.options = append(u.options, option{o.Section, o.Name, o.Value})
		}
		u.hash = hash(u.options)
		c.units[name], c.contents[u.hash] = u, true
		if desired == "inactive" {
			return
		}
		for _, m := range c.machines {
			if c.takes(m, u) && (u.global() || u.machine == "") {
				if !u.global() {
					u.machine = m.ID
				}
				i := newInstance(u)
				m.loaded[name] = i
				if desired == "launched" {
					c.start(m, name, i)
					if b := behave(name, u.options); b.end == 0 {
						i.active, i.sub = b.active, b.sub
					}
				}
			}
		}
	})
}

// list is all units as the API lists them.
func (c *Cluster) list() []Unit {
	var list []Unit
	for _, name := range c.names() {
		if !c.poisoned[name] {
			u := c.api(c.units[name])
			if u.CurrentState == "" {
				u.CurrentState = "inactive" // global ones, in the list alone
			}
			list = append(list, u)
		}
	}
	return list
}

// api is a unit as the API tells it.
func (c *Cluster) api(u *unit) Unit {
	result := Unit{Name: u.name, Options: u.options, DesiredState: u.desired}
	if u.global() {
		return result
	}
	result.CurrentState, result.MachineID = "inactive", u.machine
	m := c.node(u.machine)
	if m == nil || c.blind() {
		return result
	}
	// fleet registry/job_state.go: loaded is what has a state, launched that of
	// which the machine also says so itself
	if _, told := m.told(u.name); told {
		result.CurrentState = "loaded"
		if c.beats[u.name] == m.ID {
			result.CurrentState = "launched"
		}
	}
	return result
}

// states are the records of all agents, by unit and machine.
func (c *Cluster) states() []UnitState {
	var list []UnitState
	if c.blind() {
		return nil
	}
	for _, m := range c.machines {
		for name := range m.loaded {
			if s, told := m.told(name); told {
				list = append(list, s)
			}
		}
	}
	slices.SortFunc(list, func(a, b UnitState) int {
		if n := strings.Compare(a.Name, b.Name); n != 0 {
			return n
		}
		return strings.Compare(a.MachineID, b.MachineID)
	})
	return list
}

// told is what a machine says of a unit, and whether it says anything.
func (m *node) told(name string) (UnitState, bool) {
	if m.away {
		s, known := m.last[name]
		return s, known
	}
	i := m.loaded[name]
	if i == nil || i.hidden || i.quiet {
		return UnitState{}, false
	}
	return UnitState{name, i.hash, m.ID, i.load, i.active, i.sub}, true
}

// Contents is how many different unit files the store holds: none is ever removed.
func (c *Cluster) Contents() (n int) {
	c.locked(func() { n = len(c.contents) })
	return n
}

// blind reports whether the store has just come back and knows no state yet.
func (c *Cluster) blind() bool { return !c.etcdUp.IsZero() && c.since(c.etcdUp) < 12 }
