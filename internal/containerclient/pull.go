// Package containerclient has a container client, or its engine, fetch images, so
// that they are there before the containers that run older ones are stopped, and look
// whether a container runs.
package containerclient

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// grace is how long a client that is told to end may take.
const grace = 5 * time.Second

// pull runs a command with the reference behind its words, and returns when the
// image is there. Where the client fails, the error is the last line that it
// said.
func pull(ctx context.Context, command []string, reference string) error {
	words := append(append([]string{}, command[1:]...), reference)
	cmd := exec.CommandContext(ctx, command[0], words...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &exit):
		if said := last(string(output)); said != "" {
			return errors.New(said)
		}
		return err
	}
	return err
}

// last is the last line that says anything, cut to a length that can be read.
func last(output string) string {
	const most = 300
	said := ""
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" {
			said = line
		}
	}
	if len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + "…"
	}
	return said
}
