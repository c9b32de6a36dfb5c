// Package gittest gives tests real git repositories and real servers for them
// on loopback: git http-backend behind net/http, and an ssh server that runs
// git's own programs. It needs git and nothing else.
package gittest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Env is an environment for git that depends on nothing of this machine.
func Env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0", "GIT_AUTHOR_NAME=Seed", "GIT_AUTHOR_EMAIL=seed@example.com",
		"GIT_COMMITTER_NAME=Seed", "GIT_COMMITTER_EMAIL=seed@example.com",
	}
}

// Git runs git in a directory and returns what it prints, without the last
// line end. It fails the test if git fails.
func Git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	return GitInput(t, dir, "", args...)
}

// GitInput is [Git] with standard input.
func GitInput(t testing.TB, dir, input string, args ...string) string {
	t.Helper()
	out, err := Try(dir, input, args...)
	if err != nil {
		t.Fatalf("git %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// Try is [GitInput] for a git that may fail.
func Try(dir, input string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, Env()
	cmd.Stdin = strings.NewReader(input)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, words.String())
	}
	return strings.TrimSuffix(out.String(), "\n"), err
}

// Bare makes an empty bare repository with the branch main and returns its
// path. Each setting is KEY=VALUE of git-config.
func Bare(t testing.TB, settings ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "config.git")
	Git(t, ".", "init", "-q", "--bare", "-b", "main", dir)
	for _, s := range append([]string{"http.receivepack=true", "uploadpack.allowFilter=true", "gc.auto=0", "receive.autogc=false"}, settings...) {
		key, value, _ := strings.Cut(s, "=")
		Git(t, dir, "config", key, value)
	}
	return dir
}

// Commit adds one commit to a branch of a bare repository and returns its id.
// Files are given as path to content; a path may be prefixed with its mode and
// a colon ("100755:bin/run", "120000:link"), and "160000:path" has a commit id
// for content. A nil map value cannot be told apart from an empty file, so
// removals are listed on their own.
func Commit(t testing.TB, bare, branch, message string, files map[string]string, remove ...string) string {
	t.Helper()
	var in strings.Builder
	fmt.Fprintf(&in, "commit refs/heads/%s\ncommitter Seed <seed@example.com> 1700000000 +0000\ndata %d\n%s\n", branch, len(message), message)
	if old, err := Try(bare, "", "rev-parse", "-q", "--verify", "refs/heads/"+branch); err == nil {
		fmt.Fprintf(&in, "from %s\n", old)
	}
	paths := make([]string, 0, len(files))
	for p := range files {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range remove {
		fmt.Fprintf(&in, "D %s\n", p)
	}
	for _, p := range paths {
		mode, path, ok := strings.Cut(p, ":")
		if !ok {
			mode, path = "100644", p
		}
		if mode == "160000" {
			fmt.Fprintf(&in, "M %s %s %s\n", mode, files[p], path)
			continue
		}
		fmt.Fprintf(&in, "M %s inline %s\ndata %d\n%s\n", mode, path, len(files[p]), files[p])
	}
	GitInput(t, bare, in.String(), "fast-import", "--quiet")
	return Git(t, bare, "rev-parse", "refs/heads/"+branch)
}

// Hook installs a hook script.
func Hook(t testing.TB, bare, name, script string) {
	t.Helper()
	path := filepath.Join(bare, "hooks", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// Fsck fails the test unless git finds the repository sound.
func Fsck(t testing.TB, bare string) {
	t.Helper()
	out, err := Try(bare, "", "fsck", "--strict", "--no-dangling")
	if err != nil || strings.Contains(out, "error") {
		t.Errorf("git fsck --strict: %v %s", err, out)
	}
}
