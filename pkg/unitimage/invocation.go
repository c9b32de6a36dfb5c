package unitimage

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/containerrun"
)

// commandLine follows wrappers to a container client or to a shell's script. Inside
// a script, the shell around it says what a shell in it sees.
func (f *finder) commandLine(args []argument, env environment, around *shellReader) {
	f.line = appendArgs(f.line[:0], args)
	line := f.line
	target := containerrun.Unwrap(line)
	switch {
	case target.Issue != nil:
		if seemsContainer(line) {
			f.issue(args, 0, target.Issue, "")
		}
	case target.Script >= 0:
		if around != nil {
			env = around.environmentForChild()
		}
		env = env.with(args, target.Assignments)
		f.script(args[target.Script].text, target.Shell, env)
	case target.Program >= 0:
		f.invocation(args, target.Program, line)
	case len(line) > 0 && seemsContainer(line[1:]):
		f.doubt(args, 0, "", "unknown-program", "the program is a variable whose value the unit does not set", "write the client's path, such as /usr/bin/docker")
	}
}

// seemsContainer reports whether a command line that cannot be followed looks
// like one that names an image.
func seemsContainer(line []containerrun.Arg) bool {
	for _, a := range line {
		switch a.Text {
		case "run", "create", "pull":
			return true
		}
		if strings.Contains(a.Text, " run ") || strings.Contains(a.Text, " pull ") || strings.Contains(a.Text, " create ") {
			return true
		}
	}
	return false
}

func appendArgs(line []containerrun.Arg, args []argument) []containerrun.Arg {
	for _, a := range args {
		line = append(line, containerrun.Arg{Text: a.text.s, Splits: a.splits, Open: a.text.beginsUnknown()})
	}
	return line
}

// invocation reads the call of a container client that begins at an index.
func (f *finder) invocation(args []argument, at int, line []containerrun.Arg) {
	inv, ok := containerrun.Parse(line[at:])
	if f.calls {
		f.note(args[at:], inv, ok)
	}
	if !ok {
		f.containerNames(args[at:])
		f.unread(args[at:])
		f.elsewhere(args[at:], line[at:])
		return
	}
	if inv.Issue != nil && inv.Issue.Kind == containerrun.NoOperand && fromXargs(line[:at]) {
		f.doubt(args, at, inv.Command(), "unread-command", "the image is what xargs reads from its input", "name the image in the command")
		return
	}
	if inv.Issue != nil {
		f.issue(args, at, inv.Issue, inv.Command())
		return
	}
	args = args[at:]
	f.optionNames(args, inv)
	if splice, ok := f.imageSplice(args, inv); ok {
		r := f.reference(args[splice], inv.Command())
		r.Kind, r.Resolved, r.Repository, r.Tag, r.Digest = Unresolved, "", "", "", ""
		f.found.References = append(f.found.References, r)
		if inv.Images != nil { // the words after it are the container's, or one is the image
			f.doubt(args[splice:], 0, inv.Command(), "undecidable-operand",
				strconv.Quote(f.written(args[splice].site))+" may be the image or options before it", "write ${NAME} for a variable that is one word, and an image as such")
		}
		return
	}
	for _, i := range inv.Images {
		r := f.reference(args[i], inv.Command())
		r.AllTags = inv.AllTags
		for _, s := range inv.Splices {
			if s < i {
				r.Splices = append(r.Splices, Splice{f.written(args[s].site), args[s].site})
			}
		}
		f.found.References = append(f.found.References, r)
	}
}

// elsewhere notes a command whose images another place names.
func (f *finder) elsewhere(args []argument, line []containerrun.Arg) {
	client, verb, ok := containerrun.Elsewhere(line)
	if !ok {
		return
	}
	command := client + " " + verb
	message := command + " takes images from a file of its own, which is not read"
	if verb == "start" {
		message = command + " runs a container that another command has created from an image"
	}
	f.doubt(args, 0, command, "image-elsewhere", message, "write the tag there as a variable, or name the image in a run command of the unit")
	d := &f.found.Doubts[len(f.found.Doubts)-1]
	d.Aside, d.words = true, nil
}

// fromXargs reports whether one of a command's wrappers adds words of its own.
func fromXargs(wrappers []containerrun.Arg) bool {
	return slices.ContainsFunc(wrappers, func(a containerrun.Arg) bool { return path.Base(a.Text) == "xargs" })
}

// imageSplice finds a word that becomes any number of words and stands for the
// image: one that nothing follows, a variable whose name says so, or a command's
// output right before what would else be the image.
func (f *finder) imageSplice(args []argument, inv containerrun.Invocation) (int, bool) {
	for _, s := range inv.Splices {
		name := strings.ToUpper(args[s].text.s)
		last := s == len(args)-1
		optionValue := slices.ContainsFunc(inv.Options, func(o containerrun.Option) bool { return o.ValueArg == s })
		if optionValue {
			continue
		}
		output := strings.HasPrefix(name, "$(") || strings.HasPrefix(name, "`")
		if output && slices.Contains(inv.Images, s+1) || last && len(inv.Images) == 0 || strings.Contains(name, "IMAGE") || strings.Contains(name, "IMG") {
			return s, true
		}
	}
	return 0, false
}

// issue turns what the option parser could not get past into a doubt.
func (f *finder) issue(args []argument, at int, issue *containerrun.Issue, command string) {
	word := args[at+issue.Arg]
	rule, message, hint := describeIssue(issue, word.text.s)
	span := word.site
	if issue.Kind == containerrun.TypographicDash {
		if i := strings.Index(word.text.s, issue.Text); i >= 0 {
			if s, ok := word.text.verbatim(i, i+len(issue.Text)); ok {
				span = s
			}
		}
	}
	f.found.Doubts = append(f.found.Doubts, Doubt{
		Section: f.item.Section, Key: f.item.Key, Command: command, Span: span,
		Rule: rule, Message: message, Hint: hint, words: texts(args[at:]),
		Quiet: issue.Kind == containerrun.UnknownVerb,
	})
}
