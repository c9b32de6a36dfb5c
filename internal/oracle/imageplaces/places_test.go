//go:build linux

package imageplaces

import (
	"slices"
	"testing"
)

func TestSplitAndNormal(t *testing.T) {
	for _, c := range []struct{ reference, repository, suffix, normal string }{
		{"redis", "redis", "", "docker.io/library/redis"},
		{"docker.io/redis:3", "docker.io/redis", ":3", "docker.io/library/redis"},
		{"index.docker.io/a/b", "index.docker.io/a/b", "", "docker.io/a/b"},
		{"a/b:1@sha256:0f", "a/b", ":1@sha256:0f", "docker.io/a/b"},
		{"registry:5000/a", "registry:5000/a", "", "registry:5000/a"},
		{"registry:5000/a:1", "registry:5000/a", ":1", "registry:5000/a"},
		{"localhost/a@sha256:0f", "localhost/a", "@sha256:0f", "localhost/a"},
		{"Repo/a", "Repo/a", "", "Repo/a"},
	} {
		repository, suffix := Split(c.reference)
		if repository != c.repository || suffix != c.suffix || Normal(repository) != c.normal {
			t.Errorf("%s: %q %q %q", c.reference, repository, suffix, Normal(repository))
		}
	}
}

func TestMarks(t *testing.T) {
	const text = "# a/b\nX=a/b:1 'a/b' a/b-c x/a/b a/b/c a/b. a/b.d a/b"
	marks := findMarks([]byte(text), []string{"a/b"}, "<%d>")
	const want = "# <0>\nX=<1>:1 '<2>' a/b-c x/a/b a/b/c <3>. a/b.d <4>"
	if got := string(setMarks([]byte(text), marks)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestExpand(t *testing.T) {
	known := map[string]string{"A": "b c", "E": ""}
	got := expand([]string{"$A", "$A", "${A}", "x${A}y", "$E", "${E}", "$$A", "$$", "$N", "a$A", "${N}"}, known, "?")
	want := []string{"$A", "b", "c", "b c", "xb cy", "", "$A", "$", "?", "a$A", "?"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStamped(t *testing.T) {
	pair := Pair{Places: []Place{{Start: 2, End: 7, Keep: "a/b:"}, {Start: 10, End: 11}}}
	if got := string(pair.Stamped([]byte("x a/b:1 T=2 y"), "58")); got != "x a/b:58 T=58 y" {
		t.Errorf("got %q", got)
	}
}

func TestSame(t *testing.T) {
	if !Same([]string{"a", "b", "a"}, []string{"a", "b"}) || !Same([]string{"a", "b"}, []string{"b", "a"}) || Same([]string{"a"}, []string{"a", "b"}) {
		t.Error("wrong")
	}
}
