package stamp

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/corpus"
	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// run stamps one file as the program does: with images, or by a survey.
func run(t *testing.T, path, src string, images ...string) (out string, o *Outcome, verdict Verdict, err error) {
	t.Helper()
	name := unitname.FromPath(path)
	u := Read(&source.File{Name: path, Bytes: []byte(src)}, name)
	request := Request{Tag: "58-develop"}
	if len(images) > 0 {
		request.Target, err = Repositories(images)
	} else {
		var s Survey
		s.Add(u, request.Tag, request.Digest)
		request.Target, err = s.Target()
	}
	if err != nil {
		return "", nil, 0, err
	}
	o = Stamp(u, request)
	summary := NewSummary(request.Target)
	summary.Add(o)
	verdict, missing := summary.Verdict()
	o.Findings = append(o.Findings, missing...)
	if o.Unreadable {
		return "", o, verdict, nil
	}
	output, err := o.Output()
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Edits) > 0 {
		if err := Verify(Written{Before: o.Source, After: output, Name: name, References: len(o.Changes)}, request); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	return string(output), o, verdict, nil
}

func rules(findings []diag.Finding) string {
	var list []string
	for _, f := range findings {
		list = append(list, fmt.Sprintf("%s %s", f.Severity, f.Rule))
	}
	return strings.Join(list, ", ")
}

func TestStamp(t *testing.T) {
	const service = "[Service]\n"
	for _, tt := range []struct {
		name, src, images string
		want              string // the file afterwards
		findings          string
	}{
		{"one", "ExecStart=/usr/bin/docker run a", "", "ExecStart=/usr/bin/docker run a:58-develop", ""},
		{"pull and run", "ExecStartPre=/usr/bin/docker pull x/a\nExecStart=/usr/bin/docker run x/a", "", "ExecStartPre=/usr/bin/docker pull x/a:58-develop\nExecStart=/usr/bin/docker run x/a:58-develop", ""},
		{"spellings", "ExecStartPre=/usr/bin/docker pull docker.io/library/a\nExecStart=/usr/bin/docker run index.docker.io/library/a:1\nExecStop=/usr/bin/docker run b", "a",
			"ExecStartPre=/usr/bin/docker pull docker.io/library/a:58-develop\nExecStart=/usr/bin/docker run index.docker.io/library/a:58-develop\nExecStop=/usr/bin/docker run b", ""},
		{"a pull with another tag", "ExecStartPre=/usr/bin/docker pull a:latest\nExecStart=/usr/bin/docker run a", "", "ExecStartPre=/usr/bin/docker pull a:latest\nExecStart=/usr/bin/docker run a:58-develop", "warning other-tag"},
		{"two in one line", "ExecStart=/bin/sh -c 'docker pull a && docker run a b'", "", "ExecStart=/bin/sh -c 'docker pull a:58-develop && docker run a:58-develop b'", ""},
		{"a shared variable", "Environment=I=x/a\nExecStartPre=/usr/bin/docker pull $I\nExecStart=/usr/bin/docker run $I", "", "Environment=I=x/a:58-develop\nExecStartPre=/usr/bin/docker pull $I\nExecStart=/usr/bin/docker run $I", ""},
		{"one tag for two", "Environment=T=1\nExecStartPre=/usr/bin/docker pull a:${T}\nExecStart=/usr/bin/docker run b:${T}", "b", "", "error shared-variable"},
		{"a variable that is a name", "Environment=N=web\nExecStart=/usr/bin/docker run --name ${N} ${N}\nExecStop=/usr/bin/docker stop ${N}", "web",
			"Environment=N=web\nExecStart=/usr/bin/docker run --name ${N} ${N}:58-develop\nExecStop=/usr/bin/docker stop ${N}", ""},
		{"a variable that is a name, as words", "Environment=N=web\nExecStart=/usr/bin/docker run --name ${N} $N", "web", "", "error shared-variable"},
		{"a variable with and without a tag", "Environment=I=a T=1\nExecStartPre=/usr/bin/docker pull ${I}\nExecStart=/bin/sh -c 'docker run $I:$T'", "a",
			"Environment=I=a T=58-develop\nExecStartPre=/usr/bin/docker pull ${I}:58-develop\nExecStart=/bin/sh -c 'docker run $I:$T'", ""},
		{"a tag as a label is no name", "Environment=T=1\nExecStart=/usr/bin/docker run -e V=${T} a:${T}", "a", "Environment=T=58-develop\nExecStart=/usr/bin/docker run -e V=${T} a:${T}", ""},
		{"environment file", "Environment=T=1\nEnvironmentFile=-/etc/x\nExecStart=/usr/bin/docker run a:${T}", "a", "Environment=T=58-develop\nEnvironmentFile=-/etc/x\nExecStart=/usr/bin/docker run a:${T}", "warning environment-file"},
		{"environment file, script's own variable", "EnvironmentFile=-/etc/x\nExecStart=/bin/sh -c 'T=1; docker run a:$T'", "a", "EnvironmentFile=-/etc/x\nExecStart=/bin/sh -c 'T=58-develop; docker run a:$T'", ""},
		{"from outside", "ExecStartPre=/usr/bin/docker pull ${I}\nExecStart=/usr/bin/docker run a", "", "ExecStartPre=/usr/bin/docker pull ${I}\nExecStart=/usr/bin/docker run a:58-develop", "warning image-from-outside"},
		{"cut by a continuation", "ExecStart=/usr/bin/docker run --rm x/\\\n  a b", "x/a", "", "error crosses-continuation"},
		{"cut inside quotes", "ExecStart=/usr/bin/docker run \"x/\\\na\" b", "x/a", "", "error crosses-continuation"},
		{"cut before its tag", "ExecStart=/usr/bin/docker run x/a:\\\n1", "x/a", "", "error crosses-continuation"},
		{"another one cut", "ExecStartPre=/usr/bin/docker pull y/\\\nb\nExecStart=/usr/bin/docker run x/a", "", "ExecStartPre=/usr/bin/docker pull y/\\\nb\nExecStart=/usr/bin/docker run x/a:58-develop", "warning crosses-continuation"},
		{"options from outside", "ExecStart=/usr/bin/docker run $OPTS -d a", "", "ExecStart=/usr/bin/docker run $OPTS -d a:58-develop", "warning variable-options"},
		{"a command's output before the operand", "ExecStartPre=/bin/sh -c 'docker run `echo x/a` sh -c y'\nExecStart=/usr/bin/docker run x/a", "", "ExecStartPre=/bin/sh -c 'docker run `echo x/a` sh -c y'\nExecStart=/usr/bin/docker run x/a:58-develop", "warning undecidable-operand, warning image-from-outside"},
		{"a doubt about another", "ExecStartPre=/usr/bin/docker run -rm b\nExecStart=/usr/bin/docker run a", "", "ExecStartPre=/usr/bin/docker run -rm b\nExecStart=/usr/bin/docker run a:58-develop", "warning legacy-option"},
		{"a doubt about this one", "ExecStart=/usr/bin/docker run -rm a", "a", "", "error legacy-option"},
		{"behind a program that is not followed", "ExecStartPre=/usr/bin/ssh host docker run b\nExecStart=/usr/bin/docker run a", "", "ExecStartPre=/usr/bin/ssh host docker run b\nExecStart=/usr/bin/docker run a:58-develop", ""},
		{"behind a program that is not followed, this one", "ExecStartPre=/usr/bin/ssh host docker run a\nExecStart=/usr/bin/docker run a", "a", "", "error unread-command"},
		{"rkt beside it", "ExecStartPre=/usr/bin/rkt run a\nExecStart=/usr/bin/docker run a", "a", "ExecStartPre=/usr/bin/rkt run a\nExecStart=/usr/bin/docker run a:58-develop", "warning rkt"},
		{"all findings", "ExecStartPre=/usr/bin/docker run —rm a\nExecStart=/usr/bin/docker run a:${T}\nExecStop=/usr/bin/docker pull -a a", "a", "", "error typographic-dash, error unset-tag, error pull-all-tags"},
		{"not there", "ExecStart=/usr/bin/docker run a", "b", "", "error image-not-found"},
		{"a comment that go-systemd takes for a setting", "ExecStart=/usr/bin/docker run \\\n# c\n a -e b=c", "a", "ExecStart=/usr/bin/docker run \\\n# c\n a:58-develop -e b=c", ""},
		{"already", "ExecStart=/usr/bin/docker run a:58-develop", "", "ExecStart=/usr/bin/docker run a:58-develop", ""},
		{"refused", "ExecStart=/usr/bin/docker run \"a", "a", "", "error unbalanced-quotes"},
		{"name and COMMAND alike", "ExecStart=/usr/bin/docker run --name a -h a a a", "a", "ExecStart=/usr/bin/docker run --name a -h a a:58-develop a", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var images []string
			if tt.images != "" {
				images = strings.Fields(tt.images)
			}
			out, o, verdict, err := run(t, "web.service", service+tt.src, images...)
			if err != nil {
				t.Fatal(err)
			}
			if got := rules(o.Findings); got != tt.findings {
				t.Errorf("findings %q, want %q", got, tt.findings)
			}
			if (verdict == Ready) != (tt.want != "") {
				t.Fatalf("verdict %d", verdict)
			}
			if verdict == Ready && out != service+tt.want {
				t.Errorf("got\n%s\nwant\n%s", out, service+tt.want)
			}
		})
	}
}

func TestSurvey(t *testing.T) {
	for _, tt := range []struct {
		src, want string
		nothing   bool
	}{
		{"ExecStartPre=/usr/bin/docker create busybox\nExecStart=/usr/bin/docker run x/a", "2 repositories wait for a tag: busybox, x/a", false},
		{"ExecStart=/usr/bin/docker run a:1", "nothing to stamp: every image has a tag already (a:1)", true},
		{"ExecStart=/bin/true", "nothing to stamp: no image is found", true},
	} {
		_, _, _, err := run(t, "a.service", "[Service]\n"+tt.src)
		undecided, ok := err.(*Undecided)
		if !ok || undecided.Message != tt.want || undecided.Nothing != tt.nothing {
			t.Errorf("%s: %v, want %s", tt.src, err, tt.want)
		}
	}
}

func TestQuadletQuotes(t *testing.T) {
	out, _, verdict, err := run(t, "a.container", "[Container]\nImage=\"myrepo/a:1\"\n", "myrepo/a")
	if want := "[Container]\nImage=\"myrepo/a:58-develop\"\n"; err != nil || verdict != Ready || out != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

func TestFromOutside(t *testing.T) {
	for word, want := range map[string]string{
		"$1":      `the image "$1" is an argument of the script`,
		"$${2}":   `the image "$${2}" is an argument of the script`,
		"$${IMG}": `the image "$${IMG}" is a placeholder of a template`,
		"$I":      `the image "$I" is set outside the unit`,
		"$(x)":    `the image "$(x)" is what a command prints`,
		"x/$(y)":  `the image "x/$(y)" is what a command prints`,
	} {
		_, o, _, err := run(t, "a.service", "[Service]\nExecStart=/bin/sh -c 'docker run "+word+"' sh a\n", "a")
		if err != nil || len(o.Findings) == 0 || o.Findings[0].Message != want {
			t.Errorf("%s: %+v, %v, want %s", word, o.Findings, err, want)
		}
	}
}

func TestChange(t *testing.T) {
	_, o, _, err := run(t, "a.service", "[Service]\nEnvironment=T=1\nExecStart=/usr/bin/docker run \\\n  x/a:${T}\n", "x/a")
	if err != nil {
		t.Fatal(err)
	}
	want := Change{Line: 4, Column: 3, Section: "Service", Key: "ExecStart", Command: "docker run", Repository: "x/a", Old: "x/a:1", New: "x/a:58-develop", EditLine: 2, EditColumn: 15}
	if len(o.Changes) != 1 || o.Changes[0] != want {
		t.Errorf("got %+v\nwant %+v", o.Changes, want)
	}
}

// TestCorpus holds the promises on every real file and every repository in it:
// bytes outside the edits stay, a second run changes nothing, go-systemd's reader
// agrees, and nothing is written with an error.
func TestCorpus(t *testing.T) {
	for _, file := range corpus.Units(t) {
		u := Read(file, unitname.FromPath(file.Name))
		if u.Found == nil {
			continue
		}
		for _, r := range u.Found.References {
			if r.Repository == "" {
				continue
			}
			checkStamp(t, file, r.Repository)
		}
	}
}

// TestReaderForgets reads every real file with one Reader, and each with its own:
// what stamping and the list of images say must not depend on the files before.
func TestReaderForgets(t *testing.T) {
	var reader Reader
	var units []*Unit // kept until all are read
	for _, file := range corpus.Units(t) {
		units = append(units, reader.Read(file, unitname.FromPath(file.Name)))
	}
	for _, many := range units {
		file := many.Source
		alone := Read(file, unitname.FromPath(file.Name))
		if !reflect.DeepEqual(many.Refused, alone.Refused) {
			t.Errorf("%s: refused %+v after other files, %+v alone", file.Name, many.Refused, alone.Refused)
		}
		if alone.Found == nil {
			continue
		}
		if !reflect.DeepEqual(many.Found, alone.Found) {
			t.Errorf("%s: found after other files\n%+v\nalone\n%+v", file.Name, many.Found, alone.Found)
		}
		for _, r := range alone.Found.References {
			target, err := Repositories([]string{r.Repository})
			if r.Repository == "" || err != nil {
				continue
			}
			for _, literal := range []bool{false, true} {
				request := Request{Tag: "58-develop", Target: target, Literal: literal}
				if got, want := Stamp(many, request), Stamp(alone, request); !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %s after other files\n%+v\nalone\n%+v", file.Name, r.Repository, got, want)
				}
			}
		}
	}
}

func checkStamp(t *testing.T, file *source.File, repository string) {
	t.Helper()
	out, o, verdict, err := run(t, file.Name, string(file.Bytes), repository)
	if err != nil {
		t.Fatal(err)
	}
	if verdict != Ready {
		return
	}
	if stripped(o, out) != stripped(o, string(file.Bytes)) {
		t.Errorf("%s: bytes outside the edits changed", file.Name)
	}
	again, second, verdict, err := run(t, file.Name, out, repository)
	if err != nil || verdict != Ready || again != out || len(second.Edits) > 0 {
		t.Errorf("%s: stamping %s twice: %v, verdict %d, %+v", file.Name, repository, err, verdict, second.Changes)
	}
}

// stripped is the file or its stamped form without what the edits put in or take
// out.
func stripped(o *Outcome, text string) string {
	var b strings.Builder
	at, shift := 0, 0
	stamped := text != string(o.Source.Bytes)
	for _, e := range sortedEdits(o) {
		start, length := e.Span.Start, e.Span.Len()
		if stamped {
			start, length = start+shift, len(e.New)
			shift += len(e.New) - e.Span.Len()
		}
		b.WriteString(text[at:start])
		at = start + length
	}
	b.WriteString(text[at:])
	return b.String()
}

func sortedEdits(o *Outcome) []source.Edit {
	edits := append([]source.Edit(nil), o.Edits...)
	for i := range edits {
		for j := i + 1; j < len(edits); j++ {
			if edits[j].Span.Start < edits[i].Span.Start {
				edits[i], edits[j] = edits[j], edits[i]
			}
		}
	}
	return edits
}

func FuzzStamp(f *testing.F) {
	for _, file := range corpus.Units(f) {
		f.Add(file.Bytes, "myrepo/x")
	}
	f.Add([]byte("[Service]\nEnvironment='T=1' I=a\nExecStart=/bin/sh -c \"docker run $I:${T} && docker pull a\"\n"), "a")
	f.Fuzz(func(t *testing.T, src []byte, image string) {
		file := &source.File{Name: "web@1.service", Bytes: src}
		u := Read(file, unitname.FromPath(file.Name))
		if u.Found == nil {
			return
		}
		if _, err := Repositories([]string{image}); err == nil {
			checkStamp(t, file, image)
		}
		for _, r := range u.Found.References {
			if r.Repository != "" {
				checkStamp(t, file, r.Repository)
			}
		}
	})
}
