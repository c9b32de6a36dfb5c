package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A stage is the folder where the demo plays.
type stage struct {
	dir, bin string
}

// A place is where a command runs: a folder and an environment.
type place struct {
	name string
	dir  string
	env  []string
}

// job is a CI job of a service on CircleCI, in a checkout of its own.
func (s *stage) job(service string, build int) place {
	number := strconv.Itoa(build)
	dir := filepath.Join(s.dir, "ci-"+service+"-"+number)
	p := place{name: service + " #" + number, dir: dir, env: []string{
		"CI=true", "CIRCLECI=true", "CIRCLE_BUILD_NUM=" + number, "UNITSTAMP_BUILD=" + number, "CIRCLE_BRANCH=develop",
		"CIRCLE_PROJECT_USERNAME=myrepo", "CIRCLE_PROJECT_REPONAME=" + service,
		"CIRCLE_BUILD_URL=https://ci.example.com/myrepo/" + service + "/" + number,
	}}
	if sha, err := s.gitOutput(context.Background(), service, "rev-parse", "HEAD"); err == nil {
		p.env = append(p.env, "CIRCLE_SHA1="+strings.TrimSpace(sha))
	}
	if _, err := os.Stat(dir); err != nil {
		// A clone that fails shows in the first step.
		_, _ = s.gitOutput(context.Background(), ".", "clone", "-q", service, dir)
	}
	return p
}

// host is the machine that runs the services.
func (s *stage) host() place { return place{name: "host", dir: s.dir} }

func (s *stage) bare() string { return filepath.Join(s.dir, "sysconfig.git") }

func (s *stage) scene(text string) { fmt.Printf("\n— %s\n", text) }

// show prints a command and what it printed.
func (s *stage) show(command, output string) { fmt.Print(s.shown("", command, output)) }

func (s *stage) shown(where, command, output string) string {
	command = strings.ReplaceAll(command, s.dir+string(filepath.Separator), "")
	text := "\n"
	if where != "" {
		text += "  [" + where + "]"
	}
	text += "  $ " + command + "\n"
	for line := range strings.Lines(strings.ReplaceAll(output, s.dir+string(filepath.Separator), "")) {
		text += "    " + strings.TrimSuffix(line, "\n") + "\n"
	}
	return text
}

// check runs one of the programs, shows it, and wants an exit code and a text in
// what it prints.
func (s *stage) check(p place, code int, want string, args ...string) error {
	output, err := s.later(p, code, want, args...)()
	fmt.Print(output)
	return err
}

// later is check, to be run by inOrder or together.
func (s *stage) later(p place, code int, want string, args ...string) func() (string, error) {
	return func() (string, error) {
		command := exec.Command(filepath.Join(s.bin, args[0]), args[1:]...)
		command.Dir = p.dir
		command.Env = append([]string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH")}, p.env...)
		printed, err := command.CombinedOutput()
		got := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			got = exit.ExitCode()
		} else if err != nil {
			return "", err
		}
		output := string(printed)
		if got != 0 {
			output += fmt.Sprintf("[exit code %d]\n", got)
		}
		shown := s.shown(p.name, strings.Join(args, " "), output)
		if got != code || !strings.Contains(output, want) {
			return shown, fmt.Errorf("%s: exit code %d and %q were to be expected", strings.Join(args, " "), code, want)
		}
		return shown, nil
	}
}

// git runs git in a folder of the stage, with nobody's configuration.
func (s *stage) git(ctx context.Context, dir string, args ...string) error {
	_, err := s.gitOutput(ctx, dir, args...)
	return err
}

func (s *stage) gitOutput(ctx context.Context, dir string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", args...)
	command.Dir = filepath.Join(s.dir, dir)
	command.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Demo", "GIT_AUTHOR_EMAIL=demo@example.com", "GIT_COMMITTER_NAME=Demo", "GIT_COMMITTER_EMAIL=demo@example.com")
	output, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, output)
	}
	return string(output), nil
}
