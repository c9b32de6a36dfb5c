package confrepo

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
)

// fetchRequest says which objects are wanted.
type fetchRequest struct {
	wants  []plumbing.Hash
	haves  []plumbing.Hash // commits whose trees are held; also the shallow boundary
	depth  int             // number of commits from the wanted tip on; 0 for all
	filter string          // "", "blob:none", "tree:0", or one that names a depth of trees
	blobs  blobPolicy      // which blobs to keep where the filter is not taken
}

// fetch brings objects into the store.
func (r *remote) fetch(ctx context.Context, q fetchRequest, into *store) error {
	silent := false
	if asksDepth(q.filter) && !r.noFilter {
		err := r.fetchOnce(ctx, q, into)
		if e := (*Error)(nil); err == nil || ctx.Err() != nil || errors.As(err, &e) && (e.unreached || e.status == 429) {
			return err
		}
		r.wholeTrees = true // whatever it was, the next attempt shall not meet it again
		if passes(err) {
			return err
		}
		// what a server holds against a depth it says in words
		silent = r.fetchOps == nil && isCut(err)
		q.filter, q.haves = allTrees, nil
	}
	if q.filter != "" && !r.noFilter && r.version == 2 && r.fetchOps == nil {
		// not asked yet whether the server takes filters: try, then do without
		if !silent {
			err := r.fetchOnce(ctx, q, into)
			if !refusedRequest(err) {
				return err
			}
		}
		r.noFilter = true
		q.blobs = max(q.blobs, someBlobs)
		if err := r.fetchOnce(ctx, q, into); !refusedRequest(err) {
			return err
		}
		r.noFilter = false
		if _, err := r.greetAndList(ctx, "HEAD"); err != nil {
			return err
		}
	}
	return r.fetchOnce(ctx, q, into)
}

// refusedRequest reports whether the server did not understand a request: it
// said so, or ended without a word.
func refusedRequest(err error) bool {
	var said *remoteError
	return err != nil && (errors.As(err, &said) || isCut(err))
}

func (r *remote) fetchOnce(ctx context.Context, q fetchRequest, into *store) error {
	if r.noFilter {
		q.filter = ""
	}
	if r.wire.keepsState() {
		// one fetch in each conversation: git-upload-pack keeps what it learned
		// of the client's history in the first for the second
		if !r.started {
			if err := r.begin(ctx, false); err != nil {
				return err
			}
		}
		r.started = false
	}
	if r.version == 2 {
		return r.fetch2(ctx, q, into)
	}
	return r.fetch0(ctx, q, into)
}

func (r *remote) fetch2(ctx context.Context, q fetchRequest, into *store) error {
	if r.fetchOps != nil && !slices.Contains(r.fetchOps, "shallow") {
		q.depth, q.haves = 0, nil
	}
	var b pktBuffer
	b.line("command=fetch\n")
	b.line("agent=%s\n", r.agent)
	b.delimiter()
	b.line("thin-pack\n")
	b.line("no-progress\n")
	b.line("ofs-delta\n")
	q.write(&b, "")
	for _, id := range q.haves {
		b.line("have %s\n", id)
	}
	b.line("done\n")
	b.flush()
	a, err := r.wire.ask(ctx, b.bytes)
	if err != nil {
		return err
	}
	return a.finish(func() error {
		for {
			kind, line, err := readPkt(a.r)
			switch {
			case err != nil:
				return noUnexpected(err)
			case kind == pktFlush:
				return errors.New("the server's answer holds no packfile")
			case kind == pktData && string(line) == "packfile\n":
				return receivePack(a.r, sideband.Sideband64k, q.blobs, into)
			}
		}
	}())
}

// write adds the lines that both versions share. caps stands on the first line
// in version 0.
func (q fetchRequest) write(b *pktBuffer, caps string) {
	for i, id := range q.wants {
		if i > 0 {
			caps = ""
		}
		b.line("want %s%s\n", id, caps)
	}
	for _, id := range q.haves {
		b.line("shallow %s\n", id)
	}
	if q.depth > 0 {
		b.line("deepen %d\n", q.depth)
	}
	if q.filter != "" {
		b.line("filter %s\n", q.filter)
	}
}

func (r *remote) fetch0(ctx context.Context, q fetchRequest, into *store) error {
	shallow := hasCapability(r.offered, "shallow")
	if !shallow {
		q.depth, q.haves = 0, nil
	}
	var b pktBuffer
	q.write(&b, r.capabilities0(q))
	b.flush()
	for _, id := range q.haves {
		b.line("have %s\n", id)
	}
	b.line("done\n")
	a, err := r.wire.ask(ctx, b.bytes)
	if err != nil {
		return err
	}
	return a.finish(func() error {
		if q.depth > 0 {
			for { // "shallow" and "unshallow" lines
				kind, _, err := readPkt(a.r)
				if err != nil {
					return noUnexpected(err)
				}
				if kind == pktFlush {
					break
				}
			}
		}
		for {
			head, err := a.r.Peek(8)
			if err != nil {
				return noUnexpected(err)
			}
			if word := string(head[4:]); word != "NAK\n" && word != "ACK " && word != "ERR " {
				break
			}
			if _, _, err := readPkt(a.r); err != nil {
				return err
			}
		}
		if hasCapability(r.offered, "side-band-64k") {
			return receivePack(a.r, sideband.Sideband64k, q.blobs, into)
		}
		return into.receive(a.r, q.blobs)
	}())
}

// capabilities0 lists what is used of the server's offer.
func (r *remote) capabilities0(q fetchRequest) string {
	wanted := []string{"multi_ack_detailed", "side-band-64k", "thin-pack", "ofs-delta", "no-progress"}
	if q.depth > 0 {
		wanted = append(wanted, "shallow")
	}
	if q.filter != "" {
		wanted = append(wanted, "filter")
	}
	caps := ""
	for _, c := range wanted {
		if hasCapability(r.offered, c) {
			caps += " " + c
		}
	}
	if hasCapability(r.offered, "object-format") {
		caps += " object-format=sha1"
	}
	return caps + " agent=" + r.agent
}

// receivePack reads a packfile out of side band 1 and the rest of the message.
func receivePack(in *bufio.Reader, t sideband.Type, blobs blobPolicy, into *store) error {
	demux := &untilEOF{r: sideband.NewDemuxer(t, in)}
	if err := into.receive(demux, blobs); err != nil {
		return noUnexpected(err)
	}
	_, err := io.Copy(io.Discard, demux)
	return err
}

// untilEOF does not read again after the end: a side band ends with a flush
// packet, behind which the conversation may go on.
type untilEOF struct {
	r     io.Reader
	ended error
}

func (u *untilEOF) Read(b []byte) (int, error) {
	if u.ended != nil {
		return 0, u.ended
	}
	n, err := u.r.Read(b)
	u.ended = err
	return n, err
}

// noUnexpected makes the end of a stream in the middle of a message one error.
func noUnexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
