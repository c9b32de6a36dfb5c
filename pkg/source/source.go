// Package source holds what every other room says about text: where a stretch
// of bytes lies, how a person finds it, and how bytes are replaced without
// touching their neighbours.
package source

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// A Span is a stretch of bytes of one file, as offsets from its start.
// End is exclusive; an empty span (Start == End) is a point between two bytes.
type Span struct {
	Start, End int
}

// Len is the number of bytes the span covers.
func (s Span) Len() int { return s.End - s.Start }

// Of returns the bytes of src that the span covers.
func (s Span) Of(src []byte) []byte { return src[s.Start:s.End] }

// A Position is a place as editors show it. Both numbers count from 1; the
// column counts bytes, and lines end at '\n' alone, whatever systemd thinks of
// a lone carriage return.
type Position struct {
	Line, Column int
}

// A File is a named text with an index of its lines.
type File struct {
	// Name is the path as the user gave it; "-" is standard input.
	Name string
	// Bytes is the text. It must not change while the File is in use.
	Bytes []byte

	lineStarts []int // built by the first Position call
}

// Position finds the line and column of a byte offset. An offset past the end
// is taken for the end.
func (f *File) Position(offset int) Position {
	if f.lineStarts == nil {
		f.lineStarts = append(f.lineStarts, 0)
		for i, b := range f.Bytes {
			if b == '\n' {
				f.lineStarts = append(f.lineStarts, i+1)
			}
		}
	}
	offset = min(max(offset, 0), len(f.Bytes))
	line, exact := slices.BinarySearch(f.lineStarts, offset)
	if !exact {
		line--
	}
	return Position{Line: line + 1, Column: offset - f.lineStarts[line] + 1}
}

// Line returns the bytes of a line without its '\n'. Lines count from 1; a line
// that does not exist is empty.
func (f *File) Line(number int) []byte {
	f.Position(0)
	if number < 1 || number > len(f.lineStarts) {
		return nil
	}
	rest := f.Bytes[f.lineStarts[number-1]:]
	if end := bytes.IndexByte(rest, '\n'); end >= 0 {
		return rest[:end]
	}
	return rest
}

// An Edit replaces the bytes of a span by New. With an empty span it inserts.
type Edit struct {
	Span Span
	New  string
}

// Apply returns src with the edits made; src itself is left alone. The edits may
// come in any order. Edits that overlap, that insert at the same place, or that
// lie outside src are an error, because their result would depend on luck.
func Apply(src []byte, edits []Edit) ([]byte, error) {
	sorted := inOrder(edits)
	size := len(src)
	for i, e := range sorted {
		if e.Span.Start < 0 || e.Span.End < e.Span.Start || e.Span.End > len(src) {
			return nil, fmt.Errorf("edit of bytes %d to %d lies outside a text of %d bytes", e.Span.Start, e.Span.End, len(src))
		}
		if i > 0 {
			before := sorted[i-1].Span
			if e.Span.Start < before.End || e.Span == before {
				return nil, fmt.Errorf("edits of bytes %d to %d and %d to %d overlap", before.Start, before.End, e.Span.Start, e.Span.End)
			}
		}
		size += len(e.New) - e.Span.Len()
	}
	out := make([]byte, 0, size)
	done := 0
	for _, e := range sorted {
		out = append(out, src[done:e.Span.Start]...)
		out = append(out, e.New...)
		done = e.Span.End
	}
	return append(out, src[done:]...), nil
}

// Invert returns the edits that lead from the edited text back to src. The edits
// must be such that Apply takes them.
func Invert(src []byte, edits []Edit) []Edit {
	inverse := inOrder(edits)
	shift := 0
	for i, e := range inverse {
		start := e.Span.Start + shift
		inverse[i] = Edit{Span: Span{Start: start, End: start + len(e.New)}, New: string(e.Span.Of(src))}
		shift += len(e.New) - e.Span.Len()
	}
	return inverse
}

// inOrder is a copy of edits in the order of the text.
func inOrder(edits []Edit) []Edit {
	sorted := slices.Clone(edits)
	slices.SortStableFunc(sorted, func(a, b Edit) int {
		return cmp.Or(cmp.Compare(a.Span.Start, b.Span.Start), cmp.Compare(a.Span.End, b.Span.End))
	})
	return sorted
}
