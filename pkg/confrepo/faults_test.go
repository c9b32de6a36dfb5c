package confrepo_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/pkg/confrepo"
)

func seeded(t testing.TB, settings ...string) string {
	bare := gittest.Bare(t, settings...)
	gittest.Commit(t, bare, "main", "seed", map[string]string{"units/a.service": "1\n", "units/b.service": "b\n"})
	return bare
}

func isPush(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/git-receive-pack")
}

// firstPushes disturbs the first n pushes.
func firstPushes(n int64, disturb func(next http.Handler, w http.ResponseWriter, r *http.Request)) func(http.Handler) http.Handler {
	var seen atomic.Int64
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isPush(r) && seen.Add(1) <= n {
				disturb(next, w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// answerOf runs the real server and returns its whole answer.
func answerOf(next http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	return rec
}

// cutAfter sends the head and n bytes of an answer and breaks the connection.
func cutAfter(w http.ResponseWriter, rec *httptest.ResponseRecorder, n int) {
	body := rec.Body.Bytes()
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(rec.Code)
	w.Write(body[:min(n, len(body))])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// disturbances of a push.
var disturbances = map[string]func(next http.Handler, w http.ResponseWriter, r *http.Request){
	"cut before the server saw it": func(_ http.Handler, w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	"cut in the request": func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body[:len(body)/2]))
		r.ContentLength = int64(len(body) / 2)
		answerOf(next, r)
		panic(http.ErrAbortHandler)
	},
	"cut after it": func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		answerOf(next, r)
		panic(http.ErrAbortHandler)
	},
	"head only":         func(next http.Handler, w http.ResponseWriter, r *http.Request) { cutAfter(w, answerOf(next, r), 0) },
	"inside the report": func(next http.Handler, w http.ResponseWriter, r *http.Request) { cutAfter(w, answerOf(next, r), 17) },
	"after the report": func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		rec := answerOf(next, r)
		cutAfter(w, rec, rec.Body.Len()-4)
	},
	"empty answer": func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		answerOf(next, r)
		w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
	},
	"empty answer, not taken": func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
	},
	"502 after it": func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		answerOf(next, r)
		http.Error(w, "bad gateway", 502)
	},
	"503 before it": func(next http.Handler, w http.ResponseWriter, r *http.Request) { http.Error(w, "later", 503) },
	"500 page": func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(500)
	},
}

// TestLostAnswers: the server took the push, but its answer did not arrive.
func TestLostAnswers(t *testing.T) {
	for name, disturb := range disturbances {
		t.Run(name, func(t *testing.T) {
			bare := seeded(t)
			url := gittest.ServeHTTP(t, bare, firstPushes(2, disturb))
			res, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := gittest.Git(t, bare, "rev-list", "--count", "main"); got != "2" {
				t.Errorf("%s commits, want 2: it landed twice or not at all", got)
			}
			if tip := gittest.Git(t, bare, "rev-parse", "main"); res.Commit != tip {
				t.Errorf("result %+v, tip %s", res, tip)
			}
			gittest.Fsck(t, bare)
		})
	}
}

// TestLostAnswerThenOthers: our push landed, its answer was lost, and others
// went on from there, even on the same path; it must not be done again.
func TestLostAnswerThenOthers(t *testing.T) {
	bare := seeded(t)
	ours := ""
	url := gittest.ServeHTTP(t, bare, firstPushes(1, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		answerOf(next, r)
		ours = gittest.Git(t, bare, "rev-parse", "main")
		for i := range 3 {
			gittest.Commit(t, bare, "main", "other", map[string]string{"units/a.service": fmt.Sprintf("newer %d\n", i)})
		}
		panic(http.ErrAbortHandler)
	}))
	res, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{})
	if err != nil || res.Commit != ours {
		t.Fatalf("%+v %v, want commit %s", res, err, ours)
	}
	if got := gittest.Git(t, bare, "show", "main:units/a.service"); got != "newer 2" {
		t.Errorf("the newer content is gone: %q", got)
	}
}

// TestNotLandedThenOthers: our push was lost on its way and others moved the tip.
func TestNotLandedThenOthers(t *testing.T) {
	bare := seeded(t)
	url := gittest.ServeHTTP(t, bare, firstPushes(1, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		gittest.Commit(t, bare, "main", "other", map[string]string{"units/b.service": "b2\n"})
		panic(http.ErrAbortHandler)
	}))
	res, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{})
	if err != nil || res.Attempts != 2 {
		t.Fatalf("%+v %v", res, err)
	}
	if got := gittest.Git(t, bare, "rev-list", "--count", "main"); got != "3" {
		t.Errorf("%s commits, want 3", got)
	}
}

// TestMovedByTheServer: a hook advances the branch between our reading and our
// update, which makes a lost race certain.
func TestMovedByTheServer(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options)) {
		bare := seeded(t)
		other := gittest.Commit(t, bare, "next", "other", map[string]string{"units/b.service": "b2\n"})
		tree := gittest.Git(t, bare, "rev-parse", other+"^{tree}")
		other = gittest.Git(t, bare, "commit-tree", tree, "-p", "main", "-m", "moved")
		mark := filepath.Join(t.TempDir(), "mark")
		// a hook may not move references itself while objects are in quarantine
		gittest.Hook(t, bare, "pre-receive", fmt.Sprintf("test -e %s || { touch %s; env -u GIT_QUARANTINE_PATH -u GIT_OBJECT_DIRECTORY git --git-dir=%s update-ref refs/heads/main %s; }", mark, mark, bare, other))
		url, o := open(t, bare)
		res, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), o)
		if err != nil || res.Attempts != 2 || res.Parent != other {
			t.Fatalf("%+v %v", res, err)
		}
		if got := gittest.Git(t, bare, "show", "main:units/a.service") + gittest.Git(t, bare, "show", "main:units/b.service"); got != "2b2" {
			t.Errorf("content %q", got)
		}
	})
}

func TestHookDeclines(t *testing.T) {
	for _, hook := range []string{"pre-receive", "update"} {
		eachWay(t, func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options)) {
			bare := seeded(t)
			gittest.Hook(t, bare, hook, "echo 'only on Fridays' >&2; exit 1")
			url, o := open(t, bare)
			var said []string
			o.Remote = func(line string) { said = append(said, line) }
			began := time.Now()
			res, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), o)
			e := wantKind(t, err, confrepo.Rejected)
			if !strings.Contains(strings.Join(e.Remote, "\n"), "only on Fridays") || !strings.Contains(strings.Join(said, "\n"), "only on Fridays") {
				t.Errorf("the hook's words are lost: %q %q", e.Remote, said)
			}
			if !strings.Contains(e.Error(), "hook declined") || res.Attempts != 1 || time.Since(began) > 10*time.Second {
				t.Errorf("error %q after %d attempts", e, res.Attempts)
			}
		})
	}
}

// TestSlowHookAfterwards: the answer is read to its end, so a post-receive
// hook lives, and what it says is shown.
func TestSlowHookAfterwards(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(t testing.TB, bare string) (string, confrepo.Options)) {
		bare := seeded(t)
		mark := filepath.Join(t.TempDir(), "mark")
		gittest.Hook(t, bare, "post-receive", "sleep 0.3; echo 'pipeline 7 started'; touch "+mark)
		url, o := open(t, bare)
		var said []string
		o.Remote = func(line string) { said = append(said, line) }
		if _, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), o); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(mark); err != nil {
			t.Error("the hook was killed")
		}
		if strings.Join(said, "") != "pipeline 7 started" {
			t.Errorf("said %q", said)
		}
	})
}

// TestHeldLock: somebody holds the lock of the reference for a while.
func TestHeldLock(t *testing.T) {
	for _, w := range []way{{"http", overHTTP}, ways[0]} {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			bare := seeded(t)
			lock := filepath.Join(bare, "refs/heads/main.lock")
			if err := os.WriteFile(lock, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(1500*time.Millisecond, func() { os.Remove(lock) })
			url, o := w.open(t, bare)
			res, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), o)
			if err != nil || res.Commit == "" || res.Attempts < 2 {
				t.Fatalf("%+v %v", res, err)
			}
		})
	}
	t.Run("for good", func(t *testing.T) {
		t.Parallel()
		bare := seeded(t)
		if err := os.WriteFile(filepath.Join(bare, "refs/heads/main.lock"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err := confrepo.Publish(limited(t, 4*time.Second), confrepo.Target{URL: bare, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{})
		e := wantKind(t, err, confrepo.Unavailable)
		if !strings.Contains(strings.Join(append(e.Remote, e.Text), " "), "lock") || time.Since(began) > 7*time.Second {
			t.Errorf("error %v, remote %q after %s", e, e.Remote, time.Since(began))
		}
	})
}

func TestStatuses(t *testing.T) {
	tests := []struct {
		name   string
		status int
		push   bool
		kind   confrepo.Kind
		once   bool // ends without another attempt
	}{
		{"read 401", 401, false, confrepo.Denied, true},
		{"read 403", 403, false, confrepo.Denied, true},
		{"read 404", 404, false, confrepo.NotFound, true},
		{"read 302", 302, false, confrepo.Unsupported, true},
		{"read 503", 503, false, confrepo.Unavailable, false},
		{"read 429", 429, false, confrepo.Unavailable, false},
		{"push 401", 401, true, confrepo.Denied, true},
		{"push 403", 403, true, confrepo.Denied, true},
		{"push 404", 404, true, confrepo.NotFound, false},
		{"push 500", 500, true, confrepo.Unavailable, false},
		{"push 429", 429, true, confrepo.Unavailable, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bare := seeded(t)
			var asked atomic.Int64
			url := gittest.ServeHTTP(t, bare, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.Contains(r.URL.String(), "receive-pack") == tt.push {
						asked.Add(1)
						http.Error(w, "the reason", tt.status)
						return
					}
					next.ServeHTTP(w, r)
				})
			})
			limit := 5 * time.Second
			if tt.once {
				limit = 20 * time.Second
			}
			began := time.Now()
			_, err := confrepo.Publish(limited(t, limit), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{Auth: confrepo.Auth{Token: "s3cret-token"}})
			e := wantKind(t, err, tt.kind)
			if tt.once && asked.Load() > 2 || !tt.once && asked.Load() < 2 {
				t.Errorf("asked %d times", asked.Load())
			}
			if !strings.Contains(e.Error(), fmt.Sprint(tt.status)) || strings.Contains(fmt.Sprintf("%+v %v", e, e), "s3cret") {
				t.Errorf("error %q", e)
			}
			if time.Since(began) > limit+3*time.Second {
				t.Errorf("ended %s after the deadline", time.Since(began)-limit)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	bare := seeded(t)
	var first atomic.Int64
	url := gittest.ServeHTTP(t, bare, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if first.CompareAndSwap(0, time.Now().UnixNano()) {
				w.Header().Set("Retry-After", "1")
				http.Error(w, "slow down", 429)
				return
			}
			if since := time.Since(time.Unix(0, first.Load())); since < time.Second {
				t.Errorf("asked again after %s", since)
			}
			next.ServeHTTP(w, r)
		})
	})
	if _, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{}); err != nil {
		t.Fatal(err)
	}
	// a pause that does not fit is not waited for
	url = gittest.ServeHTTP(t, bare, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "3600")
			http.Error(w, "slow down", 503)
		})
	})
	began := time.Now()
	_, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{})
	if e := wantKind(t, err, confrepo.Unavailable); e.RetryAfter != time.Hour || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", e, time.Since(began))
	}
}

// TestHangs: a server that stops talking costs one attempt, not all the time.
func TestHangs(t *testing.T) {
	bare := seeded(t)
	release := make(chan struct{})
	hang := func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	url := gittest.ServeHTTP(t, bare, firstPushes(1, hang))
	let := sync.OnceFunc(func() { close(release) })
	t.Cleanup(let) // before the servers close, which waits for what hangs
	res, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{AttemptTimeout: 2 * time.Second})
	if err != nil || res.Attempts != 2 {
		t.Fatalf("%+v %v", res, err)
	}
	// one that hangs for good: the program ends soon after its deadline
	url = gittest.ServeHTTP(t, bare, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isPush(r) {
				hang(next, w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	began := time.Now()
	_, err = confrepo.Publish(limited(t, time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "3\n"), confrepo.Options{})
	wantKind(t, err, confrepo.Unavailable)
	if over := time.Since(began) - time.Second; over > 2500*time.Millisecond {
		t.Errorf("ended %s after the deadline", over)
	}
	let()
}

func TestTruncatedPack(t *testing.T) {
	bare := seeded(t)
	var n atomic.Int64
	url := gittest.ServeHTTP(t, bare, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/git-upload-pack") && n.Add(1) <= 6 {
				rec := answerOf(next, r)
				cutAfter(w, rec, rec.Body.Len()/2)
			}
			next.ServeHTTP(w, r)
		})
	})
	res, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{})
	if err != nil || res.Commit == "" {
		t.Fatalf("%+v %v", res, err)
	}
}

// TestRequests pins the cost of one push in round trips.
func TestRequests(t *testing.T) {
	for name, tt := range map[string]struct {
		filter string
		path   string
		want   []string
	}{
		"update": {"true", "units/a.service", []string{"upload-pack", "upload-pack", "upload-pack", "receive-pack"}},
		"create": {"true", "units/new.service", []string{"upload-pack", "upload-pack", "receive-pack"}},
		// the first fetch is made twice, once to learn that there is no filter
		"update without a filter": {"false", "units/a.service", []string{"upload-pack", "upload-pack", "upload-pack", "receive-pack"}},
	} {
		t.Run(name, func(t *testing.T) {
			bare := seeded(t, "uploadpack.allowFilter="+tt.filter)
			var seen []string
			url := gittest.ServeHTTP(t, bare, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					seen = append(seen, strings.TrimPrefix(filepath.Base(r.URL.Path), "git-"))
					next.ServeHTTP(w, r)
				})
			})
			if _, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put(tt.path, "2\n"), confrepo.Options{}); err != nil {
				t.Fatal(err)
			}
			if strings.Join(seen, " ") != strings.Join(tt.want, " ") {
				t.Errorf("requests %v, want %v", seen, tt.want)
			}
		})
	}
}

func TestSHA256IsRefused(t *testing.T) {
	for _, w := range []way{{"http", overHTTP}, ways[0], {"ssh-v0", overSSH(false)}} {
		for _, empty := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s empty=%v", w.name, empty), func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "config.git")
				gittest.Git(t, ".", "init", "-q", "--bare", "-b", "main", "--object-format=sha256", dir)
				gittest.Git(t, dir, "config", "http.receivepack", "true")
				if !empty {
					gittest.Commit(t, dir, "main", "seed", map[string]string{"a": "1\n"})
				}
				url, o := w.open(t, dir)
				_, err := confrepo.Publish(limited(t, 5*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("a", "2\n"), o)
				wantKind(t, err, confrepo.Unsupported)
			})
		}
	}
}
