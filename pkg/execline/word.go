// Package execline reads the command lines of Exec*= settings the way systemd
// does: prefixes, words, quotes, escapes, and ';' between commands. Each word
// knows where it stands in the value it was read from.
//
// The rules are those of systemd 243 and later (src/basic/extract-word.c,
// src/basic/escape.c, src/core/load-fragment.c config_parse_exec), checked
// against 252.
package execline

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// A Word is one argument with quotes and escapes resolved. Specifiers (%i) and
// variables (${X}) still stand in it as written.
type Word struct {
	Text string
	// Start and End are where the word stands in the value, quotes included.
	Start, End int
	// UnknownEscape tells that the word holds a backslash sequence that systemd
	// does not know. It warns and keeps the backslash of every such sequence.
	UnknownEscape bool

	runs []run // nil if Text stands in the value as it is
}

// run maps a stretch of Text to the value. An escape sequence is a run of one or
// more bytes of Text that is not verbatim.
type run struct {
	text     int // offset in the text
	value    int // offset in the value
	escape   int // length of the escape sequence, if it is one
	verbatim bool
}

// Plain reports whether the word stands in the value as it is, without any quote
// or escape.
func (w Word) Plain() bool { return w.runs == nil }

// Offset returns where the byte Text[i] comes from in the value: for an escape
// sequence, its backslash. i == len(Text) gives the place after the last byte,
// before a closing quote.
func (w Word) Offset(i int) int {
	if w.runs == nil {
		return w.Start + i
	}
	if i == len(w.Text) {
		if i == 0 {
			return w.End
		}
		last := w.runs[w.runAt(i-1)]
		if !last.verbatim {
			return w.End
		}
		return last.value + i - last.text
	}
	r := w.runs[w.runAt(i)]
	if !r.verbatim {
		return r.value
	}
	return r.value + i - r.text
}

// Verbatim finds Text[i:j] in the value. It is false when a quote or an escape
// sequence comes between, so that the bytes cannot be replaced as one.
func (w Word) Verbatim(i, j int) (start, end int, ok bool) {
	if w.runs == nil {
		return w.Start + i, w.Start + j, true
	}
	if len(w.runs) == 0 { // "" holds nothing to point at
		return w.Start, w.End, false
	}
	at, last := w.runAt(i), w.runAt(max(i, j-1))
	r := w.runs[at]
	if at != last || !r.verbatim {
		return w.Offset(i), w.Offset(j), false
	}
	return r.value + i - r.text, r.value + j - r.text, true
}

// Pieces calls yield for each stretch of the word that has one origin, in order. It
// is meant for range.
func (w Word) Pieces(yield func(piece Piece) bool) {
	if w.runs == nil {
		if w.Text != "" {
			yield(Piece{0, len(w.Text), w.Start, w.End, true})
		}
		return
	}
	for k, r := range w.runs {
		p := Piece{r.text, len(w.Text), r.value, 0, r.verbatim}
		if k+1 < len(w.runs) {
			p.End = w.runs[k+1].text
		}
		p.ValueEnd = r.value + p.End - p.Start
		if !r.verbatim {
			p.ValueEnd = r.value + r.escape
		}
		if p.Start < p.End && !yield(p) {
			return
		}
	}
}

// A Piece is a stretch of a word: Text[Start:End] comes from the value's bytes
// [ValueStart:ValueEnd], which are the same if it is verbatim, and an escape
// sequence if not.
type Piece struct {
	Start, End           int
	ValueStart, ValueEnd int
	Verbatim             bool
}

// runAt returns the index of the run that holds Text[i].
func (w Word) runAt(i int) int {
	low, high := 0, len(w.runs)
	for high-low > 1 {
		if mid := (low + high) / 2; w.runs[mid].text <= i {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// errUnbalanced is what is left when keeping unknown escapes did not help.
var errUnbalanced = errors.New("unbalanced quoting")

// reader reads words. What their runs need is allocated together.
type reader struct{ runs []run }

// nextWord reads the word at or after an offset and returns where to go on. found
// is false at the end of the value. As systemd does, it reads a word with an
// unknown escape a second time, keeping all such sequences as they stand
// (extract_first_word_and_warn).
func (r *reader) nextWord(value string, at int) (w Word, next int, found bool, err error) {
	for at < len(value) && isBlank(value[at]) {
		at++
	}
	if at == len(value) {
		return Word{}, at, false, nil
	}
	if w, next, ok := plainWord(value, at); ok {
		return w, next, true, nil
	}
	if w, next, ok := r.enclosedWord(value, at); ok {
		return w, next, true, nil
	}
	w, next, ok := r.quotedWord(value, at, false)
	if !ok {
		if w, next, ok = r.quotedWord(value, at, true); !ok {
			return Word{}, at, false, errUnbalanced
		}
		w.UnknownEscape = true
	}
	return w, next, true, nil
}

// plainWord is the quick way for words without quotes and backslashes.
func plainWord(value string, at int) (Word, int, bool) {
	end := at
	for ; end < len(value); end++ {
		switch value[end] {
		case '"', '\'', '\\':
			return Word{}, 0, false
		case ' ', '\t', '\n', '\r':
			return Word{Text: value[at:end], Start: at, End: end}, skipBlanks(value, end), true
		}
	}
	return Word{Text: value[at:end], Start: at, End: end}, end, true
}

// enclosedWord is the quick way for words with one pair of quotes around the
// whole and no backslash.
func (r *reader) enclosedWord(value string, at int) (Word, int, bool) {
	quote := value[at]
	if quote != '"' && quote != '\'' {
		return Word{}, 0, false
	}
	length := strings.IndexByte(value[at+1:], quote)
	if length <= 0 {
		return Word{}, 0, false
	}
	text, end := value[at+1:at+1+length], at+length+2
	if strings.IndexByte(text, '\\') >= 0 || end < len(value) && !isBlank(value[end]) {
		return Word{}, 0, false
	}
	first := len(r.runs)
	r.runs = append(r.runs, run{value: at + 1, verbatim: true})
	return Word{Text: text, Start: at, End: end, runs: r.since(first)}, skipBlanks(value, end), true
}

// since are the runs from an index on; not nil, even if there are none.
func (r *reader) since(first int) []run {
	if first == len(r.runs) {
		return []run{}
	}
	return r.runs[first:len(r.runs):len(r.runs)]
}

// quotedWord resolves quotes and escapes. keepUnknown leaves unknown escapes as
// they stand; without it, they fail. An open quote always fails.
func (r *reader) quotedWord(value string, at int, keepUnknown bool) (Word, int, bool) {
	first := len(r.runs)
	var text strings.Builder
	verbatim := func(offset int) {
		if n := len(r.runs); n > first {
			if last := r.runs[n-1]; last.verbatim && offset-last.value == text.Len()-last.text {
				return
			}
		}
		r.runs = append(r.runs, run{text: text.Len(), value: offset, verbatim: true})
	}
	fail := func() (Word, int, bool) {
		r.runs = r.runs[:first]
		return Word{}, 0, false
	}
	quote := byte(0)
	i := at
scan:
	for ; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\':
			unescaped, length := unescape(value[i+1:])
			switch {
			case length > 0:
				r.runs = append(r.runs, run{text: text.Len(), value: i, escape: 1 + length})
				text.WriteString(unescaped)
				i += length
			case !keepUnknown:
				return fail()
			case i+1 == len(value):
				// A backslash at the very end stays, unless a quote is open.
				if quote != 0 {
					return fail()
				}
				verbatim(i)
				text.WriteByte('\\')
			default:
				verbatim(i)
				text.WriteByte('\\')
				text.WriteByte(value[i+1])
				i++
			}
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && isBlank(c):
			break scan
		default:
			verbatim(i)
			text.WriteByte(c)
		}
	}
	if quote != 0 {
		return fail()
	}
	return Word{Text: text.String(), Start: at, End: i, runs: r.since(first)}, skipBlanks(value, i), true
}

// unescape decodes the escape sequence after a backslash; length 0 means that
// systemd does not know it (cunescape_one, without NUL).
func unescape(s string) (text string, length int) {
	if s == "" {
		return "", 0
	}
	switch s[0] {
	case 'a':
		return "\a", 1
	case 'b':
		return "\b", 1
	case 'f':
		return "\f", 1
	case 'n':
		return "\n", 1
	case 'r':
		return "\r", 1
	case 't':
		return "\t", 1
	case 'v':
		return "\v", 1
	case 's':
		return " ", 1
	case '\\', '"', '\'':
		return s[:1], 1
	case 'x':
		if n, ok := digits(s[1:], 2, 16); ok && n != 0 {
			return string([]byte{byte(n)}), 3
		}
	case 'u':
		if n, ok := digits(s[1:], 4, 16); ok && n != 0 {
			return encodeRune(n), 5
		}
	case 'U':
		if n, ok := digits(s[1:], 8, 16); ok && n != 0 && validRune(n) {
			return encodeRune(n), 9
		}
	case '0', '1', '2', '3', '4', '5', '6', '7':
		if n, ok := digits(s, 3, 8); ok && n != 0 && n <= 255 {
			return string([]byte{byte(n)}), 3
		}
	}
	return "", 0
}

// digits reads exactly count digits.
func digits(s string, count, base int) (n uint32, ok bool) {
	if len(s) < count {
		return 0, false
	}
	for i := range count {
		digit := strings.IndexByte("0123456789abcdef", s[i]|0x20)
		if digit < 0 || digit >= base || s[i] < '0' {
			return 0, false
		}
		n = n*uint32(base) + uint32(digit)
	}
	return n, true
}

// validRune is systemd's unichar_is_valid.
func validRune(n uint32) bool {
	return n < 0x110000 && n&0xFFFFF800 != 0xD800 && (n < 0xFDD0 || n > 0xFDEF) && n&0xFFFE != 0xFFFE
}

// encodeRune is UTF-8, which for systemd goes on through the surrogates.
func encodeRune(n uint32) string {
	if n >= 0xD800 && n <= 0xDFFF {
		return string([]byte{0xE0 | byte(n>>12), 0x80 | byte(n>>6)&0x3F, 0x80 | byte(n)&0x3F})
	}
	return string(utf8.AppendRune(nil, rune(n)))
}

// isBlank reports what separates words. Vertical tab, form feed and no-break space
// do not.
func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func skipBlanks(value string, at int) int {
	for at < len(value) && isBlank(value[at]) {
		at++
	}
	return at
}
