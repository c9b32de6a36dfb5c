//go:build lab

package e2e

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/unitstamp/unitstamp/internal/docpage"
)

var update = flag.Bool("update", false, "write the transcript into README.md")

// scene begins a part of the transcript.
func (w *world) scene(title string) {
	w.t.Log("— " + title)
	if w.told.Len() > 0 {
		w.told.WriteString("\n")
	}
	w.told.WriteString("— " + title + "\n")
	w.seen = len(w.n.Journal("sysconfig-apply.service"))
}

// tell adds a command, if there is one, and what it printed.
func (w *world) tell(command, output string) {
	if command != "" {
		w.told.WriteString("\n$ " + command + "\n")
	} else {
		w.told.WriteString("\n")
	}
	w.told.WriteString(strings.TrimRight(output, "\n") + "\n")
}

// outlined leaves out of a pipeline's words what is said between the first look at the
// configuration's tip and the push: whoever is second looks twice.
func outlined(words string) string {
	var kept []string
	for line := range strings.Lines(words) {
		first := strings.HasPrefix(line, "confpush: reading ") && !slices.ContainsFunc(kept, func(k string) bool { return strings.HasPrefix(k, "confpush: reading ") })
		if !strings.HasPrefix(line, "confpush: ") || first || strings.HasPrefix(line, "confpush: pushed ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// acted waits until the machine's confapply has said so in this scene, for each
// text, and adds the first such line.
func (w *world) acted(texts ...string) {
	w.t.Helper()
	var found []string
	defer func() {
		if w.t.Failed() {
			w.t.Logf("in this scene the machine said\n%s", w.n.Journal("sysconfig-apply.service")[w.seen:])
		}
	}()
	w.eventually(strings.Join(texts, ", "), 2*time.Minute, func() bool {
		found = nil
		journal := w.n.Journal("sysconfig-apply.service")[w.seen:]
		for _, text := range texts {
			for line := range strings.Lines(journal) {
				if _, words, ok := strings.Cut(line, "]: "); ok && strings.HasPrefix(blanks.ReplaceAllString(words, "  "), text) {
					found = append(found, words)
					break
				}
			}
		}
		return len(found) == len(texts)
	})
	w.tell("journalctl --unit sysconfig-apply", strings.Join(found, ""))
}

var (
	blanks = regexp.MustCompile(`  +`)
	state  = regexp.MustCompile(`it does not stay up: .*; back`)
)

// compare holds the page's transcript to this run's, apart from what differs from
// run to run. With -update it replaces it.
func (w *world) compare(path string) {
	w.t.Helper()
	if w.t.Failed() {
		return
	}
	// the two that were pushed at once may have come in either order
	const first, second = "Updating orders tag to '41-develop'\n", "Updating myservice tag to '59-develop'\n"
	told := strings.ReplaceAll(w.told.String(), second+first, first+second)
	page := read(w.t, path)
	const fence = "```text\n"
	before, rest, ok := strings.Cut(page, fence)
	old, after, ended := strings.Cut(rest, "```\n")
	if !ok || !ended {
		w.t.Fatalf("%s has no transcript", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+fence+told+"```\n"+after), 0o644); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	same := func(s string) []byte {
		return []byte(state.ReplaceAllString(blanks.ReplaceAllString(docpage.Normalise(s), "  "), "it does not stay up …; back"))
	}
	if d := diff.Diff(path, same(old), "this run", same(told)); d != nil {
		w.t.Errorf("the transcript is another one; -update writes it\n%s", d)
	}
}
