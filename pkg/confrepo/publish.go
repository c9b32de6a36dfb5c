package confrepo

import (
	"context"
	"fmt"
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
	// Queue, if not nil, lets this job and others carry each other's requests out
	// when many push at once. It is not used in a dry run, with Sign, or for a
	// branch that does not exist yet.
	Queue *Queue
	// Paths are those of the tip that the decision will probably ask for. They are
	// only a help to read less of a repository with many folders.
	Paths []string
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
	// Attempts counts the tips that were decided upon; at least 1 if anything was
	// pushed.
	Attempts int
	// Carried says that another job pushed the commit together with its own.
	Carried bool
	// Carrying counts the other jobs' commits that were pushed with the own.
	Carrying int
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
		remote: &remote{wire: w, agent: o.agent(), wholeTrees: givesAllTrees(a.host)}, thin: true, requests: map[string]request{},
	}
	if o.DryRun || o.Sign != nil || o.Queue != nil && len(o.Queue.Request) > maxRequest/2 {
		p.o.Queue = nil // a commit that is signed has to be made by its own job
	}
	p.remote.queue = p.o.Queue != nil
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

	// pending are pushes that were sent without a clear answer, and the first tip
	// they were sent upon.
	pending     []sent
	pendingBase plumbing.Hash

	end      time.Time          // of the whole run, or zero
	losses   int                // races lost
	entries  []queued           // the queue as last listed, oldest first
	requests map[string]request // what was read of it, by reference
	ticket   *ticket            // the own request, from the moment it is sent
	leaving  bool               // the queue is not used any more
	seal     seal               // of the circle, once it is known
}

func (p *publisher) run(ctx context.Context) (Result, error) {
	p.end, _ = ctx.Deadline()
	limit := p.o.AttemptTimeout
	if limit <= 0 {
		limit = time.Minute
	}
	patience := newPatience(p)
	for {
		started := p.o.now()
		attempt, cancel := context.WithTimeout(ctx, limit)
		err := p.attempt(attempt)
		cancel()
		if err == nil {
			return p.result, nil
		}
		next := patience.after(ctx, err, started)
		switch {
		case next.answer != nil:
			return p.result, next.answer
		case next.end:
			return p.settle(ctx, next.failure)
		case !p.end.IsZero() && time.Until(p.end) < next.wait:
			e := *next.failure
			e.Text += " (no time left for another attempt)"
			return p.settle(ctx, &e)
		}
		select {
		case <-time.After(next.wait):
		case <-ctx.Done():
			return p.settle(ctx, next.failure)
		}
	}
}

// settle is called when there is no further attempt. If a push is without an
// answer, or the own request still waits, a short look is taken, even past the
// deadline, so that the caller learns the truth and nothing is left behind.
func (p *publisher) settle(ctx context.Context, e *Error) (Result, error) {
	if len(p.pending) == 0 && p.ticket == nil {
		return p.result, e
	}
	past := context.WithoutCancel(ctx)
	p.remote.hangUp()
	if p.ticket != nil && !p.ticket.stuck {
		short, cancel := context.WithTimeout(past, 1200*time.Millisecond)
		v := p.withdraw(short)
		cancel()
		if v == landed && len(p.pending) == 0 {
			return p.result, e
		}
		p.remote.hangUp()
	}
	look, cancel := context.WithTimeout(past, 1300*time.Millisecond)
	defer cancel()
	at, err := p.find(look)
	if err == nil {
		var there bool
		if there, err = p.landed(look, at.id); there {
			return p.result, err
		}
	}
	if err == nil && !p.inLine() {
		return p.result, e
	}
	unknown := *e
	unknown.Kind = Unsettled
	if p.ticket != nil && (err != nil || p.inLine()) {
		unknown.Text += "; the request may still be carried out by another job"
		unknown.Hint = "it waits as " + p.ticket.ref + " until " + p.ticket.expires.UTC().Format(time.TimeOnly) + " UTC at most; running the same command again is safe"
		return p.result, &unknown
	}
	unknown.Text += "; it is not known whether the last push was taken"
	unknown.Hint = "look whether the branch holds commit " + p.pending[len(p.pending)-1].tip.String() + "; running the same command again is safe"
	return p.result, &unknown
}

func (p *publisher) step(format string, args ...any) {
	if p.o.Step != nil {
		p.o.Step(fmt.Sprintf(format, args...))
	}
}
