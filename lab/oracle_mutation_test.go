//go:build lab

package lab

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/oracle/imageplaces"
	"github.com/unitstamp/unitstamp/internal/oracle/systemdwords"
	"github.com/unitstamp/unitstamp/internal/programs"
)

var oracleStamps = flag.Int("oracle.stamps", 400, "number of generated units that are stamped")

const wantedRepository = "myrepo/app"

// unitWriter makes units up that name images in all the ways that people and
// machines do, and the repository in places where it is no image.
type unitWriter struct{ *rand.Rand }

func (w unitWriter) pick(list ...string) string { return list[w.IntN(len(list))] }

func (w unitWriter) unit(i int) systemdwords.Unit {
	var b strings.Builder
	b.WriteString(w.pick("", "# myrepo/app\n") + "[Unit]\nDescription=runs myrepo/app\n\n[Service]\nType=oneshot\n")
	for range w.IntN(4) {
		b.WriteString(w.environment())
	}
	for range 1 + w.IntN(3) {
		b.WriteString(w.pick("ExecStartPre", "ExecStartPre", "ExecStart", "ExecStart", "ExecStop", "ExecStartPost") + "=" + w.pick("", "", "-") + w.command() + "\n")
		switch w.IntN(24) {
		case 0, 1, 2:
			b.WriteString(w.environment())
		case 3:
			b.WriteString(w.pick("ExecStart=\n", "[Unit]\nAfter=myrepo-app.service\n[Service]\n", "X-Image=myrepo/app:1\n", "no equals myrepo/app\n"))
		}
	}
	b.WriteString(w.pick("", "\n[Install]\nWantedBy=multi-user.target\n"))
	text := b.String()
	if w.IntN(12) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	name := fmt.Sprintf("s%d-app.service", i)
	if w.IntN(4) == 0 {
		name = fmt.Sprintf("app%d@.service", i)
	}
	return systemdwords.Unit{Name: name, Instance: "7", Source: []byte(text)}
}

func (w unitWriter) environment() string {
	return w.pick(
		"Environment=TAG=1.0\n", "Environment=\"TAG=1.0\" OTHER=x\n", "Environment='IMAGE=myrepo/app'\n", "Environment=IMAGE=myrepo/app:1.0\n",
		"Environment=A=b IMAGE=myrepo/app:old TAG=2\n", "Environment=REPO=myrepo NAME=app\n", "Environment=REPO=myrepo\n", "Environment=OPTS=--rm\n",
		"Environment=IMAGE=other/thing:3\n", "Environment=IMAGE=docker.io/myrepo/app\n", "Environment=\"CMD=run myrepo/app\"\n", "Environment=TAG=1.0 \\\n  IMAGE=myrepo/app\n",
		"Environment=NOTE=myrepo/app:1\n", "Environment=IMAGE=\"myrepo/app:1\"\n", "Environment=EMPTY=\n", "UnsetEnvironment=TAG\n", "Environment=\n")
}

func (w unitWriter) command() string {
	switch w.IntN(10) {
	case 0, 1, 2:
		return w.script()
	case 3:
		return w.pick("/usr/bin/env ", "/usr/bin/sudo ", "/usr/bin/nice -n 5 ", "/usr/bin/timeout 60 ", "/usr/bin/env A=b ", "/usr/bin/sudo -E ") + w.client("docker ")
	case 4:
		return w.pick(w.client("/usr/bin/docker ")+" ; "+w.client("/usr/bin/docker "), w.client("@/usr/bin/docker docker "), w.client("docker "), w.client("\"/usr/bin/docker\" "), w.client("/usr/bin/systemd-docker --cgroups name=systemd "))
	default:
		return w.client("/usr/bin/docker ")
	}
}

// client is a command line of docker as systemd reads it.
func (w unitWriter) client(program string) string {
	if w.IntN(4) == 0 {
		return program + w.pick("pull ", "pull -q ", "image pull ", "--log-level debug pull ") + w.image()
	}
	line := program + w.pick("run", "run", "create", "container run")
	if w.IntN(6) == 0 && !strings.Contains(program, "systemd-docker") {
		line = program + "-D run"
	}
	for range w.IntN(4) {
		line += w.blank() + w.option()
	}
	line += w.blank() + w.pick("", "", "", "-- ") + w.image()
	for range w.IntN(3) {
		line += w.blank() + w.pick("myrepo/app", "--name myrepo/app:1", "sh", "-c 'x; y'", "$CMD", "\"a b\"", "${TAG}", "%p")
	}
	return line
}

func (w unitWriter) blank() string {
	return w.pick(" ", " ", " ", "  ", "\t", " \\\n    ", " \\\n# myrepo/app:1\n\t", " \\\n ; myrepo/app\n  ")
}

func (w unitWriter) option() string {
	return w.pick("--rm", "-d", "--name app", "--name=%p", "-h app", "-e IMG=myrepo/app:1", "-e 'A=b c'", "--label myrepo/app", "-v /x:/myrepo/app", "-p 80:80", "--link app:app",
		"--entrypoint myrepo/app", "--label \"x=myrepo/app\"", "-v /a:/b\":ro\"", "--net=host", "--env TAG=${TAG}", "$OPTS", "--name ${NAME}", "--log-opt tag=myrepo/app", "-w /myrepo/app", "-e X=\\x41")
}

// image is an operand of a direct command.
func (w unitWriter) image() string {
	return w.pick("myrepo/app", "myrepo/app", "myrepo/app:1.0", "myrepo/app:latest", "docker.io/myrepo/app:2", "index.docker.io/myrepo/app", "myrepo/app@sha256:"+strings.Repeat("ab", 32),
		"myrepo/app:1@sha256:"+strings.Repeat("cd", 32), "myrepo/app:${TAG}", "${IMAGE}", "$IMAGE", "${IMAGE}:${TAG}", "${REPO}/app:${TAG}", "${REPO}/${NAME}", "myrepo/%p", "redis", "redis:${TAG}",
		"other/thing:1", "registry:5000/myrepo/app:1", "\"myrepo/app\"", "'myrepo/app:1'", "myrepo/\"app\":1", `myrepo/app\x3a1`, `myrepo\x2fapp`, "\"myrepo/app\":1.0", "myrepo/app:v%i", "myrepo/app-db", "x/myrepo/app")
}

// script is a shell command as systemd reads it.
func (w unitWriter) script() string {
	shell := w.pick("/bin/sh -c ", "/bin/bash -c ", "/bin/bash -ec ", "/usr/bin/env bash -c ")
	var parts []string
	for range 1 + w.IntN(3) {
		parts = append(parts, w.statement())
	}
	text := strings.Join(parts, w.pick("; ", " && ", " || ", "; \\\n    "))
	switch w.IntN(3) {
	case 0:
		if !strings.Contains(text, "'") {
			return shell + "'" + text + "'"
		}
	case 1:
		return shell + "\"" + strings.ReplaceAll(text, `"`, `\"`) + "\""
	}
	return shell + "\"" + strings.NewReplacer(`"`, `\"`, "$", "$$").Replace(text) + "\""
}

func (w unitWriter) statement() string {
	image := w.pick("myrepo/app", "myrepo/app:1.0", "docker.io/myrepo/app:2", "$IMAGE", "${IMAGE}", "$IMAGE:$TAG", "myrepo/app:$TAG", "myrepo/app:${TAG}", "myrepo/app:${TAG:-latest}", "${IMAGE:-myrepo/app:1}",
		"'myrepo/app'", `"myrepo/app:1"`, `"myrepo/app":1`, "other/thing", "redis:3", "$(echo myrepo/app)", "`echo myrepo/app:1`", `"$IMAGE"`, "myrepo/a$(echo pp)", `myrepo/app\:1`, "%p", "myrepo/%p:$TAG")
	switch w.IntN(14) {
	case 12:
		return w.pick("for i in myrepo/app redis; do docker pull $i; done", "for i in 1 2; do docker run myrepo/app:$i; done", "f() { docker run --rm \"$1\"; }; f myrepo/app", "set -- myrepo/app:1; docker run $1",
			"case $TAG in 1*) docker run myrepo/app;; *) docker run redis;; esac", "[ -z \"$TAG\" ] && IMAGE=myrepo/app || IMAGE=other/thing", "if [ -n \"$TAG\" ]; then IMAGE=myrepo/app:1; else IMAGE=redis; fi",
			"sh -c 'docker run myrepo/app'", "eval docker run myrepo/app", "eval \"docker run $IMAGE\"", "docker run $(docker ps -q | head -1) myrepo/app", "cd /tmp && docker run myrepo/app", "! docker run myrepo/app",
			"docker run myrepo/app <<< myrepo/app", "echo x | docker run -i myrepo/app cat | grep myrepo/app", "while docker pull myrepo/app; do break; done", "{ docker pull myrepo/app; }", "command docker run myrepo/app",
			"exec docker run myrepo/app", "exec sudo docker run myrepo/app", "xargs docker run myrepo/app < /dev/null", "D=docker; $D run myrepo/app", "R=run; docker $R myrepo/app", "O=-d; docker run $O myrepo/app", "O=\"-e A=b\"; docker run $O myrepo/app:1",
			"docker run -e \"A=b c\" myrepo/app", "docker run -e A=\"b c\" \"myrepo\"/app:1", "trap \"docker run myrepo/app\" EXIT", "timeout 5 docker pull myrepo/app", "env A=b docker run myrepo/app", "nice docker run myrepo/app")
	case 13:
		return w.pick("IMAGE=myrepo/app; IMAGE=$IMAGE-db; docker run $IMAGE", "IMAGE=myrepo/app:1; docker run ${IMAGE%:*}", "IMAGE=myrepo/app:1; docker run ${IMAGE%:*}:2", "IMAGE=myrepo/app; docker run \"$IMAGE:1\"", "T=1; T=2; docker run myrepo/app:$T",
			"T=1; docker run myrepo/app:$T; T=2; docker run myrepo/app:$T", "(IMAGE=myrepo/app:1); docker run $IMAGE", "R=myrepo; docker run $R/app:1", "N=app; docker run --name $N myrepo/$N", "N=app; docker run --name $N myrepo/$N:1", "I=app:1; docker run myrepo/$I",
			"I=myrepo/app; docker pull $I; docker run --name x $I; docker rm $I", "readonly I=myrepo/app:3; docker run $I", "declare I=myrepo/app:3; docker run $I", "export I=myrepo/app:3 J=4; docker run $I", "I=myrepo/app:3 J=4; docker run $I:$J", "I=$IMAGE; docker run $I",
			"I=${IMAGE}; docker run $I:2", "A=myrepo/app B=$A; docker run $B", "I+=myrepo/app; docker run $I", "I='myrepo/app'\":1\"; docker run $I", "unset IMAGE; docker run ${IMAGE:-myrepo/app:4}", "IMAGE=; docker run ${IMAGE:-myrepo/app}", "docker run ${NOPE-myrepo/app:4}", "I=myrepo/app; docker run $I$TAG")
	case 0:
		return w.pick("IMAGE=myrepo/app:1", "IMAGE=myrepo/app", `IMAGE="myrepo/app:$TAG"`, "TAG=3", "export TAG=4", "IMAGE=$(echo myrepo/app:9)", "IMAGE=other/thing:1", "unset TAG", "local_=myrepo/app")
	case 1:
		return "docker pull " + image
	case 2:
		return "if true; then docker run " + image + "; fi"
	case 3:
		return "for x in a b; do docker pull " + image + "; done"
	case 4:
		return "docker rm -f app; exec docker run --rm --name app " + image + " myrepo/app"
	case 5:
		return "(docker pull " + image + ")"
	case 6:
		return "docker ps | grep myrepo/app"
	case 7:
		return "echo docker run myrepo/app"
	case 8:
		return "IMAGE=myrepo/app:5 docker run " + image
	default:
		return "docker run " + w.pick("", "--rm ", "-d --name app ", "-e A=$(hostname) ", "-e I=myrepo/app:1 ", "$OPTS ", "-h $(hostname) ") + image + w.pick("", "", " myrepo/app", " sh -c 'a b'", " > /dev/null", " 2>&1", " &")
	}
}

// missed tells that an image of the repository did not get the tag and nothing
// else is amiss.
func missed(got, want, before []string) bool {
	return !slices.ContainsFunc(got, func(operand string) bool { return !slices.Contains(want, operand) && !slices.Contains(before, operand) })
}

// position is what every finding begins with.
var position = regexp.MustCompile(`:[0-9]+:[0-9]+: `)

var ruleName = regexp.MustCompile(`\[([a-z-]+)\]`)

func TestOracleStampGenerated(t *testing.T) {
	program := filepath.Join(programs.For(t, "unitstamp"), "unitstamp")
	writer := unitWriter{rand.New(rand.NewPCG(*oracleSeed, 2))}
	var units []systemdwords.Unit
	for i := range *oracleStamps {
		units = append(units, writer.unit(i))
	}
	judge := &imageplaces.Judge{Workers: 2}
	before, err := judge.Images(t.Context(), units)
	if err != nil {
		t.Fatal(err)
	}
	var stamped []systemdwords.Unit
	var which []int
	var warnings []string
	counts := map[string]int{}
	for i, unit := range units {
		outcome := stampWith(t, program, unit.Name, unit.Source, wantedRepository)
		switch {
		case outcome.code == 2 && before[i].Refused != "":
			counts["refused, by systemd too"]++
		case outcome.code != 0 && len(outcome.stdout) > 0:
			t.Errorf("exit %d and output: %s\n%s", outcome.code, outcome.stderr, unit.Source)
		case outcome.code != 0:
			rules := "no rule"
			if found := ruleName.FindAllStringSubmatch(outcome.stderr, -1); found != nil {
				rules = found[0][1]
			}
			was := imageplaces.Operands(before[i].Images)
			if slices.Equal(was, imageplaces.StampedOperands(before[i].Images, wantedRepository, stampedTag)) {
				counts[fmt.Sprintf("refused, exit %d, %s; the repository is not there", outcome.code, rules)]++
				break
			}
			counts[fmt.Sprintf("refused, exit %d, %s", outcome.code, rules)]++
			if !position.MatchString(outcome.stderr) {
				t.Errorf("%s: refused without a position, images %q: %s\n%s", unit.Name, was, outcome.stderr, unit.Source)
			}
		default:
			changed := unit
			changed.Source = outcome.stdout
			stamped, which, warnings = append(stamped, changed), append(which, i), append(warnings, outcome.stderr)
			if again := stampWith(t, program, unit.Name, outcome.stdout, wantedRepository); again.code != 0 || !bytes.Equal(again.stdout, outcome.stdout) {
				t.Errorf("a second run changes it again (exit %d: %s)\n%s", again.code, again.stderr, lineDifference(outcome.stdout, again.stdout))
			}
		}
	}
	after, err := judge.Images(t.Context(), stamped)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for k, i := range which {
		was, got := imageplaces.Operands(before[i].Images), imageplaces.Operands(after[k].Images)
		want := imageplaces.StampedOperands(before[i].Images, wantedRepository, stampedTag)
		switch {
		case before[i].Refused == "" && imageplaces.Same(got, want):
			counts["stamped, right"]++
		case before[i].Refused != "":
			counts["stamped, though systemd refuses the unit"]++
			t.Errorf("systemd refuses the unit: %s\n%s", before[i].Refused, units[i].Source)
		case missed(got, want, was) && warnings[k] != "":
			counts["stamped in part, with a warning"]++
			if testing.Verbose() && counts["stamped in part, with a warning"] <= 5 {
				t.Logf("in part: images %q, want %q\n%s\n%s", got, want, warnings[k], units[i].Source)
			}
		default:
			counts["stamped, wrong"]++
			if failed++; failed <= 15 {
				t.Errorf("%s: wrong: images %q, want %q, before %q\n%s%s\n%s", units[i].Name, got, want, was, lineDifference(units[i].Source, stamped[k].Source), warnings[k], units[i].Source)
			}
		}
	}
	t.Logf("seed %d, %d units", *oracleSeed, len(units))
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%4d %s", counts[what], what)
	}
}
