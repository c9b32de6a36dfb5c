//go:build lab

package confpush_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/gittest"
)

var (
	writers   = flag.Int("writers", 100, "processes that push at once over http")
	orderRuns = flag.Int("order", 4, "rounds of builds in random order")
	seed      = flag.Uint64("seed", 1, "of the random order")
	compare   = flag.Bool("compare", false, "measure what others do as well, over all situations: half an hour; bench/push does it")
)

// loopRecipe is what pipelines do against lost races.
const loopRecipe = `set -e
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q "$URL" "$work/c"
cd "$work/c"
cp "$FILE" "$TARGET"
git add "$TARGET"
git commit -q -m "Updating"
until git push -q origin main 2>/dev/null; do
	git pull -q --rebase origin main
done
`

// TestStorm lets many processes, each with a unit of its own, push to one branch
// at once: confpush, and to compare, the usual loop.
func TestStorm(t *testing.T) {
	program := buildProgram(t)
	dir := t.TempDir()
	said := map[string]string{} // what a writer printed, by its file in the repository
	storm := func(name string, push func(url, file, target string) spent) (time.Duration, int64, string) {
		bare := repository(t, 500, 1)
		before := gittest.Git(t, bare, "ls-tree", "-r", "main")
		m := &meter{}
		url := serveHTTP(t, bare, 20*time.Millisecond, m)
		var all sync.WaitGroup
		var mu sync.Mutex
		var slowest time.Duration
		began := time.Now()
		for i := range *writers {
			file := writeFile(t, dir, fmt.Sprintf("%s/s%d.service", name, i), unitText(fmt.Sprintf("s%d", i), "2-develop"))
			all.Go(func() {
				s := push(url, file, unitPath(i))
				mu.Lock()
				defer mu.Unlock()
				slowest = max(slowest, s.wall)
				said[unitPath(i)] = s.out
				if s.code != 0 {
					t.Errorf("%s %d: exit %d\n%s", name, i, s.code, s.out)
				}
			})
		}
		all.Wait()
		wall := time.Since(began)
		linear(t, bare, "main", *writers+1)
		lines := func(text string) map[string]bool {
			set := map[string]bool{}
			for _, l := range strings.Split(text, "\n") {
				set[l] = true
			}
			return set
		}
		was, is := lines(before), lines(gittest.Git(t, bare, "ls-tree", "-r", "main"))
		changed := 0
		for l := range is {
			if !was[l] {
				changed++
			}
		}
		if changed != *writers || len(is) != len(was) {
			t.Errorf("%s: %d files changed of %d, want %d", name, changed, len(is), *writers)
		}
		if left := gittest.Git(t, bare, "for-each-ref", "refs/confpush"); left != "" {
			t.Errorf("%s: left over:\n%s", name, left)
		}
		gittest.Fsck(t, bare)
		t.Logf("%-28s %3d writers: %6.1f s, %5d requests, %7d KB down, slowest %.1f s", name, *writers, wall.Seconds(), m.requests.Load(), m.down.Load()>>10, slowest.Seconds())
		return wall, m.requests.Load(), bare
	}
	ours, ourRequests, bare := storm("confpush", func(url, file, target string) spent {
		return runProgram(dir, nil, program, "--json", "--repo", url, "--branch", "main", "--as", target, file)
	})
	truthful(t, bare, said)
	if !*compare {
		return
	}
	loop, loopRequests, _ := storm("pull --rebase && push loop", func(url, file, target string) spent {
		return runProgram(dir, []string{"URL=" + url, "FILE=" + file, "TARGET=" + target, "TMPDIR=" + dir}, "sh", "-c", loopRecipe)
	})
	ratio := float64(ours) / float64(loop)
	t.Logf("ratio of time %.3f, of requests %.3f", ratio, float64(ourRequests)/float64(loopRequests))
	if ratio > 0.15 {
		t.Errorf("ratio of time is %.3f, the goal is 0.15", ratio)
	}
}

// truthful compares what each writer of a storm printed with the history.
func truthful(t testing.TB, bare string, said map[string]string) {
	t.Helper()
	carried := 0
	for path, out := range said {
		var doc struct {
			Commit, Parent string
			Carried        bool
			Files          []struct{ Path, Change, Old, New string }
		}
		at, end := strings.Index(out, "{\n"), strings.LastIndex(out, "\n}")
		if at < 0 || end < at {
			t.Errorf("%s: no document in\n%s", path, out)
			continue
		}
		if err := json.Unmarshal([]byte(out[at:end+2]), &doc); err != nil {
			t.Errorf("%s: %v\n%s", path, err, out)
			continue
		}
		if doc.Carried {
			carried++
		}
		if len(doc.Files) != 1 || doc.Files[0].Path != path || doc.Files[0].Change != "updated" || doc.Files[0].Old != "1-develop" || doc.Files[0].New != "2-develop" {
			t.Errorf("%s: %+v", path, doc)
		}
		if got := gittest.Git(t, bare, "log", "-1", "--format=%P", "--name-only", doc.Commit); got != doc.Parent+"\n\n"+path {
			t.Errorf("%s: %+v, but the commit is\n%s", path, doc, got)
		}
	}
	t.Logf("%d of %d were pushed by another job", carried, len(said))
}

// TestStormSSH is a smaller one over ssh.
func TestStormSSH(t *testing.T) {
	const n = 20
	program := buildProgram(t)
	dir := t.TempDir()
	bare := repository(t, 500, 1)
	url := serveSSH(t, bare, 20*time.Millisecond, &meter{})
	var all sync.WaitGroup
	began := time.Now()
	for i := range n {
		file := writeFile(t, dir, fmt.Sprintf("s%d.service", i), unitText(fmt.Sprintf("s%d", i), "2-develop"))
		all.Go(func() {
			if s := runProgram(dir, sshEnv, program, "--repo", url, "--branch", "main", "--as", unitPath(i), file); s.code != 0 {
				t.Errorf("%d: exit %d\n%s", i, s.code, s.out)
			}
		})
	}
	all.Wait()
	linear(t, bare, "main", n+1)
	gittest.Fsck(t, bare)
	t.Logf("%d writers over ssh: %.1f s", n, time.Since(began).Seconds())
}

// TestOrder runs builds 50 to 69 of one unit at once, in random order: the last
// one stays, and history never takes a step back.
func TestOrder(t *testing.T) {
	program := buildProgram(t)
	random := rand.New(rand.NewPCG(*seed, 0))
	for round := range *orderRuns {
		bare := repository(t, 50, 1)
		url := serveHTTP(t, bare, 0, &meter{})
		dir := t.TempDir()
		var all sync.WaitGroup
		var mu sync.Mutex
		codes := map[int]int{}
		for _, i := range random.Perm(20) {
			build := 50 + i
			file := writeFile(t, dir, fmt.Sprintf("%d/s7.service", build), unitText("s7", fmt.Sprintf("%d-develop", build)))
			delay := time.Duration(random.IntN(300)) * time.Millisecond
			all.Go(func() {
				time.Sleep(delay)
				s := runProgram(dir, nil, program, "--repo", url, "--branch", "main", "--as", unitPath(7), file)
				mu.Lock()
				defer mu.Unlock()
				codes[s.code]++
				if s.code != 0 && s.code != 4 {
					t.Errorf("build %d: exit %d\n%s", build, s.code, s.out)
				}
			})
		}
		all.Wait()
		log := gittest.Git(t, bare, "log", "--reverse", "--format=%(trailers:key=Unitstamp-Build,valueonly,separator=%x2c)", "main")
		var builds []int
		for _, word := range strings.Fields(log) {
			n, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			builds = append(builds, n)
		}
		if len(builds) == 0 || !slices.IsSorted(builds) || builds[len(builds)-1] != 69 || codes[0] != len(builds) {
			t.Errorf("round %d: builds %v, exit codes %v", round, builds, codes)
		}
		if text := gittest.Git(t, bare, "show", "main:"+unitPath(7)); !strings.Contains(text, "69-develop") {
			t.Errorf("round %d: the tip holds\n%s", round, text)
		}
		gittest.Fsck(t, bare)
	}
}
