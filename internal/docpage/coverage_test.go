package docpage

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runners are the tests that run a page's sessions, by the page and where they are meant
// to run. The pages of rules are those of pkg/lint.
var runners = map[string]string{
	"README.md":                 "internal/docpage/pages_test.go",
	"docs/check.md":             "cmd/unitstamp/docs_test.go",
	"docs/ci.md github":         "internal/docpage/pages_test.go",
	"docs/ci.md gitlab":         "internal/docpage/pages_test.go",
	"docs/ci.md jenkins":        "internal/docpage/pages_test.go",
	"docs/ci.md nowhere":        "internal/docpage/pages_test.go",
	"docs/confapply.md":         "cmd/confapply/docs_test.go",
	"docs/confapply.md fleet":   "cmd/confapply/fleet_test.go",
	"docs/confapply.md sh":      "lab/apply/docs_test.go",
	"docs/confapply.md systemd": "lab/apply/docs_test.go",
	"docs/confpush.md":          "cmd/confpush/docs_test.go",
	"docs/from-sed.md":          "internal/docpage/pages_test.go",
	"docs/images.md lab":        "lab/release/page_test.go",
	"docs/operators.md":         "internal/docpage/pages_test.go",
	"docs/security.md":          "internal/docpage/pages_test.go",
	"docs/serve.md":             "cmd/confapply/serve_test.go",
	"docs/serve.md sh":          "lab/serve/serve_test.go",
	"docs/serve.md systemd":     "lab/serve/serve_test.go",
	"docs/unitstamp.md":         "internal/docpage/pages_test.go",
}

// TestEveryExampleIsRun looks for commands that no test runs.
func TestEveryExampleIsRun(t *testing.T) {
	root := filepath.Join("..", "..")
	pages := []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == "rules" {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			relative, _ := filepath.Rel(root, path) // both are relative to here
			pages = append(pages, filepath.ToSlash(relative))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range pages {
		page, err := Read(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
			continue
		}
		var where []string
		for _, session := range page.Sessions {
			where = append(where, strings.TrimSpace(name+" "+session.Where))
		}
		if len(page.Scripts) > 0 {
			where = append(where, name+" sh")
		}
		for _, w := range where {
			if runners[w] == "" {
				t.Errorf("no test runs the examples of %s", w)
				continue
			}
			test, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(runners[w])))
			if err != nil || !strings.Contains(string(test), filepath.Base(name)) {
				t.Errorf("%s does not run %s: %v", runners[w], w, err)
			}
		}
	}
}
