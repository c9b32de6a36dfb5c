package confrepo

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// place is where the next commit belongs.
type place struct {
	ref   string
	id    plumbing.Hash // the tip, or zero in an empty repository
	fresh bool          // the reference does not exist yet
}

// attempt is one round: find the tip, and then go on alone or in the queue.
func (p *publisher) attempt(ctx context.Context) error {
	if p.ticket == nil {
		if !p.o.DryRun {
			p.wire.prepare(ctx)
		}
		p.step("reading the tip of %s", p.shown)
	}
	at, err := p.find(ctx)
	if err != nil {
		return err
	}
	p.result.Branch, p.result.Created = strings.TrimPrefix(at.ref, "refs/heads/"), at.fresh
	if there, err := p.landed(ctx, at.id); err != nil || there {
		return err
	}
	return p.takeTurn(ctx, at)
}

// alone reads the tip, decides and pushes.
func (p *publisher) alone(ctx context.Context, at place) error {
	if err := p.read(ctx, at.id); err != nil {
		return err
	}
	p.result.Attempts++
	p.result.Parent = ""
	if !at.id.IsZero() {
		p.result.Parent = at.id.String()
	}
	tip, err := p.tipOf(at)
	if err != nil {
		return err
	}
	decision, tree, err := p.consider(ctx, tip, p.decide)
	if err != nil || tree == nil {
		return err
	}
	l, err := p.commitUpon(at.id, decision, *tree)
	if err != nil || p.o.DryRun {
		return err
	}
	from := at.id
	if at.fresh {
		from = plumbing.ZeroHash
	}
	p.step("pushing %s to %s", l.id.String()[:10], p.result.Branch)
	u := update{commands: []command{{at.ref, from.String(), l.id.String()}}, pack: encodePack([]link{l}, p.thin), wary: from.IsZero()}
	o := outcome{result: p.result}
	o.result.Commit = l.id.String()
	return p.push(ctx, at, u, l.id, o)
}

// commitUpon makes the commit that a decision asks for.
func (p *publisher) commitUpon(parent plumbing.Hash, d Decision, tree built) (link, error) {
	stamp := p.o.now().UTC()
	for _, s := range []*Signature{&d.Author, &d.Committer} {
		if s.When.IsZero() {
			s.When = stamp
		}
	}
	commit, err := encodeCommit(tree.root, parent, d, p.o.Sign)
	return link{id: plumbing.ComputeHash(plumbing.CommitObject, commit), commit: commit, built: tree}, err
}

// find reads the reference that is to be updated.
func (p *publisher) find(ctx context.Context) (place, error) {
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
	p.list(refs, branch)
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
	q := fetchRequest{wants: []plumbing.Hash{tip}, depth: firstDepth, filter: p.tipFilter(), blobs: p.blobs()}
	if !p.held.IsZero() && (asksDepth(q.filter) || !p.store.partial) {
		q.haves = []plumbing.Hash{p.held}
	}
	if err := p.remote.fetch(ctx, q, p.store); err != nil {
		if !passes(err) {
			p.held = plumbing.ZeroHash // perhaps it was built upon what is not held
		}
		return explain(asError("read", err))
	}
	p.store.partial = asksDepth(q.filter) && !p.remote.wholeTrees && !p.remote.noFilter
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

// tipOf is the tip as a decision sees it.
func (p *publisher) tipOf(at place) (*Tip, error) {
	tip := &Tip{Branch: p.result.Branch, New: at.fresh, store: p.store}
	if at.id.IsZero() {
		return tip, nil
	}
	raw, ok := p.store.get(at.id, plumbing.CommitObject)
	if !ok {
		return nil, missing(at.id)
	}
	commit, err := parseCommit(at.id, raw)
	if err != nil {
		return nil, &Error{Kind: Unsupported, Step: "read", Text: err.Error()}
	}
	tip.ID, tip.commit, tip.base, tip.history = commit.ID, commit, at.id, p.depth
	return tip, nil
}

// maxRounds bounds how often a decision may ask for more.
const maxRounds = 20

// consider calls a decision until it has seen all that it asks for, and builds
// the new tree. A nil tree means that nothing changes.
func (p *publisher) consider(ctx context.Context, tip *Tip, decide Decide) (Decision, *built, error) {
	var decision Decision
	for round := 0; ; round++ {
		var err error
		decision, err = decide(tip)
		if err == nil {
			tip.expect(decision.Changes)
		}
		if tip.needs.empty() {
			if err != nil {
				return decision, nil, err
			}
			break
		}
		if round > maxRounds {
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
	if tree.root == tip.commit.tree || tree.root == plumbing.ComputeHash(plumbing.TreeObject, nil) && tip.commit.id.IsZero() {
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
	here := []plumbing.Hash{tip.base}
	n.history, n.trees, tip.history = max(0, n.history-tip.made), max(0, n.trees-tip.made), tip.history-tip.made
	defer func() { tip.history += tip.made }()
	if len(n.folders) > 0 {
		if err := p.loadFolders(ctx, tip, n); err != nil {
			return err
		}
		n.blobs = slices.DeleteFunc(n.blobs, func(id plumbing.Hash) bool { return p.holds([]plumbing.Hash{id}) })
	}
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
