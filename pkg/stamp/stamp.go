// Package stamp writes a build's tag into the image references of unit files. It
// is all of `unitstamp stamp` but reading and writing files.
//
// Files are taken one at a time, so that any number of them needs little memory:
//
//	Read      bytes -> what the unit says about images
//	Survey    without --image, finds the one repository that waits for a tag
//	Stamp     one unit -> edits, findings, new bytes
//	Summary   all outcomes -> the verdict
package stamp

import (
	"slices"
	"strconv"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

// A Request is what is to be written where.
type Request struct {
	// Tag must be valid, Digest empty or valid.
	Tag, Digest string
	// Target is the repositories that are meant.
	Target Target
	// Literal writes over tags that are variables or placeholders.
	Literal bool
	// EnvFiles are the paths of the KEY=value files that are stamped along.
	EnvFiles []string
}

// A Change is one reference with its new tag.
type Change struct {
	// Line and Column of the operand, which is where the edit is too, unless the
	// operand is a variable.
	Line       int    `json:"line"`
	Column     int    `json:"column"`
	Section    string `json:"section"`
	Key        string `json:"key"`
	Command    string `json:"command"`
	Repository string `json:"repository"`
	Old        string `json:"old"`
	New        string `json:"new"`
	// EditLine and EditColumn are where the file changes.
	EditLine   int `json:"editLine"`
	EditColumn int `json:"editColumn"`
}

// An Outcome is what becomes of one unit.
type Outcome struct {
	Source   *source.File
	Changes  []Change
	Edits    []source.Edit
	Findings []diag.Finding
	// Unreadable tells that systemd refuses the unit.
	Unreadable bool
	// Matched are the repositories of the target that the unit refers to.
	Matched []string
	// Already counts the references that carry the tag as it is.
	Already int
}

// Output is the file with the edits made.
func (o *Outcome) Output() ([]byte, error) {
	if len(o.Edits) == 0 {
		return o.Source.Bytes, nil
	}
	return source.Apply(o.Source.Bytes, o.Edits)
}

// Stamp decides what to write into one unit.
func Stamp(u *Unit, request Request) *Outcome {
	o := &Outcome{Source: u.Source}
	if u.Refused != nil {
		o.Unreadable = true
		o.Findings = append(o.Findings, *u.Refused)
		return o
	}
	s := stamper{u, request, o}
	for _, d := range u.Found.Doubts {
		if !d.Aside {
			s.doubt(d)
		}
	}
	for _, r := range u.Found.References {
		s.reference(r)
	}
	for _, d := range u.Found.Doubts {
		if d.Aside && len(o.Matched) == 0 {
			s.finding(d.Span, diag.Warning, d.Rule, d.Message, d.Hint)
		}
	}
	diag.Sort(o.Findings)
	return o
}

// stamper works on one unit.
type stamper struct {
	unit    *Unit
	request Request
	out     *Outcome
}

func (s *stamper) finding(span source.Span, severity diag.Severity, rule, message, hint string) {
	s.out.Findings = append(s.out.Findings, diag.At(s.unit.Source, span, severity, rule, message, hint))
}

// doubt is an error if it may be about a wanted repository, else a warning. What
// never has a tag to stamp, rkt and podman's --rootfs, only warns.
func (s *stamper) doubt(d unitimage.Doubt) {
	if d.Rule == unitimage.RuleRkt || d.Rule == unitimage.RuleRootfs {
		s.finding(d.Span, diag.Warning, d.Rule, d.Message, d.Hint)
		return
	}
	for _, repository := range s.request.Target.repositories() {
		if d.Mentions(repository) {
			severity := diag.Warning
			if !d.Mild {
				severity = diag.Error
				s.match(repository)
			}
			s.finding(d.Span, severity, d.Rule, d.Message, d.Hint)
			return
		}
	}
	if !d.Quiet {
		s.finding(d.Span, diag.Warning, d.Rule, d.Message, d.Hint)
	}
}

func (s *stamper) match(repository string) {
	if !slices.Contains(s.out.Matched, repository) {
		s.out.Matched = append(s.out.Matched, repository)
	}
}

// reference stamps one reference, if it is wanted.
func (s *stamper) reference(r unitimage.Reference) {
	if r.Repository == "" {
		if r.Command != unitimage.EnvFileCommand {
			s.fromOutside(r)
		}
		return
	}
	s.splices(r)
	if !s.request.Target.wants(r) {
		s.otherTag(r)
		return
	}
	s.match(r.Repository)
	if r.Kind != unitimage.Unresolved && r.Tag == s.request.Tag && r.Digest == s.request.Digest {
		s.out.Already++
		return
	}
	edit, obstacle := r.Edit(s.request.Tag, s.request.Digest, s.request.Literal)
	if obstacle != nil {
		if s.cutByContinuation(r) {
			return
		}
		s.finding(r.Span, diag.Error, obstacle.Rule, obstacle.Message, obstacle.Hint)
		return
	}
	if r.Variable {
		var ok bool
		if edit, ok = s.sharedSafely(r, edit); !ok {
			return
		}
	}
	s.change(r, edit)
}

// splices warns of words before the operand that nobody can count, where they may
// be about a wanted repository.
func (s *stamper) splices(r unitimage.Reference) {
	for _, splice := range r.Splices {
		if s.request.Target.wants(r) || s.request.Target.mentionedIn(splice.Text) {
			s.finding(splice.Span, diag.Warning, "variable-options", strconv.Quote(splice.Text)+" becomes any number of words before the image "+strconv.Quote(r.Written),
				"write ${NAME} for a variable that is one word, or set it in the unit")
		}
	}
}

// stampFile is the cure for an image that another file sets.
const stampFile = "stamp the file that sets it, with --image"

// otherTag warns when one reference of a repository is stamped and another keeps a
// different tag, because nobody named the repository.
func (s *stamper) otherTag(r unitimage.Reference) {
	if !s.request.Target.has(r.Repository) || r.AllTags {
		return
	}
	s.match(r.Repository)
	if r.Kind != unitimage.Unresolved && r.Tag == s.request.Tag && r.Digest == s.request.Digest {
		s.out.Already++
		return
	}
	s.finding(r.Span, diag.Warning, "other-tag", strconv.Quote(r.Written)+" keeps its tag, while other references to "+imageref.Familiar(r.Repository)+" are stamped",
		"name the repository with --image "+imageref.Familiar(r.Repository)+" to stamp them all")
}

// sharedSafely looks at what else the value of a variable stands in. Where an edit
// of the value would change something that it should not, the tag is written
// behind the operand instead, if it has none yet; else that is an error.
func (s *stamper) sharedSafely(r unitimage.Reference, edit source.Edit) (source.Edit, bool) {
	if other := s.sharesOperand(r, edit); other != nil {
		s.finding(r.Span, diag.Error, "shared-variable", strconv.Quote(r.Written)+" stands for "+imageref.Familiar(other.Repository)+" as well, which would get the tag too",
			"write a command for each image")
		return source.Edit{}, false
	}
	if where, what := s.spoils(r, edit); where != "" {
		operand, ok := r.EditOperand(s.request.Tag, s.request.Digest)
		if !ok {
			s.finding(r.Span, diag.Error, "shared-variable", "the variable in "+strconv.Quote(r.Written)+" also stands in "+strconv.Quote(where)+", "+what,
				"give each its own variable, or write the tag over it with --literal")
			return source.Edit{}, false
		}
		if other := s.sharesOperand(r, operand); other != nil {
			return s.sharedSafely(r, operand)
		}
		return operand, true
	}
	inItem := edit.Span.Start >= r.Item.Start && edit.Span.End <= r.Item.End
	if s.unit.Found.OpenEnvironment && !inItem {
		s.finding(r.Span, diag.Warning, "environment-file", "EnvironmentFile= or PassEnvironment= may override the variable in "+strconv.Quote(r.Written)+", which is stamped in the unit",
			"see that no file sets it")
	}
	return edit, true
}

// sharesOperand finds another repository that the same words stand for, in another
// round of a loop, if an edit is made there.
func (s *stamper) sharesOperand(r unitimage.Reference, edit source.Edit) *unitimage.Reference {
	if edit.Span.Start < r.Span.Start || edit.Span.End > r.Span.End {
		return nil
	}
	for i, other := range s.unit.Found.References {
		if other.Span == r.Span && other.Repository != r.Repository {
			return &s.unit.Found.References[i]
		}
	}
	return nil
}

// spoils finds a place where an edit of a variable's value would do harm, and says
// which.
func (s *stamper) spoils(r unitimage.Reference, edit source.Edit) (where, harm string) {
	for _, other := range s.unit.Found.References {
		if !other.Uses(edit.Span) {
			continue
		}
		if other.Repository != r.Repository {
			return other.Written, "whose tag would change as well"
		}
		if own, obstacle := other.Edit(s.request.Tag, s.request.Digest, s.request.Literal); obstacle == nil && own != edit {
			return other.Written, "which has a tag of its own"
		}
	}
	for _, name := range s.unit.Found.Names {
		if name.Uses(edit.Span) {
			return name.Written, "which names a container"
		}
	}
	return "", ""
}

// change records an edit. Two references may share one: a pull and a run of one
// variable.
func (s *stamper) change(r unitimage.Reference, edit source.Edit) {
	at, editAt := s.unit.Source.Position(r.Span.Start), s.unit.Source.Position(edit.Span.Start)
	old := r.Resolved
	if old == "" {
		old = r.Written
	}
	s.out.Changes = append(s.out.Changes, Change{
		Line: at.Line, Column: at.Column, Section: r.Section, Key: r.Key, Command: r.Command,
		Repository: imageref.Familiar(r.Repository), Old: old, New: r.With(s.request.Tag, s.request.Digest),
		EditLine: editAt.Line, EditColumn: editAt.Column,
	})
	if !slices.Contains(s.out.Edits, edit) {
		s.out.Edits = append(s.out.Edits, edit)
	}
}
