package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// note makes a line of a record: "58" is done, "58?" pending, "-" removed. The
// number before a colon is what stood there before.
func note(text string) Note {
	content := func(build string) Files {
		return Files{"a.service": {Data: []byte("[Service]\nExecStart=/usr/bin/docker run r/a:" + build + "-develop\n")}}
	}
	before, now, _ := strings.Cut(text, ":")
	n := Note{Entry: Entry{Unit: "a.service", At: time.Unix(1, 0)}}
	if before != "" {
		n.Previous = content(before)
	}
	now, n.Pending = strings.CutSuffix(now, "?")
	if now == "-" {
		n.Removed = true
		return n
	}
	n.Files, n.Tag = Sums(content(now)), now+"-develop"
	return n
}

func notes(text string) []Note {
	var list []Note
	for word := range strings.FieldsSeq(text) {
		list = append(list, note(word))
	}
	return list
}

func TestRevisions(t *testing.T) {
	for name, test := range map[string]struct{ record, want, back string }{
		"nothing":               {"", "", ""},
		"new":                   {":57? :57", "create :57 done", ""},
		"updated":               {":57? :57 57:58? 57:58", "create :57 done, update 57:58 done", "57"},
		"rolled back":           {":57? :57 57:58? 57:57? :57", "create :57 done, update 57:58 rolled-back", ""},
		"rolled back to 58":     {":57 57:58? 57:58 58:59? 58:58? 57:58", "create :57 done, update 57:58 done, update 58:59 rolled-back", "57"},
		"new and rolled back":   {":57? :-", "create :57 rolled-back", ""},
		"cut off":               {":57 57:58?", "create :57 done, update 57:58 cut-off", "57"},
		"cut off, begun again":  {":57 57:58? 57:58? 57:58", "create :57 done, update 57:58 done", "57"},
		"cut off, other build":  {":57 57:58? 57:59? 57:59", "create :57 done, update 57:58 cut-off, update 57:59 done", "57"},
		"only started":          {":57 57:58 58:58? 58:58", "create :57 done, update 57:58 done", "57"},
		"deleted":               {":57 57:-", "create :57 done, delete 57: done", "57"},
		"deleted and new again": {":57 57:- :58", "create :57 done, delete 57: done, create :58 done", ""},
		"back by hand":          {":57 57:58 58:57", "create :57 done, update 57:58 done, update 58:57 done", "58"},
	} {
		t.Run(name, func(t *testing.T) {
			record := notes(test.record)
			var got []string
			revisions := Revisions(record)
			for _, r := range revisions {
				cut := func(tag string) string { return strings.TrimSuffix(tag, "-develop") }
				got = append(got, fmt.Sprintf("%s %s:%s %s", r.Action, cut(r.From), cut(r.To), r.Outcome))
			}
			if text := strings.Join(got, ", "); text != test.want {
				t.Errorf("%q\nis   %s\nwant %s", test.record, text, test.want)
			}
			units, err := Back(revisions, []string{"a.service"})
			back := ""
			if err == nil {
				back = strings.TrimSuffix(tagText(new(reader).images("a.service", units[0].Files)), "-develop")
			}
			if back != test.back {
				t.Errorf("%q: back to %q, want %q (%v)", test.record, back, test.back, err)
			}
			if len(record) > 0 && !record[len(record)-1].Removed {
				short := Kept(record, 9)
				again, err := Back(Revisions(short), []string{"a.service"})
				if (err == nil) != (test.back != "") || err == nil && !again[0].Files["a.service"].Equal(units[0].Files["a.service"]) {
					t.Errorf("%q: another way back in the shortened record: %v", test.record, err)
				}
				first, last := record[len(record)-1], short[len(short)-1]
				if first.Pending != last.Pending || fmt.Sprint(first.Files) != fmt.Sprint(last.Files) {
					t.Errorf("%q: shortened to another state", test.record)
				}
			}
		})
	}
}

func TestKept(t *testing.T) {
	record := notes(":1? :1 1:2? 1:2 2:2? 2:2 2:3? 2:2? 1:2 2:4? 2:4")
	for n, want := range map[int]string{1: "4", 2: "2 4", 9: "1 2 4"} {
		var got []string
		for _, k := range Kept(record, n) {
			got = append(got, strings.TrimSuffix(k.Tag, "-develop"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("of %d changes %v is kept, want %s", n, got, want)
		}
	}
	if left := Kept(slices.Concat(record, notes("4:-")), 9); len(left) != 0 {
		t.Errorf("of a removed unit %v is kept", left)
	}
}
