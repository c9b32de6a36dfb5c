package confrepo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
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

// place is where the next commit belongs.
type place struct {
	ref   string
	id    plumbing.Hash // the tip, or zero in an empty repository
	fresh bool          // the reference does not exist yet
}

// attempt is one round: find the tip, read it, decide, push.
func (p *publisher) attempt(ctx context.Context) error {
	if !p.o.DryRun {
		p.wire.prepare(ctx)
	}
	at, err := p.find(ctx)
	if err != nil {
		return err
	}
	if there, err := p.landed(ctx, at.id); err != nil || there {
		return err
	}
	if err := p.read(ctx, at.id); err != nil {
		return err
	}
	p.result.Attempts++
	p.result.Branch = strings.TrimPrefix(at.ref, "refs/heads/")
	p.result.Parent, p.result.Created = "", at.fresh
	if !at.id.IsZero() {
		p.result.Parent = at.id.String()
	}
	decision, tree, err := p.decideUpon(ctx, at)
	if err != nil || tree == nil {
		return err
	}
	stamp := p.o.now().UTC()
	for _, s := range []*Signature{&decision.Author, &decision.Committer} {
		if s.When.IsZero() {
			s.When = stamp
		}
	}
	commit, err := encodeCommit(tree.root, at.id, decision, p.o.Sign)
	if err != nil {
		return err
	}
	if p.o.DryRun {
		return nil
	}
	return p.push(ctx, at, commit, *tree)
}

// find reads the reference that is to be updated.
func (p *publisher) find(ctx context.Context) (place, error) {
	p.step("reading the tip of %s", p.shown)
	refs, err := p.remote.list(ctx, p.branch)
	if err != nil {
		return place{}, explain(asError("read", err))
	}
	branch := p.branch
	if branch == "" {
		branch, err = p.headBranch(ctx, refs)
		if err != nil {
			return place{}, err
		}
	}
	at := place{ref: "refs/heads/" + branch}
	if id, ok := refs.tips[at.ref]; ok {
		at.id = id
		return at, nil
	}
	at.fresh = true
	for _, name := range slices.Sorted(maps.Keys(refs.tips)) {
		if strings.HasPrefix(name, at.ref+"/") {
			return at, failure(Obstructed, "read", "branch %q cannot be created: branch %q is in its way", branch, strings.TrimPrefix(name, "refs/heads/"))
		}
	}
	if id, ok := refs.tips["HEAD"]; ok {
		at.id = id
		return at, nil
	}
	if len(refs.tips) > 0 {
		e := failure(Unsupported, "read", "branch %q does not exist, and the remote's HEAD names no branch that does", branch)
		e.Hint = "create the branch, or point the remote's HEAD to an existing one"
		return at, e
	}
	return at, nil
}

// headBranch is the branch that the remote's HEAD names.
func (p *publisher) headBranch(ctx context.Context, refs *references) (string, error) {
	head := refs.head
	if head == "" && len(refs.tips) == 0 && p.remote.version == 2 && p.remote.fetchOps == nil {
		// the name of an unborn branch is told only to those who ask for it
		again, err := p.remote.greetAndList(ctx, "")
		if err != nil {
			return "", explain(asError("read", err))
		}
		head = again.head
	}
	if head == "" {
		// older servers do not say: the one branch with HEAD's commit is it
		id, known := refs.tips["HEAD"]
		for name, tip := range refs.tips {
			if known && tip == id && strings.HasPrefix(name, "refs/heads/") {
				if head != "" {
					head = ""
					break
				}
				head = name
			}
		}
	}
	if !strings.HasPrefix(head, "refs/heads/") {
		e := failure(Usage, "read", "the remote's HEAD does not say which branch to use")
		e.Hint = "name the branch"
		return "", e
	}
	return strings.TrimPrefix(head, "refs/heads/"), nil
}

// explain words the errors of the reading side.
func explain(e *Error) *Error {
	var said *remoteError
	if errors.As(e.Err, &said) {
		explainWords(e, said.text, 0)
	}
	if isCut(e.Err) && e.Kind == Unavailable && e.Step == "read" {
		e.Text = "the server ended its answer too early"
	}
	return e
}

// firstDepth is how many commits are read with their trees at once: the tip,
// and its parents, so that a decision can compare the two without asking again.
const firstDepth = 2

// read brings the tip commit, its parents and their trees into the store.
func (p *publisher) read(ctx context.Context, tip plumbing.Hash) error {
	if tip.IsZero() || tip == p.held {
		return nil
	}
	q := fetchRequest{wants: []plumbing.Hash{tip}, depth: firstDepth, filter: "blob:none", blobs: p.blobs()}
	if !p.held.IsZero() {
		q.haves = []plumbing.Hash{p.held}
	}
	if err := p.remote.fetch(ctx, q, p.store); err != nil {
		return explain(asError("read", err))
	}
	p.store.prune(tip)
	p.held, p.depth = tip, firstDepth
	return nil
}

// blobs: a server that does not hand out single objects has to send them all.
func (p *publisher) blobs() blobPolicy {
	if p.remote.version == 1 && p.remote.noIDs {
		return allBlobs
	}
	return someBlobs
}

// decideUpon calls the decision until it has seen all that it asks for, and
// builds the new tree. A nil tree means that nothing changes.
func (p *publisher) decideUpon(ctx context.Context, at place) (Decision, *built, error) {
	tip := &Tip{Branch: p.result.Branch, New: at.fresh, store: p.store}
	if !at.id.IsZero() {
		raw, ok := p.store.get(at.id, plumbing.CommitObject)
		if !ok {
			return Decision{}, nil, missing(at.id)
		}
		commit, err := parseCommit(at.id, raw)
		if err != nil {
			return Decision{}, nil, &Error{Kind: Unsupported, Step: "read", Text: err.Error()}
		}
		tip.ID, tip.commit, tip.history = commit.ID, commit, p.depth
	}
	var decision Decision
	for round := 0; ; round++ {
		var err error
		decision, err = p.decide(tip)
		if tip.needs.empty() {
			if err != nil {
				return decision, nil, err
			}
			break
		}
		if round > 20 {
			return decision, nil, errors.New("the decision never stops asking for more of the tip")
		}
		if err := p.load(ctx, tip); err != nil {
			return decision, nil, err
		}
	}
	for _, c := range decision.Changes {
		if err := CheckPath(c.Path); err != nil {
			return decision, nil, err
		}
	}
	tree, err := buildTree(p.store, tip.commit.tree, decision.Changes)
	if err != nil {
		return decision, nil, err
	}
	if tree.root == tip.commit.tree || tree.root == plumbing.ComputeHash(plumbing.TreeObject, nil) && at.id.IsZero() {
		return decision, nil, nil
	}
	return decision, &tree, nil
}

// load fetches what the decision asked for, in one request where it can be.
func (p *publisher) load(ctx context.Context, tip *Tip) error {
	n := tip.needs
	tip.needs = needs{}
	fetch := func(q fetchRequest) error {
		if err := p.remote.fetch(ctx, q, p.store); err != nil {
			return explain(asError("read", err))
		}
		return nil
	}
	here := []plumbing.Hash{tip.commit.id}
	if p.remote.noIDs && len(n.blobs) > 0 {
		// the only way to some of the blobs is all of them
		p.remote.noFilter = true
		if err := fetch(fetchRequest{wants: here, depth: max(1, tip.history), blobs: allBlobs}); err != nil {
			return err
		}
		n.blobs = slices.DeleteFunc(n.blobs, func(id plumbing.Hash) bool { _, ok := p.store.objects[id]; return ok })
	}
	together := n.trees == 0 && !p.remote.noFilter
	if len(n.blobs) > 0 || n.history > 0 && together {
		q := fetchRequest{wants: n.blobs, blobs: allBlobs}
		if n.history > 0 && together {
			q.wants, q.depth, q.filter = append(here, n.blobs...), n.history, "tree:0"
			tip.history = n.history
		}
		if err := fetch(q); err != nil {
			return err
		}
	}
	if n.history > tip.history || n.trees > 0 {
		q := fetchRequest{wants: here, haves: here, depth: max(n.history, n.trees), filter: "blob:none", blobs: p.blobs()}
		if err := fetch(q); err != nil {
			return err
		}
		tip.history = max(tip.history, q.depth)
	}
	p.depth = tip.history
	for _, id := range n.blobs {
		if _, ok := p.store.objects[id]; !ok {
			return missing(id)
		}
	}
	return nil
}

// push sends the commit and acts on the answer.
func (p *publisher) push(ctx context.Context, at place, commit []byte, tree built) error {
	id := plumbing.ComputeHash(plumbing.CommitObject, commit)
	from := at.id
	if at.fresh {
		from = plumbing.ZeroHash
	}
	p.step("pushing %s to %s", id.String()[:10], p.result.Branch)
	u := update{ref: at.ref, from: from.String(), to: id.String(), pack: encodePack(commit, tree, p.thin),
		wary: p.wary || from.IsZero(), agent: p.o.agent()}
	p.said = nil
	say := func(line string) {
		p.said = append(p.said, line)
		if p.o.Remote != nil {
			p.o.Remote(line)
		}
	}
	a, err := p.wire.push(ctx, u)
	if err != nil {
		e := asError("push", err)
		p.wary = p.wary || e.wary
		if e.unknownOutcome {
			p.remember(id, at.id)
		}
		return e
	}
	r, err := readReport(a.r, at.ref, say)
	err = a.finish(err)
	switch judge(r, p.said) {
	case landed:
		p.result.Commit = id.String()
		return nil
	case unclear:
		p.remember(id, at.id)
		p.wary = true
		if err == nil {
			err = errors.New("the server's answer holds no report")
		}
		return asError("push", err)
	case refused:
		e := failure(Rejected, "push", "the server refuses the update of %s: %s", p.result.Branch, r.ref)
		e.Remote = p.said
		e.Hint = refusalHint(r.ref, p.said)
		return e
	case brokenPack:
		p.thin = false // from now on with whole objects
		return &lostRace{"the server could not unpack the objects: " + r.unpack}
	}
	if err := ctx.Err(); err != nil {
		return passing("push", err)
	}
	return &lostRace{r.ref}
}

func refusalHint(reason string, said []string) string {
	all := strings.ToLower(reason + " " + strings.Join(said, " "))
	switch {
	case containsAny(all, "protected", "gh006", "gh013", "rule violation", "tf402455"):
		return "the branch is protected; let the account or key that pushes bypass the rule, or push to another branch"
	case containsAny(all, "currently checked out"):
		return "the repository has a work tree; push to a bare repository"
	}
	return ""
}

func (p *publisher) remember(id, base plumbing.Hash) {
	if len(p.pending) == 0 {
		p.pendingBase = base
	}
	p.pending = append(p.pending, id)
}

// landed settles pushes whose answer was lost: it tells whether one of the
// pending commits is the tip or behind it. If none is, and the branch has
// moved, none of them can land any more, since each names a tip that is gone.
func (p *publisher) landed(ctx context.Context, tip plumbing.Hash) (bool, error) {
	if len(p.pending) == 0 || tip.IsZero() {
		return false, nil
	}
	if tip == p.pendingBase {
		return false, nil // not yet: a second push upon the same tip cannot also win
	}
	found, ok := plumbing.ZeroHash, slices.Contains(p.pending, tip)
	if ok {
		found = tip
	} else {
		q := fetchRequest{wants: []plumbing.Hash{tip}, filter: "tree:0", depth: 1000}
		if !p.pendingBase.IsZero() {
			q.haves, q.depth = []plumbing.Hash{p.pendingBase}, 0
		}
		between := newStore()
		if err := p.remote.fetch(ctx, q, between); err != nil {
			return false, explain(asError("read", err))
		}
		for _, id := range p.pending {
			if _, there := between.objects[id]; there {
				found, ok = id, true
			}
		}
		if between.objects[tip].data == nil {
			return false, missing(tip)
		}
	}
	if !ok {
		p.pending = nil
		return false, nil
	}
	p.step("the answer was lost, but the commit is there")
	p.result.Commit = found.String()
	return true, nil
}

func (p *publisher) step(format string, args ...any) {
	if p.o.Step != nil {
		p.o.Step(fmt.Sprintf(format, args...))
	}
}
