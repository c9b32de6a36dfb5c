package containerclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A State is how a container is. The zero State is that of one that is not there.
type State struct {
	// Running tells that its program runs, and is not about to be started again.
	Running bool
	// Pid is that of its program, and Started when it was started; the zero values
	// where the client does not tell.
	Pid     int
	Started time.Time
}

// Look asks a client, docker, podman or nerdctl, how a container is. A client that
// is not on the search path is ErrNoClient. An error of a client that does not know
// the container and knows no others either, as it does not reach its engine, is
// the last line that it said.
func Look(ctx context.Context, client, name string) (State, error) {
	path, err := exec.LookPath(client)
	if err != nil {
		return State{}, fmt.Errorf("%s: %w", client, ErrNoClient)
	}
	output, err := ask(ctx, path, "container", "inspect", name)
	if err != nil && ctx.Err() == nil {
		// none of that name, unless the client fails at everything
		_, err := ask(ctx, path, "container", "ls", "--quiet", "--last", "1")
		return State{}, err
	}
	if err != nil {
		return State{}, err
	}
	return parseState(output)
}

// ask returns what a client prints.
func ask(ctx context.Context, path string, words ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, path, words...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace
	var said strings.Builder
	cmd.Stderr = &said
	output, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil && last(said.String()) != "":
		return nil, errors.New(last(said.String()))
	}
	return output, err
}

// parseState reads what `container inspect` prints, which is much the same for
// docker, podman and nerdctl.
func parseState(output []byte) (State, error) {
	var containers []struct {
		State struct {
			Status              string
			Running, Restarting bool
			Pid                 int
			StartedAt           string
		}
	}
	if err := json.Unmarshal(output, &containers); err != nil {
		return State{}, fmt.Errorf("what the client says of a container: %w", err)
	}
	if len(containers) == 0 {
		return State{}, nil
	}
	s := containers[0].State
	state := State{Running: (s.Running || s.Status == "running") && !s.Restarting, Pid: s.Pid}
	if at, err := time.Parse(time.RFC3339Nano, s.StartedAt); err == nil && at.Year() > 1 {
		state.Started = at
	}
	return state, nil
}
