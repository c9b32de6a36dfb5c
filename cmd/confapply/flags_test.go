package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	door "github.com/unitstamp/unitstamp/internal/cli"
)

// TestFromEngine: what an engine could not do has its exit code, and an interruption
// is told as one, wherever it came.
func TestFromEngine(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("no bus"), "systemd engine: no bus"},
		{fmt.Errorf("wait for the lock: %w", context.Canceled), "interrupted"},
	} {
		err := fromEngine(settings{kind: "systemd"}, tt.err)
		if err.Error() != tt.want || door.ExitCode(err) != 3 {
			t.Errorf("%v: %q, exit code %d", tt.err, err, door.ExitCode(err))
		}
	}
}
