//go:build lab

package lab

import (
	"regexp"
	"slices"
	"testing"

	"github.com/unitstamp/unitstamp/internal/oracle/systemdwords"
	"github.com/unitstamp/unitstamp/pkg/lint"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// Mending real units changes what systemd runs by the mends and nothing else: two
// dashes for one, braces round a variable, and the words of a line that went on
// behind a blank.
func TestFixKeepsWhatSystemdRuns(t *testing.T) {
	var units []systemdwords.Unit
	var files []string
	var rules [][]string
	for _, u := range realUnits(t, ".service") {
		fixed, mended, err := lint.Fix(&source.File{Name: u.name, Bytes: u.source}, unitname.FromPath(u.name), lint.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		if len(mended) == 0 {
			continue
		}
		var ids []string
		for _, f := range mended {
			ids = append(ids, f.Rule)
		}
		files, rules = append(files, u.file), append(rules, ids)
		units = append(units, systemdwords.Unit{Name: u.name, Source: u.source}, systemdwords.Unit{Name: u.name, Source: fixed})
	}
	readings := readUnits(t, units)
	for i, file := range files {
		before, after := readings[2*i], readings[2*i+1]
		if after.Refused != "" && before.Refused == "" {
			t.Errorf("%s: systemd refuses the mended unit: %s", file, after.Refused)
		}
		if slices.Contains(rules[i], "US004") {
			if !hasLoneBackslash(before) || hasLoneBackslash(after) || len(after.Messages) > 0 {
				t.Errorf("%s: mended, systemd reads %v and says %v", file, after.Commands, after.Messages)
			}
			continue
		}
		if len(before.Commands) != len(after.Commands) {
			t.Errorf("%s: %d commands became %d", file, len(before.Commands), len(after.Commands))
			continue
		}
		differ := 0
		for k, old := range before.Commands {
			mended := after.Commands[k]
			if old.Key != mended.Key || len(old.Argv) != len(mended.Argv) {
				t.Errorf("%s: %v became %v", file, old, mended)
				continue
			}
			for w := range old.Argv {
				if old.Argv[w] == mended.Argv[w] {
					continue
				}
				differ++
				if plain(old.Argv[w]) != plain(mended.Argv[w]) {
					t.Errorf("%s: %q became %q", file, old.Argv[w], mended.Argv[w])
				}
			}
		}
		if differ == 0 || differ > len(rules[i]) {
			t.Errorf("%s: %d words differ after %d mends", file, differ, len(rules[i]))
		}
	}
	t.Logf("%d units mended", len(files))
}

func hasLoneBackslash(r systemdwords.Reading) bool {
	return slices.ContainsFunc(r.Commands, func(c systemdwords.Command) bool { return slices.Contains(c.Argv, `\`) })
}

var (
	braces = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
	dashes = regexp.MustCompile(`(^|\s)-+`)
)

// plain is a word, or a script, without what a mend may change.
func plain(word string) string {
	return dashes.ReplaceAllString(braces.ReplaceAllString(word, "$$$1"), "$1")
}
