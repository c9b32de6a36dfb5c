package confrepo

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// moreTime is the cure where others were faster until the end.
const moreTime = "running the same command again is safe; with a later deadline it goes on for longer"

// lostRace: the tip moved, or is locked, while we pushed.
type lostRace struct{ reason string }

func (e *lostRace) Error() string { return e.reason }

// Patience with faults that may last: a server that was never reached, and a
// branch that does not move although the update is not taken (a lock that
// somebody left behind).
const (
	unreachedPatience = 15 * time.Second
	lockedPatience    = 20 * time.Second
)

// patience tells, after each attempt that did not end it, what comes next.
type patience struct {
	p       *publisher
	begun   time.Time
	reached bool // the server has answered before
	faults  int

	stuckSince time.Time // since when races are lost upon the same tip
	stuckAt    plumbing.Hash
	lastRace   *Error
}

func newPatience(p *publisher) *patience {
	now := p.o.now()
	return &patience{p: p, begun: now, stuckSince: now}
}

// next is what follows an attempt: the decision's own answer, the end with a
// failure, or another attempt after a pause. The failure is also what is said if
// there is no time for that.
type next struct {
	answer  error
	end     bool
	failure *Error
	wait    time.Duration
}

func (c *patience) after(ctx context.Context, err error, started time.Time) next {
	var (
		race *lostRace
		turn *waiting
	)
	cycle := c.p.o.now().Sub(started)
	switch {
	case errors.As(err, &turn):
		return c.afterTurn(turn)
	case errors.Is(err, goOn{}):
		return next{failure: c.outOfTime(ctx, passing("push", err)), wait: c.p.pause(cycle, 0, 300*time.Millisecond)}
	case errors.As(err, &race):
		return c.afterRace(ctx, race, started, cycle)
	}
	e := (*Error)(nil)
	if !errors.As(err, &e) {
		if ctx.Err() == nil || !isContext(err) {
			return next{answer: err}
		}
		e = passing("read", err)
	}
	return c.afterFault(ctx, e, cycle)
}

// afterTurn waits in the queue, and ends in time to take the request back.
func (c *patience) afterTurn(w *waiting) next {
	const toLeave = time.Second
	c.reached = true
	n := next{wait: w.pause, failure: failure(Unavailable, "push", "the turn did not come: %s", w)}
	if !c.p.end.IsZero() {
		left := time.Until(c.p.end) - toLeave
		n.wait = max(0, min(n.wait, left))
		if n.end = left <= 0; n.end {
			n.failure.Text += " (no time left)"
			n.failure.Hint = moreTime
		}
	}
	return n
}

func (c *patience) afterRace(ctx context.Context, race *lostRace, started time.Time, cycle time.Duration) next {
	p := c.p
	c.reached = true
	if p.held != c.stuckAt || p.losses == 0 {
		c.stuckSince, c.stuckAt = started, p.held
	} else if p.o.now().Sub(c.stuckSince) > lockedPatience {
		e := failure(Unavailable, "push", "the server does not update %s: %s", p.result.Branch, race.reason)
		e.Remote = p.said
		e.Hint = "a lock may have been left behind there, as refs/heads/" + p.result.Branch + ".lock"
		return next{end: true, failure: e}
	}
	wait := p.pause(cycle, p.losses, 4*time.Second)
	p.losses++
	c.lastRace = &Error{Kind: Unavailable, Step: "push", Text: "the update was not taken: " + race.reason, Hint: moreTime, Remote: p.said}
	p.step("another writer was faster (%s), reading the new tip", race.reason)
	return next{failure: c.outOfTime(ctx, c.lastRace), wait: wait}
}

func (c *patience) afterFault(ctx context.Context, e *Error, cycle time.Duration) next {
	p := c.p
	if e.Remote == nil {
		e.Remote = p.said
	}
	c.reached = c.reached || !e.unreached
	if e.incomplete { // a filter that leaves out too much
		p.remote.noFilter, p.remote.wholeTrees, p.held = p.remote.wholeTrees, true, plumbing.ZeroHash
	}
	if !e.again || !c.reached && p.o.now().Sub(c.begun) > unreachedPatience {
		return next{end: true, failure: e}
	}
	p.remote.hangUp()
	wait := p.pause(max(cycle, 250*time.Millisecond), c.faults, 10*time.Second)
	if e.RetryAfter > 0 {
		wait = e.RetryAfter + p.pause(time.Second, 0, time.Second)
	}
	c.faults++
	if ctx.Err() == nil {
		p.step("%s; trying again in %s", e, wait.Round(10*time.Millisecond))
	}
	return next{failure: c.outOfTime(ctx, e), wait: wait}
}

// outOfTime is what is said if the time is up: a lost race tells more than that.
func (c *patience) outOfTime(ctx context.Context, e *Error) *Error {
	if c.lastRace != nil && ctx.Err() != nil {
		return c.lastRace
	}
	return e
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// pause is full jitter over an exponentially growing range: many writers that
// failed together spread out instead of meeting again.
func (p *publisher) pause(unit time.Duration, n int, limit time.Duration) time.Duration {
	top := min(limit, unit<<min(n, 5))
	return time.Duration(p.jitter() * float64(top))
}

func (p *publisher) jitter() float64 {
	if p.o.Jitter != nil {
		return p.o.Jitter()
	}
	return rand.Float64()
}
