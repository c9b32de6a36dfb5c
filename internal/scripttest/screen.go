package scripttest

import (
	"regexp"
	"strings"
	"testing"
)

var colours = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// Screen is what a terminal of so many columns shows after a stream: its lines, without
// the empty ones at the end. It knows carriage return, new line (with or without a return
// before it), erasing to the end of the line, and colours; a line that is too long, or
// any other control, fails the test.
func Screen(t testing.TB, columns int, stream string) []string {
	t.Helper()
	stream = colours.ReplaceAllString(stream, "")
	var lines []string
	var line []rune
	at := 0
	for stream != "" {
		if rest, ok := strings.CutPrefix(stream, "\x1b[K"); ok {
			line, stream = line[:min(at, len(line))], rest
			continue
		}
		r := []rune(stream)[0]
		stream = stream[len(string(r)):]
		switch {
		case r == '\r':
			at = 0
		case r == '\n':
			lines, line, at = append(lines, string(line)), nil, 0
		case r < ' ':
			t.Fatalf("the terminal is told %q", string(r)+stream)
		case at >= columns:
			t.Fatalf("%q is longer than %d columns", string(line)+string(r), columns)
		default:
			if at == len(line) {
				line = append(line, 0)
			}
			line[at] = r
			at++
		}
	}
	if len(line) > 0 {
		lines = append(lines, string(line))
	}
	return lines
}
