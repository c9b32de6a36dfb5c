package unitset_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/pkg/unitset"
)

func TestRead(t *testing.T) {
	type m = map[string]string
	for _, tt := range []struct {
		name string
		tree m      // "-> x" is a link, "" with a name ending in / is a folder
		want string // target paths in order, or the error behind "!"
	}{
		{"empty", m{}, ""},
		{"deeper", m{"a.service": "x", "team/b.service": "x", "team/deep/c@.timer": "x", "d.container": "x"}, "a.service b.service c@.timer d.container"},
		{"drop-ins", m{"a.service": "x", "a.service.d/1.conf": "x", "team/a.service.d/2.conf": "x", "vendor.service.d/3.conf": ""},
			"a.service a.service.d/1.conf a.service.d/2.conf vendor.service.d/3.conf"},
		{"others", m{"README.md": "x", "a.conf": "x", "service": "x", "a.service.d/README": "x", "b/x.d/1.conf": "x"}, ""},
		{"dot folders", m{".git/a.service": "x", ".b.service": "x", "a.service.d/.1.conf": "x"}, ""},
		{"twice", m{"x/a.service": "x", "y/a.service": "y"}, "!y/a.service: a.service is there twice, also as x/a.service"},
		{"drop-in twice", m{"x/a.service.d/1.conf": "x", "y/a.service.d/1.conf": "y"}, "!twice"},
		{"same drop-in for two units", m{"a.service.d/1.conf": "x", "b.service.d/1.conf": "y"}, "a.service.d/1.conf b.service.d/1.conf"},
		{"bad name", m{"a b.service": "x"}, `!"a b.service" is no name for a unit`},
		{"bad name of a drop-in's unit", m{"a b.service.d/1.conf": "x"}, `!"a b.service" is no name for a unit`},
		{"no name", m{"x/@.service": "x"}, `!"@.service" is no name`},
		{"empty file", m{"a.service": ""}, "!a.service: empty file"},
		{"folder", m{"a.service/": ""}, "!a.service: a folder with the name of a unit"},
		{"link inside", m{"..data/a.service": "x", "a.service": "-> ..data/a.service"}, "a.service"},
		{"linked folder inside", m{".data/a.service": "x", "team": "-> .data"}, "a.service"},
		{"link out", m{"a.service": "-> ../../../etc/passwd"}, "!a.service: link that leaves the folder"},
		{"absolute link out", m{"a.service": "-> /etc/passwd"}, "!a.service: link that leaves the folder"},
		{"mask", m{"a.service": "-> /dev/null"}, "!a.service: link that leaves the folder"},
		{"drop-in folder out", m{"a.service.d": "-> /etc"}, "!a.service.d: link that leaves the folder"},
		{"broken link", m{"a.service": "-> nothing"}, "!a.service: no such file"},
		{"broken link of no unit", m{"README": "-> nothing"}, ""},
		{"circle", m{"x/y/z": "-> ../../x", "x/a.service": "x"}, "!x/y/z: link to a folder that it lies in"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			for p, content := range tt.tree {
				full := filepath.Join(folder, p)
				if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
					t.Fatal(err)
				}
				var err error
				switch to, isLink := strings.CutPrefix(content, "-> "); {
				case strings.HasSuffix(p, "/"):
					err = os.Mkdir(full, 0o755)
				case isLink:
					err = os.Symlink(to, full)
				default:
					err = os.WriteFile(full, []byte(content), 0o644)
				}
				if err != nil && !os.IsExist(err) {
					t.Fatal(err)
				}
			}
			units, err := unitset.Read(folder, "")
			if wrong, ok := strings.CutPrefix(tt.want, "!"); ok {
				var unit *unitset.Error
				if !errors.As(err, &unit) || !strings.Contains(err.Error(), wrong) {
					t.Errorf("error %v, want %q", err, wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var paths []string
			for _, u := range units {
				paths = append(paths, slices.Sorted(maps.Keys(u.Files))...)
			}
			if got := strings.Join(paths, " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestReadNothing(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "none")
	var unit *unitset.Error
	if _, err := unitset.Read(folder, ""); !errors.As(err, &unit) || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("error %v", err)
	}
}

func TestReadWithout(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"a", "target"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name, "a.service"), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	units, err := unitset.Read(folder, filepath.Join(folder, "target"))
	if err != nil || len(units) != 1 {
		t.Errorf("units %v, error %v", units, err)
	}
	if units, err = unitset.Read(folder, folder); err == nil {
		t.Errorf("units %v", units)
	}
}
