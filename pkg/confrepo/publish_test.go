package confrepo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/pkg/confrepo"
)

var someone = confrepo.Signature{Name: "Build", Email: "build@example.com"}

// put is a decision that writes files, given as path and content in turn,
// after having read those paths of the tip.
func put(pairs ...string) confrepo.Decide {
	return func(tip *confrepo.Tip) (confrepo.Decision, error) {
		d := confrepo.Decision{Message: "Updating\n", Author: someone, Committer: someone}
		var loading error
		for i := 0; i < len(pairs); i += 2 {
			if _, _, err := tip.File(pairs[i]); err != nil {
				loading = err
			}
			d.Changes = append(d.Changes, confrepo.Change{Path: pairs[i], Content: []byte(pairs[i+1])})
		}
		return d, loading
	}
}

func remove(paths ...string) confrepo.Decide {
	return func(*confrepo.Tip) (confrepo.Decision, error) {
		d := confrepo.Decision{Message: "Removing\n", Author: someone, Committer: someone}
		for _, p := range paths {
			d.Changes = append(d.Changes, confrepo.Change{Path: p, Remove: true})
		}
		return d, nil
	}
}

func limited(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// way is one road to a repository.
type way struct {
	name string
	open func(t testing.TB, bare string) (url string, o confrepo.Options)
}

func overHTTP(t testing.TB, bare string) (string, confrepo.Options) {
	return gittest.ServeHTTP(t, bare), confrepo.Options{}
}

func overSSH(version2 bool) func(t testing.TB, bare string) (string, confrepo.Options) {
	return func(t testing.TB, bare string) (string, confrepo.Options) {
		s := gittest.ServeSSH(t, gittest.SSHOptions{Version2: version2})
		return s.URL(bare), confrepo.Options{Auth: confrepo.Auth{SSHKey: s.ClientKey, KnownHosts: []string{s.KnownHosts(t)}}}
	}
}

// version0 hides protocol version 2 from the server.
func version0(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Git-Protocol")
		next.ServeHTTP(w, r)
	})
}

// onlyRoot reads the root of the tip at first, and folders when they are asked for.
func onlyRoot(open func(t testing.TB, bare string) (string, confrepo.Options)) func(t testing.TB, bare string) (string, confrepo.Options) {
	return func(t testing.TB, bare string) (string, confrepo.Options) {
		url, o := open(t, bare)
		o.Paths = []string{"in-the-root"}
		return url, o
	}
}

var ways = []way{
	{"path", func(t testing.TB, bare string) (string, confrepo.Options) { return bare, confrepo.Options{} }},
	{"file", func(t testing.TB, bare string) (string, confrepo.Options) {
		return "file://" + bare, confrepo.Options{}
	}},
	{"http", overHTTP},
	{"http-v0", func(t testing.TB, bare string) (string, confrepo.Options) {
		return gittest.ServeHTTP(t, bare, version0), confrepo.Options{}
	}},
	{"http-no-filter", func(t testing.TB, bare string) (string, confrepo.Options) {
		gittest.Git(t, bare, "config", "uploadpack.allowFilter", "false")
		return gittest.ServeHTTP(t, bare), confrepo.Options{}
	}},
	{"http-v0-no-filter", func(t testing.TB, bare string) (string, confrepo.Options) {
		gittest.Git(t, bare, "config", "uploadpack.allowFilter", "false")
		return gittest.ServeHTTP(t, bare, version0), confrepo.Options{}
	}},
	{"ssh", overSSH(true)},
	{"ssh-v0", overSSH(false)},
	{"http-folders", onlyRoot(overHTTP)},
	{"ssh-folders", onlyRoot(overSSH(true))},
	{"http-no-depth", onlyRoot(func(t testing.TB, bare string) (string, confrepo.Options) {
		gittest.Git(t, bare, "config", "uploadpackfilter.tree.maxDepth", "0")
		return gittest.ServeHTTP(t, bare), confrepo.Options{}
	})},
	{"ssh-no-depth", onlyRoot(func(t testing.TB, bare string) (string, confrepo.Options) {
		gittest.Git(t, bare, "config", "uploadpackfilter.tree.maxDepth", "0")
		return overSSH(true)(t, bare)
	})},
	{"http-no-filter-folders", onlyRoot(func(t testing.TB, bare string) (string, confrepo.Options) {
		gittest.Git(t, bare, "config", "uploadpack.allowFilter", "false")
		return gittest.ServeHTTP(t, bare), confrepo.Options{}
	})},
	{"ssh-v0-no-filter", func(t testing.TB, bare string) (string, confrepo.Options) {
		gittest.Git(t, bare, "config", "uploadpack.allowFilter", "false")
		return overSSH(false)(t, bare)
	}},
}

func eachWay(t *testing.T, f func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options))) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			f(t, w.open)
		})
	}
}

// unusual is a tree with everything that a careless writer spoils.
func unusual(t testing.TB, bare string) {
	files := map[string]string{
		"units/a.service": "a 1\n", "100755:units/run.sh": "#!/bin/sh\n", "120000:units/link": "a.service",
		"160000:vendor/sub": "0123456789abcdef0123456789abcdef01234567", "units/dos.service": "x\r\ny\r\n",
		"units/a.service.d/10-x.conf": "[Service]\n", "deep/er/and/deep/er/still/z.service": "z\n",
		"units/größe.service": "ä\n", "README": "read me\n", "units-b/x.service": "x\n", "units.c": "c\n",
	}
	gittest.Commit(t, bare, "main", "seed", files)
	// an entry with a mode that git no longer writes
	blob := gittest.Git(t, bare, "rev-parse", "main:README")
	sub := rawTree(t, bare, "100664 old.service\x00"+unhex(t, blob))
	top := gittest.Git(t, bare, "ls-tree", "main")
	top = gittest.GitInput(t, bare, top+"\n040000 tree "+sub+"\told\n", "mktree", "--missing")
	commit := gittest.Git(t, bare, "commit-tree", top, "-p", "main", "-m", "old modes")
	gittest.Git(t, bare, "update-ref", "refs/heads/main", commit)
}

func rawTree(t testing.TB, bare, raw string) string {
	return gittest.GitInput(t, bare, raw, "hash-object", "-t", "tree", "-w", "--stdin", "--literally")
}

func unhex(t testing.TB, id string) string {
	var b []byte
	if _, err := fmt.Sscanf(id, "%x", &b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func lsTree(t testing.TB, bare, rev string) []string {
	return strings.Split(gittest.Git(t, bare, "ls-tree", "-r", "-z", "--full-tree", rev), "\x00")
}

// others returns the lines of ls-tree that are not about the given paths.
func others(lines []string, paths ...string) string {
	var kept []string
	for _, l := range lines {
		_, path, _ := strings.Cut(l, "\t")
		ours := false
		for _, p := range paths {
			ours = ours || p == path
		}
		if !ours {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "\n")
}

func TestPublishOverEveryWay(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options)) {
		bare := gittest.Bare(t)
		unusual(t, bare)
		url, o := open(t, bare)
		before := lsTree(t, bare, "main")
		tip := gittest.Git(t, bare, "rev-parse", "main")

		// update, create (beside, deep and in a new folder), keep an executable's mode
		res, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: url, Branch: "main"}, put(
			"units/a.service", "a 2\n", "units/new.service", "n\n", "new/folder/x.service", "x\n",
			"units/run.sh", "#!/bin/sh\nexit 1\n", "units/größe.service", "ö\n", "old/old.service", "o\n"), o)
		if err != nil {
			t.Fatal(err)
		}
		if res.Parent != tip || res.Commit != gittest.Git(t, bare, "rev-parse", "main") || res.Attempts != 1 || res.Branch != "main" {
			t.Errorf("result %+v, parent should be %s", res, tip)
		}
		if got := gittest.Git(t, bare, "rev-parse", "main^"); got != tip {
			t.Errorf("parent is %s, want %s", got, tip)
		}
		touched := []string{"units/a.service", "units/new.service", "new/folder/x.service", "units/run.sh", "units/größe.service", "old/old.service"}
		after := lsTree(t, bare, "main")
		if a, b := others(before, touched...), others(after, touched...); a != b {
			t.Errorf("other entries changed:\n%s\n---\n%s", a, b)
		}
		for path, want := range map[string]string{"units/a.service": "100644", "units/run.sh": "100755", "old/old.service": "100664", "new/folder/x.service": "100644"} {
			dir, base, _ := strings.Cut(path, "/")
			if i := strings.LastIndex(path, "/"); i > 0 {
				dir, base = path[:i], path[i+1:]
			}
			if got := gittest.Git(t, bare, "cat-file", "tree", "main:"+dir); !strings.Contains(got, want+" "+base+"\x00") {
				t.Errorf("mode of %s should be %s: %q", path, want, got)
			}
		}
		if got := gittest.Git(t, bare, "show", "main:units/a.service"); got != "a 2" {
			t.Errorf("content %q", got)
		}

		// the same again changes nothing
		res, err = confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: url}, put("units/a.service", "a 2\n"), o)
		if err != nil || res.Commit != "" {
			t.Errorf("same content again: %+v, %v", res, err)
		}
		// removal empties folders
		res, err = confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: url}, remove("deep/er/and/deep/er/still/z.service", "absent/y"), o)
		if err != nil || res.Commit == "" {
			t.Fatalf("removal: %+v, %v", res, err)
		}
		if got := gittest.Git(t, bare, "ls-tree", "main", "deep"); got != "" {
			t.Errorf("empty folders are left: %s", got)
		}
		// a branch that does not exist yet starts at HEAD's
		res, err = confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: url, Branch: "stage/two"}, put("units/a.service", "a 3\n"), o)
		if err != nil || !res.Created {
			t.Fatalf("new branch: %+v, %v", res, err)
		}
		if got := gittest.Git(t, bare, "rev-list", "--count", "main..stage/two"); got != "1" {
			t.Errorf("new branch has %s commits of its own", got)
		}
		if out, err := gittest.Try(bare, "", "fsck", "--no-dangling"); err != nil {
			t.Errorf("fsck: %s %v", out, err)
		}
	})
}

func TestEmptyRepository(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options)) {
		bare := gittest.Bare(t)
		url, o := open(t, bare)
		res, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "1\n"), o)
		if err != nil || !res.Created || res.Parent != "" || res.Commit == "" {
			t.Fatalf("%+v, %v", res, err)
		}
		if got := gittest.Git(t, bare, "show", "main:units/a.service"); got != "1" {
			t.Errorf("content %q", got)
		}
		gittest.Fsck(t, bare)
	})
	t.Run("unborn HEAD", func(t *testing.T) {
		bare := gittest.Bare(t)
		url := gittest.ServeHTTP(t, bare)
		res, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: url}, put("a", "1\n"), confrepo.Options{})
		if err != nil || res.Branch != "main" {
			t.Fatalf("%+v, %v", res, err)
		}
	})
	t.Run("removal from nothing", func(t *testing.T) {
		bare := gittest.Bare(t)
		res, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: bare, Branch: "main"}, remove("a"), confrepo.Options{})
		if err != nil || res.Commit != "" {
			t.Fatalf("%+v, %v", res, err)
		}
	})
}

func TestHEADNamesAMissingBranch(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options)) {
		bare := gittest.Bare(t)
		gittest.Commit(t, bare, "trunk", "seed", map[string]string{"a": "1\n"})
		url, o := open(t, bare)
		_, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: url, Branch: "other"}, put("a", "2\n"), o)
		wantKind(t, err, confrepo.Unsupported)
		res, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: url, Branch: "trunk"}, put("a", "2\n"), o)
		if err != nil || res.Commit == "" {
			t.Fatalf("%+v, %v", res, err)
		}
	})
}

func wantKind(t testing.TB, err error, kind confrepo.Kind) *confrepo.Error {
	t.Helper()
	var e *confrepo.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Fatalf("error is %v (%T), want kind %q", err, err, kind)
	}
	return e
}

func TestObstacles(t *testing.T) {
	bare := gittest.Bare(t)
	unusual(t, bare)
	for path, kind := range map[string]confrepo.Kind{
		"units/link": confrepo.Obstructed, "units/link/x": confrepo.Obstructed, "vendor/sub": confrepo.Obstructed, "vendor/sub/x": confrepo.Obstructed,
		"units": confrepo.Obstructed, "units/a.service/x": confrepo.Obstructed, "../x": confrepo.Usage, "/x": confrepo.Usage, ".git/config": confrepo.Usage,
		"a/.GIT/x": confrepo.Usage, "a//b": confrepo.Usage, "git~1": confrepo.Usage, ".g\u200cit/x": confrepo.Usage, ".git./x": confrepo.Usage, "a\nb": confrepo.Usage,
		`a\b`: confrepo.Usage, ".gitmodules": confrepo.Usage, "aux.service": confrepo.Usage, "": confrepo.Usage,
	} {
		decide := func(*confrepo.Tip) (confrepo.Decision, error) {
			return confrepo.Decision{Message: "m", Author: someone, Committer: someone, Changes: []confrepo.Change{{Path: path, Content: []byte("x")}}}, nil
		}
		_, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: bare, Branch: "main"}, decide, confrepo.Options{})
		var e *confrepo.Error
		if !errors.As(err, &e) || e.Kind != kind {
			t.Errorf("%q: error %v, want kind %q", path, err, kind)
		}
	}
	if got := gittest.Git(t, bare, "rev-list", "--count", "main"); got != "2" {
		t.Errorf("commits were made: %s", got)
	}
}

func TestBranchNames(t *testing.T) {
	for _, name := range []string{"main", "feature/x", "größe", "a-b.c", "58"} {
		if err := confrepo.CheckBranch(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "-x", "a..b", "a b", "a~b", "a^", "a:b", "x.lock", "a/.b", "/a", "a/", "a//b", "@", "a@{b", "a\\b", "a.", "HEAD", "refs/heads/a", "a\x01"} {
		if err := confrepo.CheckBranch(name); err == nil {
			t.Errorf("%q is taken for a branch name", name)
		}
	}
}

// TestRaces: many writers, each with a file of its own, on one branch.
func TestRaces(t *testing.T) {
	const writers = 8
	for _, w := range []way{{"http", overHTTP}, {"ssh", overSSH(true)}, {"ssh-v0", overSSH(false)}, ways[0], {"http-folders", onlyRoot(overHTTP)}} {
		for _, empty := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s empty=%v", w.name, empty), func(t *testing.T) {
				bare := gittest.Bare(t)
				seed := map[string]string{}
				for i := range 100 {
					seed[fmt.Sprintf("units/%02d/u%d.service", i%10, i)] = strings.Repeat("x\n", i)
				}
				if !empty {
					gittest.Commit(t, bare, "main", "seed", seed)
				}
				url, o := w.open(t, bare)
				var wg sync.WaitGroup
				var attempts atomic.Int64
				commits := make([]string, writers)
				for i := range writers {
					wg.Go(func() {
						res, err := confrepo.Publish(limited(t, 2*time.Minute), confrepo.Target{URL: url, Branch: "main"},
							put(fmt.Sprintf("units/%02d/own%d.service", i%10, i), fmt.Sprintf("%d\n", i)), o)
						if err != nil {
							t.Errorf("writer %d: %v", i, err)
						}
						commits[i] = res.Commit
						attempts.Add(int64(res.Attempts))
					})
				}
				wg.Wait()
				log := strings.Fields(gittest.Git(t, bare, "log", "--first-parent", "--format=%H", "main"))
				want := writers
				if !empty {
					want++
				}
				if len(log) != want || gittest.Git(t, bare, "rev-list", "--min-parents=2", "--count", "main") != "0" {
					t.Errorf("history has %d commits, want %d in a line", len(log), want)
				}
				for i, c := range commits {
					if !strings.Contains(strings.Join(log, " "), c) {
						t.Errorf("commit of writer %d is not in the history", i)
					}
				}
				got := lsTree(t, bare, "main")
				if len(got)-1 != writers+map[bool]int{false: 100, true: 0}[empty] {
					t.Errorf("%d files", len(got)-1)
				}
				gittest.Fsck(t, bare)
				t.Logf("%d writers, %d attempts", writers, attempts.Load())
			})
		}
	}
}

func TestDecisionEndsIt(t *testing.T) {
	bare := gittest.Bare(t)
	gittest.Commit(t, bare, "main", "seed", map[string]string{"a": "1\n"})
	mine := errors.New("an older build")
	_, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: bare}, func(tip *confrepo.Tip) (confrepo.Decision, error) {
		f, ok, err := tip.File("a")
		if err != nil {
			return confrepo.Decision{}, err
		}
		if !ok || string(f.Content) != "1\n" || f.Mode != "100644" {
			t.Errorf("file %+v %v", f, ok)
		}
		if names, err := tip.List(""); err != nil || len(names) != 1 {
			t.Errorf("list %v %v", names, err)
		}
		return confrepo.Decision{}, mine
	}, confrepo.Options{})
	if !errors.Is(err, mine) {
		t.Errorf("error %v", err)
	}
}

// TestAncestors reads history and differences over every way.
func TestAncestors(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options)) {
		bare := gittest.Bare(t)
		for i := range 8 {
			gittest.Commit(t, bare, "main", fmt.Sprintf("c%d", i), map[string]string{"units/a": fmt.Sprintf("%d\n", i), "units/b": "b\n", fmt.Sprintf("d/%d", i): "x"})
		}
		url, o := open(t, bare)
		want := strings.Fields(gittest.Git(t, bare, "rev-list", "main"))
		done := false
		_, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: url, Branch: "main"}, func(tip *confrepo.Tip) (confrepo.Decision, error) {
			_, _, fileErr := tip.File("units/a")
			all, err := tip.Ancestors(5)
			if err != nil {
				return confrepo.Decision{}, err
			}
			if fileErr != nil {
				return confrepo.Decision{}, fileErr
			}
			if len(all) != 5 || all[4].ID != want[4] || all[4].Message != "c3" {
				t.Errorf("ancestors %+v", all)
			}
			diff, err := tip.ChangedSince(all[2].ID)
			if err != nil {
				return confrepo.Decision{}, err
			}
			if len(diff) != 3 || diff[2].Path != "units/a" || diff[0].Old != "" {
				t.Fatalf("differences %+v", diff)
			}
			old, err := tip.Blob(diff[2].Old)
			if err != nil {
				return confrepo.Decision{}, err
			}
			if string(old) != "5\n" {
				t.Errorf("old content %q", old)
			}
			done = true
			return confrepo.Decision{}, nil
		}, o)
		if err != nil || !done {
			t.Fatalf("%v %v", done, err)
		}
	})
}

func TestSigningHook(t *testing.T) {
	bare := gittest.Bare(t)
	var payload []byte
	res, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: bare, Branch: "main"}, put("a", "1\n"), confrepo.Options{
		Sign: func(b []byte) (string, error) {
			payload = b
			return "-----BEGIN SSH SIGNATURE-----\nabc\n-----END SSH SIGNATURE-----\n", nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	raw := gittest.Git(t, bare, "cat-file", "commit", res.Commit)
	if !strings.Contains(raw, "\ngpgsig -----BEGIN SSH SIGNATURE-----\n abc\n -----END SSH SIGNATURE-----\n\nUpdating") {
		t.Errorf("commit:\n%s", raw)
	}
	without := strings.Replace(raw, "gpgsig -----BEGIN SSH SIGNATURE-----\n abc\n -----END SSH SIGNATURE-----\n", "", 1)
	if strings.TrimRight(string(payload), "\n") != strings.TrimRight(without, "\n") {
		t.Errorf("payload:\n%s", payload)
	}
	gittest.Fsck(t, bare)
}
