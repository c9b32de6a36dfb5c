// Package architecture holds the map of the project as a test: which room may
// import which. ARCHITECTURE.md says the same in words.
package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/unitstamp/unitstamp/"

// A kind of room.
type kind int

const (
	// door reads flags, makes one call, prints, exits.
	door kind = iota
	// pure rooms see bytes and values only.
	pure
	// edge rooms touch one piece of the world each.
	edge
	// testing rooms are imported by tests only.
	testing_
)

// A room is a package with what it may import of this project.
type room struct {
	kind    kind
	imports []string
}

// rooms is the map. Arrows point down: a room imports only what stands below it.
var rooms = map[string]room{
	"cmd/unitstamp": {door, []string{"internal/cli", "internal/atomicfile", "internal/wholefile", "pkg/stamp", "pkg/lint", "pkg/report", "pkg/unitimage", "pkg/unitname", "pkg/unitfile", "pkg/imageref", "pkg/buildtag", "pkg/cienv", "pkg/diag", "pkg/source", "docs/rules"}},
	"cmd/confpush":  {door, []string{"internal/cli", "pkg/confrepo", "pkg/guard", "pkg/buildtag", "pkg/cienv", "pkg/diag", "pkg/source"}},
	"cmd/confapply": {door, []string{"internal/cli", "internal/atomicfile", "internal/containerclient", "internal/unitdir", "pkg/apply", "pkg/plan", "pkg/unitset", "pkg/engine/dir", "pkg/engine/systemd", "pkg/engine/fleet", "pkg/receiver", "pkg/webhook", "pkg/imageref", "pkg/buildtag", "pkg/diag", "pkg/source", "pkg/unitname"}},
	"demo":          {door, nil},

	"internal/cli":             {edge, []string{"pkg/buildtag", "pkg/cienv", "pkg/diag", "pkg/source", "pkg/spelling"}},
	"internal/atomicfile":      {edge, nil},
	"internal/wholefile":       {edge, nil},
	"internal/containerclient": {edge, []string{"pkg/imageref"}},
	"pkg/confrepo":             {edge, nil},
	"pkg/engine/dir":           {edge, []string{"pkg/apply", "pkg/plan", "pkg/parallel", "internal/atomicfile", "internal/wholefile"}},
	"pkg/engine/systemd":       {edge, []string{"pkg/apply", "pkg/plan", "pkg/engine/dir", "pkg/unitimage", "pkg/unitfile", "pkg/unitname", "pkg/source"}},
	"pkg/engine/fleet":         {edge, []string{"pkg/apply", "pkg/plan", "pkg/unitfile", "pkg/unitname", "pkg/source"}},
	"pkg/unitset":              {edge, []string{"pkg/plan", "pkg/parallel", "pkg/unitname", "internal/wholefile"}},
	"pkg/receiver":             {edge, []string{"pkg/webhook", "internal/atomicfile"}},

	"pkg/apply":        {pure, []string{"pkg/plan"}},
	"pkg/plan":         {pure, []string{"pkg/unitimage", "pkg/unitfile", "pkg/unitname", "pkg/buildtag", "pkg/parallel", "pkg/source"}},
	"pkg/guard":        {pure, []string{"pkg/unitimage", "pkg/unitfile", "pkg/unitname", "pkg/imageref", "pkg/buildtag", "pkg/source"}},
	"pkg/lint":         {pure, []string{"pkg/unitimage", "pkg/unitfile", "pkg/unitname", "pkg/execline", "pkg/containerrun", "pkg/imageref", "pkg/buildtag", "pkg/diag", "pkg/source", "pkg/spelling"}},
	"pkg/report":       {pure, []string{"pkg/diag", "pkg/source"}},
	"pkg/stamp":        {pure, []string{"pkg/unitimage", "pkg/unitfile", "pkg/unitname", "pkg/imageref", "pkg/diag", "pkg/source"}},
	"pkg/unitimage":    {pure, []string{"pkg/unitfile", "pkg/unitname", "pkg/execline", "pkg/containerrun", "pkg/envfile", "pkg/imageref", "pkg/source"}},
	"pkg/unitfile":     {pure, []string{"pkg/source"}},
	"pkg/envfile":      {pure, []string{"pkg/source"}},
	"pkg/diag":         {pure, []string{"pkg/source"}},
	"pkg/cienv":        {pure, []string{"pkg/buildtag", "pkg/imageref"}},
	"pkg/buildtag":     {pure, []string{"pkg/imageref"}},
	"pkg/imageref":     {pure, []string{"pkg/source"}},
	"pkg/unitname":     {pure, nil},
	"pkg/webhook":      {pure, nil},
	"pkg/parallel":     {pure, nil},
	"pkg/execline":     {pure, nil},
	"pkg/containerrun": {pure, nil},
	"pkg/source":       {pure, nil},
	"pkg/spelling":     {pure, nil},
	"docs/rules":       {pure, nil},

	"pkg/containerrun/internal/genflags": {door, nil},
	"internal/architecture":              {testing_, nil},
	"internal/circleci":                  {testing_, nil},
	"internal/corpus":                    {testing_, []string{"pkg/source"}},
	"internal/scripttest":                {testing_, nil},
	"internal/docpage":                   {testing_, nil},
	"internal/fleettest":                 {testing_, nil},
	"internal/gittest":                   {testing_, nil},
	"internal/messages":                  {testing_, nil},
	"internal/programs":                  {testing_, nil},
	"internal/release":                   {testing_, nil},
	"internal/oracle/sandbox":            {testing_, nil},
	"internal/oracle/systemdwords":       {testing_, nil},
	"internal/oracle/dockeroperand":      {testing_, []string{"internal/oracle/sandbox"}},
	"internal/oracle/scriptcalls":        {testing_, []string{"internal/oracle/sandbox"}},
	"internal/oracle/imageplaces":        {testing_, []string{"internal/oracle/dockeroperand", "internal/oracle/scriptcalls", "internal/oracle/systemdwords"}},
	"lab/engine":                         {testing_, []string{"lab/node"}},
	"lab/node":                           {testing_, nil},
	"lab/sshd":                           {testing_, nil},
}

// worldly are packages of the standard library that touch the world.
var worldly = []string{"os", "os/exec", "os/signal", "os/user", "net", "net/http", "log", "log/slog", "syscall", "math/rand", "math/rand/v2", "crypto/rand", "runtime/debug"}

// borders are the lines that no chain of imports may cross.
var borders = []struct{ from, to, why string }{
	{"cmd/unitstamp", "github.com/go-git/go-git/", "git belongs to confpush alone"},
	{"cmd/confapply", "github.com/go-git/go-git/", "git belongs to confpush alone"},
	{"cmd/unitstamp", module + "pkg/engine/", "the engines belong to confapply alone"},
	{"cmd/confpush", module + "pkg/engine/", "the engines belong to confapply alone"},
	{"cmd/unitstamp", "github.com/godbus/", "the bus belongs to confapply alone"},
	{"cmd/confpush", "github.com/godbus/", "the bus belongs to confapply alone"},
	{"cmd/unitstamp", "net/http", "unitstamp talks to no one"},
}

// goPackage is what is used of go list's output.
type goPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Module     *struct{ Path string }
}

func list(t *testing.T) map[string]goPackage {
	t.Helper()
	command := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,Imports,Module", "./...")
	command.Dir = filepath.Join("..", "..")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	packages := map[string]goPackage{}
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
}

func TestRooms(t *testing.T) {
	for path, p := range list(t) {
		name, ours := strings.CutPrefix(path, module)
		if !ours {
			continue
		}
		r, known := rooms[name]
		if !known {
			t.Errorf("%s is not on the map: add it to rooms, and to ARCHITECTURE.md", name)
			continue
		}
		for _, imported := range p.Imports {
			below, ours := strings.CutPrefix(imported, module)
			switch {
			case ours && !slices.Contains(r.imports, below):
				t.Errorf("%s imports %s, which the map does not allow", name, below)
			case ours && rooms[below].kind == testing_ && r.kind != testing_:
				t.Errorf("%s imports %s, which is for tests", name, below)
			case r.kind == pure && slices.Contains(worldly, imported):
				t.Errorf("%s is a pure room and imports %s", name, imported)
			}
		}
		if r.kind == pure {
			checkClock(t, name, p)
		}
	}
}

// checkClock looks for calls of the clock in a pure room; durations are welcome.
func checkClock(t *testing.T, name string, p goPackage) {
	t.Helper()
	for _, file := range p.GoFiles {
		data, err := os.ReadFile(filepath.Join(p.Dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []string{"time.Now(", "time.Sleep(", "time.Since("} {
			if bytes.Contains(data, []byte(call)) {
				t.Errorf("%s is a pure room, and %s calls %s…)", name, file, call)
			}
		}
	}
}

func TestBorders(t *testing.T) {
	packages := list(t)
	for _, b := range borders {
		if _, ok := packages[module+b.from]; !ok {
			t.Errorf("there is no %s", b.from)
			continue
		}
		if chain := chainTo(packages, module+b.from, b.to); chain != nil {
			t.Errorf("%s:\n  %s", b.why, strings.Join(chain, "\n  imports "))
		}
	}
}

// chainTo finds the shortest chain of imports from a package to one whose path
// begins with a prefix.
func chainTo(packages map[string]goPackage, from, prefix string) []string {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at != from && (at == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(at, prefix)) {
			var chain []string
			for p := at; p != ""; p = before[p] {
				chain = append([]string{p}, chain...)
			}
			return chain
		}
		for _, next := range packages[at].Imports {
			if _, seen := before[next]; !seen {
				before[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}

func TestChainTo(t *testing.T) {
	packages := map[string]goPackage{"a": {Imports: []string{"b", "c"}}, "b": {Imports: []string{"d"}}, "d": {Imports: []string{"x/y"}}, "c": {}}
	if got := strings.Join(chainTo(packages, "a", "x/"), " "); got != "a b d x/y" {
		t.Errorf("chain %q", got)
	}
	if got := chainTo(packages, "c", "x/"); got != nil {
		t.Errorf("chain %q", got)
	}
}
