package lint

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// A Config is a .unitstamp.yaml file.
type Config struct {
	base  Settings
	paths []pathSettings
}

// pathSettings are what a config says about some files.
type pathSettings struct {
	files []string
	Settings
}

// A ConfigError is what is wrong in a config, with its place; Line and Column count
// from 1, and are 0 where only the parser knows.
type ConfigError struct {
	Name          string
	Line, Column  int
	Message, Hint string
}

// Error is the message with the place, without the hint.
func (e *ConfigError) Error() string {
	if e.Line == 0 {
		return e.Name + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.Name, e.Line, e.Column, e.Message)
}

// ParseConfig reads a config. What it does not know, a key, a rule, a level, is an
// error: all errors are *ConfigError.
func ParseConfig(name string, data []byte) (*Config, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, yamlError(name, err)
	}
	p := configParser{name: name}
	c := &Config{}
	if len(document.Content) > 0 && document.Content[0].Tag != "!!null" {
		p.mapping(document.Content[0], "the file", func(key, value *yaml.Node) {
			if key.Value == "paths" {
				p.list(value, "paths", func(n *yaml.Node) { c.paths = append(c.paths, p.path(n)) })
				return
			}
			p.setting(&c.base, key, value, "paths")
		})
	}
	if p.err != nil {
		return nil, p.err
	}
	return c, nil
}

// yamlError makes a ConfigError of the YAML parser's, which knows a line at best.
func yamlError(name string, err error) *ConfigError {
	e := &ConfigError{Name: name, Message: strings.TrimPrefix(err.Error(), "yaml: ")}
	if _, scanErr := fmt.Sscanf(e.Message, "line %d:", &e.Line); scanErr == nil {
		e.Column = 1
		_, e.Message, _ = strings.Cut(e.Message, ": ")
	}
	return e
}

// configParser walks the YAML nodes and keeps the first error.
type configParser struct {
	name string
	err  *ConfigError
}

func (p *configParser) fail(n *yaml.Node, hint, format string, args ...any) {
	if p.err == nil {
		p.err = &ConfigError{Name: p.name, Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...), Hint: hint}
	}
}

// mapping calls entry for each key of a mapping; a key may stand once.
func (p *configParser) mapping(n *yaml.Node, what string, entry func(key, value *yaml.Node)) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Tag == "!!null" { // all of it is commented out
		return
	}
	if n.Kind != yaml.MappingNode {
		p.fail(n, "", "%s must be a mapping of names to values", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if seen[key.Value] {
			p.fail(key, "", "%q stands twice", key.Value)
		}
		seen[key.Value] = true
		entry(key, n.Content[i+1])
	}
}

func (p *configParser) list(n *yaml.Node, what string, item func(*yaml.Node)) {
	if n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.SequenceNode {
		p.fail(n, "", "%q must be a list", what)
		return
	}
	for _, c := range n.Content {
		item(c)
	}
}

func (p *configParser) text(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		p.fail(n, "", "%s must be a text", what)
	}
	return n.Value
}

// path reads one entry of "paths".
func (p *configParser) path(n *yaml.Node) (s pathSettings) {
	p.mapping(n, "an entry of \"paths\"", func(key, value *yaml.Node) {
		if key.Value != "files" {
			p.setting(&s.Settings, key, value, "files")
			return
		}
		p.list(value, "files", func(n *yaml.Node) {
			pattern := p.text(n, "a pattern")
			if _, err := path.Match(strings.ReplaceAll(pattern, "**", "*"), ""); err != nil {
				p.fail(n, "", "the pattern %q cannot be read", pattern)
			}
			s.files = append(s.files, pattern)
		})
	})
	if len(s.files) == 0 {
		p.fail(n, "", "an entry of \"paths\" needs \"files\", a list of patterns such as legacy/**")
	}
	return s
}

// setting reads a key that the whole file and entries of "paths" have in common.
func (p *configParser) setting(s *Settings, key, value *yaml.Node, other string) {
	switch key.Value {
	case "rules":
		s.Levels = map[string]Level{}
		p.mapping(value, "\"rules\"", func(key, value *yaml.Node) { p.level(s, key, value) })
	case "registries":
		p.list(value, key.Value, func(n *yaml.Node) { s.Registries = append(s.Registries, p.text(n, "a registry")) })
	case "branches":
		p.list(value, key.Value, func(n *yaml.Node) {
			pattern := p.text(n, "a branch")
			if _, err := path.Match(tagForm(pattern), ""); err != nil {
				p.fail(n, "", "the pattern %q cannot be read", pattern)
			}
			s.Branches = append(s.Branches, pattern)
		})
	case "expect":
		expect, ok := expectations[value.Value]
		if !ok {
			p.fail(value, "", "\"expect\" is %q; known are stamped and unstamped", value.Value)
		}
		s.Expect = expect
	default:
		p.fail(key, "", "unknown key %q; known are branches, expect, %s, registries, rules", key.Value, other)
	}
}

func (p *configParser) level(s *Settings, key, value *yaml.Node) {
	rule, ok := Lookup(key.Value)
	if !ok {
		p.fail(key, "unitstamp rules lists them", "unknown rule %q", key.Value)
		return
	}
	level, ok := levels[value.Value]
	if !ok {
		p.fail(value, "", "the level of %s is %q; known are off, info, warning, error", key.Value, value.Value)
	}
	if _, twice := s.Levels[rule.ID]; twice {
		p.fail(key, "", "%s stands twice, by its number and by its name", rule.ID)
	}
	s.Levels[rule.ID] = level
}

// For returns the settings for a file, named relative to the config's folder with
// '/'. Later entries of "paths" win; what an entry does not say stays.
func (c *Config) For(file string) Settings {
	if c == nil {
		return Settings{}
	}
	s := c.base
	s.Levels = map[string]Level{}
	for id, level := range c.base.Levels {
		s.Levels[id] = level
	}
	for _, p := range c.paths {
		if !slices.ContainsFunc(p.files, func(pattern string) bool { return matchPath(pattern, file) }) {
			continue
		}
		for id, level := range p.Levels {
			s.Levels[id] = level
		}
		if p.Registries != nil {
			s.Registries = p.Registries
		}
		if p.Branches != nil {
			s.Branches = p.Branches
		}
		if p.Expect != Anything {
			s.Expect = p.Expect
		}
	}
	return s
}

// matchPath matches a path with a pattern in which ** stands for any number of
// folders. A pattern without '/' is about the file's name alone.
func matchPath(pattern, file string) bool {
	if !strings.Contains(pattern, "/") {
		ok, _ := path.Match(pattern, path.Base(file))
		return ok
	}
	return matchParts(strings.Split(strings.TrimPrefix(pattern, "/"), "/"), strings.Split(file, "/"))
}

func matchParts(pattern, file []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for i := range len(file) + 1 {
				if matchParts(pattern[1:], file[i:]) {
					return true
				}
			}
			return false
		}
		if len(file) == 0 {
			return false
		}
		if ok, _ := path.Match(pattern[0], file[0]); !ok {
			return false
		}
		pattern, file = pattern[1:], file[1:]
	}
	return len(file) == 0
}

// Example is a config with everything in it, commented, for --init.
const Example = `# What unitstamp check looks for in the units below this folder.

# Rules by number or name, each off, info, warning or error.
# unitstamp rules lists them, unitstamp rule US012 explains one.
rules:
  # US034: off
  # unpinned-image: error

# Where images may come from: hosts, or hosts with the beginning of a path.
# registries:
#   - docker.io/myrepo
#   - quay.io

# The branches whose builds may stand in units, as git names them.
# branches:
#   - develop
#   - release/*

# stamped in a repository of system configuration: every image carries its build.
# unstamped beside a service's source: no image does.
# expect: stamped

# Exceptions. ** stands for any number of folders; the last entry that fits wins.
# paths:
#   - files: [legacy/**, "*.socket"]
#     rules:
#       US003: warning
`
