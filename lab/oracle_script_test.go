//go:build lab

package lab

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/oracle/scriptcalls"
)

// traceScripts runs every script twice in its sandbox, two at a time.
func traceScripts(t *testing.T, scripts []scriptcalls.Script) [][][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	calls, err := scriptcalls.Trace(ctx, 2, scripts)
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

func TestOracleScriptsAreSeen(t *testing.T) {
	cases := []struct {
		argv []string
		env  []string
		want []string // calls with blanks between words, each once
	}{
		{argv: []string{"/bin/sh", "-c", "docker run a"}, want: []string{"docker run a"}},
		{argv: []string{"/bin/bash", "-c", "/usr/bin/docker start x || exec /usr/bin/docker run --name 'x y' img"},
			want: []string{"docker start x", "docker run --name x y img"}},
		{argv: []string{"/bin/bash", "-c", "IMG=a/b:${TAG}; [ -z \"$(etcdctl get /x)\" ] || /opt/bin/podman run $IMG"}, env: []string{"TAG=7"},
			want: []string{"podman run a/b:7"}},
		{argv: []string{"/usr/bin/env", "bash", "-c", "sudo -E docker pull x:$(echo 1 | sed s/1/2/)"}, want: []string{"docker pull x:2"}},
		{argv: []string{"/bin/sh", "-c", "while true; do docker run loop; sleep 1; done"}, want: []string{"docker run loop"}},
		{argv: []string{"/usr/bin/timeout", "5", "docker", "run", "img"}, want: []string{"docker run img"}},
		{argv: []string{"/bin/sh", "-c", "docker run \"x$(cat /e*c/p?sswd /pr*c/1/environ; echo /ho*e /ro*t)\""}, want: []string{"docker run x/ho*e /ro*t"}},
		{argv: []string{"/bin/sh", "-c", "docker run front; (sleep 1; docker run behind) & exit 0"}, want: []string{"docker run front", "docker run behind"}},
		{argv: []string{"/bin/sh", "-c", "echo done"}},
	}
	var scripts []scriptcalls.Script
	for _, c := range cases {
		scripts = append(scripts, scriptcalls.Script{Argv: c.argv, Env: c.env})
	}
	for i, calls := range traceScripts(t, scripts) {
		var got []string
		for _, call := range calls {
			if line := strings.Join(call, " "); !slices.Contains(got, line) {
				got = append(got, line)
			}
		}
		if !slices.Equal(got, cases[i].want) {
			t.Errorf("%q: calls %q, want %q", cases[i].argv, got, cases[i].want)
		}
	}
}
