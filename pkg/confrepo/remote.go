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

func hasCapability(offered []string, name string) bool {
	for _, c := range offered {
		if c == name || strings.HasPrefix(c, name+"=") {
			return true
		}
	}
	return false
}
