package execline

import "strings"

// A Variable is a place in a word's text where systemd puts the value of an
// environment variable.
type Variable struct {
	Name string
	// Start and End are the offsets of the reference in the text, braces and
	// dollar included.
	Start, End int
	// Splits tells that the whole word is $NAME: its value is split at blanks into
	// any number of words, none if it is empty. Otherwise the reference is ${NAME}
	// and the word stays one word.
	Splits bool
}

// Variables finds the variables that systemd expands in a word of a command
// without the ':' prefix. Quotes do not protect from it, since they are gone by
// then; $$ stands for a dollar; $NAME inside a longer word is left alone
// (src/basic/env-util.c replace_env_argv, replace_env).
func Variables(text string) []Variable {
	if strings.IndexByte(text, '$') < 0 {
		return nil
	}
	if len(text) > 1 && text[0] == '$' && text[1] != '{' && text[1] != '$' {
		return []Variable{{Name: text[1:], End: len(text), Splits: true}}
	}
	var list []Variable
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '$' {
			continue
		}
		switch text[i+1] {
		case '$':
			i++
		case '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return list
			}
			list = append(list, Variable{Name: text[i+2 : i+end], Start: i, End: i + end + 1})
			i += end
		}
	}
	return list
}
