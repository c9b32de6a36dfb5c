package source

import "testing"

func TestPosition(t *testing.T) {
	f := &File{Name: "a", Bytes: []byte("ab\r\n\rcd\n\nä")}
	for _, tt := range []struct{ offset, line, column int }{
		{-1, 1, 1}, {0, 1, 1}, {2, 1, 3}, {3, 1, 4}, {4, 2, 1}, {5, 2, 2}, {7, 2, 4},
		{8, 3, 1}, {9, 4, 1}, {10, 4, 2}, {11, 4, 3}, {99, 4, 3},
	} {
		if got := f.Position(tt.offset); got != (Position{tt.line, tt.column}) {
			t.Errorf("Position(%d) = %v, want %d:%d", tt.offset, got, tt.line, tt.column)
		}
	}
	for number, want := range map[int]string{0: "", 1: "ab\r", 2: "\rcd", 3: "", 4: "ä", 5: ""} {
		if got := string(f.Line(number)); got != want {
			t.Errorf("Line(%d) = %q, want %q", number, got, want)
		}
	}
}

func TestApply(t *testing.T) {
	const text = "abcdef"
	for _, tt := range []struct {
		name  string
		edits []Edit
		want  string // "" means refused
	}{
		{"nothing", nil, "abcdef"},
		{"replace", []Edit{{Span{1, 3}, "XYZ"}}, "aXYZdef"},
		{"any order", []Edit{{Span{4, 5}, "E"}, {Span{0, 1}, ""}}, "bcdEf"},
		{"insert at both ends", []Edit{{Span{0, 0}, "<"}, {Span{6, 6}, ">"}}, "<abcdef>"},
		{"insert before a replacement", []Edit{{Span{2, 3}, "C"}, {Span{2, 2}, "-"}}, "ab-Cdef"},
		{"neighbours", []Edit{{Span{0, 2}, "1"}, {Span{2, 4}, "2"}}, "12ef"},
		{"overlap", []Edit{{Span{0, 3}, "1"}, {Span{2, 4}, "2"}}, ""},
		{"same place twice", []Edit{{Span{2, 2}, "1"}, {Span{2, 2}, "2"}}, ""},
		{"past the end", []Edit{{Span{5, 7}, "1"}}, ""},
		{"backwards", []Edit{{Span{3, 2}, "1"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := []byte(text)
			got, err := Apply(src, tt.edits)
			if (err != nil) != (tt.want == "") || string(got) != tt.want {
				t.Errorf("Apply = %q, %v, want %q", got, err, tt.want)
			}
			if err == nil {
				if back, err := Apply(got, Invert(src, tt.edits)); err != nil || string(back) != text {
					t.Errorf("Invert leads back to %q, %v", back, err)
				}
			}
			if string(src) != text {
				t.Errorf("Apply changed its input to %q", src)
			}
		})
	}
}
