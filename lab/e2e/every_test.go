//go:build lab

package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/unitstamp/unitstamp/internal/circleci"
)

// TestEndToEnd runs every step of every pipeline that the project has, on one machine
// with docker's engine and registry, git servers and a systemd.
func TestEndToEnd(t *testing.T) {
	w := newWorld(t)
	all := w.part("road", w.road)
	all = w.part("orb", w.orbsExamples) && all
	for _, system := range circleci.Systems {
		all = w.part(filepath.Dir(system.File), func(t *testing.T) { w.elsewhere(t, system) }) && all
	}
	all = w.part("own", w.ownPipeline) && all
	if all && !t.Failed() {
		w.everyStep(t)
	}
}

// A ledger has the places of the steps that were executed.
type ledger struct {
	mu    sync.Mutex
	count map[string]int
}

// orbSource is where the orb's pieces stand.
const orbSource = ".circleci/orb/src"

func (l *ledger) add(file string, step circleci.Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == nil {
		l.count = map[string]int{}
	}
	if step.Orb != "" {
		file = orbSource
	}
	for _, place := range step.Places {
		l.count[file+" "+place]++
	}
}

// everyStep compares what was executed with what the files have.
func (w *world) everyStep(t *testing.T) {
	t.Helper()
	wanted := map[string]string{} // names, by file and place
	want := func(file string, runs map[string]string) {
		if len(runs) == 0 {
			t.Errorf("%s has no steps", file)
		}
		for place, name := range runs {
			wanted[file+" "+place] = name
		}
	}
	document := func(file string) circleci.Document {
		d, err := circleci.Read(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, file := range []string{".circleci/config.yml", "examples/service/.circleci/config.yml", "examples/sysconfig/.circleci/config.yml"} {
		want(file, circleci.Runs(document(file)))
	}
	pieces := maps.Clone(w.orb)
	delete(pieces, "examples")
	want(orbSource, circleci.Runs(pieces))
	for name, usage := range circleci.Examples(w.orb) {
		if runs := circleci.Runs(usage); len(runs) > 0 { // else it has only the orb's steps
			want(orbSource+"/examples/"+name+".yml", runs)
		}
	}
	want("examples/github-actions/deploy.yml", circleci.GitHubRuns(document("examples/github-actions/deploy.yml")))
	want("examples/gitlab-ci/.gitlab-ci.yml", circleci.GitLabRuns(document("examples/gitlab-ci/.gitlab-ci.yml")))
	want("examples/jenkins/Jenkinsfile", circleci.JenkinsRuns(read(t, filepath.Join(root, "examples/jenkins/Jenkinsfile"))))

	for _, place := range slices.Sorted(maps.Keys(wanted)) {
		if w.executed.count[place] == 0 {
			t.Errorf("%s: nothing has executed %q", place, wanted[place])
		}
	}
	for _, place := range slices.Sorted(maps.Keys(w.executed.count)) {
		if _, known := wanted[place]; !known {
			t.Errorf("%s was executed, and is in no file", place)
		}
	}
	if !t.Failed() {
		t.Logf("all %d steps of the files were executed", len(wanted))
	}

	// A pipeline that nobody has thought of would be in a folder that nobody has either.
	entries, err := os.ReadDir(filepath.Join(root, "examples"))
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"github-actions", "gitlab-ci", "jenkins", "service", "sysconfig"}
	for _, entry := range entries {
		if !slices.Contains(known, entry.Name()) {
			t.Errorf("examples/%s: nothing executes it", entry.Name())
		}
	}
}
