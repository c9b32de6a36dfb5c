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

// parser reads one command line.
type parser struct {
	args   []Arg
	client int
	found  Invocation
}

// parse reads from the client's global options on.
func (p *parser) parse(at int) (Invocation, bool) {
	at, ok := p.skipOptions(at, globals[p.client])
	if !ok {
		return p.found, p.namesImage(at)
	}
	p.found.Options = nil
	if at < len(p.args) && p.args[at].Open {
		p.issue(UnknownVerb, at, p.args[at].Text)
		return p.found, true
	}
	verb, at := p.verb(at)
	switch verb {
	case "run", "create":
		p.found.Verb = verb
		p.run(at)
	case "pull":
		p.found.Verb = verb
		p.pull(at)
	default:
		if len(p.found.Splices) == 0 {
			return Invocation{}, false
		}
		splice := p.found.Splices[0]
		p.issue(UnknownVerb, splice, p.args[splice].Text)
	}
	return p.found, true
}

// namesImage reports whether a command line that could not be read further seems
// to be one that names an image.
func (p *parser) namesImage(at int) bool {
	for _, a := range p.args[min(at, len(p.args)):] {
		switch a.Text {
		case "run", "create", "pull":
			return true
		}
	}
	return false
}

// verb reads the command: one word, or one of the groups and a word.
func (p *parser) verb(at int) (string, int) {
	word := func(i int) string {
		if i < len(p.args) && !p.args[i].Splits && !p.args[i].Open {
			return p.args[i].Text
		}
		return ""
	}
	first, second := word(at), word(at+1)
	switch {
	case first == "container" && (second == "run" || second == "create"):
		return second, at + 2
	case first == "image" && second == "pull":
		return second, at + 2
	}
	return first, at + 1
}

// skipOptions reads options of a fixed list up to the first word that is none. It
// is false after an option that the list does not have; the issue is then set.
func (p *parser) skipOptions(at int, known options) (int, bool) {
	for at < len(p.args) {
		a := p.args[at]
		if a.Splits {
			p.found.Splices = append(p.found.Splices, at)
			at++
			continue
		}
		if a.Open || len(a.Text) < 2 || a.Text[0] != '-' {
			return at, true
		}
		if a.Text == "--" {
			return at + 1, true
		}
		next, ok := p.option(at, func(name string) (value, ok bool) {
			value, ok = known[name]
			return value, ok
		})
		if !ok {
			return at, false
		}
		at = next
	}
	return at, true
}

// run reads the options of run and create; the first word that is none is the
// operand, and all after it is the container's command.
func (p *parser) run(at int) {
	rootfs := -1
	p.found.Options = make([]Option, 0, min(8, len(p.args)-min(at, len(p.args))))
	for at < len(p.args) {
		a := p.args[at]
		switch {
		case a.Splits:
			p.found.Splices = append(p.found.Splices, at)
			at++
			continue
		case a.Open || len(a.Text) < 2 || a.Text[0] != '-':
			p.operand(at, rootfs)
			return
		case a.Text == "--":
			if at+1 < len(p.args) {
				p.operand(at+1, rootfs)
			} else {
				p.issue(NoOperand, at, "--")
			}
			return
		}
		if legacy, ok := p.legacyLong(a.Text); ok {
			p.issue(LegacyOption, at, legacy)
			return
		}
		next, ok := p.option(at, p.runOption)
		if !ok {
			return
		}
		if p.client == podman && (a.Text == "--rootfs" || a.Text == "--rootfs=true") {
			rootfs = at
		}
		at = next
	}
	if len(p.found.Splices) == 0 {
		p.issue(NoOperand, len(p.args)-1, p.args[len(p.args)-1].Text)
	}
}

// operand takes a word for the image, unless something speaks against it.
func (p *parser) operand(at, rootfs int) {
	if rootfs >= 0 {
		p.issue(Rootfs, rootfs, p.args[rootfs].Text)
		return
	}
	if dash := typographicDash(p.args[at].Text); dash != "" {
		p.issue(TypographicDash, at, dash)
		return
	}
	p.found.Images = []int{at}
}

// pull reads operands and options in any order. docker and nerdctl take one
// operand, podman several.
func (p *parser) pull(at int) {
	known := func(name string) (value, ok bool) {
		if value, ok = pulls[p.client][name]; !ok && p.client != docker {
			value, ok = globals[p.client][name]
		}
		return value, ok
	}
	onlyOperands := false
	for at < len(p.args) {
		a := p.args[at]
		switch {
		case a.Splits && len(p.found.Images) == 0:
			p.found.Splices = append(p.found.Splices, at)
			at++
		case !onlyOperands && a.Text == "--":
			onlyOperands = true
			at++
		case onlyOperands || a.Open || a.Splits || len(a.Text) < 2 || a.Text[0] != '-':
			if dash := typographicDash(a.Text); dash != "" {
				p.issue(TypographicDash, at, dash)
				return
			}
			if len(p.found.Images) == 0 || p.client == podman {
				p.found.Images = append(p.found.Images, at)
			}
			at++
		default:
			next, ok := p.option(at, known)
			if !ok {
				p.found.Images = nil
				return
			}
			at = next
		}
	}
	_, p.found.AllTags = p.found.Option("-a", "--all-tags")
	if len(p.found.Images) == 0 && len(p.found.Splices) == 0 {
		p.issue(NoOperand, len(p.args)-1, p.args[len(p.args)-1].Text)
	}
}

// runOption looks an option of run up. Options that are long gone count where
// they cannot be read in two ways.
func (p *parser) runOption(name string) (value, ok bool) {
	f, gone, ok := find(p.client, name)
	if ok && (gone == "" || strings.HasPrefix(name, "--")) {
		return f.value, true
	}
	if p.client != docker { // podman's and nerdctl's globals may follow the verb
		value, ok = globals[p.client][name]
		return value, ok
	}
	return false, false
}

// legacyLong finds a long option behind a single dash, or a short one that only
// old versions had.
func (p *parser) legacyLong(text string) (string, bool) {
	name, _, _ := strings.Cut(text, "=")
	if strings.HasPrefix(name, "--") {
		return "", false
	}
	if p.client == docker {
		if _, gone, ok := find(docker, name); ok && gone != "" {
			return name, true
		}
		return "", false
	}
	// podman and nerdctl never had them, and read -name as -n, -a, -m, -e.
	if f, gone, ok := find(docker, name); ok && gone != "" && len(f.name) > 2 {
		return name, true
	}
	return "", false
}

// option reads the option at an index, a long one or short ones written together,
// and returns the index of the next word. It is false, with the issue set, when
// one is not known.
func (p *parser) option(at int, lookup func(name string) (value, ok bool)) (next int, ok bool) {
	text := p.args[at].Text
	if dash := typographicDash(strings.TrimLeft(text, "-")); dash != "" {
		p.issue(TypographicDash, at, dash)
		return at, false
	}
	if strings.HasPrefix(text, "--") {
		name, value, hasValue := strings.Cut(text, "=")
		takes, ok := lookup(name)
		if !ok {
			p.issue(UnknownOption, at, name)
			return at, false
		}
		if takes && !hasValue {
			return p.valueAfter(at, name), true
		}
		p.found.Options = append(p.found.Options, Option{Name: name, Value: value, Arg: at, ValueArg: at})
		return at + 1, true
	}
	letters := text[1:]
	for i := range len(letters) {
		name := "-" + letters[i:i+1]
		takes, ok := lookup(name)
		if !ok {
			p.issue(UnknownOption, at, name)
			return at, false
		}
		rest := letters[i+1:]
		switch {
		case len(rest) > 1 && rest[0] == '=':
			p.found.Options = append(p.found.Options, Option{Name: name, Value: rest[1:], Arg: at, ValueArg: at})
			return at + 1, true
		case !takes:
			p.found.Options = append(p.found.Options, Option{Name: name, Arg: at, ValueArg: at})
		case rest != "":
			p.found.Options = append(p.found.Options, Option{Name: name, Value: rest, Arg: at, ValueArg: at})
			return at + 1, true
		default:
			return p.valueAfter(at, name), true
		}
	}
	return at + 1, true
}

// valueAfter takes the next word as an option's value, whatever it looks like.
func (p *parser) valueAfter(at int, name string) int {
	option := Option{Name: name, Arg: at, ValueArg: at}
	if at+1 < len(p.args) {
		option.Value, option.ValueArg = p.args[at+1].Text, at+1
		if p.args[at+1].Splits {
			p.found.Splices = append(p.found.Splices, at+1)
		}
	}
	p.found.Options = append(p.found.Options, option)
	return at + 2
}

func (p *parser) issue(kind IssueKind, at int, text string) {
	p.found.Issue = &Issue{Kind: kind, Arg: at, Text: text}
}

// typographicDashes are what editors and web pages make of "-" and "--".
var typographicDashes = []string{"\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2015", "\u2212", "\ufe58", "\ufe63", "\uff0d"}

// typographicDash returns the dash at the start of a word, if it is none that a
// program understands.
func typographicDash(text string) string {
	if text == "" || text[0] < 0x80 {
		return ""
	}
	for _, dash := range typographicDashes {
		if strings.HasPrefix(text, dash) {
			return dash
		}
	}
	return ""
}
