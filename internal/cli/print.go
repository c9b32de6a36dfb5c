package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
)

// A Printer owns a program's output: data on stdout, everything else on stderr
// behind the program's name.
type Printer struct {
	name        string
	stdout      io.Writer
	stderr      io.Writer
	colour      bool // on stderr
	colourOut   bool // on stdout
	printedJSON bool
	live        *live // nil where there is no line that changes
}

// NewPrinter makes the printer of a program. Colour is used on a stream that is a
// terminal, unless NO_COLOR is set or TERM is dumb; FORCE_COLOR and CLICOLOR_FORCE
// turn it on.
func NewPrinter(name string, env Env) *Printer {
	p := &Printer{
		name: name, stdout: env.Stdout, stderr: env.Stderr,
		colour:    wantsColour(env, env.Stderr),
		colourOut: wantsColour(env, env.Stdout),
		live:      newLive(name, env),
	}
	if p.live != nil {
		p.stderr = p.live.above(env.Stderr)
		if IsTerminal(env.Stdout) {
			p.stdout = p.live.above(env.Stdout)
		}
	}
	return p
}

func wantsColour(env Env, stream io.Writer) bool {
	set := func(name string) bool { v := env.Getenv(name); return v != "" && v != "0" }
	switch {
	case env.Getenv("NO_COLOR") != "":
		return false
	case set("FORCE_COLOR"), set("CLICOLOR_FORCE"):
		return true
	case env.Getenv("TERM") == "dumb":
		return false
	}
	return IsTerminal(stream)
}

// IsTerminal reports whether a person looks at a stream.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// A style is an ANSI colour.
type style string

const (
	bold   style = "1"
	red    style = "31"
	yellow style = "33"
	blue   style = "34"
	green  style = "32"
)

func paint(on bool, s style, text string) string {
	if !on {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// Data writes to stdout.
func (p *Printer) Data(data []byte) error {
	_, err := p.stdout.Write(data)
	return outputError(err)
}

// Printf writes a piece of data to stdout.
func (p *Printer) Printf(format string, args ...any) error {
	_, err := fmt.Fprintf(p.stdout, format, args...)
	return outputError(err)
}

// JSON writes a document to stdout, indented, with an end of line. A run prints
// one document.
func (p *Printer) JSON(document any) error {
	p.printedJSON = true
	encoder := json.NewEncoder(p.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return outputError(encoder.Encode(document))
}

func outputError(err error) error {
	if err != nil {
		return Errorf(World, "cannot write the output: %w", err)
	}
	return nil
}

// Note says on stderr what a person may want to know.
func (p *Printer) Note(format string, args ...any) {
	p.line(fmt.Sprintf(format, args...))
}

// Error says on stderr what went wrong.
func (p *Printer) Error(err error) {
	p.line(paint(p.colour, red, "error: ") + err.Error())
}

// Hint says on stderr what to do about it.
func (p *Printer) Hint(hint string) {
	p.line(paint(p.colour, blue, "hint: ") + hint)
}

// line puts the program's name in front of every line.
func (p *Printer) line(text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(p.stderr, "%s: %s\n", p.name, strings.TrimSuffix(line, "\n"))
	}
}

// Finding says on stderr what was found in a file, as FILE:LINE:COL: SEVERITY:
// MESSAGE [RULE] and the hint on a line of its own. On a terminal the line of the
// file follows with a caret under what is to blame. f may be nil.
func (p *Printer) Finding(found diag.Finding, f *source.File) {
	p.line(formatFinding(found, p.colour))
	if p.colour && f != nil {
		if snippet := Snippet(found, f); snippet != "" {
			fmt.Fprint(p.stderr, snippet)
		}
	}
	if found.Hint != "" {
		p.Hint(found.Hint)
	}
}

// FindingText is a finding as data for stdout: the line that Finding prints, without
// the program's name, and in colour with snippet and hint below. f may be nil.
func (p *Printer) FindingText(found diag.Finding, f *source.File) string {
	text := formatFinding(found, p.colourOut) + "\n"
	if !p.colourOut {
		return text
	}
	if f != nil {
		text += Snippet(found, f)
	}
	if found.Hint != "" {
		text += "      " + paint(true, blue, "hint: ") + found.Hint + "\n"
	}
	return text
}

// Hints reports whether FindingText shows hints.
func (p *Printer) Hints() bool { return p.colourOut }

func formatFinding(found diag.Finding, colour bool) string {
	severity := map[diag.Severity]style{diag.Error: red, diag.Warning: yellow, diag.Info: blue}[found.Severity]
	text := fmt.Sprintf("%s: %s [%s]", paint(colour, severity, found.Severity.String()), found.Message, found.Rule)
	switch {
	case found.File == "": // about no one file
		return text
	case found.Line == 0:
		return paint(colour, bold, found.File) + ": " + text
	}
	return paint(colour, bold, fmt.Sprintf("%s:%d:%d", found.File, found.Line, found.Column)) + ": " + text
}

// snippetWidth is how much of a line a snippet shows, in bytes.
const snippetWidth = 120

// Snippet shows the line that a finding is about with a caret under it. What may
// be a secret, the value of an environment assignment, is masked.
func Snippet(found diag.Finding, f *source.File) string {
	raw := f.Line(found.Line)
	if raw == nil || found.Column > len(raw)+1 {
		return ""
	}
	start := found.Column - 1
	end := min(max(start+found.Span.Len(), start+1), len(raw))
	masked := MaskSecrets(string(raw))
	from := 0
	if len(masked) > snippetWidth {
		from = max(0, min(start-snippetWidth/3, len(masked)-snippetWidth))
		for from > 0 && !utf8.RuneStart(masked[from]) {
			from--
		}
	}
	to := min(len(masked), from+snippetWidth)
	line := printable(masked[from:to])
	pad := strings.Repeat(" ", utf8.RuneCountInString(printable(masked[from:min(start, to)])))
	width := 1
	if end > start {
		width = max(1, utf8.RuneCountInString(masked[start:min(end, max(to, start))]))
	}
	number := fmt.Sprintf("%5d", found.Line)
	return fmt.Sprintf("%s | %s\n%s | %s%s\n", number, line, strings.Repeat(" ", len(number)), pad, paint(true, green, strings.Repeat("^", width)))
}

// printable makes a terminal safe from what a file holds.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ' || r == 0x7f || r == utf8.RuneError:
			return '\ufffd'
		}
		return r
	}, text)
}
