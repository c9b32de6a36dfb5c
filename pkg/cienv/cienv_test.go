package cienv

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
)

// environment reads a file of NAME=value lines.
func environment(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	env := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, found := strings.Cut(lines.Text(), "="); found && !strings.HasPrefix(name, "#") {
			env[name] = value
		}
	}
	return env
}

// TestDetect runs over testdata: an environment as each system sets it. Its lines
// "# name: value" say what must be read from it.
func TestDetect(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.env")
	if err != nil || len(paths) < len(systems) {
		t.Fatalf("%d golden environments for %d systems, %v", len(paths), len(systems), err)
	}
	seen := map[string]bool{}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			env := environment(t, path)
			b := Detect(func(name string) string { return env[name] })
			seen[b.System] = true
			stamp, err := Resolve(Request{AllowPullRequest: true}, func(name string) string { return env[name] })
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{
				"system": b.System, "number": b.Number, "branch": b.Branch, "tag": b.Tag, "commit": b.Commit,
				"repository": b.Repository, "url": b.URL, "pull": map[bool]string{true: "yes", false: "no"}[b.PullRequest],
				"stamp": stamp.Tag.String(),
			}
			data, _ := os.ReadFile(path)
			checked := 0
			for line := range strings.Lines(string(data)) {
				if rest, found := strings.CutPrefix(line, "# "); found {
					name, want, _ := strings.Cut(strings.TrimSpace(rest), ": ")
					name = strings.TrimSuffix(name, ":")
					if got[name] != want {
						t.Errorf("%s is %q, want %q", name, got[name], want)
					}
					checked++
				}
			}
			if checked != len(got) {
				t.Errorf("the file says %d of %d values", checked, len(got))
			}
		})
	}
	for _, s := range systems {
		if !seen[s.name] {
			t.Errorf("no golden environment of %s", s.name)
		}
	}
}

func TestResolve(t *testing.T) {
	circle := map[string]string{"CIRCLECI": "true", "CIRCLE_BUILD_NUM": "58", "CIRCLE_BRANCH": "develop"}
	with := func(more ...string) map[string]string {
		env := map[string]string{}
		for k, v := range circle {
			env[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			env[more[i]] = more[i+1]
		}
		return env
	}
	for _, tt := range []struct {
		name    string
		env     map[string]string
		request Request
		tag     string
		moving  string
		failure string
	}{
		{"the CI system", circle, Request{}, "58-develop", "develop", ""},
		{"a flag for the tag", circle, Request{Tag: "x"}, "x", "", ""},
		{"flags for both", nil, Request{Number: "7", Branch: "a/b"}, "7-a-b", "a-b", ""},
		{"a flag beats the environment", with("UNITSTAMP_BUILD", "6", "UNITSTAMP_TAG", "y"), Request{Number: "7"}, "7-develop", "develop", ""},
		{"the pipeline's number", with("UNITSTAMP_BUILD", "6"), Request{}, "6-develop", "develop", ""},
		{"UNITSTAMP_TAG", with("UNITSTAMP_TAG", "y"), Request{}, "y", "", ""},
		{"<nil> is unset", with("UNITSTAMP_TAG", "<nil>", "UNITSTAMP_BRANCH", "<nil>"), Request{}, "58-develop", "develop", ""},
		{"a git tag", with("CIRCLE_TAG", "v1.2.3", "CIRCLE_BRANCH", ""), Request{}, "v1.2.3", "", ""},
		{"a git tag and the pipeline's number", with("CIRCLE_TAG", "v1+x", "UNITSTAMP_BUILD", "6", "UNITSTAMP_BRANCH", "<nil>"), Request{}, "v1-x", "", ""},
		{"a fork", with("CIRCLE_PR_NUMBER", "3"), Request{}, "", "", "pull request"},
		{"a fork, allowed", with("CIRCLE_PR_NUMBER", "3"), Request{AllowPullRequest: true}, "58-develop", "develop", ""},
		{"a fork, by hand", with("CIRCLE_PR_NUMBER", "3"), Request{Number: "1", Branch: "b"}, "1-b", "b", ""},
		{"a fork, half by hand", with("CIRCLE_PR_NUMBER", "3", "UNITSTAMP_BUILD", "6"), Request{}, "", "", "pull request"},
		{"a branch with an open pull request", with("CIRCLE_PULL_REQUEST", "https://example.com/3"), Request{}, "58-develop", "develop", ""},
		{"a bad tag", nil, Request{Tag: "-x"}, "", "", "no valid tag"},
		{"a bad UNITSTAMP_TAG", with("UNITSTAMP_TAG", "a b"), Request{}, "", "", "no valid tag"},
		{"a bad number", with("UNITSTAMP_BUILD", "58a"), Request{}, "", "", "no build number"},
		{"tag and branch", nil, Request{Tag: "x", Branch: "y"}, "", "", "one is enough"},
		{"nothing", nil, Request{}, "", "", "no CI system"},
		{"no branch", nil, Request{Number: "5"}, "", "", "branch is unknown"},
		{"the hash", nil, Request{Number: "5", Branch: "feature/x", Options: buildtag.Options{BranchHash: true}}, "5-feature-x-217d2bf5", "feature-x-217d2bf5", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Resolve(tt.request, func(name string) string { return tt.env[name] })
			if tt.failure != "" {
				if err == nil || !strings.Contains(err.Error(), tt.failure) || got != (Stamp{}) {
					t.Fatalf("Resolve = %+v, %v, want %q", got, err, tt.failure)
				}
				return
			}
			if err != nil || got.Tag.String() != tt.tag || got.Moving != tt.moving {
				t.Errorf("Resolve = %q, %q, %v, want %q, %q", got.Tag, got.Moving, err, tt.tag, tt.moving)
			}
		})
	}
}
