package guard

import (
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
)

// history is a repository in memory: a line of commits with whole trees.
type history struct {
	commits   []Commit
	trees     []map[string]string
	newBranch bool
}

func (h *history) last() map[string]string {
	if len(h.trees) == 0 {
		return nil
	}
	return h.trees[len(h.trees)-1]
}

// commit adds a commit; a file with the content "-" is removed.
func (h *history) commit(message string, files map[string]string) {
	tree := maps.Clone(h.last())
	if tree == nil {
		tree = map[string]string{}
	}
	for p, c := range files {
		if c == "-" {
			delete(tree, p)
		} else {
			tree[p] = c
		}
	}
	c := Commit{ID: fmt.Sprintf("%040x", len(h.commits)+1), Message: message}
	if n := len(h.commits); n > 0 {
		c.Parents = []string{h.commits[n-1].ID}
	}
	h.commits, h.trees = append(h.commits, c), append(h.trees, tree)
}

// human is a commit by somebody else.
func (h *history) human(files map[string]string) { h.commit("by hand\n", files) }

// revert undoes the last n commits in one, as git revert does.
func (h *history) revert(n int) {
	tree := maps.Clone(h.trees[len(h.trees)-1-n])
	h.commit("Revert\n\nThis reverts commit "+h.commits[len(h.commits)-n].ID+".\n", nil)
	h.trees[len(h.trees)-1] = tree
}

func (h *history) Tip() Commit {
	if len(h.commits) == 0 {
		return Commit{}
	}
	return h.commits[len(h.commits)-1]
}
func (h *history) NewBranch() bool { return h.newBranch }
func (h *history) File(path string) ([]byte, bool, error) {
	c, ok := h.last()[path]
	return []byte(c), ok, nil
}
func (h *history) Ancestors(n int) ([]Commit, error) {
	var all []Commit
	for i := len(h.commits) - 1; i >= 0 && len(all) < n; i-- {
		c := h.commits[i]
		c.Distance = len(all)
		all = append(all, c)
	}
	return all, nil
}
func (h *history) ChangedSince(c Commit) ([]Difference, error) {
	old := h.trees[len(h.trees)-1-c.Distance]
	var all []Difference
	paths := map[string]bool{}
	for p := range old {
		paths[p] = true
	}
	for p := range h.last() {
		paths[p] = true
	}
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		if old[p] != h.last()[p] {
			all = append(all, Difference{p, old[p], h.last()[p]}) // contents are their own names
		}
	}
	return all, nil
}
func (h *history) Blob(id string) ([]byte, error) { return []byte(id), nil }

// push decides and, if it may, commits.
func (h *history) push(r Request) (Outcome, error) {
	out, err := Decide(h, r)
	if err == nil && out.Message != "" {
		files := map[string]string{}
		for _, f := range r.Files {
			files[f.Path] = string(f.Content)
			if f.Remove {
				files[f.Path] = "-"
			}
		}
		h.commit(out.Message, files)
	}
	return out, err
}

func unitOf(tag string) string { return unitWith("myrepo/myservice", tag) }
func unitWith(repo, tag string) string {
	if tag != "" {
		tag = ":" + tag
	}
	return "[Service]\nExecStart=/usr/bin/docker run --rm " + repo + tag + "\n"
}

const unitPath = "units/myservice.service"

func build(tag string) Request {
	return Request{Files: []File{{Path: unitPath, Content: []byte(unitOf(tag))}}}
}

func refused(err error) bool {
	var r *Refusal
	return errors.As(err, &r)
}

func TestSuccession(t *testing.T) {
	down, branch, rewrite := func(r *Request) { r.AllowDowngrade = true }, func(r *Request) { r.AllowBranchChange = true }, func(r *Request) { r.AllowRewrite = true }
	none := func(*Request) {}
	other := func(r *Request) { r.Files[0].Content = append(r.Files[0].Content, "# other\n"...) }
	both := func(fs ...func(*Request)) func(*Request) {
		return func(r *Request) {
			for _, f := range fs {
				f(r)
			}
		}
	}
	tests := []struct {
		name     string
		old, new string
		change   func(*Request)
		want     Action // "" for refused
	}{
		{"newer", "57-develop", "58-develop", none, Updated},
		{"by number, not by text", "9-develop", "10-develop", none, Updated},
		{"older", "58-develop", "57-develop", none, ""},
		{"older by text only", "100-develop", "99-develop", none, ""},
		{"older, on purpose", "58-develop", "57-develop", down, Updated},
		{"same", "58-develop", "58-develop", none, Unchanged},
		{"same build, other bytes", "58-develop", "58-develop", other, ""},
		{"same build, other bytes, on purpose", "58-develop", "58-develop", both(other, rewrite), Updated},
		{"another branch, lower", "58-develop", "12-master", none, ""},
		{"another branch, higher", "58-develop", "99-master", none, ""},
		{"another branch, on purpose", "58-develop", "12-master", branch, Updated},
		{"a downgrade is no change of branch", "58-develop", "12-master", down, ""},
		{"a change of branch is no downgrade", "58-develop", "57-develop", branch, ""},
		{"no tag", "", "57-develop", none, Updated},
		{"latest", "latest", "57-develop", none, Updated},
		{"a digest", "latest@sha256:" + strings.Repeat("a", 64), "57-develop", none, Updated},
		{"a release", "v1.2.3", "57-develop", none, ""},
		{"a release, on purpose", "v1.2.3", "57-develop", branch, Updated},
		{"from a build to nothing", "58-develop", "", none, ""},
		{"from a build to latest, on purpose", "58-develop", "latest", branch, Updated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &history{}
			h.human(map[string]string{unitPath: unitOf(tt.old)})
			r := build(tt.new)
			tt.change(&r)
			out, err := h.push(r)
			if tt.want == "" {
				if !refused(err) {
					t.Fatalf("outcome %+v, error %v, want a refusal", out, err)
				}
				return
			}
			if err != nil || out.Files[0].Action != tt.want {
				t.Fatalf("outcome %+v, error %v", out, err)
			}
			if tag, _, _ := strings.Cut(tt.old, "@"); out.Files[0].Old != tag || out.Files[0].New != tt.new {
				t.Errorf("tags %q -> %q", out.Files[0].Old, out.Files[0].New)
			}
		})
	}
}

func TestReleases(t *testing.T) {
	h := &history{}
	h.human(map[string]string{unitPath: unitOf("v1.10.0")})
	r := build("v1.9.0")
	r.Build.Tag = buildtag.Parse("v1.9.0")
	if _, err := h.push(r); !refused(err) {
		t.Errorf("a release went back: %v", err)
	}
	r = build("v1.11.0")
	r.Build.Tag = buildtag.Parse("v1.11.0")
	if _, err := h.push(r); err != nil {
		t.Error(err)
	}
	// the release of a third party's image is no build of ours
	h.human(map[string]string{unitPath: unitOf("57-develop") + "ExecStartPre=/usr/bin/docker pull redis:7.2\n"})
	r = build("58-develop")
	r.Files[0].Content = append(r.Files[0].Content, "ExecStartPre=/usr/bin/docker pull redis:7.0\n"...)
	if _, err := h.push(r); err != nil {
		t.Error(err)
	}
}

func TestOtherImagesAndPathsDoNotBlock(t *testing.T) {
	h := &history{}
	h.human(map[string]string{unitPath: unitWith("myrepo/old", "99-develop"), "b.service": unitOf("99-develop")})
	if _, err := h.push(build("58-develop")); err != nil {
		t.Error(err)
	}
}

func TestNewBranch(t *testing.T) {
	h := &history{}
	h.human(map[string]string{unitPath: unitOf("99-master")})
	h.newBranch = true
	if _, err := Decide(h, build("58-develop")); err != nil {
		t.Error(err)
	}
}

func TestHold(t *testing.T) {
	for text, held := range map[string]bool{"yes": true, "1": true, "on": true, "True": true, "no": false, "0": false, "off": false, "": false, "y": true, "f": false, "mabye": true} {
		h := &history{}
		h.human(map[string]string{unitPath: unitOf("57-develop") + "[X-Unitstamp]\nHold=" + text + "\n"})
		r := build("58-develop")
		r.AllowDowngrade, r.AllowBranchChange, r.AllowRewrite = true, true, true
		if _, err := h.push(r); refused(err) != held {
			t.Errorf("Hold=%s: %v", text, err)
		}
		r.Files[0] = File{Path: unitPath, Remove: true}
		h = &history{}
		h.human(map[string]string{unitPath: unitOf("57-develop") + "[X-Unitstamp]\nHold=" + text + "\n"})
		if _, err := Decide(h, r); refused(err) != held {
			t.Errorf("Hold=%s, removal: %v", text, err)
		}
	}
	h := &history{}
	h.human(map[string]string{unitPath: unitOf("57-develop") + "[X-Unitstamp]\nHold=yes\n"})
	r := build("57-develop")
	r.Files[0].Content = []byte(h.last()[unitPath])
	if out, err := h.push(r); err != nil || out.Files[0].Action != Unchanged {
		t.Errorf("identical content: %v", err)
	}
}

// TestRollBack: a person takes the unit back, by a revert or by hand.
func TestRollBack(t *testing.T) {
	ways := map[string]func(h *history){
		"revert":               func(h *history) { h.revert(1) },
		"by hand":              func(h *history) { h.human(map[string]string{unitPath: unitOf("55-develop")}) },
		"by hand, much later":  func(h *history) { h.human(map[string]string{unitPath: unitOf("55-develop")}); later(h, 30) },
		"revert, then others":  func(h *history) { h.revert(1); others(h, 5) },
		"others, then by hand": func(h *history) { others(h, 5); h.human(map[string]string{unitPath: unitOf("55-develop")}) },
		"in two steps": func(h *history) {
			h.human(map[string]string{unitPath: unitOf("56-develop")})
			others(h, 2)
			h.human(map[string]string{unitPath: unitOf("55-develop")})
			others(h, 70)
		},
		"removed":                func(h *history) { h.human(map[string]string{unitPath: "-"}); others(h, 2) },
		"tag taken off":          func(h *history) { h.human(map[string]string{unitPath: unitOf("latest")}) },
		"others for a long time": func(h *history) { h.revert(1); others(h, 3*Memory) },
	}
	for name, rollBack := range ways {
		t.Run(name, func(t *testing.T) {
			start := func() *history {
				h := &history{}
				for _, tag := range []string{"55-develop", "58-develop"} {
					if _, err := h.push(build(tag)); err != nil {
						t.Fatal(err)
					}
				}
				rollBack(h)
				return h
			}
			h := start()
			for _, late := range []string{"56-develop", "57-develop", "58-develop"} {
				if _, err := h.push(build(late)); !refused(err) {
					t.Errorf("%s: %v, want a refusal", late, err)
				}
			}
			if _, err := h.push(build("59-develop")); err != nil {
				t.Errorf("59: %v", err)
			}
			if strings.Contains(h.Tip().Message, trailerMark) {
				t.Errorf("a settled mark is carried on:\n%s", h.Tip().Message)
			}

			h = start()
			r := build("57-develop")
			r.AllowDowngrade = true
			if _, err := h.push(r); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(h.Tip().Message, "Unitstamp-Override: allow-downgrade\n") {
				t.Errorf("no trace of the override:\n%s", h.Tip().Message)
			}
			if _, err := h.push(build("56-develop")); !refused(err) {
				t.Errorf("56 after 57: %v", err)
			}
			if _, err := h.push(build("58-develop")); err != nil {
				t.Errorf("after a deliberate 57 the mark is 57, but 58: %v", err)
			}
		})
	}
}

// others are pushes of another service.
func others(h *history, n int) {
	for range n {
		tag := fmt.Sprintf("%d-develop", len(h.commits)+1)
		if _, err := h.push(Request{Files: []File{{Path: "units/other.service", Content: []byte(unitWith("myrepo/other", tag))}}}); err != nil {
			panic(err)
		}
	}
}

// later are other people's commits.
func later(h *history, n int) {
	for i := range n {
		h.human(map[string]string{"README": fmt.Sprint(i)})
	}
}

func TestRevertOfTheRevert(t *testing.T) {
	h := &history{}
	h.push(build("55-develop"))
	h.push(build("58-develop"))
	h.revert(1)
	others(h, 1)
	h.human(map[string]string{unitPath: unitOf("58-develop")})
	others(h, 1)
	if strings.Contains(h.Tip().Message, trailerMark) {
		t.Errorf("mark although the build is back:\n%s", h.Tip().Message)
	}
}

func TestCherryPickIsNotSealed(t *testing.T) {
	h := &history{}
	h.push(build("55-develop"))
	h.push(build("58-develop"))
	h.commit(h.commits[0].Message, map[string]string{unitPath: unitOf("55-develop")}) // git cherry-pick keeps the trailers
	if _, err := h.push(build("57-develop")); !refused(err) {
		t.Errorf("57: %v", err)
	}
}

func TestRemoval(t *testing.T) {
	remove := func(tag string) Request {
		return Request{Files: []File{{Path: unitPath, Remove: true}}, Build: Build{Tag: buildtag.Parse(tag)}}
	}
	h := &history{}
	if out, err := h.push(remove("58-develop")); err != nil || out.Files[0].Action != Unchanged {
		t.Errorf("gone already: %+v %v", out, err)
	}
	h.push(build("58-develop"))
	if _, err := h.push(remove("57-develop")); !refused(err) {
		t.Errorf("an older build removes: %v", err)
	}
	if _, err := h.push(remove("58-master")); !refused(err) {
		t.Errorf("another branch removes: %v", err)
	}
	if out, err := h.push(remove("60-develop")); err != nil || out.Files[0].Action != Removed || out.Files[0].Old != "58-develop" {
		t.Errorf("%+v %v", out, err)
	}
	if !strings.HasPrefix(h.Tip().Message, "Removing myservice\n") {
		t.Errorf("message %q", h.Tip().Message)
	}
	others(h, 3)
	if _, err := h.push(build("59-develop")); !refused(err) {
		t.Errorf("a late build brings the unit back: %v", err)
	}
	if _, err := h.push(build("61-develop")); err != nil {
		t.Error(err)
	}
}

func TestMessage(t *testing.T) {
	h := &history{}
	h.human(map[string]string{"c.service": unitOf("58-develop")})
	r := Request{Build: Build{Branch: "feature/x", Source: "0123abcd", URL: "https://ci.example/58?q=[skip ci]&x=[CI SKIP]"}}
	tag, _ := buildtag.ForBuild(58, "feature/x", buildtag.Options{})
	r.Build.Tag = tag
	r.Files = []File{
		{Path: "u/myservice.service", Content: []byte(unitOf(tag.String()))},
		{Path: "u/worker@.service", Content: []byte(unitWith("myrepo/worker", tag.String()+"@sha256:"+strings.Repeat("b", 64)))},
	}
	out, err := Decide(h, r)
	if err != nil {
		t.Fatal(err)
	}
	want := "Updating myservice, worker tags to '58-feature-x'\n\n" +
		"Unitstamp-Image: myrepo/myservice:58-feature-x\nUnitstamp-Image: myrepo/worker:58-feature-x\n" +
		"Unitstamp-Build: 58\nUnitstamp-Branch: feature/x\nUnitstamp-Source: 0123abcd\nUnitstamp-Url: https://ci.example/58?q=(skip ci)&x=(CI SKIP)\n" +
		"Unitstamp-Digest: sha256:" + strings.Repeat("b", 64) + "\nUnitstamp-Parent: " + h.Tip().ID + "\n"
	if out.Message != want {
		t.Errorf("message:\n%s\nwant:\n%s", out.Message, want)
	}
	parse := exec.Command("git", "interpret-trailers", "--parse")
	parse.Stdin = strings.NewReader(out.Message)
	got, err := parse.Output()
	if err != nil || string(got) != want[strings.Index(want, "\n\n")+2:] {
		t.Errorf("git reads: %v\n%s", err, got)
	}
	r.Files = r.Files[:1]
	if out, err = Decide(h, r); err != nil || !strings.HasPrefix(out.Message, "Updating myservice tag to '58-feature-x'\n") {
		t.Errorf("%v %q", err, out.Message)
	}
	r.Template = "roll out {{.Units}} at {{.Tag}} [skip ci]"
	if out, err = Decide(h, r); err != nil || !strings.HasPrefix(out.Message, "roll out myservice at 58-feature-x [skip ci]\n\n") {
		t.Errorf("%v %q", err, out.Message)
	}
	for _, bad := range []string{"{{.Nope}}", "{{", " "} {
		if CheckTemplate(bad) == nil {
			t.Errorf("template %q is accepted", bad)
		}
	}
	r.Template = ""
	r.Files = []File{{Path: "README.md", Content: []byte("hello\n")}}
	if out, err = Decide(h, r); err != nil || !strings.HasPrefix(out.Message, "Updating README.md\n") {
		t.Errorf("%v %q", err, out.Message)
	}
}

func TestMarksAreReadAsTheyAreWritten(t *testing.T) {
	for _, p := range []string{"units/a b.service", "größe.service", "a\nb.service", `"q.service`} {
		m := mark{p, "docker.io/myrepo/myservice", buildtag.Parse("58-develop")}
		got, ok := parseMark(m.String())
		if !ok || got.path != p || got.repository != m.repository || got.tag.String() != "58-develop" {
			t.Errorf("%q: %+v %v from %q", p, got, ok, m.String())
		}
	}
}

// TestLoading: a view that loads on demand learns of all wishes at once.
type loading struct {
	*history
	asked map[string]int
}

var errLoading = errors.New("loading")

func (l *loading) File(p string) ([]byte, bool, error) {
	if l.asked[p]++; l.asked[p] == 1 {
		return nil, false, errLoading
	}
	return l.history.File(p)
}

func (l *loading) Ancestors(n int) ([]Commit, error) {
	if l.asked["history"]++; l.asked["history"] == 1 {
		return nil, errLoading
	}
	return l.history.Ancestors(n)
}

func TestLoading(t *testing.T) {
	h := &history{}
	h.human(map[string]string{unitPath: unitOf("57-develop"), "b.service": unitOf("57-develop")})
	r := build("58-develop")
	r.Files = append(r.Files, File{Path: "b.service", Content: []byte(unitOf("58-develop"))})
	l := &loading{h, map[string]int{}}
	if _, err := Decide(l, r); !errors.Is(err, errLoading) || len(l.asked) != 3 {
		t.Errorf("%v, asked %v", err, l.asked)
	}
	if _, err := Decide(l, r); err != nil {
		t.Error(err)
	}
}
