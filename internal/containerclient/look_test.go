package containerclient

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// client puts a docker on the search path that does what a script says.
func client(t *testing.T, script string) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "docker"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
}

func noEnv(string) string { return "" }

func TestLook(t *testing.T) {
	started := time.Date(2026, 5, 4, 3, 2, 1, 500, time.UTC)
	for _, tt := range []struct {
		name, script string
		want         State
		err          string
	}{
		{"docker", `echo '[{"Id":"x","State":{"Status":"running","Running":true,"Paused":false,"Restarting":false,"Pid":42,"StartedAt":"2026-05-04T03:02:01.0000005Z"}}]'`,
			State{true, 42, started}, ""},
		{"nerdctl", `echo '[{"State":{"Status":"running","Running":true,"Pid":42}}]'`, State{Running: true, Pid: 42}, ""},
		{"created", `echo '[{"State":{"Status":"created","Running":false,"Pid":0,"StartedAt":"0001-01-01T00:00:00Z"}}]'`, State{}, ""},
		{"restarting", `echo '[{"State":{"Status":"restarting","Running":true,"Restarting":true,"Pid":0}}]'`, State{}, ""},
		{"none", `case $2 in ls) ;; *) echo '[]'; echo "Error: No such container: $3" >&2; exit 1;; esac`, State{}, ""},
		{"no engine", `echo "Cannot connect to the Docker daemon" >&2; exit 1`, State{}, "Cannot connect to the Docker daemon"},
		{"nonsense", `echo hello`, State{}, "what the client says of a container"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client(t, tt.script)
			found, err := Find("docker", noEnv)
			if err != nil {
				t.Fatal(err)
			}
			got, err := found.Look(t.Context(), "web")
			if got.Started.Equal(tt.want.Started) {
				got.Started = tt.want.Started
			}
			switch {
			case tt.err == "" && (err != nil || got != tt.want):
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
	if _, err := Find("no-such-client", noEnv); !errors.Is(err, ErrNoClient) {
		t.Errorf("error %v", err)
	}
}

// TestLookIsBounded: an engine that does not answer keeps nobody.
func TestLookIsBounded(t *testing.T) {
	client(t, "exec sleep 60")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	found, err := Find("docker", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := found.Look(ctx, "web"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
		t.Errorf("error %v after %v", err, time.Since(began))
	}
}
