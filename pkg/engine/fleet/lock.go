package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
)

// lockPoll is how often a run that waits asks for the lock.
const lockPoll = 100 * time.Millisecond

// Lock keeps other runs on this machine away from the cluster. fleet itself has
// nothing to lock with: a PUT overwrites whatever is there. So runs on different
// machines are not kept apart; they notice each other, because each unit is read
// before and after it is changed.
//
// The lock is a name in the kernel (an abstract socket), which ends with the
// program and leaves no file.
func (e *Engine) Lock(ctx context.Context, wait bool) (release func() error, err error) {
	sum := sha256.Sum256([]byte(canonical(e.endpoint)))
	name := "@confapply-fleet-" + hex.EncodeToString(sum[:8])
	for {
		listener, err := net.Listen("unix", name)
		if err == nil {
			return listener.Close, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("lock: %w", err)
		}
		if !wait {
			return nil, apply.ErrLocked
		}
		if err := sleep(ctx, lockPoll); err != nil {
			return nil, err
		}
	}
}

// canonical is one and the same text for one and the same socket.
func canonical(endpoint string) string {
	socket, unix := strings.CutPrefix(endpoint, "unix://")
	if !unix {
		return strings.ToLower(strings.TrimSuffix(endpoint, "/"))
	}
	if real, err := filepath.EvalSymlinks(socket); err == nil {
		socket = real
	}
	return "unix://" + filepath.Clean(socket)
}
