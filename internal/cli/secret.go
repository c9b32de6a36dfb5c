package cli

import (
	"regexp"
	"strings"
)

// assignment finds NAME=value as it stands behind -e and --env and in an
// Environment= line; quotedAssignment finds "NAME=value with blanks".
var (
	assignment       = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*=("[^"]*"|'[^']*'|[^\s"']+)`)
	quotedAssignment = regexp.MustCompile(`["'][A-Za-z_][A-Za-z0-9_]*=([^"']+)`)
)

// userInfo finds the user part of a URL.
var userInfo = regexp.MustCompile(`(://)[^/@\s]+@`)

// MaskSecrets replaces, byte for byte, what may be a secret in a line of a unit
// file or in a message: the values of environment assignments and the user part
// of URLs. The text keeps its length, so that carets still point at the place.
func MaskSecrets(text string) string {
	equals := strings.IndexByte(text, '=')
	head := 0
	if equals >= 0 && !strings.ContainsAny(strings.TrimSpace(text[:equals]), " \t") {
		head = equals + 1 // the unit's own KEY= is none
	}
	masked := text[:head] + replaceGroup(assignment, replaceGroup(quotedAssignment, text[head:], 1), 1)
	return replaceGroup(userInfo, masked, -1)
}

// replaceGroup overwrites one group of each match with stars; -1 stands for the
// part of a URL between "://" and "@".
func replaceGroup(re *regexp.Regexp, text string, group int) string {
	out := []byte(text)
	for _, m := range re.FindAllStringSubmatchIndex(text, -1) {
		from, to := m[0]+len("://"), m[1]-1
		if group >= 0 {
			from, to = m[2*group], m[2*group+1]
		}
		for i := from; i < to; i++ {
			out[i] = '*'
		}
	}
	return string(out)
}
