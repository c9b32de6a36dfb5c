//go:build lab

package lab

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// A sedVariant is one of the ways in which people set a tag with sed.
type sedVariant struct {
	name string
	args func(repository, tag string) []string
	show string // for the table, with R for the repository and T for the tag
}

var sedVariants = []sedVariant{
	{"V1", func(r, tag string) []string { return []string{"s|" + r + "|&:" + tag + "|"} }, "s|R|&:T|"},
	{"V2", func(r, tag string) []string { return []string{"s|" + r + "|&:" + tag + "|g"} }, "s|R|&:T|g"},
	{"V3", func(r, tag string) []string { return []string{"s|" + r + "$|&:" + tag + "|"} }, "s|R$|&:T|"},
	{"V5", func(r, tag string) []string {
		return []string{"-E", "s#" + r + "(:[A-Za-z0-9_.-]+)?#" + r + ":" + tag + "#g"}
	}, "-E s#R(:[A-Za-z0-9_.-]+)?#R:T#g"},
	{"V6", func(r, tag string) []string {
		return []string{"-E", "s#(^|[[:space:]])" + r + "(:[A-Za-z0-9_.-]+)?([[:space:]]|$)#\\1" + r + ":" + tag + "\\3#g"}
	}, "-E s#(^|[[:space:]])R(:[A-Za-z0-9_.-]+)?([[:space:]]|$)#\\1R:T\\3#g"},
}

// run is what the machine's sed makes of a text.
func (v sedVariant) run(t *testing.T, source []byte, repository, tag string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sed", v.args(repository, tag)...)
	cmd.Stdin = bytes.NewReader(source)
	cmd.Env = []string{"LC_ALL=C.UTF-8"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sed %q: %v", v.args(repository, tag), err)
	}
	return out
}

// score counts how a way of stamping did.
type score struct {
	name          string
	wrong         int // changed bytes that it should not have, or missed some
	wrongWithPath int // the same, of the pairs whose repository has a `/`
	refused       int // nothing written, with a reason
	unstable      int // a second run changes the file again
}

type result int

const (
	wrongResult result = iota
	refusedResult
	unstableResult
)

// note counts a result, if the pair is one of the table's.
func (s *score) note(pair stampPair, r result) {
	if !pair.inTable() {
		return
	}
	switch r {
	case refusedResult:
		s.refused++
	case unstableResult:
		s.unstable++
	case wrongResult:
		s.wrong++
		if strings.Contains(pair.repository, "/") {
			s.wrongWithPath++
		}
	}
}

// accuracyTable renders the scores as the table of docs/accuracy.md.
func accuracyTable(scores []score, pairs []stampPair) string {
	all, withPath := 0, 0
	for _, pair := range pairs {
		if pair.inTable() {
			all++
			if strings.Contains(pair.repository, "/") {
				withPath++
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| way | wrong, all %d | wrong, org/name %d | refused with a reason | a second run changes it again |\n", all, withPath)
	b.WriteString("| --- | ---: | ---: | ---: | ---: |\n")
	for _, s := range scores {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d |\n", s.name, share(s.wrong, all), share(s.wrongWithPath, withPath), s.refused, s.unstable)
	}
	return b.String()
}

func share(count, all int) string {
	if all == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%.1f %%)", count, 100*float64(count)/float64(all))
}
