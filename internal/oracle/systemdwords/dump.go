package systemdwords

import (
	"fmt"
	"strings"
)

// dumpedUnit is one "-> Unit" block of systemd-analyze's debug output.
type dumpedUnit struct {
	name        string
	commands    []Command
	environment []string
	unset       []string
}

const (
	unitMark        = "\t-> Unit "
	keyMark         = "\t\t-> Exec"
	commandMark     = "\t\t\tCommand Line: "
	environmentMark = "\t\tEnvironment: "
	unsetMark       = "\t\tUnsetEnvironment: "
)

// parseDump reads the unit blocks that `systemd-analyze verify` prints on its
// standard output at log level debug (systemd core/unit.c unit_dump and
// core/service.c service_dump). Control characters in a command line are
// printed escaped, so a command is always one line.
func parseDump(out string) ([]dumpedUnit, error) {
	var units []dumpedUnit
	key := ""
	for line := range strings.SplitSeq(out, "\n") {
		switch {
		case strings.HasPrefix(line, unitMark):
			name := strings.TrimSuffix(strings.TrimPrefix(line, unitMark), ":")
			units = append(units, dumpedUnit{name: name})
			key = ""
		case len(units) == 0:
			if line != "" {
				return nil, fmt.Errorf("unexpected line %q before the first unit", line)
			}
		case strings.HasPrefix(line, keyMark):
			key = strings.TrimSuffix(strings.TrimPrefix(line, "\t\t-> "), ":")
		case strings.HasPrefix(line, commandMark):
			argv, err := unquote(strings.TrimPrefix(line, commandMark))
			if err != nil {
				return nil, fmt.Errorf("command line of %s: %w", units[len(units)-1].name, err)
			}
			last := &units[len(units)-1]
			last.commands = append(last.commands, Command{Key: key, Argv: argv})
		case strings.HasPrefix(line, environmentMark):
			last := &units[len(units)-1]
			last.environment = append(last.environment, strings.TrimPrefix(line, environmentMark))
		case strings.HasPrefix(line, unsetMark):
			last := &units[len(units)-1]
			last.unset = append(last.unset, strings.TrimPrefix(line, unsetMark))
		}
	}
	return units, nil
}

// unquote recovers the words of one printed command line. systemd 252 joins
// shell_maybe_quote(word, SHELL_ESCAPE_EMPTY) of every word with one blank
// (basic/escape.c quote_command_line): a word of harmless characters stands
// bare, the empty word is `""`, any other word is put in double quotes, where
// `\`, `"`, `$` and "`" get a backslash, control characters and bytes that are
// not UTF-8 a C escape (`\n`, `\t`, `\033`). A bare word holds neither a blank
// nor a quote nor a backslash, and every backslash in quotes begins exactly one
// escape, so different argvs never print alike.
func unquote(line string) ([]string, error) {
	var words []string
	rest := line
	for {
		var word string
		var err error
		if strings.HasPrefix(rest, `"`) {
			word, rest, err = unquoteWord(rest[1:])
		} else {
			word, rest, err = bareWord(rest)
		}
		if err != nil {
			return nil, fmt.Errorf("%w in %q", err, line)
		}
		words = append(words, word)
		if rest == "" {
			return words, nil
		}
		if rest[0] != ' ' {
			return nil, fmt.Errorf("no blank after word %q in %q", word, line)
		}
		rest = rest[1:]
	}
}

func bareWord(text string) (word, rest string, err error) {
	end := strings.IndexByte(text, ' ')
	if end < 0 {
		end = len(text)
	}
	word = text[:end]
	if word == "" || strings.ContainsAny(word, "\"\\`$'") {
		return "", "", fmt.Errorf("%q is no bare word", word)
	}
	return word, text[end:], nil
}

func unquoteWord(text string) (word, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return b.String(), text[i+1:], nil
		case '\\':
			char, size, err := unescape(text[i+1:])
			if err != nil {
				return "", "", err
			}
			b.WriteByte(char)
			i += size
		default:
			b.WriteByte(text[i])
		}
	}
	return "", "", fmt.Errorf("open double quote")
}

// unescape decodes what follows a backslash and returns the number of bytes
// that it took.
func unescape(text string) (char byte, size int, err error) {
	if text == "" {
		return 0, 0, fmt.Errorf("backslash at the end")
	}
	switch c := text[0]; c {
	case 'a':
		return '\a', 1, nil
	case 'b':
		return '\b', 1, nil
	case 'f':
		return '\f', 1, nil
	case 'n':
		return '\n', 1, nil
	case 'r':
		return '\r', 1, nil
	case 't':
		return '\t', 1, nil
	case 'v':
		return '\v', 1, nil
	case '\\', '"', '$', '`':
		return c, 1, nil
	}
	if len(text) >= 3 && isOctal(text[0]) && isOctal(text[1]) && isOctal(text[2]) {
		return (text[0]-'0')<<6 | (text[1]-'0')<<3 | (text[2] - '0'), 3, nil
	}
	return 0, 0, fmt.Errorf("unknown escape %q", `\`+text[:1])
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }
