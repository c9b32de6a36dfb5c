// Package messages compares the page of all messages with the source of the programs:
// every text that they can print for people must have a row, with the right exit code.
package messages

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

func osFS() fs.FS { return os.DirFS(root) }

// sections are the parts of the page that tell about a program.
var sections = map[string][]string{
	"Every program": programs, "unitstamp": {"unitstamp"}, "confpush": {"confpush"}, "confapply": {"confapply"}, "confapply serve": {"confapply"},
}

func TestEveryMessageHasARow(t *testing.T) {
	texts, users := collect(t)
	if len(texts) < 1000 {
		t.Fatalf("%d texts are found, which cannot be all", len(texts))
	}
	p, speaker := readPage(t), newSpeaker(texts)
	usedQuiet, usedException := map[int]bool{}, map[string]bool{}
	messages, byPart := 0, 0
	for _, x := range texts {
		if n := slices.IndexFunc(quietUses, func(q quiet) bool { return q.matches(x) }); n >= 0 {
			usedQuiet[n] = true
			continue
		}
		if _, known := exceptions[x.says]; known {
			usedException[x.says] = true
			continue
		}
		pattern := patternOf(x.says)
		if pattern.letters == 0 {
			continue // a frame around another message
		}
		messages++
		found, coded := false, x.code == ""
		for _, r := range p.rows {
			if !slices.ContainsFunc(sections[r.section], func(program string) bool { return slices.Contains(users[x.room], program) }) {
				continue
			}
			switch {
			case speaker.fitsOneOf(pattern, r.messages):
				found = true
				coded = coded || slices.Contains(r.codes, x.code)
			case speaker.fitsOneOf(pattern, r.parts):
				found, coded = true, true
				byPart++
			}
		}
		for section, quoted := range p.prose {
			if !found && speaker.fitsOneOf(pattern, quoted) && len(sections[section]) > 0 {
				found, coded = true, true
			}
		}
		switch {
		case !found:
			t.Errorf("%s: no row of %s in the part of %s says: %s\n\t(%s)", x.at, pageName, strings.Join(users[x.room], " or "), shown(x.says), x.use)
		case !coded:
			t.Errorf("%s: the row of %q has not the code %s", x.at, shown(x.says), x.code)
		}
	}
	t.Logf("%d texts, %d of them messages, %d of those parts of others, %d exceptions", len(texts), messages, byPart, len(exceptions))
	for n, q := range quietUses {
		if !usedQuiet[n] {
			t.Errorf("nothing is quiet any more by %v, %v", q.where, q.use)
		}
	}
	for says := range exceptions {
		if !usedException[says] {
			t.Errorf("no program has the exception %q any more", says)
		}
	}
}

// TestEveryRowIsAMessage looks for rows of what no program says any more, and for codes
// that no place in the source gives.
func TestEveryRowIsAMessage(t *testing.T) {
	texts, users := collect(t)
	all := newSpeaker(texts)
	for _, r := range readPage(t).rows {
		if len(r.messages) == 0 {
			t.Errorf("%s: a row without a message", r.at())
		}
		var codes []string
		certain := true
		for _, message := range r.messages {
			if !all.says(message) {
				t.Errorf("%s: no program says %q", r.at(), message)
			}
			for i, x := range texts {
				mine := slices.ContainsFunc(sections[r.section], func(program string) bool { return slices.Contains(users[x.room], program) })
				if mine && all.patterns[i].letters > 0 && all.fits(all.patterns[i], message) {
					certain = certain && strings.HasSuffix(x.use, "Errorf") && x.code != ""
					codes = append(codes, x.code)
				}
			}
		}
		for _, code := range r.codes {
			if certain && len(codes) > 0 && !slices.Contains(codes, code) {
				t.Errorf("%s: the codes are %v, not %s", r.at(), slices.Compact(slices.Sorted(slices.Values(codes))), code)
			}
		}
	}
}
