package docpage

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/programs"
)

// TestPages runs the examples of the pages that are about more than one program,
// with the programs as they are built.
func TestPages(t *testing.T) {
	bin := programs.For(t, "unitstamp", "confpush", "confapply")
	circleci := []string{
		"CI=true", "CIRCLECI=true", "CIRCLE_BUILD_NUM=58", "CIRCLE_BRANCH=develop", "UNITSTAMP_BUILD=58",
		"CIRCLE_SHA1=4a1f0f5e3c1b7c1de0a2a0b7a4a1c9d0e1f2a3b4", "CIRCLE_BUILD_URL=https://ci.example.com/58",
	}
	for _, page := range []string{"README.md", "docs/unitstamp.md", "docs/from-sed.md", "docs/security.md", "docs/operators.md"} {
		t.Run(filepath.Base(page), func(t *testing.T) {
			Run(t, filepath.Join("..", "..", page), "", bin, circleci...)
		})
	}

	for where, environment := range map[string][]string{
		"github":  {"GITHUB_ACTIONS=true", "GITHUB_RUN_NUMBER=71", "GITHUB_REF_TYPE=branch", "GITHUB_REF_NAME=develop", "GITHUB_EVENT_NAME=push"},
		"gitlab":  {"GITLAB_CI=true", "CI_PIPELINE_IID=71", "CI_PIPELINE_ID=90125", "CI_COMMIT_BRANCH=develop"},
		"jenkins": {"JENKINS_URL=https://ci.example.com/", "BUILD_NUMBER=71", "BRANCH_NAME=develop"},
		"nowhere": {"TERM=dumb"},
	} {
		t.Run("ci.md "+where, func(t *testing.T) {
			Run(t, filepath.Join("..", "..", "docs", "ci.md"), where, bin, environment...)
		})
	}
}

// TestMessages looks up each message that the page for operators explains: a program
// must still say so.
func TestMessages(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "operators.md"))
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, folder := range []string{"cmd", "pkg", "internal/cli"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			data, err := os.ReadFile(path)
			sources.Write(data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	number := regexp.MustCompile(`^\d+ `)
	ours, looked := false, 0
	for line := range strings.Lines(string(page)) {
		switch {
		case !strings.HasPrefix(line, "|"):
			ours = false
		case strings.HasPrefix(line, "| message"):
			ours = true
		case ours:
			cell, _, _ := strings.Cut(line[2:], " |")
			for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
				looked++
				if !strings.Contains(sources.String(), number.ReplaceAllString(m[1], "")) {
					t.Errorf("no program says %q", m[1])
				}
			}
		}
	}
	if looked < 15 {
		t.Errorf("%d messages were looked up", looked)
	}
}
