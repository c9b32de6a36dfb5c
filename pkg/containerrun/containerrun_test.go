package containerrun

import (
	"fmt"
	"strings"
	"testing"
)

// args makes a command line of words separated by blanks. $X is a word of unknown
// number, ${X}… one of unknown beginning, ” the empty word.
func args(line string) []Arg {
	var list []Arg
	for _, word := range strings.Fields(line) {
		if word == "''" {
			word = ""
		}
		list = append(list, Arg{
			Text:   word,
			Splits: strings.HasPrefix(word, "$") && !strings.HasPrefix(word, "${"),
			Open:   strings.HasPrefix(word, "${"),
		})
	}
	return list
}

func TestParseOperand(t *testing.T) {
	for _, tt := range []struct{ line, command, operands string }{
		{"docker run img", "docker run", "img"},
		{"/usr/bin/docker run --rm --name x -p 80:80 img cmd --name y", "docker run", "img"},
		{"docker -H tcp://a:1 -D run img", "docker run", "img"},
		{"docker --config=/etc/x --log-level debug container run -d img", "docker run", "img"},
		{"docker container create img", "docker create", "img"},
		{"docker create --name=x img", "docker create", "img"},
		{"docker run --rm true img", "docker run", "true"},
		{"docker run --rm=true img", "docker run", "img"},
		{"docker run -itdp 80:80 img", "docker run", "img"},
		{"docker run -p80:80 img", "docker run", "img"},
		{"docker run -p=80:80 img", "docker run", "img"},
		{"docker run -eA=b img", "docker run", "img"},
		{"docker run -e A=b img", "docker run", "img"},
		{"docker run -it=false img", "docker run", "img"},
		{"docker run -d=false img", "docker run", "img"},
		{"docker run -e -d img", "docker run", "img"},
		{"docker run --label -v img", "docker run", "img"},
		{"docker run --name -- img", "docker run", "img"},
		{"docker run -- img", "docker run", "img"},
		{"docker run -d -- -img", "docker run", "-img"},
		{"docker run - img", "docker run", "-"},
		{"docker run '' img", "docker run", ""},
		{"docker run --net host --net-alias a --dns-opt x img", "docker run", "img"},
		{"docker run --cpuset 0 --networking --lxc-conf a img", "docker run", "img"},
		{"docker run ${IMG} cmd", "docker run", "${IMG}"},
		{"docker run --name ${N} img", "docker run", "img"},
		{"docker pull img", "docker pull", "img"},
		{"docker pull -q img", "docker pull", "img"},
		{"docker pull img --quiet", "docker pull", "img"},
		{"docker image pull --platform linux/arm64 img", "docker pull", "img"},
		{"podman run --replace --net=host --tls-verify false img", "podman run", "false"},
		{"podman run --log-level debug img", "podman run", "img"},
		{"podman --root /x run --systemd always img", "podman run", "img"},
		{"podman run -c 512 docker://img", "podman run", "docker://img"},
		{"podman pull -q a b", "podman pull", "a b"},
		{"nerdctl -n k8s.io run --namespace x img", "nerdctl run", "img"},
		{"systemd-docker run --rm img", "docker run", "img"},
		{"/opt/bin/systemd-docker --cgroups name=systemd --env -l run --rm img", "docker run", "img"},
	} {
		line := args(tt.line)
		got, ok := Parse(line)
		var operands []string
		for _, i := range got.Images {
			operands = append(operands, line[i].Text)
		}
		if !ok || got.Issue != nil || got.Command() != tt.command || strings.Join(operands, " ") != tt.operands || len(operands) == 0 {
			t.Errorf("Parse(%s) = %s %q, issue %+v, %v, want %s %q", tt.line, got.Command(), operands, got.Issue, ok, tt.command, tt.operands)
		}
	}
}

func TestParseNoImage(t *testing.T) {
	for _, line := range []string{
		"", "docker", "docker ps", "docker rm -f x", "docker start -a x", "docker exec x run y", "docker compose up",
		"docker --version", "/bin/true run x", "docker-compose run x", "docker container ls", "docker image ls", "rkt rm --uuid-file=x",
	} {
		if got, ok := Parse(args(line)); ok {
			t.Errorf("Parse(%s) = %+v, want none", line, got)
		}
	}
}

func TestParseIssues(t *testing.T) {
	for _, tt := range []struct {
		line string
		kind IssueKind
		word string // to blame
		text string
	}{
		{"docker run --ame x img", UnknownOption, "--ame", "--ame"},
		{"docker run -f img", UnknownOption, "-f", "-f"},
		{"docker run -itf img", UnknownOption, "-itf", "-f"},
		{"docker run --replace img", UnknownOption, "--replace", "--replace"},
		{"docker run --d img", UnknownOption, "--d", "--d"},
		{"docker run --config x img", UnknownOption, "--config", "--config"},
		{"docker --nope run img", UnknownOption, "--nope", "--nope"},
		{"docker pull --rm img", UnknownOption, "--rm", "--rm"},
		{"docker run -rm img", LegacyOption, "-rm", "-rm"},
		{"docker run -link a:b img", LegacyOption, "-link", "-link"},
		{"docker run -name=x img", LegacyOption, "-name=x", "-name"},
		{"docker run -n img", LegacyOption, "-n", "-n"},
		{"podman run -name x img", LegacyOption, "-name", "-name"},
		{"docker run —name x img", TypographicDash, "—name", "—"},
		{"docker run –-rm img", TypographicDash, "–-rm", "–"},
		{"docker run -−rm img", TypographicDash, "-−rm", "−"},
		{"docker pull —q img", TypographicDash, "—q", "—"},
		{"podman run --rootfs /x cmd", Rootfs, "--rootfs", "--rootfs"},
		{"rkt --net=host run quay.io/x", Rkt, "rkt", "rkt"},
		{"docker $R img", UnknownVerb, "$R", "$R"},
		{"docker -D ${R} img", UnknownVerb, "${R}", "${R}"},
		{"docker run", NoOperand, "run", "run"},
		{"docker run --rm", NoOperand, "--rm", "--rm"},
		{"docker run --name", NoOperand, "--name", "--name"},
		{"docker run --rm --", NoOperand, "--", "--"},
		{"docker pull -q", NoOperand, "-q", "-q"},
	} {
		line := args(tt.line)
		got, ok := Parse(line)
		if !ok || got.Issue == nil || got.Issue.Kind != tt.kind || line[got.Issue.Arg].Text != tt.word || got.Issue.Text != tt.text || got.Images != nil {
			t.Errorf("Parse(%s) = %+v, issue %+v, want kind %d at %q", tt.line, got, got.Issue, tt.kind, tt.word)
		}
	}
}

func TestParseDetails(t *testing.T) {
	got, _ := Parse(args("docker run $OPTS -p $PORT -itv/a:/b --name=x img"))
	if len(got.Splices) != 2 || got.Splices[0] != 2 || got.Splices[1] != 4 || len(got.Images) != 1 || got.Images[0] != 7 {
		t.Errorf("splices %v, images %v", got.Splices, got.Images)
	}
	if o, ok := got.Option("--name", "-n"); !ok || o.Value != "x" || o.Arg != 6 || o.ValueArg != 6 {
		t.Errorf("--name is %+v, %v", o, ok)
	}
	if o, ok := got.Option("-v"); !ok || o.Value != "/a:/b" {
		t.Errorf("-v is %+v, %v", o, ok)
	}
	if got, _ := Parse(args("docker run $OPTS")); got.Issue != nil || got.Images != nil || len(got.Splices) != 1 {
		t.Errorf("only a splice: %+v", got)
	}
	if got, _ := Parse(args("docker pull img -a")); !got.AllTags {
		t.Error("pull -a is not seen")
	}
	if got, _ := Parse(args("docker -D run --rm img")); len(got.Options) != 1 || got.Options[0].Name != "--rm" {
		t.Errorf("options %+v", got.Options)
	}
}

func TestUnwrap(t *testing.T) {
	for _, tt := range []struct{ line, program, script string }{
		{"/usr/bin/docker run x", "/usr/bin/docker", ""},
		{"sudo -u me docker run x", "docker", ""},
		{"sudo -nu me A=b docker run x", "docker", ""},
		{"/usr/bin/env docker run x", "docker", ""},
		{"env -i A=b C= -- docker run x", "--", ""},
		{"env -u A - B=c docker run", "docker", ""},
		{"nice -n 5 docker", "docker", ""},
		{"nice -10 docker", "docker", ""},
		{"nice --adjustment=5 ionice -c2 -n 0 docker", "docker", ""},
		{"flock -n /run/lock docker run", "docker", ""},
		{"flock -w 5 /run/lock -c SCRIPT", "", "SCRIPT"},
		{"timeout -k 5 --signal KILL 30s docker", "docker", ""},
		{"chrt -f 10 taskset -c 0,1 docker", "docker", ""},
		{"exec -a name docker", "docker", ""},
		{"sh -c SCRIPT", "", "SCRIPT"},
		{"/bin/bash -ec SCRIPT a b", "", "SCRIPT"},
		{"bash -a -c SCRIPT", "", "SCRIPT"},
		{"bash -o pipefail -c SCRIPT", "", "SCRIPT"},
		{"bash --login -c -- SCRIPT", "", "SCRIPT"},
		{"bash -c ${X}", "", "${X}"},
		{"bash /opt/run.sh -c x", "bash", ""},
		{"bash", "bash", ""},
		{"busybox sh -c SCRIPT", "", "SCRIPT"},
		{"sudo bash -c SCRIPT", "", "SCRIPT"},
		{"su -c SCRIPT", "", "SCRIPT"},
		{"su - core -c SCRIPT", "", "SCRIPT"},
		{"xargs -n 1 -r docker run", "docker", ""},
		{"systemd-run --unit x -p A=b docker run", "docker", ""},
		{"runuser -u me -- docker run", "docker", ""},
		{"runuser me -c SCRIPT", "", "SCRIPT"},
		{"$CMD docker", "", ""},
		{"sudo", "", ""},
	} {
		line := args(tt.line)
		got := Unwrap(line)
		program, script := "", ""
		if got.Program >= 0 {
			program = line[got.Program].Text
		}
		if got.Script >= 0 {
			script = line[got.Script].Text
		}
		if program != tt.program || script != tt.script || got.Issue != nil {
			t.Errorf("Unwrap(%s) = program %q, script %q, issue %+v, want %q, %q", tt.line, program, script, got.Issue, tt.program, tt.script)
		}
	}
	for _, line := range []string{"env -S docker\\ run", "env --split-string=x"} {
		if got := Unwrap(args(line)); got.Issue == nil || got.Issue.Kind != SplitString {
			t.Errorf("Unwrap(%s) = %+v", line, got)
		}
	}
}

func TestTableIsSorted(t *testing.T) {
	for i := 1; i < len(flagTable); i++ {
		if flagTable[i-1].name >= flagTable[i].name {
			t.Errorf("%s before %s", flagTable[i-1].name, flagTable[i].name)
		}
	}
}

func TestElsewhere(t *testing.T) {
	for line, want := range map[string]string{
		"docker compose up": "docker compose", "/usr/bin/docker -D compose -f x run y": "docker compose", "docker-compose up": "docker compose", "podman-compose up": "podman compose",
		"nerdctl compose up": "nerdctl compose", "docker start x": "docker start", "podman container start x": "podman start", "podman kube play x": "podman kube",
		"podman play kube x": "podman play", "docker stack deploy -c x y": "docker stack", "docker stop start": "", "podman kube down x": "", "echo compose": "", "docker": "", "docker run compose": "",
	} {
		var args []Arg
		for _, word := range strings.Fields(line) {
			args = append(args, Arg{Text: word})
		}
		client, verb, ok := Elsewhere(args)
		if got := client + " " + verb; ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %v, want %q", line, got, ok, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"docker run -itdp 80:80 img", "podman --root x pull a b", "sudo -u a env A=b docker run --name -- img", "systemd-docker -l run x",
		"flock -w 5 /run/lock -c S", "docker run —rm $X ${Y}", "rkt fetch", "bash -o x -c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		list := args(line)
		target := Unwrap(list)
		if target.Program >= len(list) || target.Script >= len(list) {
			t.Fatalf("%q: target %+v", line, target)
		}
		got, ok := Parse(list)
		if !ok {
			return
		}
		for _, i := range append(got.Images, got.Splices...) {
			if i < 1 || i >= len(list) {
				t.Fatalf("%q: %+v", line, got)
			}
		}
		if got.Issue != nil && (got.Issue.Arg < 0 || got.Issue.Arg >= len(list) || !strings.Contains(list[got.Issue.Arg].Text, strings.TrimPrefix(got.Issue.Text, "-")) || got.Images != nil) {
			t.Fatalf("%q: %+v, issue %+v", line, got, got.Issue)
		}
	})
}

func TestSubcommand(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"/usr/bin/docker stop -t 3 a", "docker stop 2"},
		{"docker -H tcp://a:1 --debug container rm a", "docker rm 6"},
		{"podman --log-level debug kill a", "podman kill 4"},
		{"docker image rm a", "docker rm 3"},
		{"docker --nope rm a", ""},
		{"echo stop a", ""},
		{"docker", ""},
	} {
		got := ""
		if client, verb, next, ok := Subcommand(args(tt.line)); ok {
			got = fmt.Sprintf("%s %s %d", client, verb, next)
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.line, got, tt.want)
		}
	}
}
