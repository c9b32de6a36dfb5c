package lint

import "github.com/unitstamp/unitstamp/pkg/diag"

// Settings are what a user may choose, for one file.
type Settings struct {
	// Levels overrides the severity of rules, by ID.
	Levels map[string]Level
	// Registries are the hosts that images may come from, and Branches the patterns of
	// the branches whose builds may stand in units. Empty lists allow all.
	Registries, Branches []string
	// Expect says whether units carry tags of builds.
	Expect Expectation
	// NoIgnores turns ignore comments off.
	NoIgnores bool
}

// Set gives a rule, by its ID, a level.
func (s *Settings) Set(id string, level Level) {
	if s.Levels == nil {
		s.Levels = map[string]Level{}
	}
	s.Levels[id] = level
}

// A Level is a severity, or off.
type Level uint8

// The levels.
const (
	Off Level = iota
	Info
	Warning
	Error
)

var levels = map[string]Level{"off": Off, "info": Info, "warning": Warning, "error": Error}

// An Expectation says which side of the stamp a unit is on.
type Expectation uint8

// The expectations.
const (
	// Anything: nothing is said.
	Anything Expectation = iota
	// Stamped: units of a system-configuration repository.
	Stamped
	// Unstamped: units beside a service's source.
	Unstamped
)

var expectations = map[string]Expectation{"stamped": Stamped, "unstamped": Unstamped}

// ParseExpectation reads the word for an expectation; "" is Anything.
func ParseExpectation(text string) (Expectation, bool) {
	e, ok := expectations[text]
	return e, ok || text == ""
}

// severity is what a problem counts, and false if its rule is off.
func (s Settings) severity(rule *Rule, minor bool) (diag.Severity, bool) {
	if level, ok := s.Levels[rule.ID]; ok {
		return diag.Severity(max(level, Info) - Info), level != Off
	}
	if minor {
		return diag.Info, true
	}
	return rule.Severity, true
}
