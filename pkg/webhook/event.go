// Package webhook reads what CI servers, git servers and registries send when
// something is new: it proves who sent it and tells what it is about. It sees
// headers, a body, secrets and the time, and answers with an event or a refusal.
//
// An event is a hint that something may be new. Nothing in it is ever to be acted
// upon but the fact that it came: names and tags decide whether it concerns the
// receiver, and are shown, no more.
package webhook

import (
	"cmp"
	"encoding/json"
	"mime"
	"slices"
	"strings"
	"time"
)

// MaxBody is the most that a body may hold, in bytes. CircleCI sends about 2 kB,
// a registry's batch of events some hundred.
const MaxBody = 1 << 20

// A Request is what came.
type Request struct {
	// Header has canonical keys, as net/http has them.
	Header map[string][]string
	// Token is the one that stood in the URL, "" for none.
	Token string
	Body  []byte
	// At is when it came.
	At time.Time
}

// An Event is a request that is believed.
type Event struct {
	Sender string
	// Kind is the sender's word for what happened, such as "push"; "" if it has none.
	Kind string
	// ID is the sender's own name of the delivery, "" if it has none.
	ID string
	// Subjects are what it is about. A registry's event may be about many tags.
	Subjects []Subject
	// Idle says why nothing follows from it, as "ping" or "the workflow failed"; "" if
	// something does.
	Idle string
	// Keys tell this event from all others. One that has a key of an earlier event is
	// the same once more.
	Keys []string
}

// A Subject is a repository of sources or images, and what of it changed.
type Subject struct {
	Repository  string
	Branch, Tag string
}

// String is the subject in a line of a log.
func (s Subject) String() string {
	return strings.TrimRight(strings.Join([]string{cmp.Or(s.Repository, "-"), s.Branch + s.Tag}, " "), " ")
}

// A Reason is the kind of a refusal.
type Reason int

const (
	// Unproven: signature or token are missing or wrong.
	Unproven Reason = iota
	// Stale: it is signed, for another time.
	Stale
	// Malformed: it is proven, and cannot be read.
	Malformed
	// Media: the body is of a kind that is not read.
	Media
)

// A Refusal is why a request is not taken for an event. Its text names no secret and
// nothing of the body.
type Refusal struct {
	Reason  Reason
	Message string
}

func (r *Refusal) Error() string { return r.Message }

func refuse(reason Reason, message string) error { return &Refusal{reason, message} }

// A Sender is a kind of server that sends events.
type Sender struct {
	// Name is the last part of its URL.
	Name string
	// Signs tells that it signs what it sends, or can. The others show a token, which
	// says nothing about the body.
	Signs bool
	// ID is the header that names the delivery, "" if none does.
	id string
	// prove checks the request against secrets, of which there is at least one.
	prove func(r Request, secrets []string) (proof, error)
	// read finds out what a body is about. It sees an object.
	read func(r Request, body json.RawMessage) (Event, error)
	// bodiless tells that a request without a body is an event as well.
	bodiless bool
}

// senders is the table of all that are understood.
var senders = []Sender{
	{Name: "acr", prove: byToken, read: readACR},
	{Name: "circleci", Signs: true, prove: byCircleCI, read: readCircleCI},
	{Name: "distribution", prove: byToken, read: readDistribution},
	{Name: "dockerhub", prove: byToken, read: readDockerHub},
	{Name: "forgejo", Signs: true, id: "X-Forgejo-Delivery", prove: byGitea, read: readGitea},
	{Name: "generic", Signs: true, prove: byGeneric, read: readGeneric, bodiless: true},
	{Name: "gitea", Signs: true, id: "X-Gitea-Delivery", prove: byGitea, read: readGitea},
	{Name: "github", Signs: true, id: "X-Github-Delivery", prove: byGitHub, read: readGitHub},
	{Name: "gitlab", Signs: true, id: "Idempotency-Key", prove: byGitLab, read: readGitLab},
	{Name: "harbor", prove: byToken, read: readHarbor},
	{Name: "quay", prove: byToken, read: readQuay},
}

// Senders are all that are understood, by name.
func Senders() []Sender { return slices.Clone(senders) }

// SenderNames are the names of all senders, sorted.
func SenderNames() []string {
	names := make([]string, 0, len(senders))
	for _, s := range senders {
		names = append(names, s.Name)
	}
	return names
}

// Lookup finds a sender by its name.
func Lookup(name string) (Sender, bool) {
	for _, s := range senders {
		if s.Name == name {
			return s, true
		}
	}
	return Sender{}, false
}

// Read proves a request by one of the secrets, and reads it. Without a secret nothing
// is proven. The error is a *Refusal.
func (s Sender) Read(r Request, secrets []string) (Event, error) {
	if len(secrets) == 0 || slices.Contains(secrets, "") {
		return Event{}, refuse(Unproven, "there is no secret to prove it by")
	}
	p, err := s.prove(r, secrets)
	if err != nil {
		return Event{}, err
	}
	return s.event(r, p)
}

// ReadUnproven reads a request without any proof.
func (s Sender) ReadUnproven(r Request) (Event, error) { return s.event(r, proof{}) }

func (s Sender) event(r Request, p proof) (Event, error) {
	var body json.RawMessage
	switch {
	case len(r.Body) > MaxBody:
		return Event{}, refuse(Malformed, "the body is too large")
	case s.bodiless && len(r.Body) == 0:
		body = json.RawMessage("{}")
	case !isJSON(r):
		return Event{}, refuse(Media, "the content type is not JSON")
	case !json.Valid(r.Body) || !isObject(r.Body):
		return Event{}, refuse(Malformed, "the body is no JSON object")
	default:
		body = r.Body
	}
	e, err := s.read(r, body)
	if err != nil {
		return Event{}, refuse(Malformed, "the body is not as "+s.Name+" sends it")
	}
	e.Sender = s.Name
	if p.id != "" {
		e.ID = p.id
	}
	if e.ID == "" && s.id != "" {
		e.ID, _ = single(r, s.id)
	}
	e.Keys = keys(s.Name, e.ID, r.Body, p)
	return e, nil
}

// keys are by the delivery's name and, where the body alone is signed, by the body:
// whoever sends a body again can give it another name, but cannot change it.
func keys(sender, id string, body []byte, p proof) []string {
	var list []string
	if id != "" {
		list = append(list, sender+" id "+id)
	}
	if p.body {
		list = append(list, sender+" body "+digest(body))
	}
	return list
}

// single is the value of a header that stands there exactly once.
func single(r Request, name string) (value string, ok bool) {
	values := r.Header[name]
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

// isJSON looks at the content type: JSON itself, or one that is written in it.
func isJSON(r Request) bool {
	value, ok := single(r, "Content-Type")
	if !ok || len(r.Header["Content-Encoding"]) > 0 {
		return false
	}
	kind, _, err := mime.ParseMediaType(value)
	return err == nil && (kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"))
}

func isObject(body []byte) bool {
	for _, c := range body {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return c == '{'
	}
	return false
}
