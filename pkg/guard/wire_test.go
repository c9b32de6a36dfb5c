package guard

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
)

func whole() Request {
	return Request{
		Files: []File{
			{Path: "units/a.service", Content: []byte(unitOf("58-develop"))}, {Path: "units/größe.bin", Content: []byte{0, 0xff, '\n'}},
			{Path: "empty", Content: []byte{}}, {Path: "units/gone.service", Remove: true},
		},
		Build:          Build{Tag: buildtag.Parse("58-develop"), Branch: "feature/x", Source: "4a1f", URL: "https://ci.example.com/58"},
		Template:       "roll out {{.Units}}\n\nby {{printf \"%.7s\" .Source}}",
		AllowDowngrade: true, AllowBranchChange: true, AllowRewrite: true,
	}
}

func TestRequestsAreReadAsTheyAreWritten(t *testing.T) {
	for _, r := range []Request{whole(), {Files: []File{{Path: "a", Content: []byte("x")}}}} {
		text, err := WriteRequest(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ReadRequest(text); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%s\nreads as %+v (%v)", text, got, err)
		}
	}
}

func TestRequestsThatAreNot(t *testing.T) {
	file := `"files":[{"path":"a","content":"eA=="}]`
	for name, text := range map[string]string{
		"nothing": "", "no object": "[]", "no files": `{"version":1}`, "another version": `{"version":2,` + file + `}`,
		"an unknown field": `{"version":1,"force":true,` + file + `}`, "an unknown permission": `{"version":1,"allow":["everything"],` + file + `}`,
		"something behind": `{"version":1,` + file + `} x`, "a second one": `{"version":1,` + file + `}{"version":1}`,
		"a path that climbs": `{"version":1,"files":[{"path":"../a"}]}`, "an absolute path": `{"version":1,"files":[{"path":"/a"}]}`,
		"no path": `{"version":1,"files":[{"content":"eA=="}]}`, "a path with a line end": `{"version":1,"files":[{"path":"a\nb"}]}`,
		"a path twice": `{"version":1,"files":[{"path":"a"},{"path":"a"}]}`, "both": `{"version":1,"files":[{"path":"a","content":"eA==","remove":true}]}`,
		"no base64": `{"version":1,"files":[{"path":"a","content":"?"}]}`, "a bad tag": `{"version":1,"build":{"tag":"58 develop"},` + file + `}`,
		"a branch of two lines": `{"version":1,"build":{"branch":"a\nUnitstamp-Mark: x"},` + file + `}`,
		"a long branch":         `{"version":1,"build":{"branch":"` + strings.Repeat("x", 2000) + `"},` + file + `}`,
		"a bad template":        `{"version":1,"message":"{{.Nothing}}",` + file + `}`, "an escape": `{"version":1,"message":"\u001b[31m",` + file + `}`,
		"too many files": `{"version":1,"files":[` + strings.Repeat(`{"path":"a"},`, 2000) + `{"path":"b"}]}`,
		"too long":       `{"version":1,"message":"` + strings.Repeat("x", MaxWire) + `",` + file + `}`,
	} {
		if r, err := ReadRequest([]byte(text)); err == nil {
			t.Errorf("%s is accepted: %+v", name, r)
		}
	}
	if _, err := WriteRequest(Request{Files: []File{{Path: "a", Content: bytes.Repeat([]byte("x"), MaxWire)}}}); err == nil {
		t.Error("a request is written that cannot be read")
	}
}

// TestTemplatesEnd: a template cannot keep the job busy that carries a request out.
func TestTemplatesEnd(t *testing.T) {
	for _, bad := range []string{
		"{{range 1000000000000}}{{end}}", "{{range .Units}}x{{end}}", `{{define "x"}}{{end}}a`, `{{template "message" .}}`, `{{block "b" .}}{{end}}x`,
		`{{if .Units}}{{range 10}}x{{end}}{{end}}`, `{{with .Units}}{{else}}{{range 10}}x{{end}}{{end}}a`, `{{printf "%100000d" 1}}`, `{{printf "%*d" 100000 1}}`,
		`{{printf "%.99999f" 1.0}}`, `{{$a := printf "%999d%999d%999d" 1 1 1}}` + strings.Repeat(`{{$a = print $a $a}}`, 30) + "{{$a}}", strings.Repeat("x", 5000),
		`{{$a := printf "%999d" 1}}` + strings.Repeat(`{{$a}}`, 200),
	} {
		if err := CheckTemplate(bad); err == nil {
			t.Errorf("%.60q is accepted", bad)
		}
	}
	for _, good := range []string{`{{printf "%.7s" .Source}} {{.Units}}`, `{{if .Removed}}x{{else}}y{{end}}`, `{{slice .Units 0 1}}`, `{{with .Branch}}{{.}}{{end}}a`, `{{.Units | urlquery}}`} {
		if err := CheckTemplate(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

// TestCarriedTellsWhatHappened: the commit that another job made says the same as
// the decision did.
func TestCarriedTellsWhatHappened(t *testing.T) {
	before := func() *history {
		h := &history{}
		h.human(map[string]string{"units/old.service": unitOf("57-develop"), "units/same.service": unitOf("58-develop"), "units/gone.service": unitOf("1-develop"), "plain": "x"})
		return h
	}
	r := Request{ID: "one", Build: Build{Tag: buildtag.Parse("58-develop"), Branch: "develop"}, Files: []File{
		{Path: "units/old.service", Content: []byte(unitOf("58-develop"))}, {Path: "units/same.service", Content: []byte(unitOf("58-develop"))},
		{Path: "units/new.service", Content: []byte(unitOf("58-develop"))}, {Path: "units/gone.service", Remove: true},
		{Path: "units/absent.service", Remove: true}, {Path: "plain", Content: []byte("y")}, {Path: `we"ird [skip ci].service`, Content: []byte(unitOf("58-develop"))},
	}}
	want, err := before().push(r)
	if err != nil {
		t.Fatal(err)
	}
	if id := RequestOf(want.Message); id != "one" {
		t.Errorf("the commit is for request %q:\n%s", id, want.Message)
	}
	got := Carried(r, want.Message)
	for i, w := range want.Files {
		w.Before, w.After, got.Files[i].After = nil, nil, nil
		if fmt.Sprint(got.Files[i]) != fmt.Sprint(w) {
			t.Errorf("%+v, want %+v", got.Files[i], w)
		}
	}
	r.ID = ""
	alone, err := before().push(r)
	if err != nil || RequestOf(alone.Message) != "" || strings.Contains(alone.Message, trailerChange) {
		t.Errorf("%v\n%s", err, alone.Message)
	}
}

func FuzzReadRequest(f *testing.F) {
	text, err := WriteRequest(whole())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"files":[{"path":"a.service","content":"W1NlcnZpY2VdCkV4ZWNTdGFydD1kb2NrZXIgcnVuIGE6NS1i"}],"build":{"tag":"5-b"},"allow":["rewrite"]}`))
	f.Add([]byte(`{"version":1,"files":[{"path":"a","remove":true}],"message":"{{if .Units}}{{.Tag}}{{end}}x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ReadRequest(text)
		if err != nil {
			return
		}
		again, err := WriteRequest(r)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", r, err)
		}
		if back, err := ReadRequest(again); err != nil || !reflect.DeepEqual(back, r) {
			t.Errorf("%+v came back as %+v (%v)", r, back, err)
		}
		h := &history{}
		h.human(map[string]string{"a.service": unitOf("57-develop"), "a": "x"})
		r.ID = "x"
		out, err := Decide(h, r)
		if err != nil || out.Message == "" {
			return
		}
		if RequestOf(out.Message) != "x" {
			t.Errorf("the message does not name its request: %q", out.Message)
		}
	})
}
