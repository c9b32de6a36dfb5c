//go:build lab

package confpush_test

import (
	"fmt"
	"testing"

	"github.com/unitstamp/unitstamp/internal/gittest"
)

// TestMemory bounds the memory of one push to a large repository, with its units
// in many folders and in a single one.
func TestMemory(t *testing.T) {
	const limitMB = 24
	program := buildProgram(t)
	dir := t.TempDir()
	for _, units := range []int{10000, 50000} {
		for _, flat := range []bool{false, true} {
			bare := repository(t, units, 5)
			if flat {
				files := gittest.Git(t, bare, "ls-tree", "-r", "main")
				bare = flatten(t, files, bare)
			}
			url := serveHTTP(t, bare, 0, &meter{})
			target := unitPath(7)
			if flat {
				target = "s7.service"
			}
			for _, build := range []int{100, 101} { // upon somebody else's commit, and upon one of our own
				file := writeFile(t, dir, "s7.service", unitText("s7", fmt.Sprintf("%d-develop", build)))
				s := runProgram(dir, nil, program, "--repo", url, "--branch", "main", "--as", target, file)
				t.Logf("%d units, flat %v: %.1f MB, %d ms of CPU", units, flat, float64(s.rssKB)/1024, s.cpu.Milliseconds())
				if s.code != 0 || s.rssKB>>10 > limitMB {
					t.Errorf("exit %d, %d MB, the goal is %d\n%s", s.code, s.rssKB>>10, limitMB, s.out)
				}
			}
		}
	}
}

// flatten makes a repository with all the units in its root.
func flatten(t testing.TB, files, from string) string {
	t.Helper()
	var list []byte
	for _, l := range splitLines(files) {
		var mode, kind, id, path string
		fmt.Sscan(l, &mode, &kind, &id, &path)
		list = fmt.Appendf(list, "%s %s %s\t%s\n", mode, kind, id, base(path))
	}
	tree := gittest.GitInput(t, from, string(list), "mktree")
	first := gittest.Git(t, from, "commit-tree", tree, "-m", "flat")
	second := gittest.Git(t, from, "commit-tree", tree, "-p", first, "-m", "flat again")
	gittest.Git(t, from, "update-ref", "refs/heads/main", second)
	gittest.Git(t, from, "repack", "-adq")
	return from
}
