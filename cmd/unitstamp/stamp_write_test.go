package main

import (
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/stamp"
)

// TestWriteIsTakenBack lets the last of many files be stamped as a fault of ours
// would, when hundreds are in place already; and be changed by somebody else.
func TestWriteIsTakenBack(t *testing.T) {
	const unit = "[Service]\nExecStart=/usr/bin/docker run myrepo/a\n"
	right := source.Edit{Span: source.Span{Start: len(unit) - 1, End: len(unit) - 1}, New: ":58-develop"}
	wrong := source.Edit{Span: source.Span{Start: len(unit) - 1, End: len(unit) - 1}, New: " :58-develop"}
	target, err := stamp.Repositories([]string{"myrepo/a"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name        string
		edit        source.Edit
		meanwhile   string
		error, hint string
	}{
		{"a fault", wrong, unit, "only 0 of 1 stamped references are found again", "please report it"},
		{"somebody else", right, "#\n" + unit, "was changed by somebody else meanwhile", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			s := &stamping{seed: maphash.MakeSeed(), request: stamp.Request{Tag: "58-develop", Target: target}}
			const count = 2*flushEvery + 3
			for i := range count {
				path := filepath.Join(folder, fmt.Sprintf("s%04d.service", i))
				s.inputs = append(s.inputs, input{path: path, shown: path})
				r := result{stamped: 1, edits: 1, toWrite: []source.Edit{right}, read: maphash.String(s.seed, unit)}
				text := unit
				if i == count-1 {
					r.toWrite, text = []source.Edit{tt.edit}, tt.meanwhile
				}
				s.results = append(s.results, r)
				if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
					t.Fatal(err)
				}
			}
			err := s.write(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.error) || !strings.Contains(cli.Hint(err), tt.hint) {
				t.Errorf("error %v, hint %q", err, cli.Hint(err))
			}
			for i, in := range s.inputs {
				want := unit
				if i == count-1 {
					want = tt.meanwhile
				}
				if now, err := os.ReadFile(in.path); err != nil || string(now) != want {
					t.Fatalf("%s is %q, %v", in.path, now, err)
				}
			}
			if entries, _ := os.ReadDir(folder); len(entries) != count {
				t.Errorf("%d files, want %d", len(entries), count)
			}
		})
	}
}
