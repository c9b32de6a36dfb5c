package webhook

import (
	"fmt"
	"path"
)

// A Filter chooses the events that concern the receiver. Patterns are those of
// path.Match: a star does not reach across a slash. The zero Filter takes all.
type Filter struct {
	Repositories   []string
	Branches, Tags []string
}

// Check refuses patterns that are none.
func (f Filter) Check() error {
	for _, list := range [][]string{f.Repositories, f.Branches, f.Tags} {
		for _, pattern := range list {
			if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
				return fmt.Errorf("%q is no pattern", pattern)
			}
		}
	}
	return nil
}

// Accepts tells whether something of an event concerns the receiver, and else why not.
// A repository must be one that is named, if any are; a branch or a tag likewise, if any
// of either are.
func (f Filter) Accepts(e Event) (ok bool, why string) {
	if e.Idle != "" {
		return false, e.Idle
	}
	if len(e.Subjects) == 0 {
		e.Subjects = []Subject{{}}
	}
	for _, s := range e.Subjects {
		reason := f.refuses(s)
		if reason == "" {
			return true, ""
		}
		if why == "" {
			why = reason
		}
	}
	return false, why
}

func (f Filter) refuses(s Subject) string {
	if len(f.Repositories) > 0 && !matches(f.Repositories, s.Repository) {
		return "repository \"" + s.Repository + "\" is not accepted"
	}
	if len(f.Branches)+len(f.Tags) == 0 || matches(f.Branches, s.Branch) || matches(f.Tags, s.Tag) {
		return ""
	}
	switch {
	case s.Branch != "":
		return "branch \"" + s.Branch + "\" is not accepted"
	case s.Tag != "":
		return "tag \"" + s.Tag + "\" is not accepted"
	}
	return "it names neither branch nor tag"
}

func matches(patterns []string, name string) bool {
	if name == "" {
		return false
	}
	for _, pattern := range patterns {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return true
		}
	}
	return false
}
