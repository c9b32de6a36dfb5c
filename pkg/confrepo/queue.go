package confrepo

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// Queue lets jobs that meet at one branch carry each other's requests out. A job
// that finds others there leaves its request as a reference of its own,
//
//	refs/confpush/queue/<branch>/<circle>/<name>
//
// which needs no fetch and cannot conflict. The one that came first makes a
// commit for each request, one upon the other, and pushes them together with the
// deletion of those references, all or none. Who comes first is a hint and not a
// lock: two that do this at once exclude each other at the tip of the branch, as
// all writers do, and one that dies leaves its request to the next.
//
// The circle are the jobs with the same credential: the same token, the same ssh
// key. Requests are sealed with it, so that nobody has a job do what only that
// job may do.
type Queue struct {
	// Open makes a circle of all jobs that say so, whatever their credentials.
	Open bool
	// Request is what this job asks for, in a form that Decide of another job
	// understands. To this package it is opaque.
	Request []byte
	// Author and Committer of the commit that shall come of it.
	Author, Committer Signature
	// Decide is the decision about another job's request. It is given what
	// anybody who may push has written; an error puts the request aside. Author
	// and committer of the decision are not used.
	Decide func(request []byte, tip *Tip) (Decision, error)
	// RequestOf returns the name of the request ([Tip.Request]) that a commit was
	// made for, as its message tells, or "".
	RequestOf func(message string) string
	// Landed, if not nil, is given the commit if another job pushed it.
	Landed func(Commit)
}

// queueRoot is where requests wait.
const queueRoot = "refs/confpush/queue/"

// Bounds of the queue.
const (
	maxRequest  = 2 << 20  // bytes of one request
	maxRequests = 200      // requests in one push
	maxBatch    = 64 << 20 // bytes of all requests that are read at once
	// skew is by how much clocks may differ: a request that is over stays for so
	// long before others remove it.
	skew = time.Minute
	// usualLife is how long a request without a deadline may be carried out.
	usualLife = 5 * time.Minute
)

// queued is a request as the list of references shows it.
type queued struct {
	name    string
	ref     string
	id      plumbing.Hash
	expires time.Time // from then on nobody carries it out
}

// entryName holds the moments, in milliseconds and in seconds since 1970, at which
// the request was made and at which it ends, so that a list tells all that is
// needed of it: names sort by age.
var entryName = regexp.MustCompile(`^[0-9a-f]{12}-([0-9a-f]{9})-[0-9a-f]{12}$`)

func newEntryName(now, expires time.Time) string {
	var salt [6]byte
	rand.Read(salt[:])
	return fmt.Sprintf("%012x-%09x-%s", now.UnixMilli(), expires.Unix(), hex.EncodeToString(salt[:]))
}

// entriesOf lists the requests of a circle for a branch, the oldest first.
// References of other names are left alone.
func entriesOf(refs *references, branch, circle string) []queued {
	var all []queued
	prefix := queueRoot + branch + "/" + circle + "/"
	for ref, id := range refs.requests {
		name, ok := strings.CutPrefix(ref, prefix)
		match := entryName.FindStringSubmatch(name)
		if !ok || match == nil {
			continue
		}
		seconds, err := strconv.ParseInt(match[1], 16, 64)
		if err != nil {
			continue
		}
		all = append(all, queued{name, ref, id, time.Unix(seconds, 0)})
	}
	slices.SortFunc(all, func(a, b queued) int { return cmp.Compare(a.name, b.name) })
	return all
}

// ticket is this job's own request.
type ticket struct {
	queued
	commit []byte
	base   plumbing.Hash // the tip before the request was left
	tries  int           // how often it was sent
	sure   bool          // it has been in the list, or the server said so
	stuck  bool          // the server does not let it be taken back

	seen  string // what the list looked like, and since when
	since time.Time
	took  time.Duration // how long leaving it took
}

// waiting is not a failure: the job's turn has not come.
type waiting struct {
	pause  time.Duration
	others int
}

func (w *waiting) Error() string { return fmt.Sprintf("%d other requests are waiting", w.others) }

// goOn is not a failure: the list has to be read again.
type goOn struct{}

func (goOn) Error() string { return "the queue changed" }

// queueing reports whether the queue may be used in this run.
func (p *publisher) queueing() bool { return p.o.Queue != nil && !p.leaving }

// inLine reports whether the own request stands in the list.
func (p *publisher) inLine() bool {
	return p.ticket != nil && slices.ContainsFunc(p.entries, func(e queued) bool { return e.ref == p.ticket.ref })
}

// live are the requests whose time is not over, and the own.
func (p *publisher) live() []queued {
	now := p.o.now()
	var all []queued
	for _, e := range p.entries {
		if now.Before(e.expires) || p.ticket != nil && e.ref == p.ticket.ref {
			all = append(all, e)
		}
	}
	return all
}

// others counts the requests of other jobs.
func (p *publisher) others() int {
	n := len(p.live())
	if p.inLine() {
		n--
	}
	return n
}

// lossesBeforeQueue is how many races are lost before a job that has seen no
// queue opens one. A single one mostly is two jobs that happened to meet, and
// trying again costs less.
const lossesBeforeQueue = 2

// takeTurn decides how this attempt goes on: alone, into the queue, or on in it.
func (p *publisher) takeTurn(ctx context.Context, at place) error {
	t := p.ticket
	switch {
	case t == nil:
		if p.queueing() && !at.fresh && (p.others() > 0 || p.losses >= lossesBeforeQueue) {
			return p.join(ctx, at)
		}
	case p.inLine() && !p.leaving:
		t.sure = true
		return p.stand(ctx, at)
	case p.inLine() && !t.stuck:
		if p.withdraw(ctx) != landed {
			t.tries++
			t.stuck = t.stuck || t.tries > 5
		}
		return goOn{}
	case p.inLine():
		// a request that is left over does no harm: the tip decides
	case !t.sure && !p.leaving && t.tries < 2:
		return p.join(ctx, at) // it never arrived
	case !p.leaving:
		p.leave("the request was put aside")
	}
	return p.alone(ctx, at)
}

// leave makes this the job of one that pushes by itself.
func (p *publisher) leave(why string) {
	p.leaving = true
	p.step("%s, going on alone", why)
}

// join leaves the request for others to find: an orphan commit upon an empty tree
// whose message is the request, so that it comes with commits alone.
func (p *publisher) join(ctx context.Context, at place) error {
	if p.ticket == nil {
		t, err := p.newTicket(at)
		if err != nil {
			p.leave("the request cannot be sealed")
			return p.alone(ctx, at)
		}
		p.ticket = t
	}
	t := p.ticket
	t.tries++
	began := p.o.now()
	empty := writtenTree{id: plumbing.ComputeHash(plumbing.TreeObject, nil)}
	v, r, err := p.send(ctx, update{
		commands: []command{{t.ref, zeroID, t.id.String()}},
		pack:     encodePack([]link{{id: t.id, commit: t.commit, built: built{trees: []writtenTree{empty}}}}, false),

		beforeAtomic: true,
	})
	t.took = p.o.now().Sub(began)
	switch {
	case v == landed:
		t.sure = true
		others := p.others()
		p.step("joined the queue (%d waiting)", others)
		if others == 0 {
			return &waiting{}
		}
		return &waiting{p.pollPause(others, others+1), others}
	case v == unclear && err != nil:
		e := asError("push", err)
		if !e.unknownOutcome {
			p.ticket = nil
		}
		if e.again {
			return e
		}
		p.leave("the server takes no requests (" + e.Text + ")")
	case v == notTaken && t.tries > 1:
		return goOn{} // it may be there since the first time
	default:
		p.ticket = nil
		p.leave("the server takes no requests (" + cmp.Or(r.ref, r.unpack) + ")")
	}
	return p.alone(ctx, at)
}

func (p *publisher) newTicket(at place) (*ticket, error) {
	now := p.o.now()
	expires := now.Add(usualLife)
	if !p.end.IsZero() {
		expires = now.Add(time.Until(p.end))
	}
	circle, err := p.circle()
	if err != nil {
		return nil, err
	}
	q, name := p.o.Queue, newEntryName(now, expires)
	ref := queueRoot + p.result.Branch + "/" + circle + "/" + name
	proof, err := p.seal.make(sealedText(ref, parseSignature(q.Author.String()), parseSignature(q.Committer.String()), q.Request))
	if err != nil {
		return nil, err
	}
	d := Decision{Message: string(q.Request) + sealLine(proof), Author: q.Author, Committer: q.Committer}
	d.Author.When, d.Committer.When = now.UTC(), now.UTC()
	commit, err := encodeCommit(plumbing.ComputeHash(plumbing.TreeObject, nil), plumbing.ZeroHash, d, nil)
	if err != nil {
		return nil, err
	}
	return &ticket{
		queued: queued{name, ref, plumbing.ComputeHash(plumbing.CommitObject, commit), expires},
		commit: commit, base: at.id, since: now,
	}, nil
}

// circle names those whose requests count. It needs an answer of the server.
func (p *publisher) circle() (name string, err error) {
	if p.seal == nil {
		p.seal = openCircle{}
		if !p.o.Queue.Open {
			if p.seal, err = p.wire.seal(); err != nil {
				p.seal = nil
				return "", err
			}
		}
	}
	return p.seal.circle()
}

// list takes the requests that wait for the branch out of a list.
func (p *publisher) list(refs *references, branch string) {
	p.entries = nil
	if p.o.Queue == nil || len(refs.requests) == 0 {
		return
	}
	if circle, err := p.circle(); err == nil {
		p.entries = entriesOf(refs, branch, circle)
	}
}

// sealMark stands before the seal, which ends a request's message.
const sealMark = "\n\nSeal: "

func sealLine(proof []byte) string {
	if len(proof) == 0 {
		return ""
	}
	return sealMark + base64.StdEncoding.EncodeToString(proof)
}

// sealedText is what a seal is about: the request, whose it is, where it waits and
// until when.
func sealedText(ref string, author, committer Signature, request []byte) []byte {
	who := func(s Signature) string { return s.Name + " <" + s.Email + ">" }
	head := strings.Join([]string{ref, who(author), who(committer), ""}, "\n")
	return append([]byte(head), request...)
}

// stand is one look at the queue from within: lead it, or wait.
func (p *publisher) stand(ctx context.Context, at place) error {
	t, live, now := p.ticket, p.live(), p.o.now()
	rank := slices.IndexFunc(live, func(e queued) bool { return e.ref == t.ref })
	if state := at.id.String() + live[0].name; state != t.seen {
		t.seen, t.since = state, now
	}
	if rank == 0 || now.Sub(t.since) > p.patienceAt(rank) {
		t.since = now
		return p.lead(ctx, at)
	}
	return &waiting{p.pollPause(rank, len(live)), len(live) - 1}
}

// patienceAt is how long nothing may move before the job in that place acts as if
// it were the first: those in front may be dead. One after the other, so that not
// all of them do.
func (p *publisher) patienceAt(rank int) time.Duration {
	patience := 4*time.Second + time.Duration(min(rank-1, 20))*500*time.Millisecond
	return max(patience, 4*p.ticket.took)
}

// pollPause spreads the looks of all that wait: together they look some forty
// times a second at most, however many they are. Those next in turn look more often.
func (p *publisher) pollPause(rank, waiting int) time.Duration {
	pause := 300 * time.Millisecond
	if rank > 2 {
		pause = max(pause, time.Duration(waiting)*25*time.Millisecond)
	}
	return time.Duration((0.5 + p.jitter()) * float64(pause))
}

// withdraw takes the own request back, if it is still there: landed means that
// it was, notTaken that it was not or could not be told, refused that the server
// does not allow it.
func (p *publisher) withdraw(ctx context.Context) verdict {
	t := p.ticket
	v, _, _ := p.send(ctx, update{commands: []command{{t.ref, t.id.String(), zeroID}}})
	switch v {
	case landed:
		p.ticket = nil
	case refused:
		t.stuck = true
		p.step("the request cannot be taken back and is left over as %s", t.ref)
	}
	return v
}

// request is what somebody asks for.
type request struct {
	queued
	own               bool
	text              []byte
	author, committer Signature
	readable          bool
}

// readRequest reads the commit that holds a request. One without the right seal
// is not readable.
func readRequest(e queued, raw []byte, by seal) request {
	r := request{queued: e}
	head, message, ok := bytes.Cut(raw, []byte("\n\n"))
	if !ok || len(raw) > maxRequest {
		return r
	}
	for line := range strings.Lines(string(head)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "author":
			r.author, r.readable = parseSignature(value), true
		case "committer":
			r.committer = parseSignature(value)
		}
	}
	r.text = bytes.TrimSuffix(message, []byte("\n"))
	var proof []byte
	if at := bytes.LastIndex(r.text, []byte(sealMark)); at >= 0 {
		proof, _ = base64.StdEncoding.DecodeString(string(r.text[at+len(sealMark):]))
		r.text = r.text[:at]
	}
	r.readable = r.readable && r.author.Name != "" && r.committer.Name != "" &&
		by.check(sealedText(e.ref, r.author, r.committer, r.text), proof)
	return r
}

// parseSignature reads "Name <mail> seconds zone", without the moment.
func parseSignature(text string) Signature {
	name, rest, _ := strings.Cut(text, " <")
	mail, _, _ := strings.Cut(rest, ">")
	return Signature{Name: oneLine(name), Email: oneLine(mail)}
}
