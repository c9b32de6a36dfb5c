package fleet

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/unitname"
)

const fleetSection = "X-Fleet"

// requirementKeys are the keys that fleet knows in [X-Fleet], those of its first
// versions too (fleet job/job.go).
var requirementKeys = []string{
	"MachineID", "X-ConditionMachineID", "X-ConditionMachineBootID", "MachineOf", "X-ConditionMachineOf",
	"Conflicts", "X-Conflicts", "MachineMetadata", "X-ConditionMachineMetadata", "Global", "Replaces",
}

// requirements are what a unit says about the machines that it may run on.
type requirements struct {
	machine   string // that one alone, "" for any
	peers     []string
	conflicts []string // globs
	replaces  []string
	metadata  map[string][]string // any of the values of each key
	global    bool                // on every machine that has the metadata
}

// requirementsOf reads them off, the unit's names put in for specifiers.
func requirementsOf(name string, o options) requirements {
	values := func(keys ...string) []string {
		var list []string
		for _, key := range keys {
			for _, value := range o.values(fleetSection, key) {
				list = append(list, quoted(expand(name, value))...)
			}
		}
		return list
	}
	r := requirements{
		peers:     values("X-ConditionMachineOf", "MachineOf"),
		conflicts: values("X-Conflicts", "Conflicts"),
		replaces:  values("Replaces"),
		metadata:  map[string][]string{},
	}
	if list := values("MachineID", "X-ConditionMachineID", "X-ConditionMachineBootID"); len(list) > 0 {
		r.machine = list[0]
	}
	if list := values("Global"); len(list) > 0 {
		r.global = slices.Contains([]string{"true", "yes", "1", "on", "t"}, strings.ToLower(list[len(list)-1]))
	}
	for _, pair := range values("X-ConditionMachineMetadata", "MachineMetadata") {
		key, value, ok := strings.Cut(pair, "=")
		if ok && key != "" && value != "" && !strings.Contains(value, "=") && !strings.ContainsAny(key, "<>!") {
			r.metadata[key] = append(r.metadata[key], value)
		}
	}
	return r
}

// expand puts the unit's names in for the specifiers that fleet knows.
func expand(name, value string) string {
	n := unitname.FromPath(name)
	for _, letter := range []byte("nNpi") {
		if word, known := n.Specifier(letter); known {
			value = strings.ReplaceAll(value, "%"+string(letter), word)
		}
	}
	return value
}

// quoted takes a value such as `"a=b" "c=d"` apart; any other is one.
func quoted(value string) []string {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return []string{value}
	}
	var list []string
	for i, word := range strings.Split(value, `"`) {
		if i%2 == 1 {
			list = append(list, word)
		}
	}
	return list
}

// takes reports whether a machine has what the unit wants of it.
func (r requirements) takes(m machine) bool {
	if r.machine != "" && r.machine != m.ID {
		return false
	}
	for key, values := range r.metadata {
		if !slices.Contains(values, m.Metadata[key]) {
			return false
		}
	}
	return true
}

// contradiction is why fleet refuses requirements, "" if it takes them.
func (r requirements) contradiction() string {
	for _, peer := range r.peers {
		for _, conflict := range r.conflicts {
			if match, err := path.Match(conflict, peer); err == nil && match {
				return "MachineOf=" + peer + " is one of Conflicts=" + conflict
			}
		}
	}
	has := []struct {
		key string
		is  bool
	}{
		{"MachineID", r.machine != ""}, {"MachineOf", len(r.peers) > 0}, {"Conflicts", len(r.conflicts) > 0},
		{"Replaces", len(r.replaces) > 0}, {"Global", r.global},
	}
	refused := map[[2]string]bool{
		{"MachineID", "MachineOf"}: true, {"MachineID", "Conflicts"}: true, {"MachineID", "Replaces"}: true, {"MachineID", "Global"}: true,
		{"MachineOf", "Global"}: true, {"Replaces", "Global"}: true, {"Conflicts", "Replaces"}: true,
	}
	for i, a := range has {
		for _, b := range has[i+1:] {
			if a.is && b.is && refused[[2]string{a.key, b.key}] {
				return a.key + "= cannot be used with " + b.key + "="
			}
		}
	}
	return ""
}

// hopeless is why no machine will ever take the unit, "" if one may. known tells
// of the units that are there or wanted.
func (r requirements) hopeless(machines map[string]machine, known func(string) bool) string {
	if peer := r.alone(known); peer != "" {
		return "MachineOf=" + peer + " is a unit that is neither wanted nor there"
	}
	if r.nowhere(machines) {
		return "no machine has " + r.place()
	}
	return ""
}

// alone is a unit that is neither there nor wanted, but is to be on the same machine;
// "" if there is none.
func (r requirements) alone(known func(string) bool) string {
	for _, peer := range r.peers {
		if !known(peer) {
			return peer
		}
	}
	return ""
}

// nowhere reports whether none of the machines has what the unit wants of it.
func (r requirements) nowhere(machines map[string]machine) bool {
	for m := range maps.Values(machines) {
		if r.takes(m) {
			return false
		}
	}
	return true
}

// place is which machine the unit wants, for people.
func (r requirements) place() string {
	if r.machine != "" {
		return "MachineID=" + r.machine
	}
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(r.metadata)) {
		pairs = append(pairs, key+"="+strings.Join(r.metadata[key], "|"))
	}
	return "MachineMetadata " + strings.Join(pairs, " ")
}

// away is why nothing is known of a unit that was placed once, for people.
func (r requirements) away() string {
	return "no machine has " + r.place() + " now: if only the fleetd there is away, the unit runs on unseen"
}
