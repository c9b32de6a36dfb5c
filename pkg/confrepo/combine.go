package confrepo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// lead carries out what waits in the queue, the own request among it.
func (p *publisher) lead(ctx context.Context, at place) error {
	p.wire.prepare(ctx)
	requests, err := p.readRequests(ctx)
	if err == nil {
		err = p.read(ctx, at.id)
	}
	if err != nil {
		if e := asError("read", err); !e.again {
			// somebody may have left what cannot be read; alone it does not matter
			p.leave("the queue cannot be read (" + e.Text + ")")
			return goOn{}
		}
		return err
	}
	p.result.Attempts++
	c, err := p.combine(ctx, at, requests)
	if err != nil {
		return err
	}
	if len(c.chain) == 0 {
		// nothing to push. The others find their own answer when it is their turn
		if p.withdraw(ctx) != landed && !p.ticket.stuck {
			return goOn{}
		}
		p.result.Parent = at.id.String()
		return c.answer
	}
	return p.pushCombined(ctx, at, c)
}

// readRequests reads the requests that have not been read before, oldest first.
func (p *publisher) readRequests(ctx context.Context) ([]request, error) {
	entries := p.live()
	own := slices.IndexFunc(entries, func(e queued) bool { return e.ref == p.ticket.ref })
	if own >= maxRequests {
		entries = append(entries[:maxRequests-1:maxRequests-1], entries[own])
	}
	entries = entries[:min(len(entries), maxRequests)]
	var unread []plumbing.Hash
	for _, e := range entries {
		if _, known := p.requests[e.ref]; !known && e.ref != p.ticket.ref && !slices.Contains(unread, e.id) {
			unread = append(unread, e.id)
		}
	}
	found := newStore()
	found.limit = maxBatch
	if len(unread) > 0 {
		if err := p.remote.fetch(ctx, fetchRequest{wants: unread, depth: 1, filter: "tree:0"}, found); err != nil {
			return nil, explain(asError("read", err))
		}
	}
	var all []request
	for _, e := range entries {
		if e.ref == p.ticket.ref {
			all = append(all, request{queued: e, own: true, readable: true})
			continue
		}
		r, known := p.requests[e.ref]
		if !known || r.id != e.id {
			raw, _ := found.get(e.id, plumbing.CommitObject)
			r = readRequest(e, raw, p.seal)
			p.requests[e.ref] = r
		}
		all = append(all, r)
	}
	return all, nil
}

// combined is what came of the requests.
type combined struct {
	chain   []link
	handled []queued
	own     int   // the place of the own commit in the chain, or -1
	answer  error // the own decision's, if there is no own commit
}

// combine decides about the requests in their order, each upon the commit that
// came of the one before.
func (p *publisher) combine(ctx context.Context, at place, requests []request) (combined, error) {
	c := combined{own: -1}
	tip, err := p.tipOf(at)
	if err != nil {
		return c, err
	}
	if err := p.preload(ctx, tip, requests); err != nil {
		return c, err
	}
	for _, r := range requests {
		c.handled = append(c.handled, r.queued)
		tip.Request = r.name
		decision, tree, err := p.consider(ctx, tip, p.decisionFor(r))
		if e := (*Error)(nil); errors.As(err, &e) && e.again || isContext(err) {
			return c, err
		}
		if err != nil || tree == nil {
			if r.own {
				c.answer = err
			}
			continue
		}
		if !r.own {
			decision.Author, decision.Committer = r.author, r.committer
		}
		l, err := p.commitUpon(tip.commit.id, decision, *tree)
		if err != nil {
			return c, err
		}
		if r.own {
			c.own = len(c.chain)
		}
		c.chain = append(c.chain, l)
		if tip, err = p.advance(tip, l); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (p *publisher) decisionFor(r request) Decide {
	switch {
	case r.own:
		return p.decide
	case !r.readable:
		return func(*Tip) (Decision, error) { return Decision{}, errors.New("the request cannot be read") }
	}
	return func(tip *Tip) (d Decision, err error) {
		defer func() { // what others ask for must not end this job, whatever it is
			if trouble := recover(); trouble != nil {
				err = fmt.Errorf("the request cannot be decided: %v", trouble)
			}
		}()
		return p.o.Queue.Decide(r.text, tip)
	}
}

// preload asks all requests what they need to see of the tip, so that it can be
// fetched at once.
func (p *publisher) preload(ctx context.Context, tip *Tip, requests []request) error {
	for range maxRounds {
		for _, r := range requests {
			tip.Request = r.name
			if decision, err := p.decisionFor(r)(tip); err == nil {
				tip.expect(decision.Changes)
			}
		}
		if tip.needs.empty() {
			return nil
		}
		if err := p.load(ctx, tip); err != nil {
			return err
		}
	}
	return nil // the decisions go on by themselves
}

// advance is the tip as it will be with one more commit.
func (p *publisher) advance(tip *Tip, l link) (*Tip, error) {
	p.store.put(plumbing.CommitObject, l.commit)
	for _, t := range l.trees {
		p.store.put(plumbing.TreeObject, t.data)
	}
	for _, b := range l.blobs {
		p.store.put(plumbing.BlobObject, b)
	}
	commit, err := parseCommit(l.id, l.commit)
	if err != nil {
		return nil, err
	}
	return &Tip{ID: commit.ID, Branch: tip.Branch, commit: commit, store: p.store, history: tip.history + 1, base: tip.base, made: tip.made + 1}, nil
}

// pushCombined pushes the commits and removes the requests they came of, together
// with those that are over.
func (p *publisher) pushCombined(ctx context.Context, at place, c combined) error {
	last := c.chain[len(c.chain)-1].id
	u := update{commands: []command{{at.ref, at.id.String(), last.String()}}, pack: encodePack(c.chain, p.thin), atomic: true}
	over := p.o.now().Add(-skew)
	for _, e := range p.entries {
		if slices.Contains(c.handled, e) || e.expires.Before(over) && len(u.commands) < 2*maxRequests {
			u.commands = append(u.commands, command{e.ref, e.id.String(), zeroID})
		}
	}
	o := outcome{result: p.result, answer: c.answer, requested: true}
	o.result.Parent, o.result.Commit = at.id.String(), ""
	carrying := len(c.chain)
	if c.own >= 0 {
		carrying--
		o.result.Commit = c.chain[c.own].id.String()
		if c.own > 0 {
			o.result.Parent = c.chain[c.own-1].id.String()
		}
	}
	o.result.Carrying = carrying
	line := fmt.Sprintf("pushing %s to %s", last.String()[:10], p.result.Branch)
	switch {
	case carrying == 1:
		line += ", carrying another job's update along"
	case carrying > 1:
		line += fmt.Sprintf(", carrying %d other jobs' updates along", carrying)
	}
	p.step("%s", line)
	err := p.push(ctx, at, u, last, o)
	if e := (*Error)(nil); errors.As(err, &e) && (e.Kind == Rejected || errors.Is(err, errNotAtomic)) {
		// it may be another job's commit, or the queue itself, that is not allowed
		p.leave(e.Text)
		return goOn{}
	}
	return err
}
