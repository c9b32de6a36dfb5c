package systemd

import (
	"context"
	"math"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
)

// margin is how long systemd may take beyond a unit's own time, to kill what is left
// and to say so.
const margin = time.Minute

// span is the work that a unit's own time is asked for.
type span int

const (
	starting span = 1 << iota
	stopping
)

// ownTime is how long a unit may take by its own word. systemd.service(5) has it for
// each command: a unit of several may take its time several times. 0 is no word, and
// infinity is none either: it names no time after which something must be wrong, and a
// oneshot that says nothing has it too.
func (p properties) ownTime(of span) time.Duration {
	total := time.Duration(0)
	if of&starting != 0 {
		start := p.duration("TimeoutStartUSec")
		if start == 0 {
			start = p.duration("TimeoutUSec") // of mounts and sockets, for both
		}
		total = multiply(start, max(1, p.commands("ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost")))
	}
	if of&stopping != 0 {
		stop := p.duration("TimeoutStopUSec")
		if stop == 0 {
			stop = p.duration("TimeoutUSec")
		}
		// SIGTERM and SIGKILL have the same time, each
		total = add(total, multiply(stop, 2+p.commands("ExecStop", "ExecStopPost")))
	}
	return total
}

// duration is a time in microseconds, 0 for infinity and for what is not there.
func (p properties) duration(name string) time.Duration {
	n, _ := p[name].(uint64)
	if n > math.MaxInt64/uint64(time.Microsecond) {
		return 0
	}
	return time.Duration(n) * time.Microsecond
}

func (p properties) commands(names ...string) int {
	n := 0
	for _, name := range names {
		list, _ := p[name].([][]any)
		n += len(list)
	}
	return n
}

// multiply and add stop at the longest time that there is.
func multiply(d time.Duration, n int) time.Duration {
	if d > math.MaxInt64/time.Duration(n) {
		return math.MaxInt64
	}
	return d * time.Duration(n)
}

func add(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// patience is how long to wait for units that are worked on together, of which each may
// take own: what the user gave, or else what is usual and, for each unit that may take
// longer, as much longer. 0 is for ever.
func patience(limits apply.Limits, own ...time.Duration) time.Duration {
	total := limits.Timeout
	if total <= 0 || !limits.Usual {
		return total
	}
	for _, d := range own {
		if longer := add(d, margin) - limits.Timeout; d > 0 && longer > 0 {
			total = add(total, longer)
		}
	}
	return total
}

// within is a context that ends after a time, for ever if that is 0. Its cause is the
// unit's failure.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, limit, apply.Unitf("not done within %v", limit))
}
