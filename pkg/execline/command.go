package execline

import (
	"strconv"
	"strings"
)

// A Command is one command of an Exec*= line.
type Command struct {
	// Prefix is what stands before the path: any of "-@:+!|", each with the
	// meaning that systemd.service(5) gives it.
	Prefix string
	// Words is the command with its arguments. Words[0] is the path without the
	// prefix. With '@' in the prefix the word after the path, argv[0], is in
	// Argv0 and not in Words.
	Words []Word
	Argv0 *Word
}

// IgnoresFailure reports the '-' prefix, with which systemd only warns about
// what would else make it refuse the unit.
func (c Command) IgnoresFailure() bool { return strings.Contains(c.Prefix, "-") }

// ExpandsVariables reports whether systemd puts variables in; the ':' prefix
// turns that off.
func (c Command) ExpandsVariables() bool { return !strings.Contains(c.Prefix, ":") }

// A Line is the value of one Exec*= assignment.
type Line struct {
	Commands []Command
	// Reset tells that the value is empty, which clears the list of commands that
	// earlier assignments of the key made.
	Reset bool
	// Problem is why systemd does not take the value as it stands, or nil.
	// Commands before the trouble are in Commands; what follows is lost.
	Problem *Problem

	words  []Word // of all commands
	reader reader
}

// A Problem is a reason for which systemd drops a command or the whole unit.
type Problem struct {
	// Start and End are what is to blame, in the value.
	Start, End int
	// Fatal tells that systemd refuses the unit; otherwise it drops the command
	// and goes on.
	Fatal   bool
	Rule    string
	Message string
	Hint    string
}

// Parse takes a value apart.
func Parse(value string) Line {
	var line Line
	line.Read(value)
	return line
}

// Read is Parse into a line that is there already. It uses the memory of the value
// before again, whose commands and words must not be used any more; their texts
// stay good.
func (l *Line) Read(value string) {
	*l = Line{Commands: l.Commands[:0], words: l.words[:0], reader: reader{l.reader.runs[:0]}}
	at := skipBlanks(value, 0)
	if at == len(value) {
		l.Reset = true
		return
	}
	for more := true; more; {
		first, next, found, err := l.reader.nextWord(value, at)
		if err != nil {
			// Without a first word there is no prefix to look at, and systemd goes on
			// with the next line.
			l.Problem = unbalanced(value, at, false)
			return
		}
		if !found {
			return
		}
		if first.Text == ";" {
			// A first word ";", even a quoted one, is never taken for a command.
			at = next
			continue
		}
		var command Command
		command, at, more, l.Problem = l.readCommand(value, first, next)
		if l.Problem != nil {
			return
		}
		l.Commands = append(l.Commands, command)
	}
}

// Words splits a value into words by the same rules, without prefixes and ';':
// the way of Environment= and its like. A trailing word that cannot be read is
// reported and left out.
func Words(value string) ([]Word, *Problem) {
	var words []Word
	var r reader
	for at := 0; ; {
		w, next, found, err := r.nextWord(value, at)
		if err != nil {
			return words, unbalanced(value, at, false)
		}
		if !found {
			return words, nil
		}
		words = append(words, w)
		at = next
	}
}

// readCommand reads the arguments after a first word; more tells that a ';'
// follows.
func (l *Line) readCommand(value string, first Word, at int) (c Command, next int, more bool, problem *Problem) {
	c.Prefix = prefix(first.Text)
	path := first.cut(len(c.Prefix))
	if path.Text == "" {
		return c, at, false, &Problem{first.Start, first.End, !c.IgnoresFailure(), "empty-command",
			"no command after the prefix " + strconv.Quote(c.Prefix), "write the path next to the prefix, without a blank"}
	}
	if message, hint := badPath(path.Text); message != "" {
		return c, at, false, &Problem{path.Start, path.End, !c.IgnoresFailure(), "command-path", message, hint}
	}
	words, at, more, problem := l.readWords(path, value, at)
	if problem != nil {
		problem.Fatal = !c.IgnoresFailure()
		return c, at, false, problem
	}
	if strings.Contains(c.Prefix, "@") {
		if len(words) == 1 {
			return c, at, false, &Problem{path.Start, path.End, !c.IgnoresFailure(), "empty-command",
				"the prefix '@' wants a second word as argv[0]", "leave out the '@'"}
		}
		argv0 := words[1]
		c.Argv0 = &argv0
		words = append(words[:1], words[2:]...)
	}
	c.Words = words
	return c, at, more, nil
}

// readWords reads the words after a path up to the end of the command; more tells
// that a ';' follows.
func (l *Line) readWords(path Word, value string, at int) (words []Word, next int, more bool, problem *Problem) {
	if cap(l.words) == 0 {
		l.words = make([]Word, 0, 1+min(12, strings.Count(value[at:], " ")))
	}
	start := len(l.words)
	l.words = append(l.words, path)
	for at < len(value) {
		if end, ok := loneSemicolon(value, at); ok {
			at, more = end, true
			break
		}
		if value[at] == '\\' {
			if end, ok := loneSemicolon(value, at+1); ok {
				// \; is a word of its own that does not separate.
				l.words = append(l.words, Word{Text: ";", Start: at, End: at + 2, runs: []run{{value: at, escape: 2}}})
				at = end
				continue
			}
		}
		w, end, found, err := l.reader.nextWord(value, at)
		if err != nil {
			return nil, at, false, unbalanced(value, at, false)
		}
		if !found {
			break
		}
		l.words = append(l.words, w)
		at = end
	}
	return l.words[start:len(l.words):len(l.words)], at, more, nil
}

// cut takes the first n bytes off a word.
func (w Word) cut(n int) Word {
	if n == 0 {
		return w
	}
	if w.runs == nil {
		w.Text, w.Start = w.Text[n:], w.Start+n
		return w
	}
	var runs []run
	for i, r := range w.runs {
		end := len(w.Text)
		if i+1 < len(w.runs) {
			end = w.runs[i+1].text
		}
		if end <= n {
			continue
		}
		if r.text < n {
			r.value, r.text = r.value+n-r.text, n
		}
		runs = append(runs, run{r.text - n, r.value, r.escape, r.verbatim})
	}
	w.Text, w.runs = w.Text[n:], runs
	if runs == nil {
		w.runs = []run{}
	}
	return w
}

// prefix returns the special characters before the path. '-', '@', ':' and '|'
// count once, and one of '+', '!', '!!'; what comes again belongs to the path
// (config_parse_exec). '|' is of version 258.
func prefix(word string) string {
	once, plus, bangs := "", false, 0
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case strings.IndexByte("-@:|", c) >= 0 && strings.IndexByte(once, c) < 0:
			once += string(c)
		case c == '+' && !plus && bangs == 0:
			plus = true
		case c == '!' && !plus && bangs < 2:
			bangs++
		default:
			return word[:i]
		}
	}
	return word
}

// badPath says why systemd does not take a command's path, or "". A path that
// holds a specifier cannot be judged from the text.
func badPath(path string) (message, hint string) {
	if path[0] == '/' && path[len(path)-1] != '/' && !holdsUnsafe(path) { // nearly always
		return "", ""
	}
	quoted := strconv.Quote(path)
	switch {
	case strings.Contains(path, "%"):
	case holdsUnsafe(path):
		return "the command " + quoted + " holds a quote, a backslash or a control character", "write the path without them"
	case strings.HasSuffix(path, "/"):
		return "the command " + quoted + " is a folder", "name the program in it"
	case path == "." || path == ".." || path[0] != '/' && strings.Contains(path, "/"):
		return "the command " + quoted + " is neither an absolute path nor a name without slashes", "write the whole path, such as /usr/bin/docker"
	}
	return "", ""
}

// holdsUnsafe is the opposite of systemd's string_is_safe.
func holdsUnsafe(path string) bool {
	for i := range len(path) {
		switch c := path[i]; {
		case c < ' ' || c == 0x7f || c == '"' || c == '\'' || c == '\\':
			return true
		}
	}
	return false
}

// loneSemicolon reports a ';' that is a word of its own, unquoted, and where the
// next word starts.
func loneSemicolon(value string, at int) (next int, ok bool) {
	if at >= len(value) || value[at] != ';' || at+1 < len(value) && !isBlank(value[at+1]) {
		return 0, false
	}
	return skipBlanks(value, at+1), true
}

// unbalanced points at the quote that is never closed.
func unbalanced(value string, at int, fatal bool) *Problem {
	at = skipBlanks(value, at)
	quote, open := byte(0), at
	for i := at; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, open = c, i
		}
	}
	return &Problem{open, min(open+1, len(value)), fatal, "unbalanced-quotes",
		"the quote " + strconv.Quote(value[open:min(open+1, len(value))]) + " is never closed",
		"close it, or write \\x27 for a single ' and \\x22 for a single \""}
}
