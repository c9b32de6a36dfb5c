// Package envfile reads files of KEY=value lines as EnvironmentFile= does, each
// byte of a value traced to its place in the file (src/basic/env-file.c
// parse_env_file_internal of systemd 254 and later, where a comment that ends in
// a backslash ends with its line).
package envfile

import "github.com/unitstamp/unitstamp/pkg/source"

// A Variable is one assignment.
type Variable struct {
	Key     string
	KeySpan source.Span
	Value   string
	// Offsets are the places in the file of each byte of Value.
	Offsets []int
}

// Ignored reports whether systemd passes the assignment over because of its name:
// one holds letters, digits and '_' of ASCII, and begins with no digit
// (src/basic/env-util.c env_name_is_valid). "export NAME" is none.
func (v Variable) Ignored() bool {
	for i := range len(v.Key) {
		c := v.Key[i]
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return true
		}
	}
	return v.Key == ""
}

// state is a state of systemd's reader.
type state uint8

const (
	preKey state = iota
	inKey
	preValue
	inValue
	valueEscape
	singleQuote
	doubleQuote
	doubleQuoteEscape
	comment
)

// Parse reads a file. Lines without '=' are passed over, an open quote ends with
// the file. The names are as written; those that systemd does not take are Ignored.
func Parse(src []byte) []Variable {
	var list []Variable
	var current Variable
	var value []byte
	trimTo := 0 // the value's length without trailing blanks
	push := func() {
		current.Value, current.Offsets = string(value[:trimTo]), current.Offsets[:trimTo]
		list = append(list, current)
		current, value, trimTo = Variable{}, value[:0], 0
	}
	add := func(c byte, at int, keep bool) {
		value = append(value, c)
		current.Offsets = append(current.Offsets, at)
		if keep || !blank(c) {
			trimTo = len(value)
		}
	}
	s := preKey
	for i, c := range src {
		newline := c == '\n' || c == '\r'
		switch s {
		case preKey:
			switch {
			case c == '#' || c == ';':
				s = comment
			case !blank(c) && !newline:
				s = inKey
				current.KeySpan.Start = i
			}
		case inKey:
			switch {
			case newline:
				s, current = preKey, Variable{}
			case c == '=':
				end := i
				for end > current.KeySpan.Start && blank(src[end-1]) {
					end--
				}
				current.KeySpan.End = end
				current.Key = string(src[current.KeySpan.Start:end])
				s = preValue
			}
		case preValue, inValue:
			switch {
			case newline:
				push()
				s = preKey
			case s == preValue && c == '\'':
				s = singleQuote
			case s == preValue && c == '"':
				s = doubleQuote
			case c == '\\':
				s = valueEscape
			case s == inValue || !blank(c):
				s = inValue
				add(c, i, false)
			}
		case valueEscape:
			s = inValue
			if !newline {
				add(c, i, true)
			}
		case singleQuote:
			if c == '\'' {
				s = preValue
			} else {
				add(c, i, true)
			}
		case doubleQuote:
			switch c {
			case '"':
				s = preValue
			case '\\':
				s = doubleQuoteEscape
			default:
				add(c, i, true)
			}
		case doubleQuoteEscape:
			s = doubleQuote
			switch c {
			case '"', '\\', '`', '$':
				add(c, i, true)
			case '\n':
			default:
				add('\\', i-1, true)
				add(c, i, true)
			}
		case comment:
			if newline {
				s = preKey
			}
		}
	}
	if s >= preValue && s != comment {
		push()
	}
	return list
}

func blank(c byte) bool { return c == ' ' || c == '\t' }
