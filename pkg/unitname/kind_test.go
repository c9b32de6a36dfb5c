package unitname

import (
	"strings"
	"testing"
)

func TestKinds(t *testing.T) {
	for name, want := range map[string]bool{
		"a.service": true, "a@b.timer": true, "a@.service": true, `a\x2db.mount`: true, "a.container": true,
		".service": false, "@a.service": false, "a b.service": false, "a.conf": false, "a/b.service": false, "ä.service": false,
		strings.Repeat("a", 247) + ".service": true, strings.Repeat("a", 248) + ".service": false,
	} {
		if got := Valid(name); got != want {
			t.Errorf("Valid(%q) = %v", name, got)
		}
	}
	for p, want := range map[string]string{
		"a.service": "a.service", "a.service.d/x.conf": "a.service", "a.service.d/x.txt": "", "b/a.service": "", "b/a.service.d/x.conf": "",
	} {
		if got := Of(p); got != want {
			t.Errorf("Of(%q) = %q", p, got)
		}
	}
	for name, want := range map[string]string{"a@b.service": "a@.service", "a@.service": "", "a.service": "", "a@b@c.service": "a@.service"} {
		if got := TemplateOf(name); got != want {
			t.Errorf("TemplateOf(%q) = %q", name, got)
		}
	}
}
