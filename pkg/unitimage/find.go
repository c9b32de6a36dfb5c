// Package unitimage finds every image reference of a unit file: in the command
// lines of container clients, directly, behind wrappers and in shell scripts, and
// in the Image= of Quadlet files. Each reference knows what it says, as far as the
// unit tells, and where it would have to be edited to say something else.
package unitimage

import (
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
