package stamp

import "testing"

// TestLoop: the words of a loop's command stand for several images, and an edit
// there would reach them all.
func TestLoop(t *testing.T) {
	for _, tt := range []struct{ script, want, findings string }{
		{"for i in x/a y/b; do docker pull $i; done", "for i in x/a:58-develop y/b; do docker pull $i; done", ""},
		{"for i in a b; do docker pull x/$i:1; done", "", "error shared-variable"},
		{"for i in x/a y/b; do docker run --name $i $i; done", "", "error shared-variable"},
		{"for i in 1 2; do docker run --name n$i x/a; done", "for i in 1 2; do docker run --name n$i x/a:58-develop; done", ""},
		{"for t in 1 2; do docker pull x/a:$t; done", "for t in 58-develop 58-develop; do docker pull x/a:$t; done", ""},
	} {
		const before, after = "[Service]\nExecStart=/bin/sh -c '", "'\n"
		out, o, verdict, err := run(t, "a.service", before+tt.script+after, "x/a")
		if err != nil {
			t.Fatal(err)
		}
		if got := rules(o.Findings); got != tt.findings {
			t.Errorf("%s: findings %q, want %q", tt.script, got, tt.findings)
		}
		if verdict == Ready && out != before+tt.want+after {
			t.Errorf("%s: got %s", tt.script, out)
		}
	}
}
