//go:build lab

// Package shell has shellcheck read every script of the project: its own, and those that
// stand in the configurations of CI systems.
package shell

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/circleci"
)

var root = filepath.Join("..", "..")

// A script is shell and the dialect that runs it.
type script struct {
	name, dialect, text string
}

func TestShellcheck(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Fatalf("%v: the lab needs shellcheck", err)
	}
	scripts := slices.Concat(files(t), circleCI(t), elsewhere(t))
	dir := t.TempDir()
	for _, s := range scripts {
		path := filepath.Join(dir, "script")
		if err := os.WriteFile(path, []byte(s.text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("shellcheck", "--norc", "--severity=style", "--format=gcc", "--shell="+s.dialect, path).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", s.name, err, out)
		}
	}
	if len(scripts) < 30 {
		t.Errorf("only %d scripts were found", len(scripts))
	}
	t.Logf("%d scripts", len(scripts))
}

// TestShellcheckSees gives it a script with a fault.
func TestShellcheckSees(t *testing.T) {
	command := exec.Command("shellcheck", "--norc", "--severity=style", "--format=gcc", "--shell=bash", "-")
	command.Stdin = strings.NewReader("for tag in $(unitstamp tag); do docker push $tag; done\n")
	if out, err := command.CombinedOutput(); err == nil || !strings.Contains(string(out), "SC2086") {
		t.Errorf("%v\n%s", err, out)
	}
}

// files are those that git knows and whose first line names a shell.
func files(t *testing.T) []script {
	t.Helper()
	list, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		t.Fatal(err)
	}
	var scripts []script
	for _, name := range strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			continue // a folder's link, or a file that is about to be removed
		}
		first, _, _ := strings.Cut(string(data), "\n")
		switch {
		case first == "#!/bin/sh" || name == "lab/node/boot.sh":
			scripts = append(scripts, script{name, "sh", string(data)})
		case first == "#!/bin/bash" || first == "#!/usr/bin/env bash":
			scripts = append(scripts, script{name, "bash", string(data)})
		}
	}
	return scripts
}

// circleCI are the steps of each workflow that the project has, as its jobs run them: with
// bash. The orb's examples use all of the orb's commands.
func circleCI(t *testing.T) []script {
	t.Helper()
	orb, err := circleci.Pack(filepath.Join(root, ".circleci", "orb", "src"))
	if err != nil {
		t.Fatal(err)
	}
	documents := map[string]circleci.Document{}
	for _, path := range []string{".circleci/config.yml", "examples/service/.circleci/config.yml", "examples/sysconfig/.circleci/config.yml"} {
		if documents[path], err = circleci.Read(filepath.Join(root, path)); err != nil {
			t.Fatal(err)
		}
	}
	for name, example := range orb["examples"].(circleci.Document) {
		documents["the orb's example "+name] = example.(circleci.Document)["usage"].(circleci.Document)
	}
	var scripts []script
	seen := map[string]bool{}
	for _, where := range slices.Sorted(maps.Keys(documents)) {
		d := documents[where]
		config := circleci.Config{Document: d, Orbs: map[string]circleci.Document{"unitstamp": orb},
			Pipeline: map[string]string{"number": "58", "git.branch": "develop", "project.slug": "gh/myrepo/myservice"}}
		for _, name := range slices.Sorted(maps.Keys(d["workflows"].(circleci.Document))) {
			jobs, err := config.Workflow(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, job := range jobs {
				for _, step := range job.Steps {
					if step.Kind == "run" && !seen[step.Command] {
						seen[step.Command] = true
						scripts = append(scripts, script{where + ", " + step.Name, "bash", step.Command})
					}
				}
			}
		}
	}
	for name, command := range orb["commands"].(circleci.Document) {
		for _, step := range command.(circleci.Document)["steps"].([]any) {
			if run, ok := step.(circleci.Document)["run"].(circleci.Document); ok && !seen[run["command"].(string)] {
				t.Errorf("no workflow runs the orb's command %s", name)
			}
		}
	}
	return scripts
}

// elsewhere are the scripts for other CI systems, with the shells that those start.
func elsewhere(t *testing.T) []script {
	t.Helper()
	var scripts []script
	for _, system := range circleci.Systems {
		steps, err := system.Steps(filepath.Join(root, "examples", system.File), circleci.Secrets("password", "token"))
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range steps {
			dialect := "bash"
			if strings.HasPrefix(step.Shell, "sh ") {
				dialect = "dash" // busybox
			}
			text := step.Command
			if !strings.HasPrefix(text, "#!") { // else it says so itself
				text = "set -e\n" + text
			}
			if step.Kind == "run" {
				scripts = append(scripts, script{system.File + ", " + step.Name, dialect, text})
			}
		}
	}
	return scripts
}
