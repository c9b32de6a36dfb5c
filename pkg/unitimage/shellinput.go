package unitimage

import (
	"path"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/unitstamp/unitstamp/pkg/containerrun"
)

// fed reads the script that a shell gets on its standard input, from a
// here-document or a here-string. Other programs that run what they read, such as
// ssh, are not followed.
func (s *shellReader) fed(args []argument, redirects []*syntax.Redirect) {
	for _, redirect := range redirects {
		word := redirect.Hdoc
		if redirect.Op == syntax.WordHdoc {
			word = redirect.Word
		}
		if word == nil {
			continue
		}
		var b builder
		quoted := redirect.Op != syntax.WordHdoc // a backslash stays, but for a few
		if lit := literalHdoc(redirect); lit != nil {
			b.join(s.script.slice(s.offset(lit.ValuePos), s.offset(lit.ValueEnd)))
		} else {
			s.parts(&b, word.Parts, quoted)
		}
		input := b.text()
		if shell := s.readsScript(args); shell != "" {
			s.finder.script(input, shell, s.environmentForChild())
			continue
		}
		if path.Base(args[0].text.s) == "ssh" && clientCall.MatchString(input.s) {
			s.doubt(args, 0, "", "unread-command", "the container command that ssh hands on is not read", "call the container client directly, or through sh -c")
			s.found.Doubts[len(s.found.Doubts)-1].Quiet = true
			s.found.Doubts[len(s.found.Doubts)-1].words = blanks.Split(input.s, -1)
		}
	}
}

// literalHdoc returns the text of a here-document whose delimiter is quoted, in
// which nothing is expanded.
func literalHdoc(r *syntax.Redirect) *syntax.Lit {
	if r.Hdoc == nil || r.Word == nil || isLiteral(r.Word) || len(r.Hdoc.Parts) != 1 {
		return nil
	}
	lit, _ := r.Hdoc.Parts[0].(*syntax.Lit)
	return lit
}

// readsScript returns the name of the shell that a command runs, behind wrappers,
// if it reads its script from standard input.
func (s *shellReader) readsScript(args []argument) string {
	line := appendArgs(nil, args)
	target := containerrun.Unwrap(line)
	if target.Program < 0 || target.Script >= 0 || !containerrun.IsShell(line[target.Program]) {
		return ""
	}
	for _, a := range line[target.Program+1:] {
		if !strings.HasPrefix(a.Text, "-") || a.Open || a.Splits {
			return "" // the script is in a file
		}
		if strings.HasSuffix(a.Text, "s") {
			break // the other words are its arguments
		}
	}
	return path.Base(line[target.Program].Text)
}

// piped notes a container command in what is piped into a shell.
func (s *shellReader) piped(c *syntax.BinaryCmd) {
	call, ok := c.Y.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 {
		return
	}
	var args []argument
	for _, w := range call.Args {
		args = s.appendWord(args, w)
	}
	from, to := s.offset(c.X.Pos()), s.offset(c.X.End())
	if len(args) == 0 || from >= to || s.readsScript(args) == "" {
		return
	}
	said := s.script.slice(from, to)
	if !clientCall.MatchString(said.s + " ") {
		return
	}
	s.doubt(args, 0, "", "unread-command", "the container command that is piped into "+path.Base(args[0].text.s)+" is not read", "call the container client directly, or through sh -c")
	s.found.Doubts[len(s.found.Doubts)-1].Quiet = true
	s.found.Doubts[len(s.found.Doubts)-1].words = blanks.Split(said.s, -1)
}
