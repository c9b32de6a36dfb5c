package unitimage

import (
	"reflect"
	"slices"

	"mvdan.cc/sh/v3/syntax"
)

// maxRounds bounds how often the bodies of loops are read, loops in loops
// included.
const maxRounds = 64

// each reads a for loop. Where the script says what the variable becomes, the body
// is read once for each value; what is the same in each round counts once.
func (s *shellReader) each(c *syntax.ForClause, iter *syntax.WordIter) {
	for _, w := range iter.Items {
		s.substitutions(w)
	}
	values, known := s.values(iter)
	name := iter.Name.Value
	if !known || max(s.rounds, 1)*len(values) > maxRounds {
		s.state.set[name] = nil
		s.loop(func() { s.statements(c.Do) }, c)
		return
	}
	outer := s.rounds
	s.rounds = max(s.rounds, 1) * len(values)
	s.forgetAssigned(c)
	references, doubts, calls := len(s.found.References), len(s.found.Doubts), len(s.found.Calls)
	for _, value := range values {
		s.state.set[name] = &value
		s.maybe(func() { s.statements(c.Do) })
		s.found.References = once(s.found.References, references)
		s.found.Doubts = once(s.found.Doubts, doubts)
		s.found.Calls = once(s.found.Calls, calls)
	}
	s.state.set[name] = nil
	s.rounds = outer
}

// values are what the variable of a loop becomes, if that is known and there is
// anything.
func (s *shellReader) values(iter *syntax.WordIter) ([]text, bool) {
	var args []argument
	for _, w := range iter.Items {
		args = s.appendWord(args, w)
	}
	var values []text
	for _, a := range args {
		if a.splits || !a.text.known(0, len(a.text.s)) || expandsPath(a.text.s) {
			return nil, false
		}
		values = append(values, a.text)
	}
	return values, len(values) > 0
}

// expandsPath reports whether the shell may make other words of a word, by the
// names of files or by braces.
func expandsPath(word string) bool { return containsAny(word, "*", "?", "[", "{") }

// once leaves out what stands in a list from an index on for the second time.
func once[T any](list []T, from int) []T {
	kept := list[:from]
	for _, e := range list[from:] {
		if !slices.ContainsFunc(kept[from:], func(k T) bool { return reflect.DeepEqual(k, e) }) {
			kept = append(kept, e)
		}
	}
	return kept
}
