package messages

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

const pageName = "docs/messages.md"

// A row of a table of messages on the page.
type row struct {
	line     int
	section  string // the part of the page: a program, or every one
	table    int    // the line of its head
	messages []string
	parts    []string // quoted elsewhere in the row: pieces that messages are put together from
	codes    []string // of the columns code and answer; "-" is a line that ends nothing
	rule     string   // of the column rule
}

// A page is what docs/messages.md says.
type page struct {
	rows   []row
	prose  map[string][]string // what is quoted outside of tables, by section
	quoted map[string]bool     // all that is quoted, in every table
}

var (
	spans   = regexp.MustCompile("`([^`]+)`")
	columns = regexp.MustCompile(` \| `)
)

func readText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(pageName)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readPage(t *testing.T) page {
	t.Helper()
	p := page{prose: map[string][]string{}, quoted: map[string]bool{}}
	section, table := "", 0
	var head []string
	for i, line := range strings.Split(readText(t), "\n") {
		name, isSection := strings.CutPrefix(line, "## ")
		switch {
		case isSection:
			section = name
		case !strings.HasPrefix(line, "|"):
			head = nil
			p.prose[section] = append(p.prose[section], quotes(line)...)
		case head == nil:
			head, table = cells(line), i+1
		case strings.HasPrefix(line, "| ---"):
		default:
			r := row{line: i + 1, section: section, table: table}
			for n, cell := range cells(line) {
				for _, q := range quotes(cell) {
					p.quoted[q] = true
				}
				if n >= len(head) {
					t.Fatalf("%s:%d: more cells than its head has", pageName, r.line)
				}
				switch head[n] {
				case "message":
					r.messages = quotes(cell)
				case "code", "answer":
					r.codes = strings.Split(strings.ReplaceAll(cell, "–", "-"), ", ")
				case "rule":
					r.rule = cell
				default:
					r.parts = append(r.parts, quotes(cell)...)
				}
				if strings.TrimSpace(cell) == "" {
					t.Errorf("%s:%d: an empty cell", pageName, r.line)
				}
			}
			if len(cells(line)) != len(head) {
				t.Errorf("%s:%d: %d cells under a head of %d", pageName, r.line, len(cells(line)), len(head))
			}
			if head[0] == "message" {
				p.rows = append(p.rows, r)
			}
		}
	}
	return p
}

func cells(line string) []string {
	return columns.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |"), -1)
}

func quotes(text string) []string {
	var list []string
	for _, m := range spans.FindAllStringSubmatch(text, -1) {
		list = append(list, trim(strings.ReplaceAll(m[1], `\|`, "|")))
	}
	return list
}

// trim takes off what joins a text to another one.
func trim(text string) string { return strings.Trim(text, " ,;:\n") }

// A pattern is how a text looks where something stands in place of its verbs.
type pattern struct {
	whole   *regexp.Regexp
	longest string // of its fixed parts
	letters int    // of all of them
}

func patternOf(says string) pattern {
	joined := strings.HasSuffix(says, " ") // to something that follows
	says = trim(says)
	p, expression, from := pattern{}, "^", 0
	fixed := func(part string) {
		part = strings.ReplaceAll(part, "%%", "%")
		expression += regexp.QuoteMeta(part)
		p.letters += small(part)
		if len(part) > len(p.longest) {
			p.longest = part
		}
	}
	for _, at := range verbs.FindAllStringIndex(says, -1) {
		if at[0] > 0 && says[at[0]-1] == '%' { // the second of %%
			continue
		}
		fixed(says[from:at[0]])
		expression += "(.+)"
		from = at[1]
	}
	fixed(says[from:])
	if joined {
		expression += "( .+)?"
	}
	p.whole = regexp.MustCompile(expression + "$")
	return p
}

// small counts the small letters, which placeholders of the page do not have.
func small(text string) int {
	n := 0
	for _, r := range text {
		if unicode.IsLower(r) {
			n++
		}
	}
	return n
}

// A speaker knows everything that the programs can say.
type speaker struct {
	patterns []pattern
	known    map[string]bool
}

func newSpeaker(texts []text) *speaker {
	s := &speaker{known: map[string]bool{}}
	for _, x := range texts {
		s.patterns = append(s.patterns, patternOf(x.says))
	}
	return s
}

// fits tells that a quotation of the page is this text. What stands in the place of its
// verbs is in capitals or another text; or it is not much, so that "%s is %s" is not
// every sentence.
func (s *speaker) fits(p pattern, quoted string) bool {
	if !strings.Contains(quoted, p.longest) {
		return false
	}
	parts := p.whole.FindStringSubmatch(quoted)
	if parts == nil {
		return false
	}
	others := 0
	for _, part := range parts[1:] {
		if n := small(part); n > 0 && !(len(part) < len(quoted) && s.says(part)) {
			others += n
		}
	}
	return 2*p.letters >= others
}

// says tells that a quotation is a text, or several that are joined.
func (s *speaker) says(quoted string) bool {
	quoted = trim(quoted)
	known, seen := s.known[quoted]
	if !seen {
		known = small(quoted) == 0 || s.saysWhole(quoted)
		for cut := range quoted {
			known = known || quoted[cut] == ' ' && s.says(quoted[:cut]) && s.says(quoted[cut:])
		}
		s.known[quoted] = known
	}
	return known
}

func (s *speaker) saysWhole(quoted string) bool {
	return slices.ContainsFunc(s.patterns, func(p pattern) bool { return p.letters > 0 && s.fits(p, quoted) })
}

var joints = regexp.MustCompile(`[,;:] | \(`)

// cuts are the places at which a quotation may be two texts: where they are joined, or
// behind a first word that only stands for something.
func cuts(quoted string) []int {
	var places []int
	for _, at := range joints.FindAllStringIndex(quoted, -1) {
		places = append(places, at[0]+1)
	}
	if first := strings.IndexByte(quoted, ' '); first > 0 && small(quoted[:first]) == 0 {
		places = append(places, first)
	}
	return places
}

// fitsOneOf tells that a text is one of the quotations, or a piece of one.
func (s *speaker) fitsOneOf(p pattern, list []string) bool {
	return slices.ContainsFunc(list, func(quoted string) bool {
		places := append(append([]int{0}, cuts(quoted)...), len(quoted))
		slices.Sort(places)
		for i, from := range places {
			for _, to := range places[i+1:] {
				if s.fits(p, trim(quoted[from:to])) {
					return true
				}
			}
		}
		return false
	})
}

// shown is a text as a row of the page would have it.
func shown(says string) string {
	return verbs.ReplaceAllString(strings.ReplaceAll(trim(says), "%q", `"NAME"`), "REASON")
}

// key is what rows are sorted by: the words of the first message without what differs.
func (r row) key() string {
	text := regexp.MustCompile(`[A-Z][A-Z]+`).ReplaceAllString(r.messages[0], "")
	return strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || c == ' ' {
			return unicode.ToLower(c)
		}
		return -1
	}, text)
}

func (r row) at() string { return pageName + ":" + strconv.Itoa(r.line) }
