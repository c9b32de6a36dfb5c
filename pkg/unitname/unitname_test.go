package unitname

import "testing"

func TestFromPath(t *testing.T) {
	for _, tt := range []struct {
		path string
		want Name
	}{
		{"a/web.service", Name{Full: "web.service", Suffix: ".service", Prefix: "web"}},
		{"web@.service", Name{Full: "web@.service", Suffix: ".service", Prefix: "web", Template: true}},
		{"web@1.2.service", Name{Full: "web@1.2.service", Suffix: ".service", Prefix: "web", Instance: "1.2"}},
		{"a/web.service.d/10-x.conf", Name{Full: "web.service", Suffix: ".service", Prefix: "web", DropIn: true}},
		{"service.d/10-x.conf", Name{DropIn: true}},
		{"web.container", Name{Full: "web.service", Suffix: ".container", Prefix: "web"}},
		{"web@.container", Name{Full: "web@.service", Suffix: ".container", Prefix: "web", Template: true}},
		{"data.volume", Name{Full: "data-volume.service", Suffix: ".volume", Prefix: "data-volume"}},
		{"-", Name{}},
		{".service", Name{}},
		{"Dockerfile", Name{}},
	} {
		if got := FromPath(tt.path); got != tt.want {
			t.Errorf("FromPath(%q) = %+v, want %+v", tt.path, got, tt.want)
		}
	}
}

func TestSpecifier(t *testing.T) {
	for _, tt := range []struct {
		path, letters string
		want          []string // "-" means unknown
	}{
		{"my-web@a-b\\x2dc.service", "pPjJiInNH", []string{"my-web", "my/web", "web", "web", `a-b\x2dc`, "a/b-c", `my-web@a-b\x2dc.service`, `my-web@a-b\x2dc`, "-"}},
		{"web@.service", "pjinN", []string{"web", "web", "-", "-", "-"}},
		{"web.service", "pinN", []string{"web", "", "web.service", "web"}},
		{"-", "pin", []string{"-", "-", "-"}},
	} {
		name := FromPath(tt.path)
		for i := range len(tt.letters) {
			got, ok := name.Specifier(tt.letters[i])
			if !ok {
				got = "-"
			}
			if got != tt.want[i] {
				t.Errorf("%s: %%%c = %q, want %q", tt.path, tt.letters[i], got, tt.want[i])
			}
		}
	}
}
