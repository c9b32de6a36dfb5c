package systemd

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
)

func TestForegroundOf(t *testing.T) {
	command := func(words ...string) [][]any { return [][]any{{words[0], words, false}} }
	for _, tt := range []struct {
		name string
		p    properties
		want string
	}{
		{"docker", properties{"ExecStart": command("/usr/bin/docker", "run", "--rm", "--name", "web", "myrepo/web:58")}, "docker web"},
		{"podman", properties{"ExecStart": command("/usr/bin/podman", "container", "run", "--name=web", "myrepo/web:58")}, "podman web"},
		{"wrapper", properties{"ExecStart": command("/usr/bin/env", "A=1", "docker", "run", "--name", "web", "x")}, "docker web"},
		{"script", properties{"ExecStart": command("/bin/sh", "-c", "docker pull x; exec docker run --name \"w%b\" x")}, "docker w%b"},
		{"variable", properties{"ExecStart": command("/usr/bin/docker", "run", "--name", "${NAME}-1", "x"), "Environment": []string{"NAME=a b", "OTHER=\"%"}}, "docker a b-1"},
		{"unknown variable", properties{"ExecStart": command("/usr/bin/docker", "run", "--name", "${NAME}", "x")}, ""},
		{"unknown options", properties{"ExecStart": command("/usr/bin/docker", "run", "$OPTS", "--name", "web", "x")}, ""},
		{"no name", properties{"ExecStart": command("/usr/bin/docker", "run", "x")}, ""},
		{"name of the container's", properties{"ExecStart": command("/usr/bin/docker", "run", "x", "--name", "web")}, ""},
		{"detached", properties{"ExecStart": command("/usr/bin/docker", "run", "-d", "--name", "web", "x")}, ""},
		{"two", properties{"ExecStart": command("/bin/sh", "-c", "docker run --name a x; docker run --name b x")}, ""},
		{"elsewhere", properties{"ExecStart": command("/usr/bin/docker", "-H", "tcp://x", "run", "--name", "web", "x")}, ""},
		{"elsewhere by variable", properties{"ExecStart": command("/usr/bin/docker", "run", "--name", "web", "x"), "Environment": []string{"DOCKER_HOST=tcp://x"}}, ""},
		{"another user's", properties{"ExecStart": command("/usr/bin/podman", "run", "--name", "web", "x"), "User": "web"}, ""},
		{"docker for another user", properties{"ExecStart": command("/usr/bin/docker", "run", "--name", "web", "x"), "User": "web"}, "docker web"},
		{"notify", properties{"Type": "notify", "ExecStart": command("/usr/bin/podman", "run", "--name", "web", "x")}, ""},
		{"oneshot", properties{"Type": "oneshot", "ExecStart": command("/usr/bin/docker", "run", "--name", "web", "x")}, ""},
		{"pull", properties{"ExecStart": command("/usr/bin/docker", "pull", "x")}, ""},
		{"other program", properties{"ExecStart": command("/bin/sleep", "1")}, ""},
		{"none", properties{}, ""},
	} {
		if tt.p["Type"] == nil {
			tt.p["Type"] = "simple"
		}
		got := ""
		if f := foregroundOf(tt.p); f != nil {
			got = f.client + " " + f.name
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestStays watches a unit of which is known what becomes of it and of its
// container, in time that passes by itself.
func TestStays(t *testing.T) {
	const second = time.Second
	for _, tt := range []struct {
		name      string
		runs      time.Duration // when the container runs; negative is never
		dies      time.Duration // when it ends, and its unit with it; 0 is never
		anew      time.Duration // when the engine starts it anew; 0 is never
		hangs     time.Duration // for so long the engine does not answer
		blind     bool          // the engine cannot be asked
		stale     bool          // another container of that name runs from before
		none      bool          // the unit runs no container
		want      string
		least, at time.Duration // how long it is watched
	}{
		{name: "no container", none: true, least: 5 * second, at: 5 * second},
		{name: "no container, dies", none: true, dies: 3 * second, want: "does not stay up: failed/failed", least: 3 * second, at: 4 * second},
		{name: "at once", runs: 0, least: 5 * second, at: 6 * second},
		{name: "late", runs: 20 * second, least: 25 * second, at: 26 * second},
		{name: "late, and dies", runs: 20 * second, dies: 22 * second, want: "does not stay up: failed/failed", least: 22 * second, at: 23 * second},
		{name: "never", runs: -1, want: `its container "web" does not run within 1m0s`, least: 60 * second, at: 62 * second},
		{name: "never, and the unit dies", runs: -1, dies: 9 * second, want: "does not stay up", least: 9 * second, at: 10 * second},
		{name: "slow engine", runs: 0, hangs: 25 * second, least: 30 * second, at: 37 * second},
		{name: "no engine", runs: 20 * second, blind: true, least: 5 * second, at: 6 * second},
		{name: "one of before", runs: -1, stale: true, want: `does not run within`, least: 60 * second, at: 62 * second},
		{name: "started anew by its engine", runs: 0, anew: 2 * second, want: `its container "web" did not run on`, least: 5 * second, at: 6 * second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				after := func(d time.Duration) bool { return time.Since(began) >= d }
				look := func() (properties, error) {
					if tt.dies > 0 && after(tt.dies) {
						return properties{"ActiveState": "failed", "SubState": "failed"}, nil
					}
					return properties{"ActiveState": "active", "SubState": "running"}, nil
				}
				var container *watched
				if !tt.none {
					container = &watched{foreground: &foreground{client: "docker", name: "web", began: began}}
					container.look = func(ctx context.Context, client, name string) (Container, error) {
						switch {
						case client != "docker" || name != "web":
							t.Errorf("asked %s for %s", client, name)
						case tt.blind:
							return Container{}, errors.New("no engine")
						case !after(tt.hangs):
							<-ctx.Done()
							return Container{}, ctx.Err()
						case tt.stale:
							return Container{true, 7, began.Add(-time.Hour)}, nil
						case tt.anew > 0 && after(tt.anew):
							return Container{true, 43, began.Add(tt.anew)}, nil
						case tt.runs >= 0 && after(tt.runs) && (tt.dies == 0 || !after(tt.dies)):
							return Container{true, 42, began.Add(tt.runs)}, nil
						}
						return Container{}, nil
					}
				}
				first, _ := look()
				err := stays(t.Context(), first, 0, container, apply.Limits{Timeout: time.Minute, Stable: 5 * second}, look)
				var unit *apply.UnitError
				switch {
				case tt.want == "" && err != nil:
					t.Error(err)
				case tt.want != "" && (!errors.As(err, &unit) || !strings.Contains(err.Error(), tt.want)):
					t.Errorf("error %v, want %q", err, tt.want)
				}
				if took := time.Since(began); took < tt.least || took > tt.at {
					t.Errorf("watched for %v", took)
				}
			})
		})
	}
}

// TestStaysEnds: a run that is interrupted waits for no container.
func TestStaysEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		up := func() (properties, error) { return properties{"ActiveState": "active"}, nil }
		first, _ := up()
		container := &watched{foreground: &foreground{client: "docker", name: "web"}, look: func(ctx context.Context, _, _ string) (Container, error) {
			<-ctx.Done()
			return Container{}, ctx.Err()
		}}
		if err := stays(ctx, first, 0, container, apply.Limits{Stable: time.Second}, up); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
