package unitimage

import (
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/source"
)

// A Kind tells how an operand is written.
type Kind string

// The kinds of references.
const (
	// Literal is written out.
	Literal Kind = "literal"
	// Variable holds variables that the unit or the script itself sets.
	Variable Kind = "variable"
	// Specifier holds specifiers that the unit's name tells, and no variables.
	Specifier Kind = "specifier"
	// Unresolved is not known as a whole.
	Unresolved Kind = "unresolved"
)

// A Reference is the image of one command, or of an Image=.
type Reference struct {
	// Section and Key of the assignment that it stands in.
	Section, Key string
	// Command is the client and verb, such as "docker run"; "quadlet" for Image=.
	Command string
	// Span is where the operand stands, and Written what stands there.
	Span    source.Span
	Written string
	// Kind tells how it is written.
	Kind Kind
	// Resolved is what the client gets, where it is known.
	Resolved string
	// Repository is the full repository name (docker.io/library/redis), where it is
	// known; it may be known while the tag is not.
	Repository string
	// Tag and Digest are the parts of Resolved.
	Tag, Digest string
	// AllTags is pull -a.
	AllTags bool
	// Variable tells that the operand holds variables.
	Variable bool
	// Shell tells that the operand stands in a shell script.
	Shell bool
	// Scripted tells that a variable in it is set by the script in a way that is not
	// followed, such as from a command's output.
	Scripted bool
	// Item is the whole assignment that the operand stands in.
	Item source.Span
	// Splices are variables before the operand of which nobody knows how many words
	// they become.
	Splices []Splice

	target        text // the operand as the client gets it
	wholeVariable bool // it is written $NAME, which systemd expands only if it stays so
}

// A Splice is a variable before an operand.
type Splice struct {
	Text string
	Span source.Span
}

// resolve reads what the operand says.
func (r *Reference) resolve(a argument) {
	r.Kind = Literal
	switch {
	case a.splits || !a.text.known(0, len(a.text.s)):
		r.Kind = Unresolved
	case a.variables:
		r.Kind = Variable
	case a.specifiers:
		r.Kind = Specifier
	}
	if r.Kind != Unresolved {
		if whole, err := imageref.Parse(a.text.s); err == nil {
			r.Repository, r.Resolved, r.Tag, r.Digest = whole.Repository, a.text.s, whole.TagText(), whole.DigestText()
			return
		}
		r.Kind = Unresolved
	}
	split := a.text.split() // the name may be good by itself
	if a.text.known(split.Name.Start, split.Name.End) {
		if name, err := imageref.Parse(split.NameText()); err == nil {
			r.Repository = name.Repository
		}
	}
}

// HasSuffix reports whether a tag or digest is written, known or not.
func (r Reference) HasSuffix() bool {
	return r.target.split().Suffix().Len() > 0
}

// With returns the reference with another tag and digest, as the client will get
// it.
func (r Reference) With(tag, digest string) string {
	return r.target.s[:r.target.split().Name.End] + imageref.FormatSuffix(tag, digest)
}

// An Obstacle is why a reference cannot be edited safely.
type Obstacle struct {
	Rule, Message, Hint string
}

// Edit makes the edit that gives the reference another tag, and a digest if one is
// named. It stands where the old tag stands, be it in the operand or in the value
// of a variable that the unit sets. With literal, a tag that is not written out is
// overwritten where the operand stands.
func (r Reference) Edit(tag, digest string, literal bool) (source.Edit, *Obstacle) {
	if r.AllTags {
		return source.Edit{}, &Obstacle{"pull-all-tags", r.Command + " -a pulls all tags and takes none", "pull the stamped image alone: leave out -a"}
	}
	split := r.target.split()
	suffix := imageref.FormatSuffix(tag, digest)
	if literal {
		if edit, ok := r.editWritten(suffix); ok {
			return edit, nil
		}
	}
	if obstacle := r.checkTag(split); obstacle != nil {
		return source.Edit{}, obstacle
	}
	name := r.target.slice(split.Name.Start, split.Name.End)
	if digest == "" && split.Tag.Len() > 0 && !split.HasDigest() {
		span, ok := r.target.verbatim(split.Tag.Start, split.Tag.End)
		if ok && !name.overlaps(span) { // ${X}:${X} has one place for both
			return source.Edit{Span: span, New: tag}, nil
		}
	}
	// From the last byte of the name on, everything must stand together.
	if span, ok := r.target.verbatim(split.Name.End-1, len(r.target.s)); ok {
		span.Start++
		if !r.target.slice(0, split.Name.End-1).overlaps(span) { // ${X}${X} would get two
			return source.Edit{Span: span, New: suffix}, nil
		}
	}
	// What stands for the name, such as %p, may end where the tag has to go.
	if !r.Variable || split.Suffix().Len() == 0 {
		if edit, ok := r.editWritten(suffix); ok {
			return edit, nil
		}
	}
	if r.Variable && split.Suffix().Len() > 0 {
		return source.Edit{}, &Obstacle{"composed-tag", "the tag of " + strconv.Quote(r.Written) + " is put together from several pieces",
			"let one variable hold the whole tag, or write the tag over it with --literal"}
	}
	return source.Edit{}, &Obstacle{"scattered-operand", "the operand " + strconv.Quote(r.Written) + " is put together from quotes, escapes or several lines",
		"write the image as one plain word on one line"}
}

// EditOperand makes the edit that writes a tag behind the operand itself, for an
// operand without tag and digest whose variable must keep its value. It is false
// where that is not possible.
func (r Reference) EditOperand(tag, digest string) (source.Edit, bool) {
	if r.HasSuffix() {
		return source.Edit{}, false
	}
	return r.editWritten(imageref.FormatSuffix(tag, digest))
}

// checkTag finds tags that must not be overwritten unasked: those that are a
// variable the unit does not set, and placeholders.
func (r Reference) checkTag(split imageref.Reference) *Obstacle {
	after := source.Span{Start: split.Name.End, End: len(r.target.s)}
	text := r.target.s[after.Start:after.End]
	if !r.target.known(after.Start, after.End) {
		what, cure := "a variable that the unit does not set", "set it with Environment= in the unit, stamp an env file that holds the whole image"
		switch {
		case strings.Contains(text, "$(") || strings.Contains(text, "`"):
			what, cure = "what a command prints", "let a variable of the unit or of the script hold the tag itself"
		case r.Scripted:
			what, cure = "a variable that the script sets in a way that is not followed", "assign the tag itself, once"
		case strings.Contains(text, "%"):
			what, cure = "a specifier that the unit's name does not tell", "set a variable with Environment= in the unit"
		}
		return &Obstacle{"unset-tag", "the tag of " + strconv.Quote(r.Written) + " is " + what, cure + ", or write the tag over it with --literal"}
	}
	if split.HasTag() && !split.HasDigest() && !imageref.ValidTag(split.TagText()) {
		return &Obstacle{"placeholder-tag", "the tag of " + strconv.Quote(r.Written) + " is no valid tag",
			"if it is a placeholder, write the tag over it with --literal"}
	}
	for i := after.Start; i < after.End; i++ { // %% and \\x41 are derived as well, and never in a tag
		if run := r.target.run(i); run.origin == derived && strings.Contains(r.Written, "%") {
			return &Obstacle{"composed-tag", "the tag of " + strconv.Quote(r.Written) + " holds a specifier",
				"write the tag over it with --literal"}
		}
	}
	return nil
}

// editWritten replaces tag and digest where the operand stands, whatever stands
// for them there. It is false where that cannot be told from what stands for the
// name, or something else comes between.
func (r Reference) editWritten(suffix string) (source.Edit, bool) {
	split := r.target.split()
	name := split.Name.End - 1
	if name < split.Name.Start {
		return source.Edit{}, false
	}
	end := r.target.siteOf(name).End
	if len(r.target.s) == split.Name.End {
		// The name is a variable as a whole: $NAME would not be expanded any more.
		return source.Edit{Span: source.Span{Start: end, End: end}, New: suffix}, !r.wholeVariable || r.Shell
	}
	span, ok := r.target.sitesTogether(split.Name.End, len(r.target.s))
	return source.Edit{Span: span, New: suffix}, ok && span.Start == end
}
