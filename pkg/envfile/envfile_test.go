package envfile

import (
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{"", ""},
		{"A=b\n", "A=b"},
		{"A=b", "A=b"},
		{" A = b c \t\n", "A=b c"},
		{"# A=b\n;B=c\nC=d\n", "C=d"},
		{"# c \\\nA=b\n", "A=b"},
		{"A=b # c\n", "A=b # c"},
		{"A='b c '\n", "A=b c "},
		{"A=\"b \\\"c\\\" \\x\"\n", `A=b "c" \x`},
		{"A='b'\"c\" d\n", "A=bcd"},
		{"A=b\\\nc\nB=d\n", "A=bc|B=d"},
		{"A=b\\ c\\\\\n", `A=b c\`},
		{"junk\nA=\r\nB=c\r\n", "A=|B=c"},
		{"A=x'y'\n", "A=x'y'"},
		{"A=\"open\n b", "A=open\n b"},
	} {
		var got []string
		for _, v := range Parse([]byte(tt.src)) {
			got = append(got, fmt.Sprintf("%s=%s", v.Key, v.Value))
		}
		if joined := strings.Join(got, "|"); joined != tt.want {
			t.Errorf("Parse(%q) = %q, want %q", tt.src, joined, tt.want)
		}
	}
}

func TestIgnored(t *testing.T) {
	for key, want := range map[string]bool{"A": false, "_a1": false, "export": false, "export A": true, "1A": true, "A.B": true, "Ä": true, "": true, "\ufeffA": true} {
		if got := (Variable{Key: key}).Ignored(); got != want {
			t.Errorf("%q ignored: %v, want %v", key, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("A='b c' \\\nd\n# e\nF=\"g\\\"\"\r\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, v := range Parse(src) {
			if len(v.Value) != len(v.Offsets) || string(v.KeySpan.Of(src)) != v.Key {
				t.Fatalf("%q: %+v", src, v)
			}
			for i, at := range v.Offsets {
				if src[at] != v.Value[i] {
					t.Fatalf("%q: byte %d of %q is not at %d", src, i, v.Value, at)
				}
			}
		}
	})
}
