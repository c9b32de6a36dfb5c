package confrepo

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// outcome is what is known once a push was taken.
type outcome struct {
	result Result
	// answer is the decision's error if it was others' commits that were pushed.
	answer error
	// requested: the own request was removed by the same push.
	requested bool
}

// sent is a push without a clear answer.
type sent struct {
	tip plumbing.Hash // taken if this is in the branch's history
	outcome
}

// send pushes an update and judges the answer. An error comes with the verdict
// unclear only.
func (p *publisher) send(ctx context.Context, u update) (verdict, report, error) {
	u.wary, u.agent = u.wary || p.wary, p.o.agent()
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
		return unclear, report{}, e
	}
	r, err := readReport(a.r, u.commands[0].ref, say)
	err = a.finish(err)
	v := judge(r, p.said)
	if v != unclear {
		return v, r, nil
	}
	p.wary = true
	if err == nil {
		err = errors.New("the server's answer holds no report")
	}
	e := asError("push", err)
	e.unknownOutcome = true
	return v, r, e
}

// push sends commits that make last the new tip, and acts on the answer.
func (p *publisher) push(ctx context.Context, at place, u update, last plumbing.Hash, o outcome) error {
	v, r, err := p.send(ctx, u)
	switch v {
	case landed:
		return p.took(o)
	case unclear:
		if e := asError("push", err); e.unknownOutcome {
			p.remember(sent{last, o}, at.id)
		}
		return err
	case refused:
		reason := r.ref
		if reason == "ok" || reason == "" {
			reason = strings.Join(r.others, ", ")
		}
		e := failure(Rejected, "push", "the server refuses the update of %s: %s", p.result.Branch, reason)
		e.Remote = p.said
		e.Hint = refusalHint(reason, p.said)
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

// took makes the outcome of a push the result.
func (p *publisher) took(o outcome) error {
	p.result, p.pending = o.result, nil
	if o.requested {
		p.ticket = nil
	}
	return o.answer
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

func (p *publisher) remember(s sent, base plumbing.Hash) {
	if len(p.pending) == 0 {
		p.pendingBase = base
	}
	p.pending = append(p.pending, s)
}

// landed settles pushes whose answer was lost, and a request that is in the queue
// no more: it tells whether one of the commits is the tip or behind it. The error
// may be the decision's own. If none of the pushed commits is, and the branch has
// moved, none of them can land any more, since each names a tip that is gone.
func (p *publisher) landed(ctx context.Context, tip plumbing.Hash) (bool, error) {
	base, pushed := p.pendingBase, len(p.pending) > 0
	requested := p.ticket != nil && !p.inLine()
	if requested {
		base = p.ticket.base // not younger than any push since
	}
	if !pushed && !requested || tip.IsZero() || tip == base {
		return false, nil // not yet: a second push upon the same tip cannot also win
	}
	if at := slices.IndexFunc(p.pending, func(s sent) bool { return s.tip == tip }); at >= 0 {
		return true, p.found(p.pending[at])
	}
	between, err := p.commitsSince(ctx, base, tip)
	if err != nil {
		return false, err
	}
	for _, s := range p.pending {
		if _, there := between.objects[s.tip]; there {
			return true, p.found(s)
		}
	}
	if tip != p.pendingBase {
		p.pending = nil
	}
	if !requested {
		return false, nil
	}
	return p.carried(between)
}

// found takes note of a push that was taken after all.
func (p *publisher) found(s sent) error {
	p.step("the answer was lost, but the commit is there")
	return p.took(s.outcome)
}

// carried looks for the commit that another job made for the own request.
func (p *publisher) carried(between *store) (bool, error) {
	for id, o := range between.objects {
		if o.kind != plumbing.CommitObject {
			continue
		}
		c, err := parseCommit(id, o.data)
		if err != nil || p.o.Queue.RequestOf(c.Message) != p.ticket.name {
			continue
		}
		p.step("landed with another job's push")
		p.result.Commit, p.result.Parent, p.result.Carried = c.ID, "", true
		p.result.Attempts = max(1, p.result.Attempts)
		if len(c.Parents) > 0 {
			p.result.Parent = c.Parents[0]
		}
		if p.o.Queue.Landed != nil {
			p.o.Queue.Landed(c)
		}
		p.ticket = nil
		return true, nil
	}
	return false, nil
}

// commitsSince reads the commits behind tip that are not behind base, without
// their trees.
func (p *publisher) commitsSince(ctx context.Context, base, tip plumbing.Hash) (*store, error) {
	q := fetchRequest{wants: []plumbing.Hash{tip}, filter: "tree:0", depth: 1000}
	if !base.IsZero() {
		q.haves, q.depth = []plumbing.Hash{base}, 0
	}
	between := newStore()
	if err := p.remote.fetch(ctx, q, between); err != nil {
		return nil, explain(asError("read", err))
	}
	if between.objects[tip].data == nil {
		return nil, missing(tip)
	}
	return between, nil
}
