package unitimage

import (
	"strings"

	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/source"
)

// text is a text as a program will see it, in which every byte knows where in the
// file it comes from. It is what makes an edit possible through quotes,
// specifiers, variables and scripts: whatever was put together along the way, the
// bytes that stand in the file as they are can be found again and replaced there.
type text struct {
	s    string
	file int   // where s stands, if runs is nil: the whole is verbatim
	runs []run // in order; the first starts at 0
}

// plainText is a text that stands in the file as it is.
func plainText(s string, file int) text { return text{s: s, file: file} }

// run returns the run that holds the byte at an offset.
func (t text) run(offset int) run {
	if t.runs == nil {
		return run{file: t.file}
	}
	return t.runs[t.runAt(offset)]
}

// each calls yield for every run, with its bytes. It is meant for range.
func (t text) each(yield func(r run, s string) bool) {
	if t.runs == nil {
		if t.s != "" {
			yield(run{file: t.file}, t.s)
		}
		return
	}
	for i, r := range t.runs {
		if !yield(r, t.s[r.at:t.runEnd(i)]) {
			return
		}
	}
}

// run is a stretch of a text with one origin.
type run struct {
	at     int // offset in the text
	file   int // offset in the file of its first byte, or of what stands for it
	origin origin
	// site is what stands in the command line for bytes that came from elsewhere or
	// were decoded: ${X}, %i, \x41. It is empty for bytes that stand there
	// themselves.
	site source.Span
}

// An origin tells how bytes came into a text.
type origin uint8

const (
	// verbatim bytes stand in the file one after the other.
	verbatim origin = iota
	// derived bytes stand for something else in the file: an escape sequence, a
	// specifier.
	derived
	// unknown bytes are a variable or specifier as written, of unknown value.
	unknown
)

// builder puts a text together.
type builder struct {
	s    strings.Builder
	runs []run
}

// add appends a stretch of bytes with one origin.
func (b *builder) add(s string, file int, o origin, site source.Span) {
	if s == "" {
		return
	}
	if n := len(b.runs); n > 0 && o == verbatim {
		if last := b.runs[n-1]; last.origin == verbatim && last.site == site && last.file+b.s.Len()-last.at == file {
			b.s.WriteString(s)
			return
		}
	}
	b.runs = append(b.runs, run{b.s.Len(), file, o, site})
	b.s.WriteString(s)
}

// join appends a text.
func (b *builder) join(t text) {
	for r, s := range t.each {
		b.add(s, r.file, r.origin, r.site)
	}
}

// joinAt appends a text that something at a site stands for.
func (b *builder) joinAt(t text, site source.Span) {
	for r, s := range t.each {
		b.add(s, r.file, r.origin, site)
	}
}

func (b *builder) text() text { return text{s: b.s.String(), runs: b.runs} }

func (t text) runEnd(i int) int {
	if i+1 < len(t.runs) {
		return t.runs[i+1].at
	}
	return len(t.s)
}

// runAt returns the index of the run that holds the byte at an offset.
func (t text) runAt(offset int) int {
	low, high := 0, len(t.runs)
	for high-low > 1 {
		if mid := (low + high) / 2; t.runs[mid].at <= offset {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// slice is t[i:j].
func (t text) slice(i, j int) text {
	if i >= j {
		return text{}
	}
	if t.runs == nil {
		return plainText(t.s[i:j], t.file+i)
	}
	first := t.runAt(i)
	if r := t.runs[first]; r.origin == verbatim && r.site.Len() == 0 && j <= t.runEnd(first) {
		return plainText(t.s[i:j], r.file+i-r.at)
	}
	var runs []run
	for k := first; k < len(t.runs) && t.runs[k].at < j; k++ {
		r := t.runs[k]
		if r.at < i {
			if r.origin == verbatim {
				r.file += i - r.at
			}
			r.at = i
		}
		r.at -= i
		runs = append(runs, r)
	}
	return text{s: t.s[i:j], runs: runs}
}

// site returns the place of t[i:j], i < j, in the command line: from where its
// first byte, or what stands for it, begins, to where its last one ends.
func (t text) site(i, j int) source.Span {
	return source.Span{Start: t.siteOf(i).Start, End: t.siteOf(j - 1).End}
}

// siteOf is the place of one byte.
func (t text) siteOf(i int) source.Span {
	r := t.run(i)
	if r.site.Len() > 0 {
		return r.site
	}
	at := r.file
	if r.origin == verbatim {
		at += i - r.at
	}
	return source.Span{Start: at, End: at + 1}
}

// sitesTogether returns the place of t[i:j], i < j, if its bytes, or what stands
// for them, follow each other in the command line without anything between.
func (t text) sitesTogether(i, j int) (source.Span, bool) {
	span := t.siteOf(i)
	for k := i + 1; k < j; k++ {
		next := t.siteOf(k)
		if next == span || next.Start < span.End && next.End == span.End {
			continue // another byte of the same variable
		}
		if next.Start != span.End {
			return source.Span{}, false
		}
		span.End = next.End
	}
	return span, true
}

// verbatim returns the file's bytes for t[i:j], i < j, if they stand there as
// they are and together.
func (t text) verbatim(i, j int) (source.Span, bool) {
	if i >= j || j > len(t.s) {
		return source.Span{}, false
	}
	r := t.run(i)
	if r.origin != verbatim || r != t.run(j-1) {
		return source.Span{}, false
	}
	start := r.file + i - r.at
	return source.Span{Start: start, End: start + j - i}, true
}

// known reports whether every byte of t[i:j] is known.
func (t text) known(i, j int) bool {
	if i >= j || t.runs == nil {
		return true
	}
	for k := t.runAt(i); k < len(t.runs) && t.runs[k].at < j; k++ {
		if t.runs[k].origin == unknown {
			return false
		}
	}
	return true
}

// split finds the parts of an image reference. What a command in the text's
// unknown part is called with, such as the path in $(cat /tag), parts nothing.
func (t text) split() imageref.Reference {
	if t.known(0, len(t.s)) {
		return imageref.Split(t.s)
	}
	masked := []byte(t.s)
	for i, r := range t.runs {
		for k := r.at; r.origin == unknown && k < t.runEnd(i); k++ {
			if strings.IndexByte("/:@{}", masked[k]) >= 0 {
				masked[k] = '_'
			}
		}
	}
	split := imageref.Split(string(masked))
	split.Text = t.s
	return split
}

// beginsUnknown reports whether the text's first byte is of unknown value.
func (t text) beginsUnknown() bool {
	return len(t.runs) > 0 && t.runs[0].origin == unknown
}

// substituted reports whether the value of a variable stands in the text.
func (t text) substituted() bool {
	for _, r := range t.runs {
		if r.origin == verbatim && r.site.Len() > 0 {
			return true
		}
	}
	return false
}
