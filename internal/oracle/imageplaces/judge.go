//go:build linux

// Package imageplaces finds out, without any reader of the project, which bytes
// of a unit file decide which image a command uses.
//
// The way is that of a black box: systemd says which words the unit's commands
// have, a real shell which container commands a script makes, the real client
// which word is the image. Then every place where the text of a repository
// stands gets a mark of its own, and all three are asked again: where an image
// carries a mark now, the marked place decides about it.
package imageplaces

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/internal/oracle/dockeroperand"
	"github.com/unitstamp/unitstamp/internal/oracle/scriptcalls"
	"github.com/unitstamp/unitstamp/internal/oracle/systemdwords"
)

// Image is one image that a command of a unit runs, creates a container from or pulls.
type Image struct {
	Key     string // of the command, such as `ExecStart`
	Script  bool   // the command was seen by running a script or a wrapper
	Argv    []string
	Operand string // as the client sent it; empty if Unknown is set
	Unknown string // why the operand cannot be judged
}

// Verdict is what is known about the images of one unit.
type Verdict struct {
	Refused string // systemd's reason for not loading the unit
	Images  []Image
}

// Judge asks the real programs and remembers what they said.
type Judge struct {
	Workers int
	// Podman tells that podman's client is there to be asked.
	Podman bool

	answers map[string]dockeroperand.Answer
	traces  map[string][][]string
}

// Images returns the verdicts on the units, in the order given.
func (j *Judge) Images(ctx context.Context, units []systemdwords.Unit) ([]Verdict, error) {
	readings, err := systemdwords.Read(ctx, units)
	if err != nil {
		return nil, err
	}
	verdicts := make([]Verdict, len(units))
	var open []*question
	for i, reading := range readings {
		if reading.Refused != "" && !reading.Relaxed {
			verdicts[i].Refused = reading.Refused
			continue
		}
		for _, command := range reading.Commands {
			if mentionsTool(command.Argv) {
				open = append(open, &question{unit: i, command: command, known: environment(reading)})
			}
		}
	}
	for _, placeholder := range placeholders {
		if err := j.ask(ctx, open, placeholder); err != nil {
			return nil, err
		}
	}
	for _, q := range open {
		verdicts[q.unit].Images = append(verdicts[q.unit].Images, q.images...)
	}
	return verdicts, nil
}

// placeholders are tried in turn for variables that the unit does not set, until
// the client takes the command line: some options want an address, some a number.
var placeholders = []string{"127.0.0.1", "1", "zq", "/zq"}

// question is one command of one unit.
type question struct {
	unit    int
	command systemdwords.Command
	known   map[string]string // the unit's own Environment=
	images  []Image
	settled bool
}

// ask puts the placeholder in for what is unknown in each open question and
// settles those that leave nothing unknown.
func (j *Judge) ask(ctx context.Context, questions []*question, placeholder string) error {
	var open []*question
	var scripts []scriptcalls.Script
	for _, q := range questions {
		if !q.settled {
			open = append(open, q)
			if !isTool(q.command.Argv[0]) {
				scripts = append(scripts, q.script(placeholder))
			}
		}
	}
	if err := j.trace(ctx, scripts); err != nil {
		return err
	}
	for _, q := range open {
		q.images = q.images[:0]
		if isTool(q.command.Argv[0]) {
			argv := expand(q.command.Argv, q.known, placeholder)
			argv[0] = path.Base(argv[0])
			q.images = append(q.images, Image{Key: q.command.Key, Argv: argv})
			continue
		}
		for _, argv := range j.traces[scriptKey(q.script(placeholder))] {
			q.images = append(q.images, Image{Key: q.command.Key, Script: true, Argv: argv})
		}
	}
	if err := j.askClients(ctx, open); err != nil {
		return err
	}
	for _, q := range open {
		q.conclude(j, placeholder)
	}
	return nil
}

func (q *question) script(placeholder string) scriptcalls.Script {
	var env []string
	for _, name := range variableNames(q.command.Argv) {
		value, known := q.known[name]
		if !known {
			value = placeholder
		}
		env = append(env, name+"="+value)
	}
	for name, value := range q.known {
		if entry := name + "=" + value; !slices.Contains(env, entry) {
			env = append(env, entry)
		}
	}
	slices.Sort(env)
	return scriptcalls.Script{Argv: expand(q.command.Argv, q.known, placeholder), Env: env}
}

func (j *Judge) trace(ctx context.Context, scripts []scriptcalls.Script) error {
	if j.traces == nil {
		j.traces = map[string][][]string{}
	}
	var fresh []scriptcalls.Script
	for _, script := range scripts {
		if _, known := j.traces[scriptKey(script)]; !known {
			j.traces[scriptKey(script)] = nil
			fresh = append(fresh, script)
		}
	}
	calls, err := scriptcalls.Trace(ctx, j.Workers, fresh)
	if err != nil {
		return err
	}
	for i, script := range fresh {
		j.traces[scriptKey(script)] = calls[i]
	}
	return nil
}

func scriptKey(script scriptcalls.Script) string {
	return strings.Join(script.Argv, "\x00") + "\x00\x00" + strings.Join(script.Env, "\x00")
}

// askClients asks about all command lines that have not been asked before.
func (j *Judge) askClients(ctx context.Context, open []*question) error {
	if j.answers == nil {
		j.answers = map[string]dockeroperand.Answer{}
	}
	fresh := map[dockeroperand.Client][][]string{}
	for _, q := range open {
		for _, image := range q.images {
			client, args, why := j.clientOf(image.Argv)
			key := answerKey(client, args)
			if _, known := j.answers[key]; known || why != "" {
				continue
			}
			j.answers[key] = dockeroperand.Answer{}
			fresh[client] = append(fresh[client], args)
		}
	}
	for _, client := range []dockeroperand.Client{dockeroperand.Docker, dockeroperand.Podman} {
		if len(fresh[client]) == 0 {
			continue
		}
		answers, err := client.Ask(ctx, j.Workers, fresh[client])
		if err != nil {
			return err
		}
		for i, args := range fresh[client] {
			j.answers[answerKey(client, args)] = answers[i]
		}
	}
	return nil
}

func answerKey(client dockeroperand.Client, args []string) string {
	return string(client) + "\x00" + strings.Join(args, "\x00")
}

// clientOf tells who can judge a command line. The text why says that nobody can,
// or, if it is `-`, that the command names no image.
func (j *Judge) clientOf(argv []string) (client dockeroperand.Client, args []string, why string) {
	args = argv[1:]
	if !slices.ContainsFunc(args, func(word string) bool { return word == "run" || word == "create" || word == "pull" }) {
		return "", nil, "-"
	}
	switch argv[0] {
	case "docker":
		return dockeroperand.Docker, args, ""
	case "podman":
		if j.Podman {
			return dockeroperand.Podman, args, ""
		}
		return "", nil, "no podman client to ask"
	case "systemd-docker":
		// Its own options come first, then docker's command line.
		return dockeroperand.Docker, args[max(0, slices.Index(args, "run")):], ""
	}
	return "", nil, "no " + argv[0] + " client to ask"
}

// conclude turns answers into images. The question stays open as long as a
// client refuses a command line, since another placeholder may please it.
func (q *question) conclude(j *Judge, placeholder string) {
	q.settled = true
	var images []Image
	for _, image := range q.images {
		client, args, why := j.clientOf(image.Argv)
		if why == "-" {
			continue
		}
		if why != "" {
			image.Unknown = why
			images = append(images, image)
			continue
		}
		answer := j.answers[answerKey(client, args)]
		operand, found := answer.Operand()
		switch {
		case strings.Contains(answer.Refusal, "not answered: ") || strings.Contains(answer.Refusal, "Error response from daemon"):
			continue // another command: `docker network create`
		case !found:
			image.Unknown = firstLine(answer.Refusal)
			q.settled = false
		case strings.Contains(operand, placeholder) || image.Script && strings.Contains(operand, scriptcalls.Output):
			image.Unknown = "the operand holds what the unit alone does not tell"
			image.Operand = ""
		default:
			image.Operand = operand
		}
		images = append(images, image)
	}
	q.images = images
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// tools are the programs whose command lines name images.
var tools = []string{"docker", "podman", "nerdctl", "systemd-docker"}

func isTool(program string) bool { return slices.Contains(tools, path.Base(program)) }

func mentionsTool(argv []string) bool {
	return slices.ContainsFunc(argv, func(word string) bool {
		return slices.ContainsFunc(tools, func(tool string) bool { return strings.Contains(word, tool) })
	})
}

// environment is what the unit's Environment= sets and its UnsetEnvironment= leaves.
func environment(reading systemdwords.Reading) map[string]string {
	values := map[string]string{}
	for _, assignment := range reading.Environment {
		name, value, _ := strings.Cut(assignment, "=")
		values[name] = value
	}
	for _, unset := range reading.Unset {
		name, value, whole := strings.Cut(unset, "=")
		if !whole || values[name] == value {
			delete(values, name)
		}
	}
	return values
}

var (
	wholeWord = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)$`)
	inside    = regexp.MustCompile(`\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
	mentioned = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)
)

// expand does what systemd does to words when it starts a command
// (basic/env-util.c replace_env_argv): `$NAME` as a word of its own becomes as
// many words as its value has, `${NAME}` its value, `$$` a dollar. A variable
// that the unit does not set is taken for one word.
func expand(argv []string, known map[string]string, placeholder string) []string {
	value := func(name string) string {
		if text, found := known[name]; found {
			return text
		}
		return placeholder
	}
	out := []string{argv[0]}
	for _, word := range argv[1:] {
		if found := wholeWord.FindStringSubmatch(word); found != nil {
			out = append(out, strings.Fields(value(found[1]))...)
			continue
		}
		out = append(out, inside.ReplaceAllStringFunc(word, func(match string) string {
			if match == "$$" {
				return "$"
			}
			return value(match[2 : len(match)-1])
		}))
	}
	return out
}

// variableNames are the names after `$` anywhere in the words, each once.
func variableNames(argv []string) []string {
	var names []string
	for _, word := range argv {
		for _, found := range mentioned.FindAllStringSubmatch(word, -1) {
			if !slices.Contains(names, found[1]) && !slices.Contains(shellOwn, found[1]) {
				names = append(names, found[1])
			}
		}
	}
	return names
}

// shellOwn are variables that the sandbox or the shell itself sets.
var shellOwn = []string{"PATH", "HOME", "PWD", "SHELL", "IFS", "LANG"}
