package lint

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// An archive of testdata is named after a rule. It holds the files of one call, the
// settings if any, what the rule finds ("want"), and where something can be mended,
// the mended files ("fixed/NAME"). ␠ stands for a blank that an editor would strip.
func TestArchives(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, path := range paths {
		id := strings.TrimSuffix(filepath.Base(path), ".txtar")
		have[id] = true
		t.Run(id, func(t *testing.T) { checkArchive(t, path, id) })
	}
	for _, rule := range Rules() {
		if !have[rule.ID] {
			t.Errorf("there is no testdata/%s.txtar", rule.ID)
		}
	}
}

func checkArchive(t *testing.T, path, id string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var inputs []*source.File
	var kept []txtar.File
	expected := map[string]string{}
	settings := Settings{}
	for _, f := range archive.Files {
		switch {
		case f.Name == ".unitstamp.yaml":
			config, err := ParseConfig(f.Name, f.Data)
			if err != nil {
				t.Fatal(err)
			}
			settings = config.For("web.service")
		case f.Name == "want" || strings.HasPrefix(f.Name, "fixed/"):
			expected[f.Name] = string(f.Data)
			continue
		default:
			inputs = append(inputs, &source.File{Name: f.Name, Bytes: bytes.ReplaceAll(f.Data, []byte("␠"), []byte(" "))})
		}
		kept = append(kept, f)
	}
	var want strings.Builder
	for _, f := range check(inputs, settings) {
		if f.Rule == id {
			want.WriteString(line(f))
		}
	}
	got := []txtar.File{{Name: "want", Data: []byte(want.String())}}
	for _, in := range inputs {
		if fixed := fix(t, in, settings); !bytes.Equal(fixed, in.Bytes) {
			got = append(got, txtar.File{Name: "fixed/" + in.Name, Data: fixed})
		}
	}
	if *update {
		archive.Files = append(kept, got...)
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, f := range got {
		if expected[f.Name] != string(f.Data) {
			t.Errorf("%s is:\n%s\nwant:\n%s", f.Name, f.Data, expected[f.Name])
		}
		delete(expected, f.Name)
	}
	for name := range expected {
		t.Errorf("there is no %s", name)
	}
}

// fix mends a file and sees that there is nothing left to mend.
func fix(t *testing.T, f *source.File, settings Settings) []byte {
	t.Helper()
	name := unitname.FromPath(f.Name)
	fixed, mended, err := Fix(f, name, settings)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(fixed, f.Bytes) != (len(mended) == 0) {
		t.Errorf("%s: %d findings mended, and the bytes equal: %v", f.Name, len(mended), bytes.Equal(fixed, f.Bytes))
	}
	again, mended, err := Fix(&source.File{Name: f.Name, Bytes: fixed}, name, settings)
	if err != nil || len(mended) > 0 || !bytes.Equal(again, fixed) {
		t.Errorf("%s: a second Fix mends %d findings, error %v", f.Name, len(mended), err)
	}
	return fixed
}
