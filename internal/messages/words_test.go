package messages

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/pkg/lint"
)

// ruleUses are where the names of stamp's rules stand.
var ruleUses = regexp.MustCompile(`^(argument 2 of s\.finding|argument 3 of [fs]\.doubt|element 0 of Obstacle|field Rule of (Doubt|diag\.Finding)|result 0 of describeIssue|` +
	`element 3 of Problem|element 1 of SyntaxError|assigned to Rule\w+)$`)

// TestEveryRuleHasARow looks up the rules of stamp and of check in the column rule.
func TestEveryRuleHasARow(t *testing.T) {
	texts, _ := collectAll(t)
	known := map[string]bool{"–": true}
	for _, x := range texts {
		if ruleUses.MatchString(x.use) && !strings.HasPrefix(x.room, "pkg/lint") {
			known[x.says] = true
		}
	}
	for _, r := range lint.Rules() {
		if r.ID != "US009" { // says what the reader of units says
			known["["+r.ID+"](rules/"+r.ID+".md)"] = true
		}
	}
	if len(known) < 80 {
		t.Fatalf("%d rules are known, which cannot be all", len(known))
	}
	told := map[string]bool{}
	for _, r := range readPage(t).rows {
		if r.rule != "" && !known[r.rule] {
			t.Errorf("%s: there is no rule %s", r.at(), r.rule)
		}
		told[r.rule] = true
	}
	for name := range known {
		if !told[name] {
			t.Errorf("no row of %s has the rule %s", pageName, name)
		}
	}
}

// TestEveryWordIsTold looks up the single words that stand before a message or in
// --json: of plans, steps, requests and pushes.
func TestEveryWordIsTold(t *testing.T) {
	p := readPage(t)
	words := 0
	for _, kind := range []string{"pkg/plan Action", "pkg/apply Outcome", "pkg/receiver Decision", "pkg/guard Action"} {
		room, name, _ := strings.Cut(kind, " ")
		for _, word := range constantsOf(t, room, name) {
			words++
			if !p.quoted[word] {
				t.Errorf("%s: nothing is said of %q, which %s has", pageName, word, kind)
			}
		}
	}
	if words < 20 {
		t.Errorf("%d words are known, which cannot be all", words)
	}
}

// constantsOf are the string constants of a type.
func constantsOf(t *testing.T, room, typeName string) []string {
	t.Helper()
	var list []string
	for _, file := range parse(t, room) {
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && name(spec.Type) == typeName && len(spec.Values) == 1 {
				if word, constant := spelled(spec.Values[0]); constant {
					list = append(list, word)
				}
			}
			return true
		})
	}
	return list
}

// TestEveryAnswerIsTold looks up the HTTP statuses that serve answers with.
func TestEveryAnswerIsTold(t *testing.T) {
	numbers := map[string]string{}
	for status := 100; status < 600; status++ {
		numbers["Status"+strings.ReplaceAll(http.StatusText(status), " ", "")] = strconv.Itoa(status)
	}
	text := readText(t)
	answers := 0
	for _, file := range parse(t, "pkg/receiver") {
		ast.Inspect(file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok || name(selector.X) != "http" || !strings.HasPrefix(selector.Sel.Name, "Status") {
				return true
			}
			answers++
			if number := numbers[selector.Sel.Name]; number == "" || !strings.Contains(text, "\n| "+number+" | ") {
				t.Errorf("%s: no row for the answer %s (%s)", pageName, number, selector.Sel.Name)
			}
			return true
		})
	}
	if answers < 8 {
		t.Errorf("%d answers are found, which cannot be all", answers)
	}
}

// TestRowsAreSorted has rows in the order of their fixed words, so that one finds them by eye.
func TestRowsAreSorted(t *testing.T) {
	rows := readPage(t).rows
	for i, r := range rows[1:] {
		before := rows[i]
		if before.table == r.table && r.rule == "" && strings.Compare(before.key(), r.key()) > 0 {
			t.Errorf("%s: %q belongs before line %d", r.at(), r.messages[0], before.line)
		}
	}
}

func parse(t *testing.T, room string) []*ast.File {
	t.Helper()
	names, err := fs.Glob(osFS(), room+"/*.go")
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(name)), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}
