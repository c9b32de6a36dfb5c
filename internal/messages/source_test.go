package messages

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/unitstamp/unitstamp/"
)

var programs = []string{"unitstamp", "confpush", "confapply"}

// A text is a constant string of the source. What is joined to it with + stands in it
// as %v.
type text struct {
	at   string // FILE:LINE
	room string // the folder
	use  string // what becomes of it, see use
	code string // the exit code or HTTP status that it ends with, "" if the place does not tell
	says string
	// people tells that it reads like something for people, and not like a name, a key
	// or a piece of a protocol.
	people bool
}

// collect finds the texts of the packages that the programs are made of, and tells for
// each package which programs those are.
func collect(t *testing.T) (texts []text, users map[string][]string) {
	t.Helper()
	all, users := collectAll(t)
	return slices.DeleteFunc(all, func(x text) bool { return !x.people }), users
}

// collectAll finds the others, too.
func collectAll(t *testing.T) (texts []text, users map[string][]string) {
	t.Helper()
	users = map[string][]string{}
	for _, program := range programs {
		list := exec.Command("go", "list", "-deps", "./cmd/"+program)
		list.Dir = root
		output, err := list.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for line := range strings.Lines(string(output)) {
			if room, ours := strings.CutPrefix(strings.TrimSpace(line), module); ours {
				users[room] = append(users[room], program)
			}
		}
	}
	files := token.NewFileSet()
	for room := range users {
		names, err := fs.Glob(osFS(), path.Join(room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(files, filepath.Join(root, filepath.FromSlash(name)), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range textsOf(file) {
				found.room = room
				found.at = name + ":" + strconv.Itoa(files.Position(found.pos).Line)
				texts = append(texts, found.text)
			}
		}
	}
	slices.SortFunc(texts, func(a, b text) int { return strings.Compare(a.at, b.at) })
	return texts, users
}

type located struct {
	text
	pos token.Pos
}

// textsOf finds the texts of a file.
func textsOf(file *ast.File) []located {
	var found []located
	var above []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			above = above[:len(above)-1]
			return true
		}
		if e, ok := n.(ast.Expr); ok {
			if says, constant := spelled(e); constant {
				use := useOf(above, e)
				people := forPeople(says) || words.MatchString(says) && constructors.MatchString(use)
				found = append(found, located{text{use: use, code: codeOf(above), says: says, people: people}, e.Pos()})
				return false
			}
		}
		if _, imports := n.(*ast.ImportSpec); imports {
			return false
		}
		above = append(above, n)
		return true
	})
	return found
}

var (
	words        = regexp.MustCompile(`[A-Za-z]{2,}`)
	verbs        = regexp.MustCompile(`%[-+# 0]*[0-9.*]*[a-zA-Z]`)
	constructors = regexp.MustCompile(`^argument 0 of (errors\.New|fmt\.Errorf|(.*\.)?(Note|step))$|^argument 1 of (cli\.|door\.)?Errorf$|` +
		`^(assigned to .*\.|field )(Reason|Idle|Why|Text|Message)\b`)
)

// forPeople tells sentences by their blanks.
func forPeople(says string) bool {
	return strings.Contains(says, " ") && words.MatchString(verbs.ReplaceAllString(says, ""))
}

// spelled is a string as far as it is constant, with %v for the rest; constant is false
// if nothing of it is.
func spelled(e ast.Expr) (says string, constant bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		says, err := strconv.Unquote(e.Value)
		return says, err == nil
	case *ast.ParenExpr:
		return spelled(e.X)
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		left, a := spelled(e.X)
		right, b := spelled(e.Y)
		if !a {
			left = "%v"
		}
		if !b {
			right = "%v"
		}
		return left + right, a || b
	}
	return "", false
}

// useOf says what becomes of a string: "argument 1 of call.Note", "field Hint of Problem",
// "element 0 of Refusal", "assigned to d.Reason", "result 1 of describe", "compared".
func useOf(above []ast.Node, e ast.Expr) string {
	var child ast.Node = e
	field := ""
	for _, n := range slices.Backward(above) {
		switch n := n.(type) {
		case *ast.CallExpr:
			if called := name(n.Fun); called != "fmt.Sprintf" { // what is put together is used further up
				return "argument " + index(n.Args, child) + " of " + called
			}
		case *ast.KeyValueExpr:
			if child == n.Value {
				field = name(n.Key)
			}
		case *ast.CompositeLit:
			if field != "" {
				return "field " + field + " of " + name(n.Type)
			}
			return "element " + index(n.Elts, child) + " of " + name(n.Type)
		case *ast.AssignStmt:
			if i := slices.IndexFunc(n.Rhs, func(x ast.Expr) bool { return x == child }); i >= 0 && i < len(n.Lhs) {
				return "assigned to " + name(n.Lhs[i])
			}
		case *ast.ValueSpec:
			return "assigned to " + n.Names[0].Name
		case *ast.ReturnStmt:
			function := ""
			for _, outer := range above {
				if f, ok := outer.(*ast.FuncDecl); ok {
					function = f.Name.Name
				}
			}
			return "result " + index(n.Results, child) + " of " + function
		case *ast.BinaryExpr, *ast.CaseClause:
			return "compared"
		}
		child = n
	}
	return ""
}

func index(list []ast.Expr, child ast.Node) string {
	return strconv.Itoa(slices.IndexFunc(list, func(x ast.Expr) bool { return ast.Node(x) == child }))
}

// name is an expression as it is written, without what stands in brackets.
func name(e ast.Node) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return name(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return name(e.X)
	case *ast.ArrayType:
		return "[]" + name(e.Elt)
	case *ast.IndexExpr:
		return name(e.X)
	case *ast.MapType:
		return "map"
	case *ast.CallExpr:
		return name(e.Fun) + "()"
	case *ast.BasicLit:
		return e.Value
	}
	return ""
}

// codeOf is the exit code, or the HTTP status, that the nearest place around a string
// tells. What a line on the way says ends nothing: "-".
func codeOf(above []ast.Node) string {
	for _, n := range slices.Backward(above) {
		switch n := n.(type) {
		case *ast.CallExpr:
			called := name(n.Fun)
			called = called[strings.LastIndexByte(called, '.')+1:]
			if code := calls[called]; code != "" {
				return code
			}
			if called == "refuse" && len(n.Args) > 0 && statuses[strings.TrimPrefix(name(n.Args[0]), "webhook.")] == "" { // of fleet's units
				return "2"
			}
			if kinds, ok := callsOfKind[called]; ok && len(n.Args) > 0 {
				kind := name(n.Args[0])
				return kinds[kind[strings.LastIndexByte(kind, '.')+1:]]
			}
		case *ast.CompositeLit:
			made := name(n.Type)
			for _, elt := range n.Elts {
				if pair, ok := elt.(*ast.KeyValueExpr); ok && made == "Error" && name(pair.Key) == "Kind" {
					return confrepoKinds[name(pair.Value)]
				}
			}
			if code := literals[made]; code != "" {
				return code
			}
		case *ast.FuncDecl:
			return ""
		}
	}
	return ""
}

var (
	exitCodes     = map[string]string{"Done": "0", "No": "1", "Usage": "2", "World": "3", "Refused": "4"}
	confrepoKinds = map[string]string{
		"Usage": "2", "Denied": "3", "NotFound": "3", "HostKey": "3", "Rejected": "3", "Obstructed": "4", "Unsupported": "3", "Unavailable": "3", "Unsettled": "3",
	}
	statuses = map[string]string{"Unproven": "403", "Stale": "403", "Malformed": "400", "Media": "415"}
	// callsOfKind are the constructors whose first argument tells the code.
	callsOfKind = map[string]map[string]string{"Errorf": exitCodes, "failure": confrepoKinds, "refuse": statuses}
	calls       = map[string]string{"usage": "2", "Unitf": "1", "Note": "-", "step": "-"}
	literals    = map[string]string{"Refusal": "4", "plan.InputError": "2", "unitset.Error": "2"}
)
