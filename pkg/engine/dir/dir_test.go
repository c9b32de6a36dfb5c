package dir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/engine/dir"
	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

type contents map[string]string

func units(files contents) []plan.Unit {
	byName := map[string]plan.Files{}
	for p, content := range files {
		name := unitname.Of(p)
		if byName[name] == nil {
			byName[name] = plan.Files{}
		}
		byName[name][p] = plan.File{Data: []byte(content)}
	}
	var list []plan.Unit
	for name, files := range byName {
		list = append(list, plan.Unit{Name: name, Files: files})
	}
	return list
}

// converge runs a plan for the wanted files and returns what became of each unit.
func converge(t *testing.T, e *dir.Engine, files contents, opts plan.Options) map[string]apply.Result {
	t.Helper()
	release, err := e.Lock(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := release(); err != nil {
			t.Error(err)
		}
	}()
	observed, err := e.Observe(t.Context(), units(files))
	if err != nil {
		t.Fatal(err)
	}
	opts.Owner, opts.MaxDelete, opts.AllowEmpty = e.Owner, plan.Limit{N: 100}, true
	p := plan.Make(units(files), observed, opts)
	results := map[string]apply.Result{}
	for _, r := range apply.Run(t.Context(), apply.Params{Engine: e, Plan: p, Now: time.Now}) {
		results[r.Step.Unit] = r
	}
	return results
}

// expect fails unless the folder holds exactly these files besides records.
func expect(t *testing.T, folder string, want contents) {
	t.Helper()
	seen := contents{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(folder, path)
		if strings.HasPrefix(rel, ".confapply.") {
			return nil
		}
		if d.Type()&fs.ModeSymlink != 0 {
			link, err := os.Readlink(path)
			seen[rel] = "-> " + link
			return err
		}
		data, err := os.ReadFile(path)
		seen[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for p, content := range want {
		if seen[p] != content {
			t.Errorf("%s holds %q, want %q", p, seen[p], content)
		}
		delete(seen, p)
	}
	for p := range seen {
		t.Errorf("%s is there", p)
	}
}

func TestConverge(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "deep", "target")
	e := dir.New(folder, "me")
	one := contents{"a.service": "[Service]\nX=1\n", "a.service.d/x.conf": "[Service]\nY=1\n", "b@.service": "[Service]\n"}
	converge(t, e, one, plan.Options{})
	expect(t, folder, one)

	// mode and owner of a file that is replaced are kept
	if err := os.Chmod(filepath.Join(folder, "a.service"), 0o600); err != nil {
		t.Fatal(err)
	}
	two := contents{"a.service": "[Service]\nX=2\n"}
	converge(t, e, two, plan.Options{})
	expect(t, folder, two)
	if _, err := os.Stat(filepath.Join(folder, "a.service.d")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the empty drop-in folder: %v", err)
	}
	if info, err := os.Stat(filepath.Join(folder, "a.service")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	converge(t, e, contents{}, plan.Options{})
	expect(t, folder, contents{})
}

func TestForeignFilesStay(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "a.service", "[Service]\nX=theirs\n")
	write(t, folder, "a.service.d/theirs.conf", "[Service]\n")
	e := dir.New(folder, "me")
	r := converge(t, e, contents{"a.service": "[Service]\nX=mine\n"}, plan.Options{})["a.service"]
	if r.Step.Action != plan.Conflict || r.Outcome != apply.Skipped {
		t.Errorf("result %+v", r)
	}
	converge(t, e, contents{"a.service": "[Service]\nX=mine\n"}, plan.Options{Adopt: true})
	expect(t, folder, contents{"a.service": "[Service]\nX=mine\n", "a.service.d/theirs.conf": "[Service]\n"})
	converge(t, e, contents{}, plan.Options{})
	expect(t, folder, contents{"a.service.d/theirs.conf": "[Service]\n"})
}

func TestOwnersAreApart(t *testing.T) {
	folder := t.TempDir()
	me, you := dir.New(folder, "me"), dir.New(folder, "you")
	converge(t, me, contents{"a.service": "[Service]\n", "b.service": "[Service]\n"}, plan.Options{})
	converge(t, you, contents{"c.service": "[Service]\n"}, plan.Options{})
	expect(t, folder, contents{"a.service": "[Service]\n", "b.service": "[Service]\n", "c.service": "[Service]\n"})
	r := converge(t, you, contents{"a.service": "[Service]\n", "c.service": "[Service]\n"}, plan.Options{})["a.service"]
	if r.Step.Action != plan.Conflict || r.Reason != `it belongs to owner "me"` {
		t.Errorf("result %+v", r)
	}
	converge(t, you, contents{"a.service": "[Service]\nX=1\n", "c.service": "[Service]\n"}, plan.Options{Adopt: true})
	// it is not mine any more
	converge(t, me, contents{"b.service": "[Service]\n"}, plan.Options{})
	expect(t, folder, contents{"a.service": "[Service]\nX=1\n", "b.service": "[Service]\n", "c.service": "[Service]\n"})
}

func TestLinksAreNotFollowed(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, "victim", "of somebody else\n")
	write(t, outside, "d/x.conf", "of somebody else\n")
	folder := t.TempDir()
	link(t, filepath.Join(outside, "victim"), filepath.Join(folder, "a.service"))
	link(t, filepath.Join(outside, "d"), filepath.Join(folder, "b.service.d"))
	e := dir.New(folder, "me")
	got := converge(t, e, contents{"a.service": "[Service]\n", "b.service.d/x.conf": "[Service]\n"}, plan.Options{Adopt: true})
	if r := got["a.service"]; r.Step.Action != plan.Adopt || r.Outcome != apply.Done {
		t.Errorf("a.service: %+v", r)
	}
	if r := got["b.service"]; r.Step.Action != plan.Conflict || !strings.Contains(r.Reason, "symbolic link") {
		t.Errorf("b.service: %+v", r)
	}
	expect(t, outside, contents{"victim": "of somebody else\n", "d/x.conf": "of somebody else\n"})
	expect(t, folder, contents{"a.service": "[Service]\n", "b.service.d": "-> " + filepath.Join(outside, "d")})
}

func TestLock(t *testing.T) {
	folder := t.TempDir()
	one, two := dir.New(folder, "me"), dir.New(folder, "you")
	release, err := one.Lock(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Lock(t.Context(), false); !errors.Is(err, apply.ErrLocked) {
		t.Errorf("second lock: %v", err)
	}
	if err := two.Write(nil); err == nil {
		t.Error("a write without the lock")
	}
	got := make(chan error)
	go func() {
		release, err := two.Lock(t.Context(), true)
		if err == nil {
			err = release()
		}
		got <- err
	}()
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("the lock that waited: %v", err)
	}
	expect(t, folder, contents{})
}

// TestOwnersShareAUnit: an owner of a drop-in takes over the unit itself, and the
// other owner gives it up.
func TestOwnersShareAUnit(t *testing.T) {
	folder := t.TempDir()
	me, you := dir.New(folder, "me"), dir.New(folder, "you")
	converge(t, me, contents{"a.service": "[Service]\n"}, plan.Options{})
	converge(t, you, contents{"a.service.d/x.conf": "[Service]\n"}, plan.Options{})
	both := contents{"a.service": "[Service]\nX=1\n", "a.service.d/x.conf": "[Service]\n"}
	if r := converge(t, you, both, plan.Options{})["a.service"]; r.Step.Action != plan.Conflict {
		t.Errorf("result %+v", r)
	}
	if r := converge(t, you, both, plan.Options{Adopt: true})["a.service"]; r.Step.Action != plan.Adopt || r.Outcome != apply.Done {
		t.Errorf("result %+v", r)
	}
	converge(t, me, contents{}, plan.Options{})
	expect(t, folder, both)
}

func TestWriteIsAllOrNothing(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "a.service", "old\n")
	write(t, folder, "c.service.d", "a file where a folder should be\n")
	e := dir.New(folder, "me")
	release, err := e.Lock(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	after := plan.File{Data: []byte("new\n")}
	err = e.Write([]plan.Change{
		{Path: "a.service", After: &after}, {Path: "b.service.d/x.conf", After: &after}, {Path: "c.service.d/x.conf", After: &after},
	})
	var write *dir.WriteError
	if !errors.As(err, &write) || !write.Untouched {
		t.Errorf("error %v", err)
	}
	expect(t, folder, contents{"a.service": "old\n", "c.service.d": "a file where a folder should be\n"})
	if _, err := os.Stat(filepath.Join(folder, "b.service.d")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder is left: %v", err)
	}
}

// TestStagedWaits: what is staged changes nothing until it is settled, each by itself,
// and leaves nothing when it is abandoned.
func TestStagedWaits(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "a.service", "old\n")
	e := dir.New(folder, "me")
	release, err := e.Lock(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	after := plan.File{Data: []byte("new\n")}
	stage := func(changes ...plan.Change) *dir.Staged {
		t.Helper()
		s, err := e.Stage(changes)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one := stage(plan.Change{Path: "a.service", After: &after})
	two := stage(plan.Change{Path: "b.service", After: &after}, plan.Change{Path: "b.service.d/x.conf", After: &after})
	if got, err := os.ReadFile(filepath.Join(folder, "a.service")); err != nil || string(got) != "old\n" {
		t.Errorf("staged already: %q, %v", got, err)
	}
	if err := errors.Join(one.Settle(), two.Abandon()); err != nil {
		t.Error(err)
	}
	expect(t, folder, contents{"a.service": "new\n"})
	if left, err := filepath.Glob(filepath.Join(folder, "*.d")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestLeftoversAreTidied(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, ".confapply-tmp-99-0", "half")
	write(t, folder, "a.service.d/.confapply-tmp-99-1", "half")
	write(t, folder, "a.service.d/x.conf", "theirs\n")
	converge(t, dir.New(folder, "me"), contents{}, plan.Options{})
	expect(t, folder, contents{"a.service.d/x.conf": "theirs\n"})
}

// TestRecordCutOff: wherever a crash cuts the record, what is before the cut
// holds, and the next run writes on.
func TestRecordCutOff(t *testing.T) {
	folder := t.TempDir()
	e := dir.New(folder, "me")
	converge(t, e, contents{"a.service": "[Service]\n"}, plan.Options{})
	record := filepath.Join(folder, ".confapply.me.jsonl")
	whole, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	converge(t, e, contents{"a.service": "[Service]\n", "b.service": "[Service]\n"}, plan.Options{})
	longer, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(whole); cut < len(longer); cut += 7 {
		if err := os.WriteFile(record, longer[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(folder, "b.service")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		got := converge(t, e, contents{"a.service": "[Service]\n", "b.service": "[Service]\n"}, plan.Options{})
		if got["a.service"].Step.Action != plan.None || got["b.service"].Outcome != apply.Done {
			t.Fatalf("cut at %d: %+v", cut, got)
		}
		expect(t, folder, contents{"a.service": "[Service]\n", "b.service": "[Service]\n"})
	}
	if err := os.WriteFile(record, []byte("no entry\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Observe(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "line 1 of the record") {
		t.Errorf("a broken record: %v", err)
	}
}

// TestRecordKnowsTheWayBack: what to go back to is in the record while a change
// is pending, also while the change is the way back itself.
func TestRecordKnowsTheWayBack(t *testing.T) {
	folder := t.TempDir()
	e := dir.New(folder, "me")
	good := plan.Files{"a.service": {Data: []byte("[Service]\n")}}
	converge(t, e, contents{"a.service": "[Service]\n"}, plan.Options{})
	release, err := e.Lock(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	observed, err := e.Observe(t.Context(), units(contents{"a.service": "[Service]\nX=2\n"}))
	if err != nil {
		t.Fatal(err)
	}
	p := plan.Make(units(contents{"a.service": "[Service]\nX=2\n"}), observed, plan.Options{Owner: "me"})
	for _, step := range []*plan.Step{p.Steps[0], p.Steps[0].Reverse()} {
		if err := e.Record([]*plan.Step{step}, true); err != nil {
			t.Fatal(err)
		}
		observed, err := e.Observe(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		entry := observed.Owned["a.service"]
		if !entry.Pending || !entry.Previous["a.service"].Equal(good["a.service"]) {
			t.Errorf("entry %+v", entry)
		}
	}
}

// TestRecordMeddledWith: what somebody else does to the record while a run is at
// work is not written over by what the run remembers of it.
func TestRecordMeddledWith(t *testing.T) {
	folder := t.TempDir()
	e := dir.New(folder, "me")
	release, err := e.Lock(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	record := filepath.Join(folder, ".confapply.me.jsonl")
	step := func(name string) []*plan.Step {
		return []*plan.Step{{Unit: name, After: &plan.Entry{Unit: name, Files: map[string]string{}}}}
	}
	for _, meddle := range []func() error{
		func() error { return nil },
		func() error { return os.Remove(record) },
		func() error { return os.Truncate(record, 7) },
		func() error { return os.WriteFile(record, []byte("{\"unit\":\"x.service\"}\nhalf"), 0o600) },
	} {
		for _, name := range []string{"a.service", "b.service"} {
			if err := e.Record(step(name), false); err != nil {
				t.Fatal(err)
			}
		}
		if err := meddle(); err != nil {
			t.Fatal(err)
		}
		if err := e.Record(step("c.service"), false); err != nil {
			t.Fatal(err)
		}
		observed, err := e.Observe(t.Context(), nil)
		if err != nil || observed.Owned["c.service"].Unit == "" {
			t.Errorf("owned %v, %v", observed.Owned, err)
		}
	}
}

func TestRecordStaysShort(t *testing.T) {
	folder := t.TempDir()
	e := dir.New(folder, "me")
	for i := range 120 {
		converge(t, e, contents{"a.service": "[Service]\nX=" + strings.Repeat("x", i) + "\n"}, plan.Options{})
	}
	record, err := os.ReadFile(filepath.Join(folder, ".confapply.me.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(record), "\n"); lines > 70 {
		t.Errorf("%d lines for one unit", lines)
	}
	info, err := os.Stat(filepath.Join(folder, ".confapply.me.jsonl"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestShortRecordKnowsTheLastChanges looks after every change whether the record,
// which is written anew now and then, still knows the ten before.
func TestShortRecordKnowsTheLastChanges(t *testing.T) {
	e := dir.New(t.TempDir(), "me")
	content := func(i int) string { return "[Service]\nX=" + strings.Repeat("x", i) + "\n" }
	for i := range 100 {
		converge(t, e, contents{"a.service": content(i)}, plan.Options{})
		notes, err := e.History()
		if err != nil {
			t.Fatal(err)
		}
		revisions := plan.Revisions(notes)
		if least := min(i+1, 10); len(revisions) < least {
			t.Fatalf("after %d changes the record knows %d", i+1, len(revisions))
		}
		for back := range min(i, 9) {
			before := revisions[len(revisions)-1-back].Before
			if got := string(before["a.service"].Data); got != content(i-1-back) {
				t.Fatalf("after %d changes, %d before the last: %q", i+1, back, got)
			}
		}
	}
}

func write(t *testing.T, folder, p, content string) {
	t.Helper()
	full := filepath.Join(folder, p)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, from string) {
	t.Helper()
	if err := os.Symlink(to, from); err != nil {
		t.Fatal(err)
	}
}
