// Package unitimage finds every image reference of a unit file: in the command
// lines of container clients, directly, behind wrappers and in shell scripts, and
// in the Image= of Quadlet files. Each reference knows what it says, as far as the
// unit tells, and where it would have to be edited to say something else.
package unitimage

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/unitstamp/unitstamp/pkg/containerrun"
	"github.com/unitstamp/unitstamp/pkg/execline"
	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// Found is what a unit says about images.
type Found struct {
	// References are in the order of the file.
	References []Reference
	// Doubts are the commands whose image cannot be told, and why.
	Doubts []Doubt
	// Names are the places where the value of a variable names a container, which a
	// tag would spoil.
	Names []Use
	// Calls are the programs that the unit runs; FindCalls alone lists them.
	Calls []Call
	// Refusal is the first reason for which systemd refuses the unit, or nil.
	Refusal *Doubt
	// OpenEnvironment tells that EnvironmentFile= or PassEnvironment= may set or
	// override the unit's variables.
	OpenEnvironment bool
	// EnvironmentFiles are the paths of EnvironmentFile=, as written, where a command
	// has variables.
	EnvironmentFiles []string
}

// A Doubt is a place where nothing can be said for sure.
type Doubt struct {
	Section, Key, Command string
	Span                  source.Span
	Rule                  string
	Message               string
	Hint                  string
	// Quiet tells that the doubt is worth a word only if it is about a repository that
	// matters.
	Quiet bool
	// Mild tells that it is a warning even then.
	Mild bool
	// Aside tells that it is worth a word only if nothing in the unit is stamped.
	Aside bool
	words []string // of the command, which may mention repositories
}

// execKeys are the settings that hold command lines, by section.
var execKeys = map[string][]string{
	"Service": {"ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecReloadPost", "ExecStop", "ExecStopPost"},
	"Socket":  {"ExecStartPre", "ExecStartPost", "ExecStopPre", "ExecStopPost"},
}

// quadletSections hold Image= in Quadlet files.
var quadletSections = []string{"Container", "Image", "Volume"}

// IsExec reports whether an assignment holds command lines that systemd runs.
func IsExec(it *unitfile.Item) bool {
	return strings.HasPrefix(it.Key, "Exec") && it.Kind == unitfile.Assignment && slices.Contains(execKeys[it.Section], it.Key)
}

// Find looks through a unit file. name is the unit's name, for specifiers.
func Find(doc *unitfile.Document, name unitname.Name) *Found { return new(Finder).Find(doc, name) }

// FindCalls is Find that lists the calls as well.
func FindCalls(doc *unitfile.Document, name unitname.Name) *Found {
	return new(Finder).find(doc, name, true)
}

// A Finder looks through one unit after the other and uses its memory again. The
// zero value is ready.
type Finder struct{ scratch scratch }

// scratch is memory for one command at a time, or for one unit.
type scratch struct {
	exec         execline.Line
	line         []containerrun.Arg
	args         []argument
	shell        *syntax.Parser         // nil until the first script
	environments map[string]environment // by section
}

// Find is the function of that name.
func (f *Finder) Find(doc *unitfile.Document, name unitname.Name) *Found {
	return f.find(doc, name, false)
}

func (f *Finder) find(doc *unitfile.Document, name unitname.Name, calls bool) *Found {
	clear(f.scratch.environments)
	return (&finder{name: name, found: &Found{}, doc: doc, calls: calls, scratch: &f.scratch}).run()
}

// finder walks one file.
type finder struct {
	*scratch
	doc   *unitfile.Document
	name  unitname.Name
	found *Found

	item   *unitfile.Item // the assignment being read
	prefix string         // of the command being read
	depth  int            // of scripts inside scripts
	rounds int            // of the loops around what is being read
	calls  bool           // they are asked for
}

func (f *finder) run() *Found {
	for it := range f.doc.Assignments {
		f.item = it
		switch {
		case IsExec(it):
			f.execLine()
		case f.name.Quadlet() && it.Key == "Image" && slices.Contains(quadletSections, it.Section):
			f.quadlet()
		}
	}
	return f.found
}

// environment reads a section's variables once.
func (f *finder) environment(section string) environment {
	env, ok := f.environments[section]
	if !ok {
		env = readEnvironment(f.doc, section, f.name)
		if f.environments == nil {
			f.environments = map[string]environment{}
		}
		f.environments[section] = env
		f.found.OpenEnvironment = f.found.OpenEnvironment || env.open()
		f.found.EnvironmentFiles = append(f.found.EnvironmentFiles, env.files...)
	}
	return env
}

// execLine reads the commands of one Exec*= assignment.
func (f *finder) execLine() {
	value := f.item.Value
	f.exec.Read(value.Text)
	for i := range f.exec.Commands {
		f.command(&f.exec.Commands[i])
	}
	if p := f.exec.Problem; p != nil {
		span := source.Span{Start: value.Offset(p.Start), End: value.Offset(p.End)}
		f.refuse(p.Fatal, Doubt{Span: span, Rule: p.Rule, Message: p.Message, Hint: p.Hint, words: strings.Fields(value.Text)})
	}
}

// refuse notes why systemd refuses the unit, or drops the command.
func (f *finder) refuse(fatal bool, d Doubt) {
	d.Section, d.Key = f.item.Section, f.item.Key
	if !fatal {
		d.Message += ": systemd drops the command"
		f.found.Doubts = append(f.found.Doubts, d)
		return
	}
	if f.found.Refusal == nil {
		d.Message += ": systemd refuses the unit"
		f.found.Refusal = &d
	}
}

// command reads one command: words, then specifiers, then variables, in systemd's
// order.
func (f *finder) command(c *execline.Command) {
	if !f.calls && f.namesNoImage(c) {
		return
	}
	env := f.environment(f.item.Section)
	args := f.args[:0]
	for i, w := range c.Words {
		if span, ok := f.plain(w); ok {
			args = append(args, argument{text: plainText(w.Text, span.Start), site: span})
			continue
		}
		raw := wordText(f.item.Value, w)
		expanded, specifiers, bad := expandSpecifiers(raw, f.name)
		if bad >= 0 {
			f.badSpecifier(c, raw, bad)
			return
		}
		before := len(args)
		if i > 0 && c.ExpandsVariables() { // the path is never expanded
			args = appendExpanded(args, expanded, specifiers, env)
		} else {
			args = append(args, argument{text: expanded, specifiers: specifiers})
		}
		for k := range args[before:] {
			if len(raw.s) > 0 {
				args[before+k].site = raw.site(0, len(raw.s))
			} else {
				args[before+k].site = f.wordSpan(w)
			}
		}
	}
	f.prefix, f.args = c.Prefix, args
	f.commandLine(args, env, nil)
}

// plain returns the place of a word that the program gets as it stands in the
// file.
func (f *finder) plain(w execline.Word) (source.Span, bool) {
	if !w.Plain() || strings.IndexByte(w.Text, '%') >= 0 || strings.IndexByte(w.Text, '$') >= 0 {
		return source.Span{}, false
	}
	return f.item.Value.Span(w.Start, w.End)
}

// namesNoImage is a quick look at a command without variables: most commands of a
// unit are none of a container client, or do not name an image.
func (f *finder) namesNoImage(c *execline.Command) bool {
	f.line = f.line[:0]
	for _, w := range c.Words {
		if strings.IndexByte(w.Text, '$') >= 0 || !goodSpecifiers(w.Text) {
			return false
		}
		f.line = append(f.line, containerrun.Arg{Text: w.Text})
	}
	target := containerrun.Unwrap(f.line)
	if target.Issue != nil || target.Program < 0 || strings.IndexByte(f.line[target.Program].Text, '%') >= 0 {
		return false
	}
	line := f.line[target.Program:]
	if containsAny(line[0].Text, clientNames...) {
		return !containerrun.IsClient(line)
	}
	for _, a := range line[1:] {
		if containsAny(a.Text, clientNames...) { // it may be handed on
			return false
		}
	}
	return true
}

// goodSpecifiers reports whether systemd knows all specifiers of a word.
func goodSpecifiers(word string) bool {
	for i := strings.IndexByte(word, '%'); i >= 0 && i+1 < len(word); {
		if letter := word[i+1]; isAlphanumeric(letter) && !unitname.KnownSpecifier(letter) {
			return false
		}
		next := strings.IndexByte(word[i+2:], '%')
		if next < 0 {
			return true
		}
		i += 2 + next
	}
	return true
}

func (f *finder) badSpecifier(c *execline.Command, raw text, at int) {
	specifier := raw.s[at : at+2]
	f.refuse(!c.IgnoresFailure(), Doubt{
		Span: raw.site(at, at+2), Rule: "specifier",
		Message: "unknown specifier " + strconv.Quote(specifier), Hint: "a '%' that is meant as such is written %%",
	})
}

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

// quadlet reads an Image= of a Quadlet file.
func (f *finder) quadlet() {
	v := f.item.Value
	value := strings.TrimLeft(v.Text, `"`) // as podman's unitfile.go, Lookup
	start := len(v.Text) - len(value)
	value = strings.TrimRight(value, `"`)
	if value == "" || strings.HasSuffix(value, ".image") || strings.HasSuffix(value, ".build") {
		return // nothing, or another unit
	}
	if blank := strings.IndexAny(value, " \t"); blank > 0 && f.quadletWords(value[:blank], start) {
		return
	}
	var b builder
	appendValue(&b, v, start, start+len(value))
	raw := b.text()
	expanded, specifiers, bad := expandSpecifiers(raw, f.name)
	if bad >= 0 {
		expanded = raw
	}
	var a argument
	// Quadlet hands the value on as one word of a command line.
	if list := appendExpanded(nil, expanded, specifiers, f.environment("Service")); len(list) == 1 {
		a = list[0]
	} else {
		a = argument{text: unknownText(raw), variables: true}
	}
	a.site = raw.site(0, len(raw.s))
	f.found.References = append(f.found.References, f.reference(a, "quadlet"))
}

// quadletWords notes an image that something follows, such as what was meant as a
// comment: all of it is the value.
func (f *finder) quadletWords(image string, start int) bool {
	if _, err := imageref.Parse(image); err != nil {
		return false
	}
	v := f.item.Value
	span := source.Span{Start: v.Offset(start), End: v.Offset(start+len(image)-1) + 1}
	f.found.Doubts = append(f.found.Doubts, Doubt{
		Section: f.item.Section, Key: f.item.Key, Command: "quadlet", Span: span, Rule: "comment-in-value",
		Message: "what follows " + strconv.Quote(image) + " is part of the value of Image=, and no comment",
		Hint:    "write the image alone, and a comment on a line of its own", words: []string{image},
	})
	return true
}

// reference makes a Reference of an operand.
func (f *finder) reference(a argument, command string) Reference {
	written := f.written(a.site)
	a.variables = a.variables || a.text.substituted()
	whole := execline.Variables(written)
	r := Reference{
		Section: f.item.Section, Key: f.item.Key, Command: command, Item: f.item.Span,
		Span: a.site, Written: written, Variable: a.variables, Scripted: a.scripted,
		target: a.text, wholeVariable: len(whole) == 1 && whole[0].Splits,
	}
	r.resolve(a)
	return r
}

// written is what stands in the file.
func (f *finder) written(site source.Span) string { return f.doc.Text(site) }

// wordSpan is where a word stands, quotes included.
func (f *finder) wordSpan(w execline.Word) source.Span {
	start := f.item.Value.Offset(w.Start)
	if w.End == w.Start {
		return source.Span{Start: start, End: start}
	}
	return source.Span{Start: start, End: f.item.Value.Offset(w.End-1) + 1}
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

// doubt notes that nothing can be said of a command.
func (f *finder) doubt(args []argument, at int, command, rule, message, hint string) {
	f.found.Doubts = append(f.found.Doubts, Doubt{
		Section: f.item.Section, Key: f.item.Key, Command: command, Span: args[at].site,
		Rule: rule, Message: message, Hint: hint, words: texts(args),
	})
}

func texts(args []argument) []string {
	list := make([]string, len(args))
	for i, a := range args {
		list[i] = a.text.s
	}
	return list
}

// Mentions reports whether a word of the command may name a repository, which is
// given in full form: the doubt may be about it.
func (d Doubt) Mentions(repository string) bool {
	last := repository[strings.LastIndexByte(repository, '/')+1:]
	for _, w := range d.words {
		if !strings.Contains(w, last) {
			continue
		}
		name := imageref.Split(strings.Trim(w, `"';`)).NameText() // the tag may be a variable
		if r, err := imageref.Parse(name); err == nil && r.Repository == repository {
			return true
		}
	}
	return false
}
