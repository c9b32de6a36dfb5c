package confrepo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/pkg/confrepo"
)

const queueRoot = "refs/confpush/queue/"

var errRefused = errors.New("refused")

// deciding writes one file, given as "path=content", and names the request that
// it was for in the message. The content "no" is refused.
func deciding(text string) confrepo.Decide {
	return func(tip *confrepo.Tip) (confrepo.Decision, error) {
		path, content, ok := strings.Cut(text, "=")
		switch {
		case !ok, content == "no":
			return confrepo.Decision{}, errRefused
		case content == "bug":
			panic("index out of range")
		}
		d, err := put(path, content+"\n")(tip)
		if tip.Request != "" {
			d.Message += "\nRequest: " + tip.Request + "\n"
		}
		return d, err
	}
}

func requestOf(message string) string {
	_, name, _ := strings.Cut(message, "\nRequest: ")
	return strings.TrimSpace(name)
}

// queueFor is the queue of a job that asks for text.
func queueFor(text string) *confrepo.Queue {
	return &confrepo.Queue{
		Open: true, Request: []byte(text), Author: someone, Committer: someone, RequestOf: requestOf,
		Decide: func(text []byte, tip *confrepo.Tip) (confrepo.Decision, error) { return deciding(string(text))(tip) },
	}
}

// publishQueued is Publish for a job that asks for "path=content".
func publishQueued(ctx context.Context, url, text string, o confrepo.Options) (confrepo.Result, error) {
	o.Queue = queueFor(text)
	return confrepo.Publish(ctx, confrepo.Target{URL: url, Branch: "main"}, deciding(text), o)
}

// hurried is a clock that runs ten times as fast.
func hurried() func() time.Time { return faster(10) }

func faster(times time.Duration) func() time.Time {
	began := time.Now()
	return func() time.Time { return began.Add(times * time.Since(began)) }
}

// leave puts another job's request into the queue, as made at the one moment and
// over at the other, from now.
func leave(t testing.TB, bare, text string, made, over time.Duration) (ref string) {
	t.Helper()
	tree := gittest.GitInput(t, bare, "", "mktree")
	commit := gittest.GitInput(t, bare, text, "commit-tree", tree)
	return leaveObject(t, bare, commit, made, over)
}

var left atomic.Int64

func leaveObject(t testing.TB, bare, id string, made, over time.Duration) (ref string) {
	t.Helper()
	now := time.Now()
	ref = fmt.Sprintf("%smain/open/%012x-%09x-%012x", queueRoot, now.Add(made).UnixMilli(), now.Add(over).Unix(), left.Add(1))
	gittest.Git(t, bare, "update-ref", ref, id)
	return ref
}

func queued(t testing.TB, bare string) []string {
	t.Helper()
	return strings.Fields(gittest.Git(t, bare, "for-each-ref", "--format=%(refname)", queueRoot))
}

// wantFiles checks how many commits stand upon the seed, in one line, and what
// the tip holds.
func wantFiles(t testing.TB, bare string, commits int, files ...string) {
	t.Helper()
	if got := gittest.Git(t, bare, "rev-list", "--count", "main"); got != fmt.Sprint(commits+1) {
		t.Errorf("%s commits with the seed, want %d more than it", got, commits)
	}
	if got := gittest.Git(t, bare, "rev-list", "--min-parents=2", "--count", "main"); got != "0" {
		t.Errorf("%s merges", got)
	}
	for _, f := range files {
		path, content, _ := strings.Cut(f, "=")
		if got, err := gittest.Try(bare, "", "show", "main:"+path); err != nil || got != content {
			t.Errorf("%s holds %q, want %q (%v)", path, got, content, err)
		}
	}
	gittest.Fsck(t, bare)
}

// soon makes a request younger than that of the job under test, which is then
// the first in line; before makes it older, by a job that is dead.
const (
	soon   = time.Hour
	before = -time.Minute
)

func TestQueueCarriesOthersAlong(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options)) {
		bare := seeded(t)
		url, o := open(t, bare)
		for i := range 5 {
			leave(t, bare, fmt.Sprintf("units/o%d.service=%d", i, i), soon, time.Hour)
		}
		leave(t, bare, "units/a.service=late", soon, time.Hour)
		var steps []string
		o.Step = func(line string) { steps = append(steps, line) }
		res, err := publishQueued(limited(t, time.Minute), url, "units/a.service=2", o)
		if err != nil || res.Carrying != 6 || res.Carried || res.Attempts != 1 {
			t.Fatalf("%+v %v\n%s", res, err, strings.Join(steps, "\n"))
		}
		wantFiles(t, bare, 7, "units/a.service=late", "units/o0.service=0", "units/o4.service=4", "units/b.service=b")
		if left := queued(t, bare); len(left) > 0 {
			t.Errorf("left over: %v", left)
		}
		log := strings.Split(gittest.Git(t, bare, "log", "--reverse", "--format=%H %P %an", "main"), "\n")
		if want := res.Commit + " " + res.Parent + " Build"; log[1] != want || !strings.HasSuffix(log[2], " Seed") {
			t.Errorf("history %q, second should be %q", log, want)
		}
		said := strings.Join(steps, "\n")
		if !strings.Contains(said, "joined the queue (6 waiting)") || !strings.Contains(said, "carrying 6 other jobs' updates along") {
			t.Errorf("steps:\n%s", said)
		}
	})
}

// TestQueuePutsAside: what cannot be done is removed with what was done; what does
// not belong to this branch's queue stays.
func TestQueuePutsAside(t *testing.T) {
	bare := seeded(t)
	url := gittest.ServeHTTP(t, bare)
	leave(t, bare, "units/o1.service=1", soon, time.Hour)
	leave(t, bare, "units/o2.service=no", soon, time.Hour)
	leave(t, bare, "units/b.service=b", soon, time.Hour)
	leave(t, bare, "../escape=1", soon, time.Hour)
	leave(t, bare, "units/o4.service=bug", soon, time.Hour)
	leave(t, bare, "units=1", soon, time.Hour)
	leave(t, bare, "", soon, time.Hour)
	leave(t, bare, strings.Repeat("x", 3<<20), soon, time.Hour)
	leaveObject(t, bare, gittest.GitInput(t, bare, "blob", "hash-object", "-w", "--stdin"), soon, time.Hour)
	leaveObject(t, bare, gittest.Git(t, bare, "rev-parse", "main^{tree}"), soon, time.Hour)
	leaveObject(t, bare, gittest.Git(t, bare, "rev-parse", "main"), soon, time.Hour)
	leave(t, bare, "units/o3.service=3", soon, time.Hour)
	leave(t, bare, "units/long-over.service=1", before, -5*time.Minute)
	kept := []string{leave(t, bare, "units/over.service=1", before, -5*time.Second)}
	for _, name := range []string{"main/README", "main/x/000000000001-fffffffff-000000000001", "other/000000000001-fffffffff-000000000001"} {
		gittest.Git(t, bare, "update-ref", queueRoot+name, "main")
		kept = append(kept, queueRoot+name)
	}
	res, err := publishQueued(limited(t, time.Minute), url, "units/a.service=2", confrepo.Options{})
	if err != nil || res.Carrying != 2 {
		t.Fatalf("%+v %v", res, err)
	}
	wantFiles(t, bare, 3, "units/a.service=2", "units/o1.service=1", "units/o3.service=3")
	slices.Sort(kept)
	if got := queued(t, bare); !slices.Equal(got, kept) {
		t.Errorf("left over:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(kept, "\n"))
	}
}

// TestQueueOwnAnswer: the own request is refused or changes nothing, and others'
// are carried out all the same.
func TestQueueOwnAnswer(t *testing.T) {
	for text, want := range map[string]error{"units/a.service=no": errRefused, "units/b.service=b": nil} {
		for others := range 2 {
			t.Run(fmt.Sprint(text, others), func(t *testing.T) {
				bare := seeded(t)
				url := gittest.ServeHTTP(t, bare)
				refused := leave(t, bare, "units/x.service=no", soon, time.Hour)
				for i := range others {
					leave(t, bare, fmt.Sprintf("units/o%d.service=%d", i, i), soon, time.Hour)
				}
				res, err := publishQueued(limited(t, time.Minute), url, text, confrepo.Options{})
				if !errors.Is(err, want) || res.Commit != "" || res.Carrying != others {
					t.Fatalf("%+v %v", res, err)
				}
				wantFiles(t, bare, others, "units/b.service=b", "units/a.service=1")
				if got := queued(t, bare); others == 1 && len(got) > 0 || others == 0 && !slices.Equal(got, []string{refused}) {
					t.Errorf("left over: %v", got)
				}
			})
		}
	}
}

// someWays is eachWay for what takes long: one of each sort.
func someWays(t *testing.T, f func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options))) {
	for _, w := range []way{ways[0], {"http", overHTTP}, {"ssh", overSSH(true)}, {"ssh-v0", overSSH(false)}} {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			f(t, w.open)
		})
	}
}

// TestQueueTakesOverFromTheDead: the first in line does nothing.
func TestQueueTakesOverFromTheDead(t *testing.T) {
	someWays(t, func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options)) {
		bare := seeded(t)
		url, o := open(t, bare)
		o.Now = hurried()
		leave(t, bare, "units/dead.service=1", before, time.Hour)
		res, err := publishQueued(limited(t, time.Minute), url, "units/a.service=2", o)
		if err != nil || res.Carrying != 1 {
			t.Fatalf("%+v %v", res, err)
		}
		wantFiles(t, bare, 2, "units/a.service=2", "units/dead.service=1")
		if left := queued(t, bare); len(left) > 0 {
			t.Errorf("left over: %v", left)
		}
	})
}

// ownRequest waits until the job under test stands in line behind the dead one.
func ownRequest(t testing.TB, bare string, others int) string {
	t.Helper()
	for range 400 {
		if refs := queued(t, bare); len(refs) > others {
			return refs[others]
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the job does not join the queue")
	return ""
}

// land carries a request out as another job does.
func land(t testing.TB, bare, ref string, extra ...string) string {
	t.Helper()
	gittest.Commit(t, bare, "work", "x", map[string]string{"units/a.service": "2\n", "units/b.service": "b\n"})
	tree := gittest.Git(t, bare, "rev-parse", "work^{tree}")
	name := ref[strings.LastIndex(ref, "/")+1:]
	commit := gittest.GitInput(t, bare, "Updating\n\nRequest: "+name+"\n", "commit-tree", tree, "-p", "main")
	last := gittest.GitInput(t, bare, "more\n", "commit-tree", tree, "-p", commit)
	gittest.GitInput(t, bare, strings.Join(append([]string{
		"start", "update refs/heads/main " + last, "delete " + ref, "prepare", "commit"}, extra...), "\n")+"\n", "update-ref", "--stdin")
	return commit
}

func TestQueueLandsWithAnotherJob(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options)) {
		bare := seeded(t)
		url, o := open(t, bare)
		leave(t, bare, "units/x.service=1", before, time.Hour)
		tip := gittest.Git(t, bare, "rev-parse", "main")
		commit := make(chan string, 1)
		go func() { commit <- land(t, bare, ownRequest(t, bare, 1)) }()
		var seen confrepo.Commit
		o.Queue = queueFor("units/a.service=2")
		o.Queue.Landed = func(c confrepo.Commit) { seen = c }
		res, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: url, Branch: "main"}, deciding("units/a.service=2"), o)
		want := <-commit
		if err != nil || res.Commit != want || res.Parent != tip || !res.Carried || res.Branch != "main" || res.Attempts != 1 {
			t.Fatalf("%+v %v, want commit %s upon %s", res, err, want, tip)
		}
		if seen.ID != want || !strings.HasPrefix(seen.Message, "Updating") {
			t.Errorf("told of %+v", seen)
		}
	})
}

// TestQueuePutAside: another job removed the request without a commit for it.
func TestQueuePutAside(t *testing.T) {
	for _, moved := range []bool{false, true} {
		bare := seeded(t)
		url := gittest.ServeHTTP(t, bare)
		leave(t, bare, "units/x.service=1", before, time.Hour)
		go func() {
			ref := ownRequest(t, bare, 1)
			if moved {
				gittest.Commit(t, bare, "main", "other", map[string]string{"units/b.service": "b2\n"})
			}
			gittest.Git(t, bare, "update-ref", "-d", ref)
		}()
		res, err := publishQueued(limited(t, time.Minute), url, "units/a.service=2", confrepo.Options{})
		if err != nil || res.Carried || res.Commit != gittest.Git(t, bare, "rev-parse", "main") {
			t.Fatalf("%+v %v", res, err)
		}
		if len(queued(t, bare)) != 1 {
			t.Errorf("left over: %v", queued(t, bare))
		}
	}
}

// watching tells of every update that is asked for.
func watching(seen func(body string)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isPush(r) {
				body, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(body))
				seen(string(body))
			}
			next.ServeHTTP(w, r)
		})
	}
}

// TestQueueIsNotUsed: where a commit has to be signed, or there is no branch yet,
// or nothing shall be pushed.
func TestQueueIsNotUsed(t *testing.T) {
	for name, run := range map[string]func(url string, o confrepo.Options) error{
		"dry run": func(url string, o confrepo.Options) error {
			o.DryRun = true
			_, err := publishQueued(limited(t, time.Minute), url, "a=2", o)
			return err
		},
		"signed": func(url string, o confrepo.Options) error {
			o.Sign = func([]byte) (string, error) { return "signature", nil }
			_, err := publishQueued(limited(t, time.Minute), url, "a=2", o)
			return err
		},
		"new branch": func(url string, o confrepo.Options) error {
			o.Queue = queueFor("a=2")
			_, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: url, Branch: "new"}, deciding("a=2"), o)
			return err
		},
		"large": func(url string, o confrepo.Options) error {
			_, err := publishQueued(limited(t, time.Minute), url, "a="+strings.Repeat("x", 2<<20), o)
			return err
		},
		"without": func(url string, o confrepo.Options) error {
			_, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: url, Branch: "main"}, deciding("a=2"), o)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bare := seeded(t)
			leave(t, bare, "units/o.service=1", soon, time.Hour)
			gittest.Git(t, bare, "update-ref", queueRoot+"new/000000000001-fffffffff-000000000001", "main")
			before := queued(t, bare)
			url := gittest.ServeHTTP(t, bare, watching(func(body string) {
				if strings.Contains(body, queueRoot) {
					t.Errorf("the queue is used: %.200q", body)
				}
			}))
			if err := run(url, confrepo.Options{}); err != nil {
				t.Error(err)
			}
			if after := queued(t, bare); !slices.Equal(before, after) {
				t.Errorf("the queue changed: %v", after)
			}
		})
	}
}

// TestQueueNotAllowed: servers on which the queue cannot work. All that wait do
// without it.
func TestQueueNotAllowed(t *testing.T) {
	for name, tt := range map[string]struct {
		settings []string
		hook     string
		leftOver bool
	}{
		"no references of that name": {hook: `while read old new ref; do case $ref in refs/confpush/*) echo "only branches" >&2; exit 1;; esac; done`},
		"hidden":                     {settings: []string{"receive.hideRefs=refs/confpush"}},
		"no atomic":                  {settings: []string{"receive.advertiseAtomic=false"}},
		"no deletions":               {hook: `while read old new ref; do case $new in 00000*) echo "nothing is deleted here" >&2; exit 1;; esac; done`, leftOver: true},
		"no more than one update":    {hook: `n=0; while read line; do n=$((n+1)); done; test $n = 1`},
	} {
		for _, way := range []way{{"http", overHTTP}, ways[0]} {
			t.Run(name+" "+way.name, func(t *testing.T) {
				t.Parallel()
				bare := seeded(t, tt.settings...)
				if tt.hook != "" {
					gittest.Hook(t, bare, "pre-receive", tt.hook)
				}
				url, o := way.open(t, bare)
				o.Now = hurried()
				leave(t, bare, "units/o.service=1", before, time.Hour)
				const jobs = 4
				var all sync.WaitGroup
				for i := range jobs {
					all.Go(func() {
						if res, err := publishQueued(limited(t, time.Minute), url, fmt.Sprintf("units/j%d.service=%d", i, i), o); err != nil || res.Commit == "" {
							t.Errorf("%+v %v", res, err)
						}
					})
				}
				all.Wait()
				wantFiles(t, bare, jobs, "units/j0.service=0", "units/j3.service=3")
				if got := queued(t, bare); len(got) != 1 && !tt.leftOver {
					t.Errorf("left over: %v", got)
				}
			})
		}
	}
}

// TestQueueHookRefusesOne: one job's bad commit fails that job and no other.
func TestQueueHookRefusesOne(t *testing.T) {
	bare := seeded(t)
	gittest.Hook(t, bare, "update", `case $1 in refs/heads/*) if git diff --name-only $2 $3 | grep -q bad; then echo "no bad ones" >&2; exit 1; fi;; esac`)
	url := gittest.ServeHTTP(t, bare)
	leave(t, bare, "units/dead.service=1", before, time.Hour)
	var all sync.WaitGroup
	const jobs = 6
	for i := range jobs {
		name := fmt.Sprintf("j%d", i)
		if i == jobs-1 { // behind the others, who lead it
			name = "bad"
			ownRequest(t, bare, i)
		}
		all.Go(func() {
			res, err := publishQueued(limited(t, time.Minute), url, "units/"+name+".service=1", confrepo.Options{Now: faster(4)})
			if name == "bad" {
				if e := wantKind(t, err, confrepo.Rejected); !strings.Contains(strings.Join(e.Remote, ""), "no bad ones") {
					t.Errorf("%v %v", e, e.Remote)
				}
			} else if err != nil {
				t.Errorf("%s: %+v %v", name, res, err)
			}
		})
	}
	all.Wait()
	for _, f := range []string{"j0", "j1", "j2", "j3", "j4"} {
		if got, _ := gittest.Try(bare, "", "show", "main:units/"+f+".service"); got != "1" {
			t.Errorf("%s is missing", f)
		}
	}
	if got := gittest.Git(t, bare, "ls-tree", "-r", "--name-only", "main"); strings.Contains(got, "bad") {
		t.Errorf("the bad one landed: %s", got)
	}
	gittest.Fsck(t, bare)
	for _, ref := range queued(t, bare) {
		if !strings.Contains(gittest.Git(t, bare, "log", "-1", "--format=%B", ref), "dead") {
			t.Errorf("left over: %s", ref)
		}
	}
}

// TestQueueManyLeaders: all of them believe that the first is dead, and lead.
func TestQueueManyLeaders(t *testing.T) {
	someWays(t, func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options)) {
		bare := seeded(t)
		url, o := open(t, bare)
		leave(t, bare, "units/dead.service=1", before, time.Hour)
		const jobs = 6
		var all sync.WaitGroup
		commits := make([]string, jobs)
		for i := range jobs {
			all.Go(func() {
				o := o
				began := time.Now()
				o.Now = func() time.Time { return began.Add(40 * time.Since(began)) }
				res, err := publishQueued(limited(t, time.Minute), url, fmt.Sprintf("units/j%d.service=%d", i, i), o)
				if err != nil {
					t.Errorf("%+v %v", res, err)
				}
				commits[i] = res.Commit
			})
		}
		all.Wait()
		wantFiles(t, bare, jobs+1, "units/dead.service=1", "units/j0.service=0", "units/j5.service=5")
		log := gittest.Git(t, bare, "rev-list", "main")
		for i, c := range commits {
			if c == "" || !strings.Contains(log, c) || gittest.Git(t, bare, "diff", "--name-only", c+"^", c) != fmt.Sprintf("units/j%d.service", i) {
				t.Errorf("job %d reports commit %q", i, c)
			}
		}
		if left := queued(t, bare); len(left) > 0 {
			t.Errorf("left over: %v", left)
		}
	})
}

// TestQueueLostAnswers disturbs the pushes of a job that joins and leads.
func TestQueueLostAnswers(t *testing.T) {
	for name, disturb := range disturbances {
		for which := range int64(3) {
			t.Run(fmt.Sprintf("%s %d", name, which), func(t *testing.T) {
				t.Parallel()
				bare := seeded(t)
				var n atomic.Int64
				url := gittest.ServeHTTP(t, bare, func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if isPush(r) && n.Add(1)-1 == which {
							disturb(next, w, r)
							return
						}
						next.ServeHTTP(w, r)
					})
				})
				leave(t, bare, "units/o.service=1", soon, time.Hour)
				res, err := publishQueued(limited(t, 30*time.Second), url, "units/a.service=2", confrepo.Options{})
				if err != nil {
					t.Fatal(err)
				}
				wantFiles(t, bare, 2, "units/o.service=1", "units/a.service=2")
				if got := gittest.Git(t, bare, "diff", "--name-only", res.Commit+"^", res.Commit); got != "units/a.service" {
					t.Errorf("%+v touches %q", res, got)
				}
				if left := queued(t, bare); len(left) > 0 {
					t.Errorf("left over: %v", left)
				}
			})
		}
	}
}

// TestQueueDeadline: the request is taken back when the time is up.
func TestQueueDeadline(t *testing.T) {
	for _, canceled := range []bool{false, true} {
		someWays(t, func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options)) {
			bare := seeded(t)
			url, o := open(t, bare)
			dead := leave(t, bare, "units/dead.service=1", before, time.Hour)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if canceled {
				go func() {
					ownRequest(t, bare, 1)
					cancel()
				}()
			}
			began := time.Now()
			_, err := publishQueued(ctx, url, "units/a.service=2", o)
			wantKind(t, err, confrepo.Unavailable)
			if spent := time.Since(began); spent > 4*time.Second {
				t.Errorf("ended after %s", spent)
			}
			if got := queued(t, bare); !slices.Equal(got, []string{dead}) {
				t.Errorf("left over: %v", got)
			}
			wantFiles(t, bare, 0)
		})
	}
}

// TestQueueLandsAtTheDeadline: the request cannot be taken back, because another
// job has just carried it out.
func TestQueueLandsAtTheDeadline(t *testing.T) {
	bare := seeded(t)
	commit := ""
	url := gittest.ServeHTTP(t, bare, watching(func(body string) {
		if refs := queued(t, bare); len(refs) == 2 {
			commit = land(t, bare, refs[1])
		}
	}))
	leave(t, bare, "units/dead.service=1", before, time.Hour)
	res, err := publishQueued(limited(t, 2*time.Second), url, "units/a.service=2", confrepo.Options{})
	if err != nil || !res.Carried || res.Commit != commit {
		t.Fatalf("%+v %v, want %s", res, err, commit)
	}
}

// TestQueueCannotBeTakenBack: the server does not answer any more.
func TestQueueCannotBeTakenBack(t *testing.T) {
	bare := seeded(t)
	var down atomic.Bool
	release := make(chan struct{})
	url := gittest.ServeHTTP(t, bare, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if down.Load() {
				<-release
				return
			}
			next.ServeHTTP(w, r)
			if isPush(r) {
				down.Store(true)
			}
		})
	})
	t.Cleanup(func() { close(release) })
	leave(t, bare, "units/dead.service=1", before, time.Hour)
	began := time.Now()
	_, err := publishQueued(limited(t, 2*time.Second), url, "units/a.service=2", confrepo.Options{})
	e := wantKind(t, err, confrepo.Unsettled)
	if spent := time.Since(began); spent > 5*time.Second {
		t.Errorf("ended after %s", spent)
	}
	if refs := queued(t, bare); len(refs) != 2 || !strings.Contains(e.Hint, refs[1]) {
		t.Errorf("hint %q, queue %v", e.Hint, refs)
	}
}

// TestQueueAfterLostRaces: a job that has seen no queue opens one after the
// second lost race.
func TestQueueAfterLostRaces(t *testing.T) {
	bare := seeded(t)
	races := 0
	url := gittest.ServeHTTP(t, bare, watching(func(body string) {
		if strings.Contains(body[:min(len(body), 200)], " refs/heads/main") && races < 2 {
			races++
			gittest.Commit(t, bare, "main", "other", map[string]string{"units/b.service": fmt.Sprint(races)})
		}
	}))
	var steps []string
	res, err := publishQueued(limited(t, time.Minute), url, "units/a.service=2", confrepo.Options{Step: func(line string) { steps = append(steps, line) }})
	if err != nil || res.Attempts != 3 {
		t.Fatalf("%+v %v", res, err)
	}
	if said := strings.Join(steps, "\n"); !strings.Contains(said, "joined the queue (0 waiting)") {
		t.Errorf("steps:\n%s", said)
	}
	wantFiles(t, bare, 3, "units/a.service=2")
	if left := queued(t, bare); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}
