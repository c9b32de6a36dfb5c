package confrepo_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/pkg/confrepo"
)

// manyFolders is a repository whose units lie in 40 folders of 5.
func manyFolders(t testing.TB, settings ...string) string {
	bare := gittest.Bare(t, settings...)
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("units/%03d/s%d.service", i%40, i)] = fmt.Sprintf("unit %d\n", i)
	}
	files["units/007/large.bin"] = strings.Repeat("incompressible? no matter\n", 10000)
	gittest.Commit(t, bare, "main", "seed", files)
	gittest.Commit(t, bare, "main", "more", map[string]string{"units/007/s7.service": "unit 7 again\n", "units/011/s11.service": "by hand\n"})
	return bare
}

// spied is a request and the size of its answer.
type spied struct {
	filter string // "-" for a push, "" for none
	down   int
}

func spy(seen *[]spied) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			s := spied{filter: "-"}
			if !isPush(r) {
				_, s.filter, _ = strings.Cut(string(body), "filter ")
				s.filter, _, _ = strings.Cut(s.filter, "\n")
				if bytes.Contains(body, []byte("ls-refs")) {
					s.filter = "refs"
				}
			}
			rec := answerOf(next, r)
			s.down = rec.Body.Len()
			*seen = append(*seen, s)
			for key, values := range rec.Header() {
				w.Header()[key] = values
			}
			w.WriteHeader(rec.Code)
			w.Write(rec.Body.Bytes())
		})
	}
}

func filters(seen []spied) string {
	var all []string
	for _, s := range seen {
		all = append(all, s.filter)
	}
	return strings.Join(all, " ")
}

const leaf = "combine:tree:1+blob:limit=65536"

// TestFolders pins which folders are asked for, and how.
func TestFolders(t *testing.T) {
	// a server of which certain requests get nowhere
	refusing := func(word, answer string, status int) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(body))
				if !bytes.Contains(body, []byte(word)) {
					next.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
				w.WriteHeader(status)
				fmt.Fprintf(w, "%04xERR %s", len(answer)+8, answer)
			})
		}
	}
	pass := func(next http.Handler) http.Handler { return next }
	for name, tt := range map[string]struct {
		setting string
		server  func(http.Handler) http.Handler
		path    string
		want    string
	}{
		"in the root":               {"", pass, "s.service", "refs tree:1 -"},
		"one folder":                {"", pass, "units/s.service", "refs tree:2 -"},
		"two folders":               {"", pass, "units/007/s7.service", "refs tree:2 " + leaf + " -"},
		"two folders, new file":     {"", pass, "units/007/new.service", "refs tree:2 " + leaf + " -"},
		"a new folder":              {"", pass, "units/new/s.service", "refs tree:2 -"},
		"a large file":              {"", pass, "units/007/large.bin", "refs tree:2 " + leaf + "  -"},
		"no depth":                  {"uploadpackfilter.tree.maxDepth=0", pass, "units/007/s7.service", "refs tree:2 blob:none  -"},
		"no tree filter":            {"uploadpackfilter.tree.allow=false", pass, "units/007/s7.service", "refs tree:2 blob:none  -"},
		"no combination":            {"uploadpackfilter.combine.allow=false", pass, "units/007/s7.service", "refs tree:2 " + leaf + " blob:none  -"},
		"no filter":                 {"uploadpack.allowFilter=false", pass, "units/007/s7.service", "refs tree:2  -"},
		"no trees by id":            {"", refusing("combine:", "upload-pack: not our ref", 200), "units/007/s7.service", "refs tree:2 blob:none  -"},
		"a depth is a bad request":  {"", refusing("filter tree:2", "what?", 400), "units/007/s7.service", "refs blob:none  -"},
		"a depth breaks the server": {"", refusing("filter tree:2", "oh", 500), "units/007/s7.service", "refs refs blob:none  -"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var settings []string
			if tt.setting != "" {
				settings = []string{tt.setting}
			}
			bare := manyFolders(t, settings...)
			before := lsTree(t, bare, "main")
			var seen []spied
			// the spy stands behind a server that refuses
			url := gittest.ServeHTTP(t, bare, spy(&seen), tt.server)
			res, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put(tt.path, "new\n"), confrepo.Options{Paths: []string{tt.path}})
			if err != nil || res.Commit == "" {
				t.Fatalf("%+v %v", res, err)
			}
			if got := filters(seen); got != tt.want {
				t.Errorf("requests %q, want %q", got, tt.want)
			}
			if a, b := others(before, tt.path), others(lsTree(t, bare, "main"), tt.path); a != b {
				t.Errorf("other entries changed:\n%s\n---\n%s", a, b)
			}
			if got := gittest.Git(t, bare, "show", "main:"+tt.path); got != "new" {
				t.Errorf("content %q", got)
			}
			gittest.Fsck(t, bare)
		})
	}
}

// TestFoldersUnread writes into folders that were not read by the decision, and
// looks into others than those that were expected.
func TestFoldersUnread(t *testing.T) {
	for name, write := range map[string]confrepo.Decide{
		"unread": func(*confrepo.Tip) (confrepo.Decision, error) {
			return confrepo.Decision{Message: "m\n", Author: someone, Committer: someone, Changes: []confrepo.Change{
				{Path: "units/007/s7.service", Content: []byte("new\n")}, {Path: "units/003/s3.service", Remove: true}}}, nil
		},
		"after a look at all that changed": func(tip *confrepo.Tip) (confrepo.Decision, error) {
			all, err := tip.Ancestors(2)
			if err != nil {
				return confrepo.Decision{}, err
			}
			diff, err := tip.ChangedSince(all[1].ID)
			if err != nil {
				return confrepo.Decision{}, err
			}
			if len(diff) != 2 || diff[0].Path != "units/007/s7.service" || diff[1].Path != "units/011/s11.service" {
				return confrepo.Decision{}, fmt.Errorf("differences %v", diff)
			}
			return put("units/007/s7.service", "new\n")(tip)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bare := manyFolders(t)
			before := lsTree(t, bare, "main")
			var seen []spied
			url := gittest.ServeHTTP(t, bare, spy(&seen))
			_, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url}, write, confrepo.Options{Paths: []string{"units/007/s7.service"}})
			if err != nil {
				t.Fatal(err)
			}
			touched := []string{"units/007/s7.service", "units/003/s3.service"}
			if a, b := others(before, touched...), others(lsTree(t, bare, "main"), touched...); a != b {
				t.Errorf("other entries changed:\n%s\n---\n%s", a, b)
			}
			if len(seen) != 4 || strings.Contains(filters(seen), "blob:none") {
				t.Errorf("requests %q", filters(seen))
			}
			gittest.Fsck(t, bare)
		})
	}
}

// TestFoldersOfThousands does not read the files of a folder that has too many.
func TestFoldersOfThousands(t *testing.T) {
	bare := gittest.Bare(t)
	files := map[string]string{}
	for i := range 6000 {
		files[fmt.Sprintf("a/b/s%d.service", i)] = fmt.Sprintf("unit %d\n", i)
	}
	gittest.Commit(t, bare, "main", "seed", files)
	for _, w := range []way{{"http", overHTTP}, {"ssh", overSSH(true)}, ways[0]} {
		t.Run(w.name, func(t *testing.T) {
			path := "a/b/s7.service"
			url, o := w.open(t, bare)
			o.Paths = []string{path}
			res, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put(path, w.name+"\n"), o)
			if err != nil || res.Attempts != 1 {
				t.Fatalf("%+v %v", res, err)
			}
			if got := gittest.Git(t, bare, "show", "main:"+path); got != w.name {
				t.Errorf("content %q", got)
			}
			if got := len(lsTree(t, bare, "main")) - 1; got != 6000 {
				t.Errorf("%d files", got)
			}
		})
	}
	var seen []spied
	url := gittest.ServeHTTP(t, bare, spy(&seen))
	if _, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url}, put("a/b/s8.service", "8\n"), confrepo.Options{Paths: []string{"a/b/s8.service"}}); err != nil {
		t.Fatal(err)
	}
	if got := filters(seen); got != "refs tree:2 "+leaf+" blob:none  -" {
		t.Errorf("requests %q", got)
	}
	gittest.Fsck(t, bare)
}

// TestFoldersAfterALostRace reads only what is new of the next tip.
func TestFoldersAfterALostRace(t *testing.T) {
	bare := manyFolders(t)
	var seen []spied
	url := gittest.ServeHTTP(t, bare, spy(&seen), firstPushes(1, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		gittest.Commit(t, bare, "main", "faster", map[string]string{"units/007/s47.service": "theirs\n", "units/020/s20.service": "theirs\n"})
		next.ServeHTTP(w, r)
	}))
	res, err := confrepo.Publish(limited(t, 30*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/007/s7.service", "mine\n", "units/020/s60.service", "mine\n"),
		confrepo.Options{Paths: []string{"units/007/s7.service"}, Jitter: func() float64 { return 0 }})
	if err != nil || res.Attempts != 2 {
		t.Fatalf("%+v %v", res, err)
	}
	for path, want := range map[string]string{"units/007/s47.service": "theirs", "units/007/s7.service": "mine", "units/020/s20.service": "theirs", "units/020/s60.service": "mine", "units/007/s87.service": "unit 87"} {
		if got := gittest.Git(t, bare, "show", "main:"+path); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	if got := filters(seen); got != "refs tree:2 "+leaf+" - refs tree:2 "+leaf+" -" {
		t.Errorf("requests %q", got)
	}
	if first, again := seen[1].down, seen[5].down; again > first*3/4 {
		t.Errorf("%d bytes at first, %d again", first, again)
	}
	gittest.Fsck(t, bare)
}
