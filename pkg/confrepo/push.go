package confrepo

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

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
