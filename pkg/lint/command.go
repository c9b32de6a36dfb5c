package lint

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/containerrun"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

// A command is a call of a container client.
type command struct {
	*unitimage.Call
	// client is docker, podman or nerdctl, verb what it is to do, next the index of
	// the word after the verb, for verbs that take no image.
	client, verb string
	next         int
}

// newCommand makes a command of a call, or nil if it is no container client's.
func newCommand(call *unitimage.Call) *command {
	c := &command{Call: call}
	if call.Image {
		c.client, c.verb = call.Invocation.Client, call.Invocation.Verb
		return c
	}
	var ok bool
	if c.client, c.verb, c.next, ok = containerrun.Subcommand(call.Args()); !ok {
		return nil
	}
	return c
}

// program is the program's name without its folder.
func (c *command) program() string {
	return c.Words[0].Text[strings.LastIndexByte(c.Words[0].Text, '/')+1:]
}

// ignoresFailure reports the '-' prefix.
func (c *command) ignoresFailure() bool { return strings.Contains(c.Prefix, "-") }

// span is where the command's program stands.
func (c *command) span() source.Span { return c.Words[0].Span }

// optionSpan is where an option stands: its name, and its value if that is a word
// of its own.
func (c *command) optionSpan(o containerrun.Option) source.Span {
	span := c.Words[o.Arg].Span
	if o.ValueArg < len(c.Words) && c.Words[o.ValueArg].Span.End > span.End {
		span.End = c.Words[o.ValueArg].Span.End
	}
	return span
}

// flag reports whether an option without a value is on: the last use counts, and
// --name=false turns it off.
func (c *command) flag(names ...string) (containerrun.Option, bool) {
	o, ok := c.Invocation.Option(names...)
	return o, ok && (o.Value == "" || isTrue(o.Value))
}

// image returns the operand of a command that has one.
func (c *command) image() (int, bool) {
	if c.Invocation.Issue != nil || len(c.Invocation.Images) == 0 {
		return 0, false
	}
	return c.Invocation.Images[0], true
}

// runs are the run commands of ExecStart= that stand there by themselves, not in a
// script, and can be read.
func (u *Unit) runs() []*command {
	var list []*command
	for _, c := range u.commands {
		if c.Item.Section == "Service" && c.Item.Key == "ExecStart" && c.Image && c.verb == "run" && !c.Shell && c.Invocation.Issue == nil {
			list = append(list, c)
		}
	}
	return list
}

// containerName is the word with the value of --name, and the part of its text that is
// the name.
func (c *command) containerName() (word unitimage.Word, name string, ok bool) {
	o, ok := c.Invocation.Option("--name")
	if !ok || c.Invocation.Issue != nil || o.ValueArg >= len(c.Words) || o.Value == "" {
		return unitimage.Word{}, "", false
	}
	return c.Words[o.ValueArg], o.Value, true
}

// valueOptions are the options with a value, by verb, of the commands that take the
// names of containers; those of docker and podman do not contradict each other.
var valueOptions = map[string][]string{
	"attach": {"--detach-keys"},
	"kill":   {"-s", "--signal", "--cidfile"},
	"logs":   {"-n", "--tail", "--since", "--until"},
	"rm":     {"-t", "--time", "--cidfile", "--filter"},
	"start":  {"--detach-keys", "--checkpoint", "--checkpoint-dir", "--filter", "-f"},
	"stop":   {"-t", "--time", "--timeout", "-s", "--signal", "--cidfile", "--filter", "-f"},
	"wait":   {"--condition", "--interval"},
}

// names are the operands of a command that takes the names of containers, such as
// stop and rm, and its options.
func (c *command) names() (names []unitimage.Word, options []containerrun.Option) {
	only := false
	for i := c.next; i < len(c.Words); i++ {
		text := c.Words[i].Text
		switch {
		case only || len(text) < 2 || text[0] != '-' || c.Words[i].Splits:
			names = append(names, c.Words[i])
		case text == "--":
			only = true
		default:
			o := containerrun.Option{Name: text, Arg: i, ValueArg: i}
			if name, value, ok := strings.Cut(text, "="); ok {
				o.Name, o.Value = name, value
			} else if slices.Contains(valueOptions[c.verb], text) && i+1 < len(c.Words) {
				i++
				o.Value, o.ValueArg = c.Words[i].Text, i
			}
			options = append(options, o)
		}
	}
	return names, options
}

// hasOption reports whether one of the options has one of the names. Short ones
// may stand together.
func hasOption(options []containerrun.Option, names ...string) bool {
	for _, o := range options {
		for _, name := range names {
			if o.Name == name || len(name) == 2 && !strings.HasPrefix(o.Name, "--") && strings.Contains(o.Name[1:], name[1:]) {
				return true
			}
		}
	}
	return false
}

// removals are the verbs that end containers.
var removals = []string{"stop", "kill", "rm"}

// removes reports whether any command of the unit, in a script or not, removes the
// container of a name.
func (u *Unit) removes(name string) bool {
	for _, c := range u.commands {
		if c.verb != "rm" || c.Image {
			continue
		}
		if names, _ := c.names(); slices.ContainsFunc(names, func(w unitimage.Word) bool { return w.Text == name || !w.Known() }) {
			return true
		}
	}
	return false
}

func isRemoval(verb string) bool { return slices.Contains(removals, verb) }

// scripted reports whether a script of the unit holds a word, as far as nothing
// more can be told of it.
func (u *Unit) scripted(word string) bool {
	for _, c := range u.found.Calls {
		if !c.Shell && len(c.Words) > 0 && !strings.Contains(c.Words[0].Text, "docker") && slices.ContainsFunc(c.Words[1:], func(w unitimage.Word) bool {
			return w.Text == word || w.Splits
		}) {
			return true
		}
	}
	return false
}

// sortedKeys are the keys of a set, in order.
func sortedKeys(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// userInfo is the user part of a URL.
var userInfo = regexp.MustCompile(`://[^/@\s]+@`)

// quote quotes a word for a message. What may be a secret, the value of NAME=value
// and the user part of a URL, is left out.
func quote(text string) string {
	if name, _, found := strings.Cut(text, "="); found {
		text = name + "=…"
	}
	return strconv.Quote(userInfo.ReplaceAllString(text, "://…@"))
}
