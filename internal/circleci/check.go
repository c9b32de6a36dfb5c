package circleci

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	pinned = regexp.MustCompile(`^[a-z][a-z0-9_-]+/[a-z][a-z0-9_-]+@\d+\.\d+\.\d+$`)
	image  = regexp.MustCompile(`^[^:]+:([^:]+)$`)
	used   = regexp.MustCompile(`<<\s*parameters\.([\w-]+)\s*>>`)
)

// Check lists what the schema does not see in a configuration or an orb: parameters
// that are used without being declared, or declared without being used; in an orb,
// pieces and parameters without a description; orbs and images without a fixed
// version; runs without a name. isOrb asks for more.
func Check(d Document, isOrb bool) []string {
	var problems []string
	add := func(format string, words ...any) { problems = append(problems, fmt.Sprintf(format, words...)) }
	if isOrb && text(d["description"]) == "" {
		add("the orb has no description")
	}
	for _, kind := range []string{"commands", "executors", "jobs", "examples"} {
		pieces := mapping(d[kind])
		for _, name := range keys(pieces) {
			piece, where := mapping(pieces[name]), kind+"/"+name
			if isOrb && text(piece["description"]) == "" {
				add("%s has no description", where)
			}
			if kind == "examples" {
				usage := mapping(piece["usage"])
				for _, p := range Check(usage, false) {
					add("%s: %s", where, p)
				}
				if len(mapping(usage["orbs"])) == 0 {
					add("%s does not use the orb", where)
				}
				continue
			}
			checkParameters(piece, where, isOrb, add)
			checkSteps(piece["steps"], where, add)
			containers, _ := piece["docker"].([]any)
			for _, c := range containers {
				if m := image.FindStringSubmatch(text(mapping(c)["image"])); m == nil || m[1] == "latest" {
					add("%s: the image %q has no fixed version", where, mapping(c)["image"])
				}
			}
		}
	}
	orbs := mapping(d["orbs"])
	for _, name := range keys(orbs) {
		if !pinned.MatchString(text(orbs[name])) {
			add("the orb %s is not pinned to one version: %v", name, orbs[name])
		}
	}
	return problems
}

func checkParameters(piece Document, where string, isOrb bool, add func(string, ...any)) {
	declared := mapping(piece["parameters"])
	var seen []string
	note := func(s string) (any, error) {
		for _, m := range used.FindAllStringSubmatch(s, -1) {
			seen = append(seen, m[1])
		}
		return s, nil
	}
	for _, key := range keys(piece) {
		if key == "parameters" {
			continue
		}
		_, _ = walk(piece[key], note) // note never fails
	}
	for _, name := range keys(declared) {
		if !slices.Contains(seen, name) {
			add("%s: the parameter %q is not used", where, name)
		}
		parameter := mapping(declared[name])
		if isOrb && text(parameter["description"]) == "" {
			add("%s: the parameter %q has no description", where, name)
		}
		if v, given := parameter["default"]; given {
			if err := kind(parameter, v); err != nil {
				add("%s: the default of %q: %v", where, name, err)
			}
		}
	}
	slices.Sort(seen)
	for _, name := range slices.Compact(seen) {
		if declared[name] == nil {
			add("%s: the parameter %q is not declared", where, name)
		}
	}
}

func checkSteps(steps any, where string, add func(string, ...any)) {
	list, _ := steps.([]any)
	for _, entry := range list {
		name, arguments := invocation(entry)
		switch name {
		case "run":
			if text(arguments["name"]) == "" || strings.TrimSpace(text(arguments["command"])) == "" {
				add("%s: a run without a name or a command", where)
			}
		case "when", "unless":
			checkSteps(arguments["steps"], where, add)
		}
	}
}
