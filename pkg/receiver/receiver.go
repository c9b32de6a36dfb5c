// Package receiver listens for webhooks and has one run follow from however many came
// while the last one was at work. What a hook says is read by pkg/webhook; here is what
// keeps a server in the open alive: limits of size, time and number, and a memory of
// what came before.
package receiver

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/unitstamp/unitstamp/pkg/webhook"
)

// HookPath begins the URL of every sender: /hook/SENDER, or /hook/SENDER/TOKEN.
const HookPath = "/hook/"

// Options are how a receiver behaves.
type Options struct {
	// Secrets are those of each sender that is served, the newest first. A sender with
	// none is served without any proof.
	Secrets map[string][]string
	// Filter chooses what concerns us.
	Filter webhook.Filter
	// Run is what follows. There is one at a time; its context ends when it is to be cut
	// off.
	Run func(context.Context)
	// Log is told of every request to a hook, called from many goroutines.
	Log func(Entry)
	// Seen remembers earlier events.
	Seen *Ledger
	// Proxies are believed when they say whom they ask for (X-Forwarded-For). A listener
	// on a unix socket has a proxy before it if ProxyUnix is set.
	Proxies   []netip.Prefix
	ProxyUnix bool
	// Failures is how many requests of one address may fail in a minute before it is not
	// listened to for a while. 0 is 60.
	Failures int
	// Limits of time and number; 0 is what stands in limits.go.
	Limits Limits
	// TLS is nil for plain HTTP.
	TLS *tls.Config
	// Now tells the time.
	Now func() time.Time
}

// A Decision is what became of a request.
type Decision string

const (
	// Accepted: a run follows.
	Accepted Decision = "accepted"
	// Ignored: it is believed, and nothing follows.
	Ignored Decision = "ignored"
	// Duplicate: it came before.
	Duplicate Decision = "duplicate"
	// Refused: it is not believed, or cannot be read.
	Refused Decision = "refused"
)

// An Entry is a line of the log. Its texts may come from anybody: whoever prints them
// must quote them.
type Entry struct {
	Sender   string // one of the senders' names
	From     string // the address that asked
	ID       string // of the delivery
	Decision Decision
	Why      string // what it is about, or why nothing follows
}

// A Receiver is the handler of all hooks, and the one worker behind it.
type Receiver struct {
	Options
	failures *failures
	busy     chan struct{} // holds a token for each request at work
	worker   *worker
}

// New makes a receiver. Serve has to be called for runs to happen.
func New(o Options) *Receiver {
	o.Limits = o.Limits.withDefaults()
	return &Receiver{
		Options: o, failures: newFailures(cmp.Or(o.Failures, 60)), busy: make(chan struct{}, o.Limits.Requests), worker: newWorker(o.Run),
	}
}

// ServeHTTP answers /healthz and the hooks; for the rest of the world there is nothing.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if q.URL.Path == "/healthz" {
		if method(w, q, http.MethodGet, http.MethodHead) {
			io.WriteString(w, "ok\n") // whoever is gone does not want to know
		}
		return
	}
	from, known := r.client(q)
	if known && r.failures.exhausted(from, r.Now()) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	entry := Entry{From: from.String(), Decision: Refused}
	if !known {
		entry.From = "a local socket"
	}
	sender, token, served := r.route(q)
	if !served {
		if entry.Sender = sender.Name; entry.Sender != "" {
			entry.Why = "it is not served"
			r.Log(entry)
		}
		r.failed(from, entry)
		w.WriteHeader(http.StatusNotFound)
		return
	}
	entry.Sender = sender.Name
	if !method(w, q, http.MethodPost) {
		return
	}
	select {
	case r.busy <- struct{}{}:
		defer func() { <-r.busy }()
	default:
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	status := r.take(w, q, sender, token, &entry)
	r.Log(entry)
	if status >= 400 {
		r.failed(from, entry)
	}
	w.WriteHeader(status)
	if status < 300 {
		io.WriteString(w, string(entry.Decision)+"\n")
	}
}

// method refuses other methods than those.
func method(w http.ResponseWriter, q *http.Request, allowed ...string) bool {
	for _, m := range allowed {
		if q.Method == m {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	w.WriteHeader(http.StatusMethodNotAllowed)
	return false
}

// failed counts a request that was refused against whoever sent it.
func (r *Receiver) failed(from netip.Addr, entry Entry) {
	if r.failures.add(from, r.Now()) {
		entry.ID, entry.Why = "", "it has failed too often, and is not listened to for a while"
		r.Log(entry)
	}
}

// route finds the sender that a URL names, and whether it is served there.
func (r *Receiver) route(q *http.Request) (s webhook.Sender, token string, served bool) {
	rest, ok := strings.CutPrefix(q.URL.Path, HookPath)
	if !ok {
		return s, "", false
	}
	name, token, inPath := strings.Cut(rest, "/")
	if s, ok = webhook.Lookup(name); !ok {
		return s, "", false
	}
	if !inPath {
		token = q.URL.Query().Get("token")
	}
	_, served = r.Secrets[name]
	return s, token, served && !(inPath && (token == "" || strings.Contains(token, "/")))
}

// take reads a request to a hook, decides, and tells how to answer.
func (r *Receiver) take(w http.ResponseWriter, q *http.Request, s webhook.Sender, token string, entry *Entry) (status int) {
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, webhook.MaxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			entry.Why = "the body is too large"
			return http.StatusRequestEntityTooLarge
		}
		entry.Why = "the body did not come whole"
		return http.StatusBadRequest
	}
	request := webhook.Request{Header: q.Header, Token: token, Body: body, At: r.Now()}
	var e webhook.Event
	if secrets := r.Secrets[s.Name]; len(secrets) > 0 {
		e, err = s.Read(request, secrets)
	} else {
		e, err = s.ReadUnproven(request)
	}
	if err != nil {
		entry.Why = err.Error()
		return refusalStatus(err)
	}
	entry.ID = e.ID
	if ok, why := r.Filter.Accepts(e); !ok {
		entry.Decision, entry.Why = Ignored, about(e, why)
		return http.StatusAccepted
	}
	fresh, err := r.Seen.Add(e.Keys)
	switch {
	case !fresh:
		entry.Decision, entry.Why = Duplicate, about(e, "it came before")
		return http.StatusAccepted
	case err != nil:
		// known as long as this process lives, which is no reason not to do it
		entry.Why = about(e, "it cannot be remembered: "+err.Error())
	default:
		entry.Why = about(e, "")
	}
	entry.Decision = Accepted
	r.worker.wake()
	return http.StatusAccepted
}

func refusalStatus(err error) int {
	var refusal *webhook.Refusal
	if errors.As(err, &refusal) {
		switch refusal.Reason {
		case webhook.Malformed:
			return http.StatusBadRequest
		case webhook.Media:
			return http.StatusUnsupportedMediaType
		}
	}
	return http.StatusForbidden
}

// shownSubjects is how many subjects a line of the log has.
const shownSubjects = 3

// about says what an event is about, and why nothing follows.
func about(e webhook.Event, why string) string {
	var parts []string
	for i, s := range e.Subjects {
		if i == shownSubjects {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, s.String())
	}
	text := strings.TrimSpace(e.Kind + " " + strings.Join(parts, ", "))
	switch {
	case why == "" || why == e.Kind:
		return text
	case text == "":
		return why
	}
	return text + ": " + why
}

// client is the address that a request is made for; known is false for a local socket.
func (r *Receiver) client(q *http.Request) (from netip.Addr, known bool) {
	at, err := netip.ParseAddrPort(q.RemoteAddr)
	if err == nil {
		from, known = at.Addr().Unmap(), true
	}
	if known && !r.proxy(from) || !known && !r.ProxyUnix {
		return from, known
	}
	hops := strings.Split(strings.Join(q.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		from, known = hop.Unmap().WithZone(""), true
		if !r.proxy(from) {
			break
		}
	}
	return from, known
}

func (r *Receiver) proxy(a netip.Addr) bool {
	for _, prefix := range r.Proxies {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}
