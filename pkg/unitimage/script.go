package unitimage

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// maxDepth bounds scripts inside scripts.
const maxDepth = 8

// script reads the commands of a shell script. By the time the shell sees it,
// systemd has put specifiers and ${X} in; what the shell itself assigns and
// expands comes after.
func (f *finder) script(t text, shell string, env environment) {
	if !f.calls && !mayHoldScriptedImage(t.s) || f.depth == maxDepth {
		return
	}
	if f.shell == nil {
		f.shell = syntax.NewParser()
	}
	variant := syntax.LangBash
	if shell == "mksh" || shell == "ksh" {
		variant = syntax.LangMirBSDKorn
	}
	syntax.Variant(variant)(f.shell)
	file, err := f.shell.Parse(strings.NewReader(t.s), "")
	if err != nil {
		f.badScript(t, err)
		return
	}
	f.depth++
	s := shellReader{finder: f, script: t, state: &shellState{outer: env, set: map[string]*text{}}}
	s.statements(file.Stmts)
	f.depth--
}

// mayHoldScriptedImage is a quick look: a script needs a client and one of the
// commands that take images, one of them at least by name.
func mayHoldScriptedImage(script string) bool {
	variable := strings.Contains(script, "$")
	client := containsAny(script, clientNames...)
	verb := containsAny(script, "run", "pull", "create", "fetch", "prepare", "compose", "start", "kube")
	return client && (verb || variable) || verb && variable
}

var clientNames = []string{"docker", "podman", "nerdctl", "rkt"}

func containsAny(text string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// badScript notes a script that the shell would not read either.
func (f *finder) badScript(t text, err error) {
	if !f.calls && !mayHoldScriptedImage(t.s) {
		return
	}
	message, at := err.Error(), 0
	if parse, ok := err.(syntax.ParseError); ok {
		message, at = parse.Text, min(int(parse.Pos.Offset()), len(t.s))
	}
	at = max(0, min(at, len(t.s)-1))
	f.found.Doubts = append(f.found.Doubts, Doubt{
		Section: f.item.Section, Key: f.item.Key, Span: t.site(at, at+1),
		Rule: "script-syntax", Message: "the shell script cannot be read: " + message,
		Hint: "try it with sh -n; in a unit, \\x27 stands for a ' inside '…'", words: blanks.Split(t.s, -1),
	})
}

// shellState is what is known of the shell's variables at a point of the script.
type shellState struct {
	outer environment
	// set holds the variables that the script assigned; nil is an unknown value.
	set map[string]*text
	// tainted tells that anything may have been assigned, by eval, source or the
	// like.
	tainted bool
}

func (s *shellState) copy() *shellState {
	return &shellState{s.outer, maps.Clone(s.set), s.tainted}
}

// forget makes what differs in the other states unknown: they are the ways that
// the script may have gone.
func (s *shellState) forget(others ...*shellState) {
	for _, o := range others {
		for name, value := range o.set {
			if old, ok := s.set[name]; !ok || old == nil || value == nil || old.s != value.s {
				s.set[name] = nil
			}
		}
		s.tainted = s.tainted || o.tainted
	}
}

// value returns what a variable holds, if that is known.
func (s *shellState) value(name string) (text, bool) {
	if value, ok := s.set[name]; ok {
		if value == nil {
			return text{}, false
		}
		return *value, true
	}
	if v, ok := s.outer.set[name]; ok && !s.tainted {
		return v.value, true
	}
	return text{}, false
}

// shellReader walks a script in the order in which it runs.
type shellReader struct {
	*finder
	script text
	state  *shellState
}

func (s *shellReader) statements(list []*syntax.Stmt) {
	for _, stmt := range list {
		s.statement(stmt)
	}
}

func (s *shellReader) statement(stmt *syntax.Stmt) {
	if stmt == nil || stmt.Cmd == nil {
		return
	}
	for _, redirect := range stmt.Redirs {
		s.substitutions(redirect.Word)
		s.substitutions(redirect.Hdoc)
	}
	switch c := stmt.Cmd.(type) {
	case *syntax.CallExpr:
		s.call(c, stmt.Redirs)
	case *syntax.DeclClause:
		s.assign(c.Args)
	case *syntax.Block:
		s.statements(c.Stmts)
	case *syntax.Subshell:
		s.apart(func() { s.statements(c.Stmts) })
	case *syntax.BinaryCmd:
		switch c.Op {
		case syntax.AndStmt: // after A && B, B has run or A's failure is the end of it
			s.statement(c.X)
			s.statement(c.Y)
		case syntax.OrStmt:
			s.statement(c.X)
			s.maybe(func() { s.statement(c.Y) })
		default: // the parts of a pipe are subshells
			s.apart(func() { s.statement(c.X) })
			s.apart(func() { s.statement(c.Y) })
			s.piped(c)
		}
	case *syntax.IfClause:
		s.ifClause(c)
	case *syntax.WhileClause:
		s.loop(func() { s.statements(c.Cond); s.statements(c.Do) }, c)
	case *syntax.ForClause:
		if iter, ok := c.Loop.(*syntax.WordIter); ok {
			s.each(c, iter)
			return
		}
		s.loop(func() { s.statements(c.Do) }, c)
	case *syntax.CaseClause:
		s.substitutions(c.Word)
		var ways []*shellState
		for _, item := range c.Items {
			ways = append(ways, s.way(func() { s.statements(item.Stmts) }))
		}
		s.state.forget(ways...)
	case *syntax.FuncDecl:
		s.maybe(func() { s.statement(c.Body) })
	case *syntax.TimeClause:
		s.statement(c.Stmt)
	case *syntax.CoprocClause:
		s.apart(func() { s.statement(c.Stmt) })
	}
}

func (s *shellReader) ifClause(c *syntax.IfClause) {
	s.statements(c.Cond)
	then := s.way(func() { s.statements(c.Then) })
	var other *shellState
	if c.Else != nil {
		other = s.way(func() { s.ifClause(c.Else) })
		s.state.forget(other)
	}
	s.state.forget(then)
}

// way reads a part of the script that may or may not run and returns the state at
// its end; the reader's own state stays.
func (s *shellReader) way(read func()) *shellState {
	before := s.state
	s.state = before.copy()
	read()
	after := s.state
	s.state = before
	return after
}

// maybe reads a part that may run or not.
func (s *shellReader) maybe(read func()) { s.state.forget(s.way(read)) }

// apart reads a part that runs in a subshell.
func (s *shellReader) apart(read func()) { s.way(read) }

// loop reads a body that runs any number of times: what it assigns is unknown
// from its start on.
func (s *shellReader) loop(read func(), node syntax.Node) {
	s.forgetAssigned(node)
	s.maybe(read)
}

func (s *shellReader) forgetAssigned(node syntax.Node) {
	syntax.Walk(node, func(n syntax.Node) bool {
		if a, ok := n.(*syntax.Assign); ok && a.Name != nil {
			s.state.set[a.Name.Value] = nil
		}
		return true
	})
}

// call reads a simple command: assignments, or a program with its arguments.
func (s *shellReader) call(c *syntax.CallExpr, redirects []*syntax.Redirect) {
	if len(c.Args) == 0 {
		s.assign(c.Assigns)
		return
	}
	for _, a := range c.Assigns {
		s.substitutions(a.Value)
	}
	args := make([]argument, 0, len(c.Args))
	for _, w := range c.Args {
		s.substitutions(w)
		args = s.appendWord(args, w)
	}
	if len(args) == 0 {
		return
	}
	switch args[0].text.s {
	case "eval", "source", ".":
		s.state.tainted = true
		s.state.set = map[string]*text{}
		if seemsContainer(appendArgs(nil, args)) {
			s.doubt(args, 0, "", "eval", strconv.Quote(args[0].text.s)+" makes commands that are not read", "write the command without it")
		}
		return
	case "alias":
		if slices.ContainsFunc(args[1:], func(a argument) bool { return containsAny(a.text.s, clientNames...) }) {
			s.doubt(args, 0, "", "unread-command", "alias makes a command that is not read", "write the container client where it is called")
		}
		return
	case "trap":
		if len(args) > 1 {
			s.finder.script(args[1].text, "sh", s.environmentForChild())
		}
		return
	case "read", "mapfile", "readarray", "getopts", "unset", "printf":
		for _, a := range args[1:] {
			s.state.set[a.text.s] = nil
		}
		return
	}
	before := len(s.found.References)
	around := s
	if len(c.Assigns) > 0 { // NAME=value before a command is for it alone
		around = &shellReader{finder: s.finder, script: s.script, state: s.state.copy()}
		around.assign(c.Assigns)
	}
	s.commandLine(args, environment{}, around)
	s.fed(args, redirects)
	for i := before; i < len(s.found.References); i++ {
		s.found.References[i].Shell = true
	}
}

// environmentForChild is what a shell inside this one sees.
func (s *shellReader) environmentForChild() environment {
	env := environment{set: map[string]variable{}, files: s.state.outer.files, passed: s.state.outer.passed || s.state.tainted}
	for name, v := range s.state.outer.set {
		env.set[name] = v
	}
	for name, value := range s.state.set {
		if value == nil {
			delete(env.set, name)
		} else {
			env.set[name] = variable{value: *value}
		}
	}
	return env
}

// assign carries out assignments, one after the other.
func (s *shellReader) assign(list []*syntax.Assign) {
	for _, a := range list {
		if a.Name == nil || a.Naked { // export NAME keeps the value
			continue
		}
		s.substitutions(a.Value)
		s.state.set[a.Name.Value] = s.assigned(a)
	}
}

// assigned is what an assignment makes of its variable, or nil.
func (s *shellReader) assigned(a *syntax.Assign) *text {
	if a.Index != nil || a.Array != nil {
		return nil
	}
	var b builder
	if a.Append {
		old, known := s.state.value(a.Name.Value)
		if !known {
			return nil
		}
		b.join(old)
	}
	if a.Value != nil {
		s.parts(&b, a.Value.Parts, false)
	}
	value := b.text()
	if !value.known(0, len(value.s)) {
		return nil
	}
	return &value
}

// substitutions reads the commands inside $(…), `…` and <(…) of a word.
func (s *shellReader) substitutions(w *syntax.Word) {
	if w == nil || isLiteral(w) {
		return
	}
	syntax.Walk(w, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst:
			s.apart(func() { s.statements(n.Stmts) })
			return false
		case *syntax.ProcSubst:
			s.apart(func() { s.statements(n.Stmts) })
			return false
		}
		return true
	})
}
