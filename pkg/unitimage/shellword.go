package unitimage

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/unitstamp/unitstamp/pkg/source"
)

// appendWord adds the arguments of a word of a script: one, or as many as an
// unquoted variable splits into.
func (s *shellReader) appendWord(args []argument, w *syntax.Word) []argument {
	site := s.site(w)
	if isLiteral(w) {
		return append(args, argument{text: s.oneWord(w), site: site})
	}
	scripted := s.scripted(w)
	if p := loneParameter(w); p != nil {
		value, known := s.parameter(p)
		if !known {
			return append(args, argument{text: s.unknown(w), site: site, variables: true, splits: true, scripted: scripted})
		}
		if strings.ContainsAny(value.s, " \t\n") || value.s == "" {
			for _, field := range fields(value) {
				var b builder
				b.joinAt(field, site)
				args = append(args, argument{text: b.text(), site: site, variables: true})
			}
			return args
		}
	}
	if len(w.Parts) == 1 {
		if _, ok := w.Parts[0].(*syntax.CmdSubst); ok {
			return append(args, argument{text: s.unknown(w), site: site, variables: true, splits: true})
		}
	}
	a := argument{text: s.oneWord(w), site: site, scripted: scripted}
	syntax.Walk(w, func(n syntax.Node) bool {
		switch n.(type) {
		case *syntax.ParamExp, *syntax.CmdSubst:
			a.variables = true
		}
		return true
	})
	return append(args, a)
}

// scripted reports whether the script sets a variable of a word to what is not
// known.
func (s *shellReader) scripted(w *syntax.Word) bool {
	found := false
	syntax.Walk(w, func(n syntax.Node) bool {
		if p, ok := n.(*syntax.ParamExp); ok && p.Param != nil {
			value, set := s.state.set[p.Param.Value]
			found = found || set && value == nil
		}
		return true
	})
	return found
}

// isLiteral reports whether nothing in a word is expanded.
func isLiteral(w *syntax.Word) bool {
	for _, part := range w.Parts {
		if _, ok := part.(*syntax.Lit); !ok {
			return false
		}
	}
	return true
}

// loneParameter returns the parameter of a word that is nothing but an unquoted
// $NAME or ${NAME}.
func loneParameter(w *syntax.Word) *syntax.ParamExp {
	if len(w.Parts) != 1 {
		return nil
	}
	p, _ := w.Parts[0].(*syntax.ParamExp)
	return p
}

// fields splits a value at blanks.
func fields(t text) []text {
	var out []text
	for i := 0; i < len(t.s); {
		if strings.IndexByte(" \t\n", t.s[i]) >= 0 {
			i++
			continue
		}
		j := i
		for j < len(t.s) && strings.IndexByte(" \t\n", t.s[j]) < 0 {
			j++
		}
		out = append(out, t.slice(i, j))
		i = j
	}
	return out
}

// site is where a word stands, without quotes around the whole.
func (s *shellReader) site(w *syntax.Word) source.Span {
	from, to := s.offset(w.Pos()), s.offset(w.End())
	if len(w.Parts) == 1 && to-from > 2 {
		switch w.Parts[0].(type) {
		case *syntax.SglQuoted, *syntax.DblQuoted:
			if q := s.script.s[from]; (q == '"' || q == '\'') && s.script.s[to-1] == q {
				from, to = from+1, to-1
			}
		}
	}
	return s.script.site(from, max(to, from+1))
}

func (s *shellReader) offset(p syntax.Pos) int { return min(int(p.Offset()), len(s.script.s)) }

func (s *shellReader) unknown(n syntax.Node) text {
	from, to := s.offset(n.Pos()), s.offset(n.End())
	if from >= to {
		return text{}
	}
	return unknownText(s.script.slice(from, to))
}

// oneWord is a word's text without splitting.
func (s *shellReader) oneWord(w *syntax.Word) text {
	if len(w.Parts) == 1 {
		if lit, ok := w.Parts[0].(*syntax.Lit); ok {
			from, to := s.offset(lit.ValuePos), s.offset(lit.ValueEnd)
			if strings.IndexByte(s.script.s[from:to], '\\') < 0 {
				return s.script.slice(from, to)
			}
		}
	}
	var b builder
	s.parts(&b, w.Parts, false)
	return b.text()
}

// parts appends the parts of a word, inside double quotes or not.
func (s *shellReader) parts(b *builder, list []syntax.WordPart, quoted bool) {
	for _, part := range list {
		switch p := part.(type) {
		case *syntax.Lit:
			s.literal(b, s.offset(p.ValuePos), s.offset(p.ValueEnd), quoted)
		case *syntax.SglQuoted:
			from, to := s.offset(p.Left)+1, s.offset(p.Right)
			if p.Dollar || from > to {
				b.join(s.unknown(p))
				continue
			}
			b.join(s.script.slice(from, to))
		case *syntax.DblQuoted:
			if p.Dollar {
				b.join(s.unknown(p))
				continue
			}
			s.parts(b, p.Parts, true)
		case *syntax.ParamExp:
			if value, known := s.parameter(p); known {
				b.joinAt(value, s.script.site(s.offset(p.Pos()), s.offset(p.End())))
				continue
			}
			b.join(s.unknown(p))
		default:
			b.join(s.unknown(part))
		}
	}
}

// literal appends script[from:to] with the backslashes that the shell removes: all
// of them outside quotes, those before $ ` " \ and a line's end inside.
func (s *shellReader) literal(b *builder, from, to int, quoted bool) {
	done := from
	for i := from; i+1 < to; i++ {
		if s.script.s[i] != '\\' {
			continue
		}
		next := s.script.s[i+1]
		if quoted && strings.IndexByte("$`\"\\\n", next) < 0 {
			continue
		}
		b.join(s.script.slice(done, i))
		i++
		done = i
		if next == '\n' {
			done++
		}
	}
	b.join(s.script.slice(done, to))
}

// parameter returns the value of $NAME, ${NAME} and ${NAME:-default}, if it is
// known. What systemd could not put in stays unknown, even if the shell has a
// variable of the name.
func (s *shellReader) parameter(p *syntax.ParamExp) (text, bool) {
	from, to := s.offset(p.Pos()), s.offset(p.End())
	if p.Param == nil || !s.script.known(from, to) ||
		p.Excl || p.Length || p.Width || p.IsSet || p.Index != nil || p.Slice != nil || p.Repl != nil || p.Names != 0 || p.Flags != nil || p.Modifiers != nil {
		return text{}, false
	}
	value, known := s.state.value(p.Param.Value)
	if p.Exp == nil {
		return value, known
	}
	switch p.Exp.Op {
	case syntax.DefaultUnsetOrNull, syntax.DefaultUnset, syntax.AssignUnsetOrNull, syntax.AssignUnset:
		if known && value.s != "" {
			return value, true
		}
		if known && p.Exp.Op == syntax.DefaultUnsetOrNull && p.Exp.Word != nil {
			fallback := s.oneWord(p.Exp.Word)
			return fallback, fallback.known(0, len(fallback.s))
		}
	case syntax.ErrorUnset, syntax.ErrorUnsetOrNull:
		return value, known && value.s != ""
	}
	return text{}, false
}
