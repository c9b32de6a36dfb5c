package unitimage

import (
	"github.com/unitstamp/unitstamp/pkg/containerrun"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

// A Call is a program that a unit runs, with its words, behind wrappers and in
// scripts. Commands with a specifier that systemd refuses and scripts that the
// shell cannot read have none.
type Call struct {
	// Item is the assignment that it stands in, and Prefix what stands before the
	// command there: "-", "@", ….
	Item   *unitfile.Item
	Prefix string
	// Shell tells that it stands in a shell script, where nothing is known of what
	// comes before and after it.
	Shell bool
	// Words are the program and its arguments.
	Words []Word
	// Invocation is the call as one that names an image; Image tells that it does, or
	// tries to.
	Invocation containerrun.Invocation
	Image      bool
}

// A Word is a word as the program gets it.
type Word struct {
	// Text is the word with what the unit says about variables and specifiers put in.
	// What it does not say stands as it is written.
	Text string
	// Span is where the word is written, without quotes around the whole.
	Span source.Span
	// Splits tells that it is a variable of unknown value that becomes any number of
	// words.
	Splits bool
	// Variables and Specifiers tell what stands in it.
	Variables, Specifiers bool

	text text
}

// Known reports whether every byte is known.
func (w Word) Known() bool { return !w.Splits && w.text.known(0, len(w.text.s)) }

// KnownAt reports whether a byte is known.
func (w Word) KnownAt(i int) bool { return w.text.known(i, i+1) }

// Place returns where Text[i:j], i < j, stands in the file, and whether it stands
// there as it is, so that it can be replaced.
func (w Word) Place(i, j int) (span source.Span, verbatim bool) {
	if span, ok := w.text.verbatim(i, j); ok {
		return span, true
	}
	return w.text.site(i, j), false
}

// Args are the words as containerrun reads them.
func (c *Call) Args() []containerrun.Arg {
	args := make([]containerrun.Arg, len(c.Words))
	for i, w := range c.Words {
		args[i] = containerrun.Arg{Text: w.Text, Splits: w.Splits, Open: w.text.beginsUnknown()}
	}
	return args
}

// note adds a call to what is found.
func (f *finder) note(args []argument, inv containerrun.Invocation, image bool) {
	words := make([]Word, len(args))
	for i, a := range args {
		words[i] = Word{Text: a.text.s, Span: a.site, Splits: a.splits, Variables: a.variables, Specifiers: a.specifiers, text: a.text}
	}
	f.found.Calls = append(f.found.Calls, Call{
		Item: f.item, Prefix: f.prefix, Shell: f.depth > 0, Words: words, Invocation: inv, Image: image,
	})
}
