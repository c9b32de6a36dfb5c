// Package circleci reads the project's CircleCI configurations and its orb, so that
// tests can hold them to what CircleCI would: its schema, the rules that the schema
// does not have, and the shell of every step.
package circleci

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// A Document is a configuration or an orb as YAML has it.
type Document = map[string]any

// Read reads a YAML file that holds a mapping.
func Read(path string) (Document, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// Parse is [Read] for what has been read.
func Parse(name string, data []byte) (Document, error) {
	var d Document
	if err := yaml.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

var include = regexp.MustCompile(`^<<\s*include\(([^)]+)\)\s*>>$`)

// Pack puts an orb together from its parts, as "circleci orb pack" does: @orb.yml,
// each file below commands, jobs, executors and examples under its name, and the
// content of included scripts.
func Pack(src string) (Document, error) {
	orb, err := Read(filepath.Join(src, "@orb.yml"))
	if err != nil {
		return nil, err
	}
	for _, kind := range []string{"commands", "examples", "executors", "jobs"} {
		files, err := filepath.Glob(filepath.Join(src, kind, "*.yml"))
		if err != nil {
			return nil, err
		}
		pieces := Document{}
		for _, file := range files {
			piece, err := Read(file)
			if err != nil {
				return nil, err
			}
			included, err := included(src, piece)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			pieces[strings.TrimSuffix(filepath.Base(file), ".yml")] = included
		}
		if len(pieces) > 0 {
			orb[kind] = pieces
		}
	}
	return orb, nil
}

func included(src string, value any) (any, error) {
	return walk(value, func(s string) (any, error) {
		m := include.FindStringSubmatch(s)
		if m == nil {
			return s, nil
		}
		content, err := os.ReadFile(filepath.Join(src, filepath.FromSlash(m[1])))
		return string(content), err
	})
}

// walk returns a copy of a value with each string replaced.
func walk(value any, replace func(string) (any, error)) (any, error) {
	switch value := value.(type) {
	case string:
		return replace(value)
	case []any:
		list := make([]any, len(value))
		for i, item := range value {
			var err error
			if list[i], err = walk(item, replace); err != nil {
				return nil, err
			}
		}
		return list, nil
	case Document:
		copied := Document{}
		for _, key := range keys(value) {
			var err error
			if copied[key], err = walk(value[key], replace); err != nil {
				return nil, err
			}
		}
		return copied, nil
	}
	return value, nil
}

// keys of a mapping, sorted.
func keys(d Document) []string { return slices.Sorted(maps.Keys(d)) }

// mapping is a value that should be a mapping; nothing is an empty one.
func mapping(value any) Document {
	d, _ := value.(Document)
	return d
}

func text(value any) string {
	s, _ := value.(string)
	return s
}
