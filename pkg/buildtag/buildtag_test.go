package buildtag

import (
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/pkg/imageref"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		text   string
		kind   Kind
		number uint64
		branch string
	}{
		{"", None, 0, ""},
		{"58-develop", Build, 58, "develop"},
		{"058-develop", Build, 58, "develop"},
		{"58-1.2.x", Build, 58, "1.2.x"},
		{"58-07", Build, 58, "07"},
		{"18446744073709551615-x", Build, 1<<64 - 1, "x"},
		{"18446744073709551616-x", Moving, 0, ""},
		{"58-", Moving, 0, ""},
		{"+58-x", Moving, 0, ""},
		{"develop-58", Moving, 0, ""},
		{"58_develop", Moving, 0, ""},
		{"latest", Moving, 0, ""},
		{"develop", Moving, 0, ""},
		{"1.2.3", Release, 0, ""},
		{"v1.2.3-rc.1", Release, 0, ""},
		{"9.4", Release, 0, ""},
		{"7", Release, 0, ""},
		{"vnext", Moving, 0, ""},
	} {
		got := Parse(tt.text)
		if got.Kind() != tt.kind || got.Number() != tt.number || got.Branch() != tt.branch || got.String() != tt.text {
			t.Errorf("Parse(%q) = %+v", tt.text, got)
		}
	}
}

func TestCompare(t *testing.T) {
	const no = 99
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"9-develop", "10-develop", -1},
		{"58-feature-10", "58-feature-9", no},
		{"58-develop", "58-develop", 0},
		{"058-develop", "58-develop", 0},
		{"58-develop", "57-develop", 1},
		{"58-develop", "57-master", no},
		{"58-develop", "v1.0.0", no},
		{"v1.0.0", "1.0.0", 0},
		{"v1.9.0", "v1.10.0", -1},
		{"v1.0.0-rc.1", "v1.0.0", -1},
		{"latest", "latest", no},
		{"", "", no},
	} {
		order, ok := Parse(tt.a).Compare(Parse(tt.b))
		if ok != (tt.want != no) || ok && order != tt.want {
			t.Errorf("Compare(%s, %s) = %d, %v, want %d", tt.a, tt.b, order, ok, tt.want)
		}
		back, backOK := Parse(tt.b).Compare(Parse(tt.a))
		if ok != backOK || order != -back {
			t.Errorf("Compare(%s, %s) = %d, %v is not the mirror of %d, %v", tt.b, tt.a, back, backOK, order, ok)
		}
	}
}

func TestForBuild(t *testing.T) {
	for _, tt := range []struct {
		branch string
		hash   bool
		want   string
	}{
		{"develop", false, "58-develop"},
		{"feature/x", false, "58-feature-x"},
		{"feature//x#1", false, "58-feature-x-1"},
		{"banner-#5", false, "58-banner--5"},
		{"Ünïcode", false, "58--n-code"},
		{"v1.2_x", false, "58-v1.2_x"},
		{"feature-x", true, "58-feature-x"},
		{"feature/x", true, "58-feature-x-217d2bf5"},
	} {
		got, err := ForBuild(58, tt.branch, Options{BranchHash: tt.hash})
		if err != nil || got.String() != tt.want {
			t.Errorf("ForBuild(58, %q, %v) = %q, %v, want %q", tt.branch, tt.hash, got, err, tt.want)
		}
	}
	if got, err := ForBuild(58, "", Options{}); err == nil {
		t.Errorf("ForBuild without a branch = %q", got)
	}
	fits := strings.Repeat("b", imageref.MaxTag-len("58-"))
	if got, _ := ForBuild(58, fits, Options{}); got.String() != "58-"+fits {
		t.Errorf("a tag of 128 bytes was changed to %q", got)
	}
	one, _ := ForBuild(58, fits+"x", Options{})
	two, _ := ForBuild(58, fits+"y", Options{})
	later, _ := ForBuild(1<<63, fits+"x", Options{})
	if one == two || !imageref.ValidTag(one.String()) || !imageref.ValidTag(later.String()) {
		t.Errorf("long branches give %q, %q, %q", one, two, later)
	}
	if order, ok := one.Compare(later); !ok || order != -1 {
		t.Errorf("builds of one long branch do not compare: %q, %q", one, later)
	}
}

func TestSanitize(t *testing.T) {
	for in, want := range map[string]string{"develop": "develop", "#5-fix": "_-5-fix", ".x": "_.x", "/": "_-", "": "_", "release/1.2": "release-1.2"} {
		if got := Sanitize(in, Options{}); got != want || !imageref.ValidTag(got) {
			t.Errorf("Sanitize(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSelection(t *testing.T) {
	for _, tt := range []struct {
		branch, builds string
		yes, no        string // tags, separated by blanks
	}{
		{"", "", "58-develop latest v1.2.3", ""},
		{"develop", "", "58-develop 9-develop", "58-master develop latest v1.2.3"},
		{"feature/x", "", "1-feature-x", "1-feature"},
		{"", ">=58", "58-develop 100-x", "9-develop 57-develop v60.0.0 latest"},
		{"", "=<58", "58-develop", "59-develop"},
		{strings.Repeat("b", 126), "", "0-" + strings.Repeat("b", 126), "0-b"},
		{"", "58", "58-develop", "59-develop 58 5-8"},
		{"develop", ">=50,<60,!=57", "50-develop 59-develop", "57-develop 60-develop 55-master"},
		{"", "^1.2", "v1.2.0 1.9.9", "v2.0.0 58-develop 1.1.0"},
		{"", "v1.2.3", "1.2.3", "1.2.4 latest"},
	} {
		s, err := ParseSelection(tt.branch, tt.builds, Options{})
		if err != nil {
			t.Errorf("ParseSelection(%q, %q): %v", tt.branch, tt.builds, err)
			continue
		}
		for _, tag := range strings.Fields(tt.yes) {
			if !s.Chooses(Parse(tag)) {
				t.Errorf("branch %q, builds %q does not choose %s", tt.branch, tt.builds, tag)
			}
		}
		for _, tag := range strings.Fields(tt.no) {
			if s.Chooses(Parse(tag)) {
				t.Errorf("branch %q, builds %q chooses %s", tt.branch, tt.builds, tag)
			}
		}
	}
	for _, bad := range [][2]string{{"", ">>58"}, {"", "=!58"}, {"", "new"}, {"", ">=58,"}, {"develop", "^1.2"}, {"", "-5"}} {
		if s, err := ParseSelection(bad[0], bad[1], Options{}); err == nil {
			t.Errorf("ParseSelection(%q, %q) = %+v, want an error", bad[0], bad[1], s)
		}
	}
}

func FuzzForBuild(f *testing.F) {
	f.Add(uint64(58), "develop", false)
	f.Add(uint64(0), "feature/ä#1", true)
	f.Add(uint64(1<<63), strings.Repeat("/", 300)+".", false)
	f.Fuzz(func(t *testing.T, number uint64, branch string, hash bool) {
		options := Options{BranchHash: hash}
		tag, err := ForBuild(number, branch, options)
		if err != nil {
			return
		}
		if !imageref.ValidTag(tag.String()) || tag.Kind() != Build || tag.Number() != number {
			t.Fatalf("ForBuild(%d, %q) = %+v", number, branch, tag)
		}
		if moving := ForBranch(branch, options); !imageref.ValidTag(moving) {
			t.Fatalf("ForBranch(%q) = %q", branch, moving)
		}
		if s, err := ParseSelection(branch, "", options); err == nil && !s.Chooses(tag) {
			t.Fatalf("selecting branch %q does not choose %q", branch, tag)
		}
	})
}
