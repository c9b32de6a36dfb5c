package unitimage

import (
	"fmt"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/corpus"
	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

func findIn(t *testing.T, path, src string) (*unitfile.Document, *Found) {
	t.Helper()
	doc, err := unitfile.Parse(&source.File{Name: path, Bytes: []byte(src)})
	if err != nil {
		t.Fatal(err)
	}
	return doc, Find(doc, unitname.FromPath(path))
}

// describe prints what was found: a line a reference, then a line a doubt.
func describe(found *Found) string {
	var lines []string
	for _, r := range found.References {
		line := fmt.Sprintf("%s %s %s", r.Command, r.Kind, r.Written)
		if r.Resolved != r.Written {
			line += " => " + r.Resolved
		}
		if r.Repository != "" && r.Resolved == "" {
			line += " (" + imageref.Familiar(r.Repository) + ")"
		}
		for _, s := range r.Splices {
			line += " after " + s.Text
		}
		lines = append(lines, line)
	}
	for _, d := range found.Doubts {
		lines = append(lines, "doubt "+d.Rule)
	}
	if found.Refusal != nil {
		lines = append(lines, "refused "+found.Refusal.Rule)
	}
	return strings.Join(lines, "\n")
}

func TestFind(t *testing.T) {
	for _, tt := range []struct{ name, path, src, want string }{
		{"direct", "", "ExecStart=/usr/bin/docker run --name a -p 1:1 myrepo/a cmd", "docker run literal myrepo/a"},
		{"pull and run", "", "ExecStartPre=-/usr/bin/docker pull myrepo/a\nExecStart=/usr/bin/docker run myrepo/a:1", "docker pull literal myrepo/a\ndocker run literal myrepo/a:1"},
		{"several commands", "", "ExecStart=/usr/bin/docker create a ; /usr/bin/podman run b", "docker create literal a\npodman run literal b"},
		{"not a command", "", "Description=docker run a\nExecFoo=/usr/bin/docker run a", ""},
		{"wrapper", "", "ExecStart=/usr/bin/sudo -u x /usr/bin/env A=b docker run a", "docker run literal a"},
		{"prefixes", "", "ExecStart=-@/usr/bin/docker docker run a", "docker run literal a"},
		{"variable tag", "", "Environment=TAG=1.0\nExecStart=/usr/bin/docker run a:${TAG}", "docker run variable a:${TAG} => a:1.0"},
		{"the last one counts", "", "Environment=TAG=1 X=y\nExecStart=/usr/bin/docker run a:${TAG}\nEnvironment=\"TAG=2\"", "docker run variable a:${TAG} => a:2"},
		{"cleared", "", "Environment=TAG=1\nEnvironment=\nExecStart=/usr/bin/docker run a:${TAG}", "docker run unresolved a:${TAG} =>  (a)"},
		{"unset", "", "Environment=TAG=1\nUnsetEnvironment=TAG\nExecStart=/usr/bin/docker run a:${TAG}", "docker run unresolved a:${TAG} =>  (a)"},
		{"unset another value", "", "Environment=TAG=1\nUnsetEnvironment=TAG=2\nExecStart=/usr/bin/docker run a:${TAG}", "docker run variable a:${TAG} => a:1"},
		{"whole variable", "", "Environment=IMG=myrepo/a\nExecStart=/usr/bin/docker run ${IMG}", "docker run variable ${IMG} => myrepo/a"},
		{"splitting variable", "", "Environment='ALL=--rm myrepo/a x'\nExecStart=/usr/bin/docker run $ALL", "docker run variable $ALL => myrepo/a"},
		{"unknown options", "", "ExecStart=/usr/bin/docker run $OPTS -d a", "docker run literal a after $OPTS"},
		{"unknown image", "", "ExecStart=/usr/bin/docker run $IMAGE cmd", "docker run unresolved $IMAGE => \ndoubt undecidable-operand"},
		{"unknown image alone", "", "ExecStart=/usr/bin/docker run --rm $X", "docker run unresolved $X => "},
		{"braces", "", "ExecStart=/usr/bin/docker run ${IMG} cmd", "docker run unresolved ${IMG} => "},
		{"no expansion", "", "Environment=T=1\nExecStart=:/usr/bin/docker run a:${T}", "docker run unresolved a:${T} =>  (a)"},
		{"tag that a command prints", "", "ExecStart=/bin/sh -c \"docker run myrepo/a:`cat /tag`\"", "docker run unresolved myrepo/a:`cat /tag` =>  (myrepo/a)"},
		{"tag that a command prints, $()", "", "ExecStart=/bin/sh -c 'docker run a:$(git -C /x describe @{u}) b'", "docker run unresolved a:$(git -C /x describe @{u}) =>  (a)"},
		{"the dollar inside a word", "", "Environment=T=1\nExecStart=/usr/bin/docker run a:$T", "docker run unresolved a:$T =>  (a)"},
		{"specifier", "web@2.service", "ExecStart=/usr/bin/docker run myrepo/%p:%i", "docker run specifier myrepo/%p:%i => myrepo/web:2"},
		{"specifier of a template", "web@.service", "ExecStart=/usr/bin/docker run myrepo/%p:%i", "docker run unresolved myrepo/%p:%i =>  (myrepo/web)"},
		{"specifier of the host", "", "ExecStart=/usr/bin/docker run myrepo/%H", "docker run unresolved myrepo/%H => "},
		{"bad specifier", "", "ExecStart=/bin/date +%F", "refused specifier"},
		{"bad specifier, ignored", "", "ExecStart=-/bin/date +%F", "doubt specifier"},
		{"unbalanced", "", "ExecStart=/usr/bin/docker run \"a", "refused unbalanced-quotes"},
		{"placeholder", "", "ExecStart=/usr/bin/docker run {{.Image}}", "docker run unresolved {{.Image}} => "},
		{"placeholder tag", "", "ExecStart=/usr/bin/docker run a:{{ .Tag }}", "docker run unresolved a:{{ =>  (a)"},
		{"terraform", "", "ExecStart=/usr/bin/docker run $${IMG}", "docker run unresolved $${IMG} => "},
		{"old option", "", "ExecStart=/usr/bin/docker run -rm a", "doubt legacy-option"},
		{"dash", "", "ExecStart=/usr/bin/docker run —name x a", "doubt typographic-dash"},
		{"rkt", "", "ExecStart=/usr/bin/rkt run quay.io/x", "doubt rkt"},
		{"rootfs", "", "ExecStart=/usr/bin/podman run --rootfs /x", "doubt rootfs"},
		{"unknown program", "", "ExecStart=/usr/bin/env ${D} run a", "doubt unknown-program"},
		{"env -S", "", "ExecStart=/usr/bin/env -S 'docker run a'", "doubt split-string"},
		{"socket", "a.socket", "[Socket]\nExecStartPre=/usr/bin/docker pull a", "docker pull literal a"},

		{"script", "", "ExecStart=/bin/sh -c 'docker run --rm a:1 x'", "docker run literal a:1"},
		{"script in quotes", "", `ExecStart=/bin/bash -ec "exec docker run -e \"A=$(hostname)\" myrepo/a"`, "docker run literal myrepo/a"},
		{"script, pull and run", "", "ExecStart=/bin/sh -c 'docker pull a && docker run a || docker run b; docker create c | tee x'", "docker pull literal a\ndocker run literal a\ndocker run literal b\ndocker create literal c"},
		{"script, nested", "", `ExecStart=/bin/sh -c "sudo bash -c 'docker run a'; if true; then docker run b; fi; for i in 1; do docker run c; done; $(docker run d)"`, "docker run literal a\ndocker run literal b\ndocker run literal c\ndocker run literal d"},
		{"script, assigned", "", "ExecStart=/bin/sh -c 'I=myrepo/a; T=1; docker run $I:$T'", "docker run variable $I:$T => myrepo/a:1"},
		{"script, assigned twice", "", "ExecStart=/bin/sh -c 'I=a; docker run $I; I=b; docker run $I'", "docker run variable $I => a\ndocker run variable $I => b"},
		{"script, assigned perhaps", "", "ExecStart=/bin/sh -c 'I=a; if x; then I=b; fi; docker run \"$I\"'", "docker run unresolved $I => "},
		{"script, assigned in a loop", "", "ExecStart=/bin/sh -c 'I=a; while x; do docker run \"$I\"; I=b; done'", "docker run unresolved $I => "},
		{"script, assigned by a command", "", "ExecStart=/bin/sh -c 'I=`etcdctl get /x`; docker run $I'", "docker run unresolved $I => "},
		{"script, assigned in a subshell", "", "ExecStart=/bin/sh -c 'I=a; (I=b); docker run $I'", "docker run variable $I => a"},
		{"script, variable of the unit", "", "Environment=T=1\nExecStart=/bin/sh -c 'docker run a:$T b'", "docker run variable a:$T => a:1"},
		{"script, put in by systemd", "", "Environment=T=1\nExecStart=/bin/sh -c 'docker run a:${T} b'", "docker run variable a:${T} => a:1"},
		{"script, emptied by systemd", "", "ExecStart=/bin/sh -c 'T=1; docker run a:${T} b'", "docker run unresolved a:${T} =>  (a)"},
		{"script, saved from systemd", "", "ExecStart=/bin/sh -c 'T=1; docker run a:$${T} b'", "docker run variable a:$${T} => a:1"},
		{"script, default", "", "ExecStart=/bin/sh -c 'T=; docker run a:$${T:-2} b'", "docker run variable a:$${T:-2} => a:2"},
		{"script, eval", "", "ExecStart=/bin/sh -c 'eval docker run a'", "doubt eval"},
		{"script, assigned from itself", "", "ExecStart=/bin/sh -c 'I=x; I=$I/a; I+=:1; docker run $I'", "docker run variable $I => x/a:1"},
		{"script, appended to the unknown", "", "ExecStart=/bin/sh -c 'I+=:1; docker run $I'", "docker run unresolved $I => "},
		{"script, values of a loop", "", "ExecStart=/bin/sh -c 'for i in a b:1 a; do docker pull $i; docker pull c; done'", "docker pull variable $i => a\ndocker pull literal c\ndocker pull variable $i => b:1\ndocker pull variable $i => a"},
		{"script, loops in loops", "", "ExecStart=/bin/sh -c 'for r in x y; do for i in a b; do docker pull $r/$i; done; done'", "docker pull variable $r/$i => x/a\ndocker pull variable $r/$i => x/b\ndocker pull variable $r/$i => y/a\ndocker pull variable $r/$i => y/b"},
		{"script, a loop that assigns", "", "ExecStart=/bin/sh -c 'T=0; for i in a b; do docker pull $i:$T; T=1; done'", "docker pull unresolved $i:$T =>  (a)\ndocker pull unresolved $i:$T =>  (b)"},
		{"script, a loop over files", "", "ExecStart=/bin/sh -c 'for i in /x/*; do docker pull \"$i\"; done'", "docker pull unresolved $i => "},
		{"script, more rounds than are read", "", "ExecStart=/bin/sh -c 'for i in " + strings.Repeat("a ", 65) + "; do docker pull \"$i\"; done'", "docker pull unresolved $i => "},
		{"script, for a child", "", "ExecStart=/bin/sh -c 'T=1 sh -c \"docker run a:\\$T\"; docker run a:$T'", "docker run variable a:\\$T => a:1\ndocker run unresolved a:$T =>  (a)"},
		{"script, behind env", "", "Environment=T=0\nExecStart=/usr/bin/env T=1 sh -c 'docker run a:$T'\nExecStop=/bin/sh -c 'docker run a:$T'", "docker run variable a:$T => a:1\ndocker run variable a:$T => a:0"},
		{"script, not expanded by systemd", "", "Environment=T=1\nExecStart=:/bin/sh -c 'docker run a:${T}'", "docker run variable a:${T} => a:1"},
		{"script, commands in a here-document", "", "ExecStart=/bin/sh -c \"cat <<E\\n$(docker run a)\\nE\\n\"", "docker run literal a"},
		{"script, in a here-document", "", "ExecStart=/bin/sh -c \"T=1; sudo bash -s <<E\\ndocker run a:$T \\\\$1\\nE\\n\"", "docker run variable a:$T => a:1"},
		{"script, in a quoted here-document", "", "ExecStart=/bin/sh -c \"T=1; sh <<'E'\\ndocker run a:$T\\nE\\n\"", "docker run variable a:$T => a:1"},
		{"script, in a here-string", "", "ExecStart=/bin/bash -c 'bash <<< \"docker run a\"'", "docker run literal a"},
		{"script, a here-document that is data", "", "ExecStart=/bin/sh -c \"cat > /x <<E\\ndocker run a\\nE\\nsh /y <<E\\ndocker run b\\nE\\n\"", ""},
		{"script, a here-document for another machine", "", "ExecStart=/bin/sh -c \"ssh x <<E\\ndocker run a\\nE\\n\"", "doubt unread-command"},
		{"script, piped", "", "ExecStart=/bin/sh -c 'echo docker run a | sudo sh; echo docker run b | cat'", "doubt unread-command"},
		{"script, alias", "", "ExecStart=/bin/sh -c 'alias d=docker; d run a'", "doubt unread-command"},
		{"script, xargs", "", "ExecStart=/bin/sh -c 'echo a | xargs docker pull'", "doubt unread-command"},
		{"script, broken", "", "ExecStart=/bin/sh -c 'docker run a; ('", "doubt script-syntax"},
		{"script, variable split", "", "ExecStart=/bin/sh -c 'O=\"--rm -d\"; docker run $O a'", "docker run literal a"},
		{"script, trap", "", "ExecStart=/bin/sh -c 'trap \"docker run a\" EXIT; docker run b'", "docker run literal a\ndocker run literal b"},
		{"script, unknown verb", "", "ExecStart=/bin/sh -c 'docker $R a'", "doubt unknown-command"},
		{"not followed", "", "ExecStart=/usr/bin/ssh host docker run a", "doubt unread-command"},
		{"not followed, in a word", "", "ExecStart=/usr/bin/parallel 'docker run --rm {}' ::: a", "doubt unread-command"},
		{"only said", "", "ExecStart=/bin/echo docker run a", ""},
		{"script in a file", "", "ExecStart=/bin/sh /opt/docker-run.sh", ""},

		{"quadlet", "web.container", "[Container]\nImage=quay.io/x/web", "quadlet literal quay.io/x/web"},
		{"quadlet variable", "web.container", "[Container]\nImage=x/web:${TAG}\n[Service]\nEnvironment=TAG=3", "quadlet variable x/web:${TAG} => x/web:3"},
		{"quadlet image unit", "web.container", "[Container]\nImage=web.image", ""},
		{"quadlet image", "web.image", "[Image]\nImage=quay.io/x/web", "quadlet literal quay.io/x/web"},
		{"quadlet with a comment behind", "web.container", "[Container]\nImage=x/web # c", "doubt comment-in-value"},
		{"quadlet that is none", "web.container", "[Container]\nImage=X Y", "quadlet unresolved X Y => "},
		{"compose", "", "ExecStart=/usr/bin/docker compose -f x up\nExecStop=/usr/bin/docker-compose down", "doubt image-elsewhere\ndoubt image-elsewhere"},
		{"start", "", "ExecStart=/usr/bin/docker container start -a x\nExecStop=/bin/sh -c 'podman kube play x'", "doubt image-elsewhere\ndoubt image-elsewhere"},
		{"stop", "", "ExecStop=/usr/bin/docker stop start", ""},
		{"no quadlet", "web.service", "[Container]\nImage=quay.io/x/web", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, src := tt.path, tt.src
			if path == "" {
				path = "a.service"
			}
			if !strings.HasPrefix(src, "[") {
				src = "[Service]\n" + src
			}
			_, found := findIn(t, path, src)
			if got := describe(found); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestEnvironmentFiles(t *testing.T) {
	for src, want := range map[string]string{
		"ExecStart=/usr/bin/docker run $I":                                                               "[] false",
		"EnvironmentFile=-/etc/a\nEnvironmentFile=/etc/b\nExecStart=/usr/bin/docker run $I":              "[/etc/a /etc/b] true",
		"EnvironmentFile=/etc/a\nEnvironmentFile=\nExecStart=/usr/bin/docker run $I":                     "[] false",
		"EnvironmentFile=/etc/a\nPassEnvironment=A\nPassEnvironment=\nExecStart=/usr/bin/docker run $I":  "[/etc/a] true",
		"PassEnvironment=A\nEnvironmentFile=/etc/a\nEnvironmentFile=\nExecStart=:/usr/bin/docker run $I": "[] true",
	} {
		_, found := findIn(t, "a.service", "[Service]\n"+src)
		if got := fmt.Sprint(found.EnvironmentFiles, found.OpenEnvironment); got != want {
			t.Errorf("%q: %s, want %s", src, got, want)
		}
	}
}

func TestEdit(t *testing.T) {
	const digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	for _, tt := range []struct {
		name, src string // the first reference is edited
		digest    string
		literal   bool
		want      string // the file afterwards, or the rule of the obstacle in brackets
	}{
		{"no tag", "ExecStart=/usr/bin/docker run a b", "", false, "ExecStart=/usr/bin/docker run a:58-develop b"},
		{"a tag", "ExecStart=/usr/bin/docker run a:1", "", false, "ExecStart=/usr/bin/docker run a:58-develop"},
		{"a port", "ExecStart=/usr/bin/docker run r:5000/a", "", false, "ExecStart=/usr/bin/docker run r:5000/a:58-develop"},
		{"a digest", "ExecStart=/usr/bin/docker run a@" + digest, "", false, "ExecStart=/usr/bin/docker run a:58-develop"},
		{"tag and digest", "ExecStart=/usr/bin/docker run a:1@" + digest, "", false, "ExecStart=/usr/bin/docker run a:58-develop"},
		{"to a digest", "ExecStart=/usr/bin/docker run a:1", digest, false, "ExecStart=/usr/bin/docker run a:58-develop@" + digest},
		{"quoted", `ExecStart=/usr/bin/docker run "a:1" b`, "", false, `ExecStart=/usr/bin/docker run "a:58-develop" b`},
		{"quoted without a tag", `ExecStart=/usr/bin/docker run 'a' b`, "", false, `ExecStart=/usr/bin/docker run 'a:58-develop' b`},
		{"quoted in part", `ExecStart=/usr/bin/docker run my"repo"/a`, "", false, `ExecStart=/usr/bin/docker run my"repo"/a:58-develop`},
		{"an escape in the name", `ExecStart=/usr/bin/docker run m\x79repo/a:1`, "", false, `ExecStart=/usr/bin/docker run m\x79repo/a:58-develop`},
		{"an escape in the tag", `ExecStart=/usr/bin/docker run a:\x31 b`, "", false, "ExecStart=/usr/bin/docker run a:58-develop b"},
		{"quotes in the tag", `ExecStart=/usr/bin/docker run a:1"2"`, "", false, "[scattered-operand]"},
		{"on a later line", "ExecStart=/usr/bin/docker run \\\n  -d \\\n  a \\\n  b", "", false, "ExecStart=/usr/bin/docker run \\\n  -d \\\n  a:58-develop \\\n  b"},
		{"specifier", "ExecStart=/usr/bin/docker run myrepo/%p", "", false, "ExecStart=/usr/bin/docker run myrepo/%p:58-develop"},
		{"specifier and tag", "ExecStart=/usr/bin/docker run %p:9.4", "", false, "ExecStart=/usr/bin/docker run %p:58-develop"},
		{"specifier in the tag", "ExecStart=/usr/bin/docker run a:%p", "", false, "[composed-tag]"},
		{"specifier in the tag, over it", "ExecStart=/usr/bin/docker run a:%p", "", true, "ExecStart=/usr/bin/docker run a:58-develop"},
		{"variable tag", "Environment=X=y TAG=1\nExecStart=/usr/bin/docker run a:${TAG}", "", false, "Environment=X=y TAG=58-develop\nExecStart=/usr/bin/docker run a:${TAG}"},
		{"variable tag, over it", "Environment=TAG=1\nExecStart=/usr/bin/docker run a:${TAG}", "", true, "Environment=TAG=1\nExecStart=/usr/bin/docker run a:58-develop"},
		{"variable tag to a digest", "Environment=TAG=1\nExecStart=/usr/bin/docker run a:${TAG}", digest, false, "[composed-tag]"},
		{"composed tag", "Environment=TAG=1\nExecStart=/usr/bin/docker run a:v${TAG}", "", false, "[composed-tag]"},
		{"composed tag, over it", "Environment=TAG=1\nExecStart=/usr/bin/docker run a:v${TAG}", "", true, "Environment=TAG=1\nExecStart=/usr/bin/docker run a:58-develop"},
		{"unset tag", "ExecStart=/usr/bin/docker run a:${TAG}", "", false, "[unset-tag]"},
		{"unset tag, over it", "ExecStart=/usr/bin/docker run a:${TAG} b", "", true, "ExecStart=/usr/bin/docker run a:58-develop b"},
		{"whole variable", "Environment=\"I=myrepo/a:1\"\nExecStart=/usr/bin/docker run ${I}", "", false, "Environment=\"I=myrepo/a:58-develop\"\nExecStart=/usr/bin/docker run ${I}"},
		{"whole variable without a tag", "Environment=I=a\nExecStart=/usr/bin/docker run $I", "", false, "Environment=I=a:58-develop\nExecStart=/usr/bin/docker run $I"},
		{"name and tag", "Environment=I=a T=1\nExecStart=/usr/bin/docker run ${I}:${T}", "", false, "Environment=I=a T=58-develop\nExecStart=/usr/bin/docker run ${I}:${T}"},
		{"one variable twice in the name", "Environment=I=ab\nExecStart=/usr/bin/docker run ${I}/${I}", "", false, "Environment=I=ab\nExecStart=/usr/bin/docker run ${I}/${I}:58-develop"},
		{"one variable twice in the name, with a tag in it", "Environment=I=ab: X=ab\nExecStart=/usr/bin/docker run ${X}${X}:${X}", "", false, "[composed-tag]"},
		{"a value in a loop", "ExecStart=/bin/sh -c 'for i in a b; do docker pull x/$i; done'", "", false, "ExecStart=/bin/sh -c 'for i in a:58-develop b; do docker pull x/$i; done'"},
		{"in a here-document", "ExecStart=/bin/sh -c \"sh <<E\\ndocker run a:1\\nE\\n\"", "", false, "ExecStart=/bin/sh -c \"sh <<E\\ndocker run a:58-develop\\nE\\n\""},
		{"registry", "Environment=R=r.io\nExecStart=/usr/bin/docker run ${R}/a", "", false, "Environment=R=r.io\nExecStart=/usr/bin/docker run ${R}/a:58-develop"},
		{"script", `ExecStart=/bin/sh -c "docker run \"a:1\" && x"`, "", false, `ExecStart=/bin/sh -c "docker run \"a:58-develop\" && x"`},
		{"script without a tag", `ExecStart=/bin/sh -c 'docker run a;x'`, "", false, `ExecStart=/bin/sh -c 'docker run a:58-develop;x'`},
		{"script with an assignment", `ExecStart=/bin/sh -c 'I=a; docker run $I'`, "", false, `ExecStart=/bin/sh -c 'I=a:58-develop; docker run $I'`},
		{"script on several lines", "ExecStart=/bin/sh -c 'docker pull b; \\\n  docker run \\\n  a'", "", false, "ExecStart=/bin/sh -c 'docker pull b:58-develop; \\\n  docker run \\\n  a'"},
		{"script with a variable of the unit", "Environment=T=1\nExecStart=/bin/sh -c 'docker run a:$T'", "", false, "Environment=T=58-develop\nExecStart=/bin/sh -c 'docker run a:$T'"},
		{"placeholder", "ExecStart=/usr/bin/docker run a:{{.Tag}}", "", false, "[placeholder-tag]"},
		{"placeholder, over it", "ExecStart=/usr/bin/docker run a:{{.Tag}} x", "", true, "ExecStart=/usr/bin/docker run a:58-develop x"},
		{"one variable for name and tag", "Environment=P=80\nExecStart=/usr/bin/docker run ${P}:${P}", "", false, "[composed-tag]"},
		{"all tags", "ExecStart=/usr/bin/docker pull -a a", "", false, "[pull-all-tags]"},
		{"an empty tag", "ExecStart=/usr/bin/docker run a:", "", false, "[placeholder-tag]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := "[Service]\n" + tt.src
			doc, found := findIn(t, "web.service", src)
			if len(found.References) == 0 {
				t.Fatalf("nothing found: %s", describe(found))
			}
			r := found.References[0]
			edit, obstacle := r.Edit("58-develop", tt.digest, tt.literal)
			if obstacle != nil {
				if got := "[" + obstacle.Rule + "]"; got != tt.want {
					t.Errorf("obstacle %s: %s, want %s", got, obstacle.Message, tt.want)
				}
				return
			}
			out, err := source.Apply(doc.File.Bytes, []source.Edit{edit})
			if err != nil || string(out) != "[Service]\n"+tt.want {
				t.Errorf("got %v\n%s\nwant\n%s", err, out, tt.want)
			}
			_, again := findIn(t, "web.service", string(out))
			if a := again.References[0]; a.Tag != "58-develop" || a.Repository != r.Repository || a.Resolved != r.With("58-develop", tt.digest) {
				t.Errorf("found again as %+v, want %s", a, r.With("58-develop", tt.digest))
			}
		})
	}
}

// TestCorpus holds what is true of every file: an edit that is offered changes the
// tag of its reference to the one asked for.
func TestCorpus(t *testing.T) {
	for _, file := range corpus.Units(t) {
		doc, err := unitfile.Parse(file)
		if err != nil {
			continue
		}
		checkEdits(t, doc, unitname.FromPath(file.Name))
	}
}

func checkEdits(t *testing.T, doc *unitfile.Document, name unitname.Name) {
	t.Helper()
	found := Find(doc, name)
	if found.Refusal != nil {
		return
	}
	for i, r := range found.References {
		if r.Repository == "" {
			continue
		}
		edit, obstacle := r.Edit("58-develop", "", false)
		if obstacle != nil {
			continue
		}
		out, err := source.Apply(doc.File.Bytes, []source.Edit{edit})
		if err != nil {
			t.Fatalf("%s: %v", doc.File.Name, err)
		}
		stamped, err := unitfile.Parse(&source.File{Name: doc.File.Name, Bytes: out})
		if err != nil {
			t.Fatalf("%s: %s stamped: %v", doc.File.Name, r.Written, err)
		}
		again := Find(stamped, name)
		if len(again.References) != len(found.References) || again.References[i].Tag != "58-develop" || again.References[i].Repository != r.Repository {
			t.Fatalf("%s: %s stamped to %s gives\n%s", doc.File.Name, r.Written, out, describe(again))
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, file := range corpus.Units(f) {
		f.Add(file.Bytes)
	}
	f.Add([]byte("[Service]\nEnvironment=\"A=b c\" 'I=x/y:1'\nExecStart=-/bin/sh -c \"I=$I; docker run ${I}:$${T:-2} $(docker pull \\\"z\\\")\""))
	f.Fuzz(func(t *testing.T, src []byte) {
		doc, err := unitfile.Parse(&source.File{Name: "web@1.service", Bytes: src})
		if err != nil {
			return
		}
		checkEdits(t, doc, unitname.FromPath(doc.File.Name))
	})
}

func TestFindCalls(t *testing.T) {
	const src = `[Service]
Environment=NAME=web
ExecStartPre=-/usr/bin/docker stop ${NAME} $MORE
ExecStart=/usr/bin/sudo docker run --name "we\x62" x/a
ExecStop=/bin/sh -c 'docker rm web; echo done'
`
	doc, err := unitfile.Parse(&source.File{Name: "a.service", Bytes: []byte(src)})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range FindCalls(doc, unitname.FromPath("a.service")).Calls {
		line := fmt.Sprintf("%s %q shell=%v image=%v", c.Item.Key, c.Prefix, c.Shell, c.Image)
		for _, w := range c.Words {
			line += fmt.Sprintf(" %s<%s>", w.Text, w.Span.Of([]byte(src)))
			if !w.Known() {
				line += "?"
			}
			if _, verbatim := w.Place(0, len(w.Text)); !verbatim {
				line += "!"
			}
		}
		lines = append(lines, line)
	}
	want := strings.Join([]string{
		`ExecStartPre "-" shell=false image=false /usr/bin/docker</usr/bin/docker> stop<stop> web<${NAME}> $MORE<$MORE>?!`,
		`ExecStart "" shell=false image=true docker<docker> run<run> --name<--name> web<we\x62>! x/a<x/a>`,
		`ExecStop "" shell=true image=false docker<docker> rm<rm> web<web>`,
		`ExecStop "" shell=true image=false echo<echo> done<done>`,
	}, "\n")
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if calls := Find(doc, unitname.FromPath("a.service")).Calls; calls != nil {
		t.Errorf("Find lists %d calls unasked", len(calls))
	}
}
