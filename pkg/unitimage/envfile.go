package unitimage

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/unitstamp/unitstamp/pkg/envfile"
	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/source"
)

// EnvFileCommand is the Command of references in KEY=value files.
const EnvFileCommand = "env-file"

// FindEnvFile looks through a file of KEY=value lines. Any value that can be an
// image reference is one; nobody but the user can tell which of them are. systemd
// refuses a file with a NUL, or with a name or value that is no UTF-8.
func FindEnvFile(f *source.File) *Found {
	found := &Found{}
	if at := bytes.IndexByte(f.Bytes, 0); at >= 0 {
		found.Refusal = &Doubt{Span: source.Span{Start: at, End: at + 1}, Rule: "nul",
			Message: "a NUL byte: systemd refuses the file", Hint: "write the file as plain text"}
		return found
	}
	for _, v := range envfile.Parse(f.Bytes) {
		if !utf8.ValidString(v.Key) || !utf8.ValidString(v.Value) {
			found.References = nil
			found.Refusal = &Doubt{Span: v.KeySpan, Rule: "invalid-utf8",
				Message: "a name or value that is no UTF-8: systemd refuses the file", Hint: "write the file in UTF-8"}
			return found
		}
		var b builder
		for i := range len(v.Value) {
			b.add(v.Value[i:i+1], v.Offsets[i], verbatim, source.Span{})
		}
		t := b.text()
		if _, err := imageref.Parse(v.Value); err != nil {
			found.envWords(v, t)
			continue
		}
		if v.Ignored() {
			found.ignoredVariable(v)
			continue
		}
		r := Reference{Key: v.Key, Command: EnvFileCommand, Written: t.s, Span: t.site(0, len(t.s)), target: t}
		r.resolve(argument{text: t})
		found.References = append(found.References, r)
	}
	return found
}

// ignoredVariable notes an image in an assignment that systemd passes over.
func (found *Found) ignoredVariable(v envfile.Variable) {
	hint := "a name holds letters, digits and '_', and begins with no digit"
	if name, ok := strings.CutPrefix(v.Key, "export"); ok {
		hint = "write " + strings.TrimSpace(name) + "=, without export"
	}
	found.Doubts = append(found.Doubts, Doubt{
		Key: v.Key, Command: EnvFileCommand, Span: v.KeySpan, Rule: "ignored-variable",
		Message: strconv.Quote(v.Key) + " is no name of a variable: systemd ignores the line", Hint: hint,
		Quiet: true, words: []string{v.Value},
	})
}

// envWords notes the images in a value that is no image as a whole: before what was
// meant as a comment, or among other words.
func (found *Found) envWords(v envfile.Variable, value text) {
	if comment := strings.IndexAny(value.s, "#;"); comment > 0 {
		image := strings.TrimRight(value.s[:comment], " \t")
		if _, err := imageref.Parse(image); err == nil {
			found.Doubts = append(found.Doubts, Doubt{
				Key: v.Key, Command: EnvFileCommand, Span: value.site(comment, len(value.s)), Rule: "comment-in-value",
				Message: "what follows " + strconv.Quote(image) + " is part of the value of " + v.Key + " to systemd, and no comment",
				Hint:    "write the comment on a line of its own", Quiet: true, words: []string{image},
			})
			return
		}
	}
	for _, word := range fields(value) {
		if _, err := imageref.Parse(word.s); err != nil {
			continue
		}
		found.Doubts = append(found.Doubts, Doubt{
			Key: v.Key, Command: EnvFileCommand, Span: word.site(0, len(word.s)), Rule: "image-among-words",
			Message: strconv.Quote(word.s) + " is one of several words of " + v.Key + ", which is not stamped",
			Hint:    "give the image a variable of its own", Quiet: true, Mild: true, words: []string{word.s},
		})
	}
}

// LooksLikeImage reports whether the value of an env file says by itself that it
// is an image: it names a path or a tag.
func (r Reference) LooksLikeImage() bool { return strings.ContainsAny(r.Resolved, "/:") }
