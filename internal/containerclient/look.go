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

// look asks the program of a client how a container is.
func look(ctx context.Context, path, name string) (State, error) {
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

// inspected is what `container inspect` prints in a list and an engine answers, which
// is much the same for docker, podman and nerdctl.
type inspected struct {
	State *struct {
		Status              string
		Running, Restarting bool
		Pid                 int
		StartedAt           string
	}
}

// state is what of it matters.
func (i inspected) state() State {
	s := i.State
	if s == nil {
		return State{}
	}
	state := State{Running: (s.Running || s.Status == "running") && !s.Restarting, Pid: s.Pid}
	if at, err := time.Parse(time.RFC3339Nano, s.StartedAt); err == nil && at.Year() > 1 {
		state.Started = at
	}
	return state
}

// parseState reads what `container inspect` prints.
func parseState(output []byte) (State, error) {
	var containers []inspected
	if err := json.Unmarshal(output, &containers); err != nil {
		return State{}, fmt.Errorf("what the client says of a container: %w", err)
	}
	if len(containers) == 0 {
		return State{}, nil
	}
	return containers[0].state(), nil
}
