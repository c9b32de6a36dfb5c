package stamp

import (
	"testing"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
)

func stampEnvFile(t *testing.T, src, image string) (string, *Outcome) {
	t.Helper()
	target, err := Repositories([]string{image})
	if err != nil {
		t.Fatal(err)
	}
	o := Stamp(ReadEnvFile(&source.File{Name: "a.env", Bytes: []byte(src)}), Request{Tag: "58-develop", Target: target})
	out, err := o.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out), o
}

func TestEnvFile(t *testing.T) {
	for _, tt := range []struct{ name, src, want, findings string }{
		{"a value", "A=b\nIMG=x/a:1\n", "A=b\nIMG=x/a:58-develop\n", ""},
		{"quotes", "IMG=\"x/a\"\nJMG='x/a:1'\n", "IMG=\"x/a:58-develop\"\nJMG='x/a:58-develop'\n", ""},
		{"export", "export IMG=x/a:1\nexport OTHER=y/b\n", "", "error ignored-variable"},
		{"export beside another", "export I=y/b\nIMG=x/a:1\n", "export I=y/b\nIMG=x/a:58-develop\n", ""},
		{"a comment behind", "IMG=x/a:1 # the image\n", "", "error comment-in-value"},
		{"a comment behind another", "I=y/b # the image\nIMG=x/a\n", "I=y/b # the image\nIMG=x/a:58-develop\n", ""},
		{"a comment right behind", "IMG='x/a:1'#c\n", "", "error comment-in-value"},
		{"another comment right behind", "I=y/b#c\nJMG=x/a\n", "I=y/b#c\nJMG=x/a:58-develop\n", ""},
		{"several words", "OPTS=--rm x/a:1\nIMG=x/a\n", "OPTS=--rm x/a:1\nIMG=x/a:58-develop\n", "warning image-among-words"},
		{"several words alone", "OPTS=--rm x/a:1\n", "OPTS=--rm x/a:1\n", "warning image-among-words"},
		{"NUL", "IMG=x/a\x00\n", "", "error nul"},
		{"no UTF-8", "IMG=x/a\nB=\xff\n", "", "error invalid-utf8"},
		{"no UTF-8 in a comment", "# \xff\nIMG=x/a\n", "# \xff\nIMG=x/a:58-develop\n", ""},
	} {
		out, o := stampEnvFile(t, tt.src, "x/a")
		if got := rules(o.Findings); got != tt.findings {
			t.Errorf("%s: findings %q, want %q", tt.name, got, tt.findings)
		}
		if worst, _ := diag.Worst(o.Findings); tt.want != out && worst != diag.Error {
			t.Errorf("%s: got %q, want %q", tt.name, out, tt.want)
		}
	}
}

func TestEnvFileFindings(t *testing.T) {
	for src, want := range map[string]diag.Finding{
		"\n export IMG=x/a:1\n": {File: "a.env", Line: 2, Column: 2, Severity: diag.Error, Rule: "ignored-variable",
			Message: `"export IMG" is no name of a variable: systemd ignores the line`, Hint: "write IMG=, without export"},
		"1IMG=x/a:1\n": {File: "a.env", Line: 1, Column: 1, Severity: diag.Error, Rule: "ignored-variable",
			Message: `"1IMG" is no name of a variable: systemd ignores the line`, Hint: "a name holds letters, digits and '_', and begins with no digit"},
		"IMG=x/a:1  # token=secret\n": {File: "a.env", Line: 1, Column: 12, Severity: diag.Error, Rule: "comment-in-value",
			Message: `what follows "x/a:1" is part of the value of IMG to systemd, and no comment`, Hint: "write the comment on a line of its own"},
	} {
		_, o := stampEnvFile(t, src, "x/a")
		if len(o.Findings) != 1 {
			t.Errorf("%q: %+v", src, o.Findings)
			continue
		}
		got := o.Findings[0]
		want.Span = got.Span
		if got != want {
			t.Errorf("%q: got\n%+v\nwant\n%+v", src, got, want)
		}
	}
}
