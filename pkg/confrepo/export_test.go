package confrepo

import (
	"context"

	"github.com/go-git/go-git/v5/plumbing"
)

// RequestFor makes the commit that leaves a request in the queue of a branch, and
// the reference that it belongs under.
func RequestFor(ctx context.Context, url, branch string, o Options) (ref string, commit []byte, err error) {
	a, err := parseAddress(url)
	if err != nil {
		return "", nil, err
	}
	w, err := openWire(a, o)
	if err != nil {
		return "", nil, err
	}
	defer w.close()
	p := &publisher{o: o, wire: w, branch: branch, store: newStore(), remote: &remote{wire: w, queue: true}}
	if _, err := p.find(ctx); err != nil {
		return "", nil, err
	}
	p.result.Branch = branch
	t, err := p.newTicket(place{id: plumbing.ZeroHash})
	if err != nil {
		return "", nil, err
	}
	return t.ref, t.commit, nil
}
