// Package cienv reads what a CI system tells about the build that it runs.
//
// Each system is a row of one table. The rows are tried in order; a variable that
// only one vendor sets comes before those that several set.
package cienv

import (
	"fmt"
	"strconv"
	"strings"
)

// A Build is what is known of the running build. Empty means unknown.
type Build struct {
	// System is the CI system's name, for people.
	System string
	// Number counts builds. What it counts differs: see NumberVariable.
	Number string
	// NumberVariable is the variable that Number came from.
	NumberVariable string
	// Branch is the branch as git knows it; empty when a git tag is built.
	Branch string
	// Tag is the git tag that is built, if one is.
	Tag string
	// Commit is the source commit's id.
	Commit string
	// Repository is the source repository, mostly as owner/name.
	Repository string
	// URL leads to the build's page.
	URL string
	// PullRequest tells that the result of a merge that has not happened is built,
	// or the commit of a fork: nothing that should be rolled out.
	PullRequest bool
}

// ParseNumber reads a build number: a decimal number of 64 bits.
func ParseNumber(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no build number: it must be a decimal number below 2^64", text)
	}
	return n, nil
}

// Lookup returns the value of an environment variable, where an empty value and
// "<nil>" count as unset: CircleCI hands over an empty pipeline value as the text
// "<nil>".
func Lookup(getenv func(string) string, name string) string {
	if v := strings.TrimSpace(getenv(name)); v != "<nil>" {
		return v
	}
	return ""
}

// Detect finds out which CI system runs, and what it says. Without one, it
// returns the zero Build.
func Detect(getenv func(string) string) Build {
	env := func(name string) string { return Lookup(getenv, name) }
	for _, s := range systems {
		if s.detect(env) {
			b := s.read(env)
			b.System = s.name
			if s.number != "" {
				b.Number, b.NumberVariable = env(s.number), s.number
			}
			return b
		}
	}
	return Build{}
}

// A system is one row of the table.
type system struct {
	name   string
	number string // the variable with the build number
	detect func(env lookup) bool
	read   func(env lookup) Build
}

type lookup func(name string) string

// set makes a detector for a variable that is set to anything.
func set(name string) func(lookup) bool {
	return func(env lookup) bool { return env(name) != "" }
}

// isTrue makes a detector for a flag.
func isTrue(name string) func(lookup) bool {
	return func(env lookup) bool { return strings.EqualFold(env(name), "true") }
}

// first returns the first value that is not empty.
func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// join puts parts together if none is missing.
func join(separator string, parts ...string) string {
	for _, p := range parts {
		if p == "" {
			return ""
		}
	}
	return strings.Join(parts, separator)
}

// without returns "" when a condition holds: many systems fill the branch with
// something else on tag builds.
func without(condition bool, value string) string {
	if condition {
		return ""
	}
	return value
}

// ref returns the branch or tag name in a full reference.
func ref(full, prefix string) string {
	name, found := strings.CutPrefix(full, prefix)
	if !found {
		return ""
	}
	return name
}
