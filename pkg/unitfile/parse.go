package unitfile

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/unitstamp/unitstamp/pkg/source"
)

// maxLine is systemd's LONG_LINE_MAX in bytes, for one line and for a joined one.
const maxLine = 1 << 20

const byteOrderMark = "\xef\xbb\xbf"

// Parse takes a file apart. The only errors are *SyntaxError: what makes systemd
// refuse the unit as a whole (a line over 1 MiB, invalid UTF-8 outside comments,
// a broken section header).
func Parse(f *source.File) (*Document, error) {
	d := &Document{Items: make([]Item, 0, 1+bytes.Count(f.Bytes, []byte("\n")))}
	if err := d.Read(f); err != nil {
		return nil, err
	}
	return d, nil
}

// Read is Parse into a document that is there already. It uses the memory of the
// file before again, whose items must not be used any more; texts that were taken
// from them stay good. After an error the document is empty.
func (d *Document) Read(f *source.File) error {
	p := parser{
		text:  string(f.Bytes),
		ascii: isASCII(f.Bytes),
		items: d.Items[:0],
		parts: d.parts[:0],
	}
	err := p.run()
	*d = Document{File: f, Items: p.items, text: p.text, parts: p.parts}
	if err != nil {
		*d = Document{}
	}
	return err
}

type parser struct {
	text    string // the file
	items   []Item
	parts   []part // of all values on several lines
	section string

	sawMark bool // a byte order mark was taken off
	ascii   bool // all bytes are

	// the logical line being read
	start    int // offset of its first byte
	joined   strings.Builder
	line     string // its text once whole
	lineAt   int    // where that stands, if it is on one line
	first    int    // where its parts begin
	comments []source.Span
	open     bool // it goes on
}

// run reads physical lines and joins them (config_parse).
func (p *parser) run() error {
	for at := 0; at < len(p.text); {
		end, next := lineEnd(p.text, at)
		line, begin := p.text[at:end], at
		at = next
		if len(line) >= maxLine {
			return &SyntaxError{source.Span{Start: begin, End: end}, "line-too-long",
				"line of " + strconv.Itoa(len(line)) + " bytes: systemd refuses lines of 1 MiB and more", "break it up with '\\' at the line's end"}
		}
		if isComment(line) {
			span := source.Span{Start: begin, End: next}
			if p.open {
				p.comments = append(p.comments, span)
			} else {
				p.items = append(p.items, Item{Kind: Comment, Span: span, Section: p.section,
					KeySpan: trimSpan(p.text, begin, end)})
			}
			continue
		}
		content := begin
		if !p.sawMark && strings.HasPrefix(line, byteOrderMark) {
			p.sawMark = true
			content += len(byteOrderMark)
			line = line[len(byteOrderMark):]
		}
		if !p.open {
			p.start, p.first, p.comments = begin, len(p.parts), nil
			p.joined.Reset()
		} else if p.joined.Len()+len(line) > maxLine {
			return &SyntaxError{source.Span{Start: begin, End: end}, "line-too-long",
				"continued line of more than 1 MiB: systemd refuses it", "check for a '\\' at a line's end that should not be there"}
		}
		if endsInEscape(line) {
			p.addContinued(line, content)
			p.open = true
			continue
		}
		p.addLast(line, content)
		p.open = false
		if err := p.finish(next); err != nil {
			return err
		}
	}
	if p.open { // '\' at the end of the file is accepted
		p.line = p.joined.String()
		return p.finish(len(p.text))
	}
	return nil
}

// addContinued joins a line that ends in '\', which becomes one blank.
func (p *parser) addContinued(line string, at int) {
	base := p.joined.Len()
	body := len(line) - 1
	if body > 0 {
		p.parts = append(p.parts, part{text: base, file: at, verbatim: true})
	}
	p.parts = append(p.parts, part{text: base + body, file: at + body})
	p.joined.WriteString(line[:body])
	p.joined.WriteByte(' ')
}

// addLast joins the line that ends the logical line.
func (p *parser) addLast(line string, at int) {
	if p.first == len(p.parts) {
		p.line, p.lineAt = line, at
		return
	}
	p.parts = append(p.parts, part{text: p.joined.Len(), file: at, verbatim: true})
	p.joined.WriteString(line)
	p.line = p.joined.String()
}

// finish makes an item of a logical line that ends before the offset end
// (parse_line).
func (p *parser) finish(end int) error {
	p.items = append(p.items, Item{})
	it := &p.items[len(p.items)-1]
	it.Span, it.Section = source.Span{Start: p.start, End: end}, p.section
	if p.comments != nil {
		it.InnerComments = p.comments
	}
	from, to := trim(p.line, 0, len(p.line))
	text := p.line[from:to]
	whole := Value{Text: p.line, file: p.lineAt}
	if p.first < len(p.parts) {
		whole.parts = p.parts[p.first:len(p.parts):len(p.parts)]
	}
	it.KeySpan = whole.place(from, to)
	if bad := p.invalidUTF8(text); bad >= 0 {
		at := whole.Offset(from + bad)
		return &SyntaxError{source.Span{Start: at, End: at + 1}, "invalid-utf8",
			"byte 0x" + strconv.FormatUint(uint64(p.text[at]), 16) + " is not valid UTF-8: systemd refuses the whole unit", "save the file as UTF-8"}
	}
	equals := strings.IndexByte(text, '=')
	switch {
	case text == "":
		it.Kind = Blank
	case text[0] == '[':
		if text[len(text)-1] != ']' || len(text) < 2 {
			return &SyntaxError{it.KeySpan, "section-header",
				"invalid section header " + strconv.Quote(text) + ": systemd refuses the whole unit", "a header is [Name] with nothing after the bracket; comments stand on lines of their own"}
		}
		p.section = text[1 : len(text)-1]
		if strings.ContainsFunc(p.section, isUnsafe) {
			return &SyntaxError{it.KeySpan, "section-header",
				"section header " + strconv.Quote(text) + " holds a quote, a backslash or a control character: systemd refuses the whole unit", "a header is [Name], on a line of its own"}
		}
		it.Kind, it.Section = Section, p.section
	case equals < 0:
		it.Kind = Junk
	default:
		it.Kind = Assignment
		keyFrom, keyTo := trim(p.line, from, from+equals)
		it.Key = p.line[keyFrom:keyTo]
		it.KeySpan = whole.place(keyFrom, keyTo)
		valueFrom, valueTo := trim(p.line, from+equals+1, to)
		it.Value = whole.slice(valueFrom, valueTo)
	}
	return nil
}

// place is where Text[i:j] stands, from its first byte to its last.
func (v *Value) place(i, j int) source.Span {
	if v.parts == nil {
		return source.Span{Start: v.file + i, End: v.file + j}
	}
	span := source.Span{Start: v.Offset(i), End: v.Offset(i)}
	if i < j {
		span.End = v.Offset(j-1) + 1
	}
	return span
}

// slice is the value of Text[i:j]. It takes over v's parts: v is of no use after.
func (v Value) slice(i, j int) Value {
	if v.parts == nil {
		return Value{Text: v.Text[i:j], file: v.file + i}
	}
	first := v.partAt(i)
	last := max(first, v.partAt(max(i, j-1)))
	moved := v.parts[first : last+1]
	if first == last && moved[0].verbatim { // the rest was the key, or blank
		return Value{Text: v.Text[i:j], file: moved[0].file + i - moved[0].text}
	}
	for k := 1; k < len(moved); k++ {
		moved[k].text -= i
	}
	moved[0].file += i - moved[0].text
	moved[0].text = 0
	return Value{Text: v.Text[i:j], parts: moved}
}

// lineEnd finds where the line that starts at an offset ends, and where the next
// one starts. A line ends at '\n', '\r' or NUL, or at a run of different ones of
// them; NUL ends the run (read_line_full).
func lineEnd(text string, start int) (end, next int) {
	end = len(text)
	rest := text[start:]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		end = start + i
		rest = rest[:i]
	}
	if i := strings.IndexByte(rest, '\r'); i >= 0 { // most files hold none
		end = start + i
		rest = rest[:i]
	}
	if i := strings.IndexByte(rest, 0); i >= 0 {
		end = start + i
	}
	seen := byte(0)
	for next = end; next < len(text); next++ {
		kind := byte(0)
		switch text[next] {
		case '\n':
			kind = 1
		case '\r':
			kind = 2
		case 0:
			kind = 4
		}
		if kind == 0 || seen&(kind|4) != 0 {
			break
		}
		seen |= kind
	}
	return end, next
}

// isUnsafe tells the characters that a section's name must not hold
// (string_is_safe).
func isUnsafe(r rune) bool {
	return r < ' ' || r == 0x7f || r == '"' || r == '\'' || r == '\\'
}

func isComment(line string) bool {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ', '\t':
		case '#', ';':
			return true
		default:
			return false
		}
	}
	return false
}

// endsInEscape reports whether a line goes on: it ends in an odd run of
// backslashes. systemd counts from the start of the joined text; what was joined
// before never ends in a backslash, so the line alone decides.
func endsInEscape(line string) bool {
	odd := false
	for i := len(line) - 1; i >= 0 && line[i] == '\\'; i-- {
		odd = !odd
	}
	return odd
}

// trim narrows text[from:to] by the blanks at both ends.
func trim(text string, from, to int) (int, int) {
	for from < to && (text[from] == ' ' || text[from] == '	') {
		from++
	}
	for to > from && (text[to-1] == ' ' || text[to-1] == '	') {
		to--
	}
	return from, to
}

func trimSpan(text string, from, to int) source.Span {
	from, to = trim(text, from, to)
	return source.Span{Start: from, End: to}
}

// isASCII looks at eight bytes at a time.
func isASCII(text []byte) bool {
	for len(text) >= 8 {
		if binary.NativeEndian.Uint64(text)&0x8080808080808080 != 0 {
			return false
		}
		text = text[8:]
	}
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// invalidUTF8 returns the offset of the first byte that systemd does not take
// for UTF-8, or -1. Beside broken sequences it refuses the code points that
// Unicode sets apart as no characters (src/basic/utf8.c unichar_is_valid).
func (p *parser) invalidUTF8(text string) int {
	if p.ascii {
		return -1
	}
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size <= 1 || r >= 0xFDD0 && r <= 0xFDEF || r&0xFFFE == 0xFFFE {
			return i
		}
		i += size
	}
	return -1
}
