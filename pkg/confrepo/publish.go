package confrepo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// Change is what shall become of one path.
type Change struct {
	// Path is slash separated and relative to the repository's root.
	Path string
	// Content is the file's new bytes. A file that exists keeps its mode, a new
	// one gets 100644.
	Content []byte
	// Remove deletes the file; a file that is gone already is no change.
	Remove bool
}

// Decision is the commit that shall follow the tip.
type Decision struct {
	// Changes may be in any order. If none of them changes the tree, there is
	// no commit.
	Changes []Change
	// Message is the commit message.
	Message string
	// Author and Committer of the commit.
	Author, Committer Signature
}

// Decide looks at the tip and says what to commit upon it. It must be a pure
// function of the tip: it is called for every new tip, and again whenever
// something that it asked for has been fetched. Its error ends the publication
// and is returned as it is.
type Decide func(*Tip) (Decision, error)

// Options of a publication; the zero value works for a local repository.
type Options struct {
	Auth Auth
	// AttemptTimeout bounds one attempt; zero means a minute. The context's
	// deadline bounds all of them.
	AttemptTimeout time.Duration
	// Sign, if not nil, is given a commit's bytes and returns an armoured
	// signature (OpenPGP or SSH), which is put into the commit.
	Sign func(payload []byte) (string, error)
	// DryRun does everything but the push.
	DryRun bool
	// Agent names the program to the server, as in "confpush/1.2".
	Agent string
	// Step, if not nil, is told what is being done, one line at a time.
	Step func(line string)
	// Remote, if not nil, is given the lines that the server writes for people.
	Remote func(line string)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Jitter returns a number in [0,1); nil means a random one.
	Jitter func() float64
}

func (o Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// agent begins with "git/", by which hosts tell git from a browser.
func (o Options) agent() string {
	if o.Agent == "" {
		return "git/2.0-confrepo"
	}
	return "git/2.0-" + strings.ReplaceAll(o.Agent, " ", "-")
}

// Result of a publication.
type Result struct {
	// Branch is the short name of the branch.
	Branch string
	// Commit is the id of the new commit; "" if nothing had to be changed or
	// nothing was pushed.
	Commit string
	// Parent is the id of the tip that was decided upon; "" if there was none.
	Parent string
	// Attempts counts the tips that were decided upon.
	Attempts int
	// Created says that the branch was not there before.
	Created bool
}

// Publish adds at most one commit to the target branch; see the package
// documentation. It returns an *[Error], or the error of decide. The context
// should have a deadline: lost races and passing faults are retried until then.
func Publish(ctx context.Context, target Target, decide Decide, o Options) (Result, error) {
	a, err := parseAddress(target.URL)
	if err != nil {
		return Result{}, err
	}
	if target.Branch != "" {
		if err := CheckBranch(target.Branch); err != nil {
			return Result{}, err
		}
	}
	w, err := openWire(a, o)
	if err != nil {
		return Result{}, err
	}
	defer w.close()
	p := &publisher{
		o: o, wire: w, branch: target.Branch, decide: decide, store: newStore(), shown: a.shown,
		remote: &remote{wire: w, agent: o.agent()}, thin: true,
	}
	return p.run(ctx)
}

func openWire(a address, o Options) (wire, error) {
	switch a.scheme {
	case "http", "https":
		return newHTTPWire(a, o)
	case "ssh":
		return newSSHWire(a, o)
	}
	return newLocalWire(a, o), nil
}

type publisher struct {
	o      Options
	wire   wire
	remote *remote
	branch string // asked for; "" for the remote's HEAD
	shown  string
	decide Decide
	store  *store
	held   plumbing.Hash // the tip whose trees are in the store
	depth  int           // commits from held on that are in the store
	thin   bool          // send deltas against trees that the server has
	wary   bool          // ask for capabilities before the next push
	result Result
	said   []string // the server's lines of the last push

	// pending are commits that were sent without a clear answer, the first tip
	// they were sent upon, and why the answer is unclear.
	pending     []plumbing.Hash
	pendingBase plumbing.Hash
}

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

func (p *publisher) run(ctx context.Context) (Result, error) {
	begun := p.o.now()
	limit := p.o.AttemptTimeout
	if limit <= 0 {
		limit = time.Minute
	}
	reached := false
	stuckSince, stuckAt := begun, plumbing.ZeroHash
	losses, faults := 0, 0
	var lastRace *Error
	for {
		started := p.o.now()
		attempt, cancel := context.WithTimeout(ctx, limit)
		err := p.attempt(attempt)
		cancel()
		if err == nil {
			return p.result, nil
		}
		cycle := p.o.now().Sub(started)
		var race *lostRace
		var wait time.Duration
		if errors.As(err, &race) {
			reached = true
			if p.held != stuckAt || losses == 0 {
				stuckSince, stuckAt = started, p.held
			} else if p.o.now().Sub(stuckSince) > lockedPatience {
				e := failure(Unavailable, "push", "the server does not update %s: %s", p.result.Branch, race.reason)
				e.Remote = p.said
				return p.result, e
			}
			wait = p.pause(cycle, losses, 4*time.Second)
			losses++
			lastRace = &Error{Kind: Unavailable, Step: "push", Text: "the update was not taken: " + race.reason, Remote: p.said}
			err = lastRace
			p.step("another writer was faster (%s), reading the new tip", race.reason)
		} else {
			e := (*Error)(nil)
			if !errors.As(err, &e) {
				if ctx.Err() == nil || !isContext(err) {
					return p.result, err // the decision's own answer
				}
				e = passing("read", err)
			}
			if e.Remote == nil {
				e.Remote = p.said
			}
			err = e
			reached = reached || !e.unreached
			if e.incomplete { // a filter that leaves out too much
				p.remote.noFilter, p.held = true, plumbing.ZeroHash
			}
			if !e.again {
				return p.settle(ctx, e)
			}
			if !reached && p.o.now().Sub(begun) > unreachedPatience {
				return p.result, e
			}
			p.remote.hangUp()
			wait = p.pause(max(cycle, 250*time.Millisecond), faults, 10*time.Second)
			if e.RetryAfter > 0 {
				wait = e.RetryAfter + p.pause(time.Second, 0, time.Second)
			}
			faults++
			if ctx.Err() == nil {
				p.step("%s; trying again in %s", e, wait.Round(10*time.Millisecond))
			}
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) < wait {
			e := asError("push", err)
			if lastRace != nil && ctx.Err() != nil {
				e = lastRace // tells more than that the time is up
			}
			e.Text += " (no time left for another attempt)"
			return p.settle(ctx, e)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return p.settle(ctx, asError("push", err))
		}
	}
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// pause is full jitter over an exponentially growing range: many writers that
// failed together spread out instead of meeting again.
func (p *publisher) pause(unit time.Duration, n int, limit time.Duration) time.Duration {
	jitter := rand.Float64
	if p.o.Jitter != nil {
		jitter = p.o.Jitter
	}
	top := min(limit, unit<<min(n, 5))
	return time.Duration(jitter() * float64(top))
}

// settle is called when there is no further attempt. If a push is without an
// answer, one short look at the tip is taken, even past the deadline, so that
// the caller learns the truth.
func (p *publisher) settle(ctx context.Context, e *Error) (Result, error) {
	if len(p.pending) == 0 {
		return p.result, e
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), 1500*time.Millisecond)
	defer cancel()
	p.remote.hangUp()
	at, err := p.find(look)
	if err == nil {
		if there, err := p.landed(look, at.id); err == nil {
			if there {
				return p.result, nil
			}
			return p.result, e
		}
	}
	e.Kind = Unsettled
	e.Text += "; it is not known whether the last push was taken"
	e.Hint = "look whether the branch holds commit " + p.pending[len(p.pending)-1].String() + "; running the same command again is safe"
	return p.result, e
}

func (p *publisher) step(format string, args ...any) {
	if p.o.Step != nil {
		p.o.Step(fmt.Sprintf(format, args...))
	}
}
