package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/lint"
)

// configName is the file with the settings of check.
const configName = ".unitstamp.yaml"

// configs finds the settings for files, and reads each config once.
type configs struct {
	call    *cli.Call
	folders map[string]*located
}

// located is a config and its folder; no config is one without settings.
type located struct {
	config *lint.Config
	folder string
}

// settings are those for a file.
func (c *configs) settings(in input) (lint.Settings, error) {
	if c.call.Bool("no-config") {
		return lint.Settings{}, nil
	}
	path := in.path
	if path == stdin {
		if path = c.call.String("stdin-filename"); path == "" {
			path = "stdin"
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return lint.Settings{}, cli.Errorf(cli.World, "cannot tell the working directory: %w", err)
	}
	found, err := c.find(filepath.Dir(path))
	if err != nil || found.config == nil {
		return lint.Settings{}, err
	}
	relative, err := filepath.Rel(found.folder, path)
	if err != nil {
		relative = path
	}
	return found.config.For(filepath.ToSlash(relative)), nil
}

// find looks for the config that is in force in a folder: the next one upwards, but
// none from outside the repository that the folder lies in.
func (c *configs) find(folder string) (*located, error) {
	if found, ok := c.folders[folder]; ok {
		return found, nil
	}
	if c.folders == nil {
		c.folders = map[string]*located{}
	}
	found, err := c.look(folder)
	if err == nil {
		c.folders[folder] = found
	}
	return found, err
}

func (c *configs) look(folder string) (*located, error) {
	if given := c.call.String("config"); given != "" {
		config, err := readConfig(given)
		if err != nil {
			return nil, err
		}
		base, err := filepath.Abs(filepath.Dir(given))
		return &located{config, base}, err
	}
	path := filepath.Join(folder, configName)
	_, err := os.Lstat(path)
	if err == nil {
		config, err := readConfig(shorter(path))
		return &located{config, folder}, err
	}
	parent := filepath.Dir(folder)
	if _, err := os.Lstat(filepath.Join(folder, ".git")); err == nil || parent == folder {
		return &located{}, nil
	}
	return c.find(parent)
}

// shorter names a file from the working directory, if it lies below it.
func shorter(path string) string {
	if dir, err := os.Getwd(); err == nil {
		if relative, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(relative) {
			return relative
		}
	}
	return path
}

func readConfig(path string) (*lint.Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, cli.Errorf(cli.Usage, "cannot read %s: no such file", path).WithHint("unitstamp check --init writes one")
		}
		return nil, cli.Errorf(cli.Usage, "cannot read %s: %w", path, cause(err))
	}
	config, err := lint.ParseConfig(path, data)
	var bad *lint.ConfigError
	if errors.As(err, &bad) {
		e := cli.Errorf(cli.Usage, "%w", err)
		if bad.Hint != "" {
			return nil, e.WithHint("%s", bad.Hint)
		}
		return nil, e
	}
	return config, err
}
