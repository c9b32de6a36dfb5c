//go:build lab

package confpush_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/gittest"
)

var (
	only   = flag.String("wire", "", "with -compare: http or ssh alone")
	rounds = flag.Int("rounds", 5, "with -compare: runs of each program in each situation; the median counts")
)

// gitRecipe is the cheapest push that git's own commands can make: a partial,
// shallow clone without a checkout.
const gitRecipe = `set -e
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q --depth 1 --filter=blob:none --no-checkout --branch main "$URL" "$work/c"
cd "$work/c"
blob=$(git hash-object -w "$FILE")
git read-tree HEAD
git update-index --add --cacheinfo 100644,"$blob","$TARGET"
tree=$(git write-tree)
commit=$(git commit-tree "$tree" -p HEAD -m "Updating")
git push -q origin "$commit:refs/heads/main"
`

// shallowRecipe is what pipelines mostly do.
const shallowRecipe = `set -e
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q --depth 1 --branch main "$URL" "$work/c"
cd "$work/c"
cp "$FILE" "$TARGET"
git add "$TARGET"
git commit -q -m "Updating"
git push -q origin main
`

type contender struct {
	name string
	run  func(url, file, target string) spent
}

// TestCost prints the cost of one push in one run, next to git's own.
func TestCost(t *testing.T) {
	program := buildProgram(t)
	dir := t.TempDir()
	naive := buildNaive(t)
	shell := func(script string) func(url, file, target string) spent {
		return func(url, file, target string) spent {
			env := append([]string{"URL=" + url, "FILE=" + file, "TARGET=" + target, "TMPDIR=" + dir}, sshEnv...)
			return runProgram(dir, env, "sh", "-c", script)
		}
	}
	contenders := []contender{
		{"confpush", func(url, file, target string) spent {
			return runProgram(dir, sshEnv, program, "--repo", url, "--branch", "main", "--as", target, file)
		}},
		{"git partial", shell(gitRecipe)},
		{"git shallow", shell(shallowRecipe)},
		{"go-git naive", func(url, file, target string) spent { return runProgram(dir, sshEnv, naive, url, file, target) }},
	}
	type situation struct {
		units, commits, refs int
		rtt                  time.Duration
		wire                 string
	}
	situations := []situation{
		{10, 1, 0, 0, "http"}, {100, 1, 0, 0, "http"}, {1000, 1, 0, 0, "http"}, {1000, 20000, 0, 0, "http"}, {1000, 1, 20000, 0, "http"},
		{1000, 1, 0, 30 * time.Millisecond, "http"}, {1000, 1, 0, 30 * time.Millisecond, "ssh"}, {1000, 1, 0, 0, "ssh"},
	}
	if !*compare { // see that it works
		situations, *rounds = situations[1:3], 1
	} else {
		situations = append(situations,
			situation{10000, 1, 0, 0, "http"}, situation{10000, 20000, 0, 0, "http"}, situation{50000, 1, 0, 0, "http"}, situation{50000, 20000, 0, 0, "http"},
			situation{50000, 1, 0, 30 * time.Millisecond, "http"}, situation{50000, 1, 0, 0, "ssh"})
	}
	fmt.Fprintf(os.Stderr, "%-6s %-6s %-6s %-5s %-5s %-13s %8s %6s %7s %8s %8s %4s %5s\n", "units", "hist", "refs", "rtt", "wire", "program", "wall ms", "ratio", "cpu ms", "rss MB", "down KB", "up K", "reqs")
	for _, s := range situations {
		if *only != "" && s.wire != *only {
			continue
		}
		bare := repository(t, s.units, s.commits)
		addRefs(t, bare, s.refs)
		base := gittest.Git(t, bare, "rev-parse", "main")
		m := &meter{}
		url := ""
		if s.wire == "http" {
			url = serveHTTP(t, bare, s.rtt, m)
		} else {
			url = serveSSH(t, bare, s.rtt, m)
		}
		taken := make([][]spent, len(contenders))
		counts := make([][4]int64, len(contenders))
		build := 30000
		for range *rounds {
			for i, c := range contenders {
				build++
				target := unitPath(build % s.units)
				file := writeFile(t, dir, "new.service", unitText(fmt.Sprintf("s%d", build%s.units), fmt.Sprintf("%d-develop", build)))
				gittest.Git(t, bare, "update-ref", "refs/heads/main", base) // the same start for all
				m.reset()
				got := c.run(url, file, target)
				if got.code != 0 {
					t.Fatalf("%s: exit %d\n%s", c.name, got.code, got.out)
				}
				taken[i] = append(taken[i], got)
				counts[i] = [4]int64{m.requests.Load(), m.connections.Load(), m.up.Load(), m.down.Load()}
			}
		}
		ours := median(taken[0])
		for i, c := range contenders {
			if len(taken[i]) == 0 {
				continue
			}
			got := median(taken[i])
			fmt.Fprintf(os.Stderr, "%-6d %-6d %-6d %-5d %-5s %-13s %8d %6.2f %7d %8.1f %8d %4d %3d/%d\n", s.units, s.commits, s.refs, s.rtt.Milliseconds(), s.wire, c.name,
				got.wall.Milliseconds(), float64(ours.wall)/float64(got.wall), got.cpu.Milliseconds(), float64(got.rssKB)/1024, counts[i][3]>>10, counts[i][2]>>10, counts[i][0], counts[i][1])
		}
		gittest.Fsck(t, bare)
	}
}

func median(all []spent) spent {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b spent) int { return int(a.wall - b.wall) })
	m := all[len(all)/2]
	for _, s := range all {
		m.rssKB = max(m.rssKB, s.rssKB)
	}
	return m
}

func addRefs(t testing.TB, bare string, n int) {
	t.Helper()
	if n == 0 {
		return
	}
	tip := gittest.Git(t, bare, "rev-parse", "main")
	var in strings.Builder
	for i := range n {
		fmt.Fprintf(&in, "create refs/heads/old/b%d %s\n", i, tip)
	}
	gittest.GitInput(t, bare, in.String(), "update-ref", "--stdin")
	gittest.Git(t, bare, "pack-refs", "--all")
}

func buildNaive(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "naive")
	cmd := exec.Command("go", "build", "-tags", "lab", "-o", path, "github.com/unitstamp/unitstamp/lab/confpush/naive")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}
