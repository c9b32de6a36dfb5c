// Package containerrun reads the command lines of container clients, docker,
// podman, nerdctl and rkt, and says which word is the image.
//
// The rules are those of the clients' own option parsers: options end at the
// first word that is none, a value option swallows the next word whatever it is,
// short options stand together. Which options there are and which take a value is
// a table over all versions of all clients; nothing is guessed from a word's look.
package containerrun

import "strings"

// An Arg is one word of a command line.
type Arg struct {
	Text string
	// Splits tells that the word is a variable of unknown value that becomes any
	// number of words.
	Splits bool
	// Open tells that the word is one word, but begins with a variable of unknown
	// value.
	Open bool
}

// An Invocation is a call of a container client that names an image.
type Invocation struct {
	// Client is docker, podman, nerdctl or rkt, whatever path it was called by.
	Client string
	// Verb is run, create or pull; empty when an issue came before it.
	Verb string
	// Images are the indexes of the image operands: one for run and create, any
	// number for pull, none if there are none or they cannot be told.
	Images []int
	// Options are the options before the operand, in order.
	Options []Option
	// AllTags is pull -a, which takes no tag.
	AllTags bool
	// Splices are the indexes of variables before the operand that become any
	// number of words, so that another word may be the operand at run time.
	Splices []int
	// Issue is why the operand cannot be told for sure, or nil.
	Issue *Issue
}

// Command is the client and the verb: "docker run".
func (v Invocation) Command() string {
	return strings.TrimSuffix(v.Client+" "+v.Verb, " ")
}

// Option returns the last use of an option by any of its names, with dashes.
func (v Invocation) Option(names ...string) (Option, bool) {
	for i := len(v.Options) - 1; i >= 0; i-- {
		for _, name := range names {
			if v.Options[i].Name == name {
				return v.Options[i], true
			}
		}
	}
	return Option{}, false
}

// An Option is one option as it was used.
type Option struct {
	// Name is with dashes; of several short options written together, each is an
	// Option of its own.
	Name string
	// Value is the value, if the option has one.
	Value string
	// Arg is the index of the word with the name, ValueArg that of the word with
	// the value: the same one for --name=value.
	Arg, ValueArg int
}

// An Issue is something that makes the operand doubtful.
type Issue struct {
	Kind IssueKind
	// Arg is the index of the word to blame.
	Arg int
	// Text is the part of the word to blame.
	Text string
}

// An IssueKind tells what the matter is.
type IssueKind uint8

// The kinds of issues.
const (
	// UnknownOption is an option that no version of the client has.
	UnknownOption IssueKind = iota + 1
	// LegacyOption is a long option behind a single dash (-name), or a short one
	// that is gone. docker before 1.0 to 1.11 and docker of today read the rest of
	// the line differently.
	LegacyOption
	// TypographicDash is a word that begins with a dash that is no '-'.
	TypographicDash
	// Rootfs is podman run --rootfs: there is no image.
	Rootfs
	// Rkt is a call of rkt, whose images follow rules of their own.
	Rkt
	// NoOperand is a line that ends before the operand.
	NoOperand
	// UnknownVerb is a command that is a variable of unknown value.
	UnknownVerb
	// SplitString is env -S, which makes words of its own.
	SplitString
)

// clients maps the names of programs to clients.
var clients = map[string]int{
	"docker": docker, "docker.io": docker, "docker-current": docker, "docker-latest": docker,
	"podman": podman, "podman-remote": podman,
	"nerdctl": nerdctl,
}

var clientNames = [3]string{docker: "docker", podman: "podman", nerdctl: "nerdctl"}

// Parse reads the command line of a program. It is false when the program is no
// container client, or its command names no image.
func Parse(args []Arg) (Invocation, bool) {
	if len(args) == 0 {
		return Invocation{}, false
	}
	program := base(args[0].Text)
	switch program {
	case "rkt":
		return parseRkt(args)
	case "systemd-docker":
		return parseSystemdDocker(args)
	}
	client, ok := clients[program]
	if !ok {
		return Invocation{}, false
	}
	p := parser{args: args, client: client}
	p.found.Client = clientNames[client]
	return p.parse(1)
}

// IsClient reports whether a command line calls a container client's command that
// takes images, or runs those that are named elsewhere, without reading it further.
func IsClient(args []Arg) bool {
	program := base(args[0].Text)
	if _, ok := clients[program]; !ok && program != "rkt" && program != "systemd-docker" {
		return composers[program]
	}
	for _, a := range args[1:] {
		switch a.Text {
		case "run", "create", "pull", "prepare", "fetch", "compose", "start", "kube", "play", "stack":
			return true
		}
	}
	return false
}

var composers = map[string]bool{"docker-compose": true, "podman-compose": true}

// Elsewhere recognises a command that runs containers whose images are named in
// another place: compose and stack in a compose file, kube and play in a YAML
// file, start where the container was created.
func Elsewhere(args []Arg) (client, verb string, ok bool) {
	if len(args) == 0 {
		return "", "", false
	}
	if client, _, composer := strings.Cut(base(args[0].Text), "-"); composer && composers[base(args[0].Text)] {
		return client, "compose", true
	}
	client, verb, next, ok := Subcommand(args)
	if !ok {
		return "", "", false
	}
	word := ""
	if next < len(args) {
		word = args[next].Text
	}
	switch verb {
	case "compose", "start":
		return client, verb, true
	case "stack":
		return client, verb, word == "deploy" || word == "up"
	case "kube":
		return client, verb, word == "play" || word == "apply"
	case "play":
		return client, verb, word == "kube"
	}
	return "", "", false
}

// Subcommand reads the command of a container client that names no image, such as
// `docker stop` or `podman container rm`: the client, the verb, and the index of
// the word after it. It is false when the program is no client, or the verb
// cannot be told.
func Subcommand(args []Arg) (client, verb string, next int, ok bool) {
	if len(args) == 0 {
		return "", "", 0, false
	}
	index, ok := clients[base(args[0].Text)]
	if !ok {
		return "", "", 0, false
	}
	p := parser{args: args, client: index}
	at, ok := p.skipOptions(1, globals[index])
	if !ok || len(p.found.Splices) > 0 {
		return "", "", 0, false
	}
	verb, at = p.verb(at)
	if verb == "container" || verb == "image" {
		verb, at = p.verb(at)
	}
	return clientNames[index], verb, at, verb != ""
}

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// parseRkt recognises the commands of rkt that take images, to say that they are
// not read.
func parseRkt(args []Arg) (Invocation, bool) {
	for _, a := range args[1:] {
		switch a.Text {
		case "run", "prepare", "fetch":
			return Invocation{Client: "rkt", Verb: a.Text, Issue: &Issue{Kind: Rkt, Text: "rkt"}}, true
		case "run-prepared", "stop", "rm", "gc", "enter", "list", "status", "image", "trust", "version", "help":
			return Invocation{}, false
		}
	}
	return Invocation{}, false
}

// parseSystemdDocker skips systemd-docker's own options; what follows is docker's
// grammar from the verb on.
func parseSystemdDocker(args []Arg) (Invocation, bool) {
	own := options{
		"--cgroups": true, "-c": true, "--pid-file": true, "-p": true,
		"--logs": false, "-l": false, "--notify": false, "-n": false, "--env": false, "-e": false,
	}
	p := parser{args: args, client: docker}
	p.found.Client = "docker"
	at, ok := p.skipOptions(1, own)
	if !ok {
		return p.found, true
	}
	return p.parse(at)
}
