//go:build lab

package lab

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/oracle/dockeroperand"
)

// askClient runs the real client on every command line, two at a time.
func askClient(t *testing.T, client dockeroperand.Client, calls [][]string) []dockeroperand.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	answers, err := client.Ask(ctx, 2, calls)
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

func TestOracleDockerJudges(t *testing.T) {
	cases := []struct {
		line    string // blanks part the words, `_` is an empty word
		image   string
		refusal string
	}{
		{line: "run redis", image: "redis"},
		{line: "run -it --rm redis:7 redis-server --name x", image: "redis:7"},
		{line: "run -itdp 80:80 redis", image: "redis"},
		{line: "run --rm true img", image: "true"},
		{line: "run -e -d img", image: "img"},
		{line: "run --name -- img", image: "img"},
		{line: "run --label -- img", image: "img"},
		{line: "create --env-file /etc/no/such.env myrepo/x:1", image: "myrepo/x:1"},
		{line: "run --cidfile /var/run/deep/x.cid img", image: "img"},
		{line: "run --cidfile=rel.cid img", image: "img"},
		{line: "run --security-opt seccomp=/etc/sec.json img", image: "img"},
		{line: "run --label-file labels img", image: "img"},
		{line: "-H unix:///var/run/early-docker.sock run img", image: "img"},
		{line: "-H tcp://127.0.0.1:4243 run img", image: "img"},
		{line: "-H=10.1.2.3:4243 run img", image: "img"},
		{line: "run -link a:b img", image: "a:b"},
		{line: "run --pull always img", image: "img"},
		{line: "pull img -q", image: "docker.io/library/img:latest"},
		{line: "pull registry:5000/a/b:3", image: "registry:5000/a/b:3"},
		{line: "pull -a img", image: "docker.io/library/img"},
		{line: "run img@sha256:" + strings.Repeat("a", 64), image: "img@sha256:" + strings.Repeat("a", 64)},
		{line: "run --nosuch img", refusal: "unknown flag: --nosuch"},
		{line: "run IMG", refusal: "invalid reference format"},
		{line: "run _", refusal: "invalid reference format"},
		{line: "run", refusal: "at least 1 argument"},
	}
	var calls [][]string
	for _, c := range cases {
		words := strings.Split(c.line, " ")
		for i := range words {
			if words[i] == "_" {
				words[i] = ""
			}
		}
		calls = append(calls, words)
	}
	answers := askClient(t, dockeroperand.Docker, calls)
	for i, c := range cases {
		image, found := answers[i].Operand()
		if strings.HasPrefix(c.line, "pull") {
			image = asPulled(image, true) // clients before 23 leave the defaults out
		}
		if image != c.image || found != (c.refusal == "") || !strings.Contains(answers[i].Refusal, c.refusal) {
			t.Errorf("docker %s: image %q, refusal %q; want %q, %q", c.line, image, answers[i].Refusal, c.image, c.refusal)
		}
	}
}

func TestOraclePodmanJudges(t *testing.T) {
	cases := []struct{ line, image, refusal string }{
		{line: "run --replace --name x redis:7 y", image: "redis:7"},
		{line: "run -d --rm --log-level debug docker.io/a/b", image: "docker.io/a/b"},
		{line: "run --tls-verify false img", image: "false"},
		{line: "run --env-file /etc/no/such.env --cidfile=/run/deep/x.cid img", image: "img"},
		{line: "create --pod-id-file /run/p.id img", image: "img"},
		{line: "pull -q img", image: "img"},
		{line: "run --nosuch img", refusal: "unknown flag: --nosuch"},
	}
	var calls [][]string
	for _, c := range cases {
		calls = append(calls, strings.Split(c.line, " "))
	}
	for i, answer := range askClient(t, dockeroperand.Podman, calls) {
		image, found := answer.Operand()
		if c := cases[i]; image != c.image || found != (c.refusal == "") || !strings.Contains(answer.Refusal, c.refusal) {
			t.Errorf("podman %s: image %q, refusal %q; want %q, %q", c.line, image, answer.Refusal, c.image, c.refusal)
		}
	}
}
