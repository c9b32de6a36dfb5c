package confrepo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
)

// remote reads from a repository: it lists references and fetches objects, in
// protocol version 2 where the server has it and in version 0 elsewhere.
//
// Over HTTP the first request is a version 2 ls-refs sent straight away, which
// saves the round trip of the advertisement. Whatever does not come back as
// expected is asked again from the advertisement on.
type remote struct {
	wire  wire
	agent string

	version  int // 0 as long as unknown, then 1 (for "0 or 1") or 2
	offered  []string
	fetchOps []string // features of the version 2 fetch command; nil if not asked
	noFilter bool     // the server does not take a filter
	noIDs    bool     // the server does not take ids that no reference names
	// wholeTrees: the server does not take a depth of trees, or no ids of trees.
	wholeTrees bool
	queue      bool // list the requests that wait for the branch as well
	listed     *references
	started    bool // a conversation is open in which nothing was fetched yet
}

// references is what is needed of a server's list.
type references struct {
	tips map[string]plumbing.Hash // full name -> id
	head string                   // full name that HEAD points to, or ""
	// requests are the references below [queueRoot], which no branch is among.
	requests map[string]plumbing.Hash
	// all: the list is whole, not only what was asked for.
	all bool
}

func newReferences(all bool) *references {
	return &references{tips: map[string]plumbing.Hash{}, requests: map[string]plumbing.Hash{}, all: all}
}

func (r *references) add(name string, id plumbing.Hash) {
	if strings.HasPrefix(name, queueRoot) {
		r.requests[name] = id
		return
	}
	r.tips[name] = id
}

// list asks for the branch (if one is named) and HEAD.
func (r *remote) list(ctx context.Context, branch string) (*references, error) {
	switch {
	case r.version == 0 && !r.wire.keepsState():
		refs, err := r.lsRefs(ctx, branch)
		if err == nil {
			r.version = 2
			return refs, nil
		}
		if settled(err) || ctx.Err() != nil {
			return nil, err
		}
	case r.version == 2 && !r.wire.keepsState():
		return r.lsRefs(ctx, branch)
	}
	// a git-upload-pack that is still running would list the references as
	// they were when it first looked
	return r.greetAndList(ctx, branch)
}

// settled reports whether an answer to the first request is final, so that
// asking in the older way would not change it.
func settled(err error) bool {
	e := (*Error)(nil)
	return errors.As(err, &e) && (e.status == 401 || e.status == 429 || e.status >= 500 || e.unreached || e.Kind == HostKey)
}

// greetAndList reads the advertisement and learns what the server can do.
func (r *remote) greetAndList(ctx context.Context, branch string) (*references, error) {
	if err := r.begin(ctx, true); err != nil {
		return nil, err
	}
	if r.version == 1 {
		return r.listed, nil
	}
	return r.lsRefs(ctx, branch)
}

// begin starts a conversation.
func (r *remote) begin(ctx context.Context, fresh bool) error {
	r.started = false
	a, err := r.wire.greet(ctx, fresh)
	if err != nil {
		return err
	}
	version, err := r.readGreeting(a.r)
	if err = a.finish(err); err != nil {
		return err
	}
	r.version, r.started = version, true
	return nil
}

// hangUp forgets a conversation that went wrong.
func (r *remote) hangUp() { r.started = false }

// readGreeting reads either kind of advertisement. In version 0 it is the list
// of all references.
func (r *remote) readGreeting(in *bufio.Reader) (version int, err error) {
	kind, line, err := readPkt(in)
	if err == nil && bytes.HasPrefix(line, []byte("# service=")) {
		if kind, _, err = readPkt(in); err == nil && kind != pktFlush {
			err = errors.New("expected a flush packet after the service line")
		}
		if err == nil {
			kind, line, err = readPkt(in)
		}
	}
	switch {
	case err != nil:
		return 0, noUnexpected(err)
	case string(line) == "version 2\n":
		return 2, r.readVersion2(in)
	case kind == pktFlush:
		return 1, r.readVersion0(strings.NewReader("0000"))
	case string(line) == "version 1\n":
		return 1, r.readVersion0(in)
	}
	var first pktBuffer
	first.line("%s", line)
	return 1, r.readVersion0(io.MultiReader(bytes.NewReader(first.bytes), in))
}

func (r *remote) readVersion2(in *bufio.Reader) error {
	r.offered, r.fetchOps = nil, []string{}
	for {
		kind, line, err := readPkt(in)
		if err != nil {
			return noUnexpected(err)
		}
		if kind == pktFlush {
			break
		}
		text := strings.TrimSuffix(string(line), "\n")
		r.offered = append(r.offered, text)
		r.wholeTrees = r.wholeTrees || strings.HasPrefix(text, "agent=git/github-")
		if features, ok := strings.CutPrefix(text, "fetch="); ok {
			r.fetchOps = strings.Fields(features)
		}
	}
	r.noFilter = !slices.Contains(r.fetchOps, "filter")
	return r.checkFormat()
}

func (r *remote) readVersion0(in io.Reader) error {
	adv := packp.NewAdvRefs()
	r.listed = newReferences(true)
	err := adv.Decode(in)
	if errors.Is(err, packp.ErrEmptyAdvRefs) {
		r.offered = []string{}
		return nil
	}
	if err != nil {
		if strings.Contains(err.Error(), "object-format=sha256") {
			return sha256Error()
		}
		if errors.Is(err, packp.ErrEmptyInput) {
			return io.ErrUnexpectedEOF
		}
		return &Error{Kind: Unsupported, Step: "read", Text: "the server's list of references cannot be read: " + oneLine(err.Error()), Err: err}
	}
	r.offered = []string{}
	for _, c := range adv.Capabilities.All() {
		r.offered = append(r.offered, c.String())
		for _, value := range adv.Capabilities.Get(c) {
			if target, ok := strings.CutPrefix(value, "HEAD:"); ok {
				r.listed.head = target
			}
			if value == "sha256" {
				return sha256Error()
			}
		}
	}
	for name, id := range adv.References {
		r.listed.add(name, id)
	}
	if adv.Head != nil {
		r.listed.tips["HEAD"] = *adv.Head
	}
	r.noFilter = !hasCapability(r.offered, "filter")
	r.noIDs = !hasCapability(r.offered, "allow-reachable-sha1-in-want")
	return nil
}

func (r *remote) checkFormat() error {
	for _, c := range r.offered {
		if format, ok := strings.CutPrefix(c, "object-format="); ok && format != "sha1" {
			return sha256Error()
		}
	}
	return nil
}

func sha256Error() error {
	return &Error{Kind: Unsupported, Step: "read", Text: "the repository uses SHA-256 object ids, which are not supported"}
}

// lsRefs is the version 2 command: branch and HEAD, or everything if the
// branch is empty.
func (r *remote) lsRefs(ctx context.Context, branch string) (*references, error) {
	refs, err := r.lsRefsOnce(ctx, branch)
	if err != nil || len(refs.tips) > 0 || branch == "" {
		return refs, err
	}
	// nothing matched: an empty repository, or one with other branches only?
	return r.lsRefsOnce(ctx, "")
}

func (r *remote) lsRefsOnce(ctx context.Context, branch string) (*references, error) {
	var b pktBuffer
	b.line("command=ls-refs\n")
	b.line("agent=%s\n", r.agent)
	b.delimiter()
	b.line("symrefs\n")
	if r.offersUnborn() {
		b.line("unborn\n")
	}
	if branch != "" {
		b.line("ref-prefix HEAD\n")
		b.line("ref-prefix refs/heads/%s\n", branch)
		if r.queue {
			b.line("ref-prefix %s%s/\n", queueRoot, branch)
		}
	}
	b.flush()
	a, err := r.wire.ask(ctx, b.bytes)
	if err != nil {
		return nil, err
	}
	refs := newReferences(branch == "")
	err = func() error {
		for {
			kind, line, err := readPkt(a.r)
			if err != nil || kind == pktFlush {
				return noUnexpected(err)
			}
			words := strings.Fields(string(line))
			if len(words) < 2 {
				return errors.New("malformed line in the server's list of references")
			}
			for _, attr := range words[2:] {
				if target, ok := strings.CutPrefix(attr, "symref-target:"); ok && words[1] == "HEAD" {
					refs.head = target
				}
			}
			if plumbing.IsHash(words[0]) {
				refs.add(words[1], plumbing.NewHash(words[0]))
			}
		}
	}()
	return refs, a.finish(err)
}

func (r *remote) offersUnborn() bool { return slices.Contains(r.offered, "ls-refs=unborn") }

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

func hasCapability(offered []string, name string) bool {
	for _, c := range offered {
		if c == name || strings.HasPrefix(c, name+"=") {
			return true
		}
	}
	return false
}

// noUnexpected makes the end of a stream in the middle of a message one error.
func noUnexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
