package unitfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/corpus"
	"github.com/unitstamp/unitstamp/pkg/source"
)

// describe prints the items in a form that is easy to write into a table.
func describe(d *Document) string {
	var lines []string
	for _, it := range d.Items {
		switch it.Kind {
		case Blank:
			lines = append(lines, "blank")
		case Comment:
			lines = append(lines, "comment "+string(it.KeySpan.Of(d.File.Bytes)))
		case Section:
			lines = append(lines, "["+it.Section+"]")
		case Assignment:
			lines = append(lines, fmt.Sprintf("%s.%s=%q", it.Section, it.Key, it.Value.Text))
		case Junk:
			lines = append(lines, "junk "+string(it.KeySpan.Of(d.File.Bytes)))
		}
	}
	return strings.Join(lines, "\n")
}

func TestParse(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"empty", "", ""},
		{"plain", "[Service]\nExecStart=/bin/a b\n", "[Service]\nService.ExecStart=\"/bin/a b\""},
		{"blanks around everything", " [S] \n\t K \t=  v w \t\n", "[S]\nS.K=\"v w\""},
		{"no final newline", "[S]\nK=v", "[S]\nS.K=\"v\""},
		{"value with equals", "[S]\nK=a=b", "[S]\nS.K=\"a=b\""},
		{"empty value", "[S]\nK=\nL= \n", "[S]\nS.K=\"\"\nS.L=\"\""},
		{"before a section", "K=v\n[S]\n", ".K=\"v\"\n[S]"},
		{"junk", "[S]\nno equals\n", "[S]\njunk no equals"},
		{"blank inside a header", "[ S ]\nK=v\n", "[ S ]\n S .K=\"v\""},
		{"comments", "# a\n ; b\n[S]\n\t#c\n", "comment # a\ncomment ; b\n[S]\ncomment #c"},
		{"no comment in mid-line", "[S]\nK=v # w\n", "[S]\nS.K=\"v # w\""},
		{"comment ending in a backslash", "[S]\n# a \\\nK=v\n", "[S]\ncomment # a \\\nS.K=\"v\""},
		{"continuation", "[S]\nK=a \\\n  b\n", "[S]\nS.K=\"a    b\""},
		{"continuation inside a word", "[S]\nK=my\\\nrepo\n", "[S]\nS.K=\"my repo\""},
		{"comment between", "[S]\nK=a \\\n# c \\\n; d\n b\nL=1\n", "[S]\nS.K=\"a   b\"\nS.L=\"1\""},
		{"semicolon line is a comment", "[S]\nK=a \\\n ; b \\\n c\n", "[S]\nS.K=\"a   c\""},
		{"blank line ends it", "[S]\nK=a \\\n\nL=1\n", "[S]\nS.K=\"a\"\nS.L=\"1\""},
		{"escaped backslash does not continue", "[S]\nK=a\\\\\nL=1\n", "[S]\nS.K=\"a\\\\\\\\\"\nS.L=\"1\""},
		{"three backslashes do", "[S]\nK=a\\\\\\\nL=1\n", "[S]\nS.K=\"a\\\\\\\\ L=1\""},
		{"backslash and blank do not", "[S]\nK=a \\ \nb\n", "[S]\nS.K=\"a \\\\\"\njunk b"},
		{"backslash at the end of the file", "[S]\nK=a \\", "[S]\nS.K=\"a\""},
		{"backslash, then only comments", "[S]\nK=a \\\n# c\n", "[S]\nS.K=\"a\""},
		{"continued blank", "[S]\n\\\n\nK=v\n", "[S]\nblank\nS.K=\"v\""},
		{"continued header", "[S\\\n]\nK=v\n", "[S ]\nS .K=\"v\""},
		{"continued key", "[S]\nK\\\n =v\n", "[S]\nS.K=\"v\""},
		{"CRLF", "[S]\r\nK=a \\\r\n b\r\n\r\nL=1\r\n", "[S]\nS.K=\"a   b\"\nblank\nS.L=\"1\""},
		{"lone CR ends a line", "[S]\rK=v\rL=w", "[S]\nS.K=\"v\"\nS.L=\"w\""},
		{"LF CR is one line end", "[S]\n\rK=v\n\r\n\rL=w", "[S]\nS.K=\"v\"\nblank\nS.L=\"w\""},
		{"NUL ends a line", "[S]\x00K=v\x00\x00L=w", "[S]\nS.K=\"v\"\nblank\nS.L=\"w\""},
		{"byte order mark", "\xef\xbb\xbf[S]\nK=v\n", "[S]\nS.K=\"v\""},
		{"byte order mark after a comment", "# c\n\xef\xbb\xbf[S]\n", "comment # c\n[S]"},
		{"byte order mark hides a comment", "\xef\xbb\xbf# c\n[S]\n", "junk # c\n[S]"},
		{"only one byte order mark", "\xef\xbb\xbf[S]\n\xef\xbb\xbfK=v\n", "[S]\nS.\ufeffK=\"v\""},
		{"invalid UTF-8 in a comment", "# \xff\n[S]\n", "comment # \xff\n[S]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Parse(&source.File{Bytes: []byte(tt.src)})
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(d); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
			checkDocument(t, d)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for _, tt := range []struct {
		name, src, rule string
		offset          int
	}{
		{"text after a header", "[S] # c\n", "section-header", 0},
		{"open header", "\n  [S\n", "section-header", 3},
		{"quote in a header", "[S'x]\n", "section-header", 0},
		{"invalid UTF-8", "[S]\nK=a\xffb\n", "invalid-utf8", 7},
		{"invalid UTF-8 on a continuation line", "[S]\nK=a \\\n\xc3(\n", "invalid-utf8", 10},
		{"invalid UTF-8 in a line without '='", "\xfe\n", "invalid-utf8", 0},
		{"no character", "[S]\nK=\ufffe\n", "invalid-utf8", 6},
		{"a surrogate", "[S]\nK=\xed\xa0\x80\n", "invalid-utf8", 6},
		{"long line", "[S]\nK=" + long + "\n", "line-too-long", 4},
		{"long comment", "#" + long[1:] + "\n", "line-too-long", 0},
		{"long continued line", "[S]\nK=" + long[:maxLine-10] + "\\\n" + long[:10] + "\n", "line-too-long", 4 + maxLine - 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Parse(&source.File{Bytes: []byte(tt.src)})
			var syntax *SyntaxError
			if d != nil || !errors.As(err, &syntax) {
				t.Fatalf("Parse = %v, %v, want a *SyntaxError", d, err)
			}
			if syntax.Rule != tt.rule || syntax.Span.Start != tt.offset {
				t.Errorf("got %s at %d, want %s at %d", syntax.Rule, syntax.Span.Start, tt.rule, tt.offset)
			}
		})
	}
	if _, err := Parse(&source.File{Bytes: []byte("#" + long[2:] + "\n")}); err != nil {
		t.Errorf("a line one byte below the limit: %v", err)
	}
}

func TestValueSpan(t *testing.T) {
	const src = "[S]\nK=one \\\n# c\n  two\\\n\n"
	d, err := Parse(&source.File{Bytes: []byte(src)})
	if err != nil {
		t.Fatal(err)
	}
	v := d.Last("S", "K").Value
	if v.Text != "one    two" || !v.Continued() {
		t.Fatalf("value %q", v.Text)
	}
	if span, ok := v.Span(7, 10); !ok || src[span.Start:span.End] != "two" {
		t.Errorf("Span(7, 10) = %v, %v", span, ok)
	}
	for _, across := range [][2]int{{0, 10}, {3, 6}, {4, 5}} {
		if span, ok := v.Span(across[0], across[1]); ok {
			t.Errorf("Span%v = %v, want refused", across, span)
		}
	}
	if got := v.Offset(len(v.Text)); got != strings.Index(src, "two")+3 {
		t.Errorf("Offset at the end = %d", got)
	}
}

// checkDocument holds what is true of every document.
func checkDocument(t *testing.T, d *Document) {
	t.Helper()
	src := d.File.Bytes
	at := 0
	for i, it := range d.Items {
		if it.Span.Start != at || it.Span.Len() <= 0 {
			t.Fatalf("item %d covers %v, want one that starts at %d", i, it.Span, at)
		}
		at = it.Span.End
		if it.KeySpan.Start < it.Span.Start || it.KeySpan.End > it.Span.End {
			t.Fatalf("item %d: key %v outside %v", i, it.KeySpan, it.Span)
		}
		for _, c := range it.InnerComments {
			if c.Start < it.Span.Start || c.End > it.Span.End {
				t.Fatalf("item %d: comment %v outside %v", i, c, it.Span)
			}
		}
		if it.Kind != Assignment {
			continue
		}
		last := it.Span.Start - 1
		for k := range len(it.Value.Text) {
			offset := it.Value.Offset(k)
			if offset <= last || offset >= it.Span.End {
				t.Fatalf("item %d: byte %d of %q at %d, after %d, in %v", i, k, it.Value.Text, offset, last, it.Span)
			}
			last = offset
			if span, ok := it.Value.Span(k, k+1); ok && src[span.Start] != it.Value.Text[k] {
				t.Fatalf("item %d: byte %d of %q is %q in the file", i, k, it.Value.Text, src[span.Start])
			} else if !ok && src[offset] != '\\' {
				t.Fatalf("item %d: byte %d of %q stands for %q, want a backslash", i, k, it.Value.Text, src[offset])
			}
		}
	}
	if at != len(src) {
		t.Fatalf("items end at %d, the file at %d", at, len(src))
	}
}

func TestCorpus(t *testing.T) {
	for _, f := range corpus.Units(t) {
		d, err := Parse(f)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		checkDocument(t, d)
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range corpus.Units(f) {
		f.Add(file.Bytes)
	}
	for _, s := range []string{"[S]\nK=a\\\n#c\\\n b\r\n", "\xef\xbb\xbf[S]\rK=\\\x00v", "[S]\\\n]\n=\n", "\\\n\\\n", "[S]\nK=\xed\xa0\x80"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		d, err := Parse(&source.File{Bytes: src})
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Span.Start < 0 || syntax.Span.End > len(src) {
				t.Fatalf("error %v", err)
			}
			return
		}
		checkDocument(t, d)
	})
}
