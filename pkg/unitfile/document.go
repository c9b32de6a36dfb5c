// Package unitfile reads unit files of systemd, drop-ins and Quadlet files
// without losing a byte.
//
// A Document is a list of items that tile the file: every byte belongs to
// exactly one item, in order. What systemd reads, a value joined from several
// lines with comments dropped in between, maps back to the bytes that it came
// from, so that a change can be made where it stands and nowhere else.
//
// The rules are those of systemd 243 and later (src/basic/fileio.c read_line_full,
// src/shared/conf-parser.c config_parse and parse_line), checked against 252.
package unitfile

import (
	"fmt"

	"github.com/unitstamp/unitstamp/pkg/source"
)

// A Document is one file, taken apart.
type Document struct {
	File  *source.File
	Items []Item

	text  string // the file
	parts []part // what the items' values refer to
}

// Text is what stands at a place of the file.
func (d *Document) Text(at source.Span) string { return d.text[at.Start:at.End] }

// A Kind tells what an item is.
type Kind uint8

// The kinds of items.
const (
	// Blank is an empty line, or a logical line of nothing but blanks.
	Blank Kind = iota
	// Comment is a line whose first non-blank is '#' or ';'.
	Comment
	// Section is a header such as [Service].
	Section
	// Assignment is KEY=VALUE, over as many lines as it continues.
	Assignment
	// Junk is a line without '='. systemd warns about it and goes on.
	Junk
)

// An Item is a stretch of the file with one meaning.
type Item struct {
	Kind Kind
	// Span covers the item with its line ends, continuation lines, and the
	// comments that stand between continuation lines. A byte order mark belongs
	// to the line that it stands before.
	Span source.Span
	// Section is the name of the section in force, without brackets; for a
	// Section item it is that item's own. It is empty before the first header.
	Section string
	// Key is set for an Assignment. Keys are case-sensitive.
	Key string
	// KeySpan is where the key stands; for other kinds than Assignment it is the
	// item's text without outer blanks (its first line, if it continues).
	KeySpan source.Span
	// Value is what stands after '=', without outer blanks.
	Value Value
	// InnerComments are the comment lines between continuation lines. systemd
	// before 240 read them as part of the value.
	InnerComments []source.Span
}

// Assignments calls yield for every assignment in the file, in order; it is
// meant for range.
func (d *Document) Assignments(yield func(*Item) bool) {
	for i := range d.Items {
		if d.Items[i].Kind == Assignment && !yield(&d.Items[i]) {
			return
		}
	}
}

// Last returns the last assignment of a key in any section of that name, which
// for keys that hold one value is the one that counts, or nil.
func (d *Document) Last(section, key string) *Item {
	for i := len(d.Items) - 1; i >= 0; i-- {
		if it := &d.Items[i]; it.Kind == Assignment && it.Section == section && it.Key == key {
			return it
		}
	}
	return nil
}

// A Value is the text of an assignment as systemd joins it: each '\' at a line's
// end is one blank, line ends and comment lines are gone, the next line's
// indentation is kept.
type Value struct {
	Text  string
	file  int    // offset in the file, for a value on one line
	parts []part // of a value on several lines, in order of Text; else nil
}

// part maps a run of Text to the file. The blank that stands for a '\' is a part
// of its own that is not verbatim.
type part struct {
	text     int // offset in Text
	file     int // offset in the file
	verbatim bool
}

// Offset returns the file offset of the byte Text[i]; i == len(Text) gives the
// place just after the value's last byte.
func (v Value) Offset(i int) int {
	if v.parts == nil {
		return v.file + i
	}
	if i > 0 && i == len(v.Text) {
		return v.Offset(i-1) + 1
	}
	p := v.partAt(i)
	return v.parts[p].file + i - v.parts[p].text
}

// Span returns the file bytes of Text[i:j]. It is false when they do not lie
// together in the file as they stand in Text, because a continuation comes
// between, and so cannot be replaced as one.
func (v Value) Span(i, j int) (source.Span, bool) {
	if v.parts == nil {
		return source.Span{Start: v.file + i, End: v.file + j}, true
	}
	first := v.Offset(i)
	span := source.Span{Start: first, End: first + j - i}
	if i == j {
		return span, v.parts[v.partAt(i)].verbatim
	}
	p, q := v.partAt(i), v.partAt(j-1)
	if p != q || !v.parts[p].verbatim {
		return source.Span{Start: first, End: v.Offset(j-1) + 1}, false
	}
	return span, true
}

// Pieces calls yield for each stretch of Text[i:j] that lies together in the file,
// in order: its offsets in Text, where it begins in the file, and whether it
// stands there as it is; the blank for a '\\' does not. It is meant for range.
func (v Value) Pieces(i, j int) func(yield func(piece Piece) bool) {
	return func(yield func(piece Piece) bool) {
		if v.parts == nil {
			if i < j {
				yield(Piece{i, j, v.file + i, true})
			}
			return
		}
		for k := v.partAt(i); i < j; k++ {
			end := j
			if k+1 < len(v.parts) {
				end = min(j, v.parts[k+1].text)
			}
			if i < end && !yield(Piece{i, end, v.parts[k].file + i - v.parts[k].text, v.parts[k].verbatim}) {
				return
			}
			i = end
		}
	}
}

// A Piece is a stretch of a value: Text[Start:End] comes from the file's bytes
// from File on.
type Piece struct {
	Start, End, File int
	Verbatim         bool
}

// Continued reports whether the value runs over more than one line.
func (v Value) Continued() bool { return v.parts != nil }

// partAt returns the index of the part that holds Text[i].
func (v Value) partAt(i int) int {
	low, high := 0, len(v.parts)
	for high-low > 1 {
		if mid := (low + high) / 2; v.parts[mid].text <= i {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// A SyntaxError is a reason for which systemd refuses to load the whole unit.
type SyntaxError struct {
	Span    source.Span
	Rule    string
	Message string
	Hint    string
}

// Error gives the message alone; where it is, Span tells.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s [%s]", e.Message, e.Rule) }
