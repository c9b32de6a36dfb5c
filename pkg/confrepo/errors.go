package confrepo

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what stands in the way of a publication. It decides whether
// trying again may help and is meant to be turned into an exit code.
type Kind int

const (
	// Usage: the URL, the branch name, a path or a credential file is unusable.
	Usage Kind = iota + 1
	// Denied: the server knows who asks, or wants to know, and says no.
	Denied
	// NotFound: there is no such repository, or it is hidden from the asker.
	NotFound
	// HostKey: the ssh server's key is unknown or not the known one.
	HostKey
	// Rejected: the server refused the update itself (a hook, a protected branch).
	Rejected
	// Obstructed: a folder, a symbolic link or a submodule stands where a file
	// should be written.
	Obstructed
	// Unsupported: the repository or the server cannot be used this way.
	Unsupported
	// Unavailable: a passing fault; it was retried until the deadline.
	Unavailable
	// Unsettled: the answer to the last push was lost and the time was up
	// before the tip could be read, so the commit may or may not be there.
	Unsettled
)

var kindNames = map[Kind]string{
	Usage: "usage", Denied: "denied", NotFound: "not found", HostKey: "host key", Rejected: "rejected",
	Obstructed: "obstructed", Unsupported: "unsupported", Unavailable: "unavailable", Unsettled: "unsettled",
}

func (k Kind) String() string { return kindNames[k] }

// Error is the failure of a publication. Its text holds neither the user part
// of a URL nor any credential.
type Error struct {
	Kind Kind
	// Step is what was being done: "connect", "read", "decide" or "push".
	Step string
	// Text says what went wrong, in the server's own words where it gave any.
	Text string
	// Hint tells the cure, or is empty.
	Hint string
	// Remote holds the lines that the server sent for people to read.
	Remote []string
	// RetryAfter is the pause that the server asked for, or zero.
	RetryAfter time.Duration
	// Err is the cause, or nil.
	Err error

	// unknownOutcome: the push may have been taken although no answer says so.
	unknownOutcome bool
	// unreached: the server was never spoken to (name resolution, connecting).
	unreached bool
	// again: worth another attempt.
	again bool
	// incomplete: an object was left out that the tip leads to.
	incomplete bool
	// wary: the next attempt asks for the server's capabilities first.
	wary bool
	// status is the HTTP status of the answer, or zero.
	status int
}

func (e *Error) Error() string {
	if e.Step == "" {
		return e.Text
	}
	return e.Step + ": " + e.Text
}

func (e *Error) Unwrap() error { return e.Err }

func failure(kind Kind, step, format string, args ...any) *Error {
	return &Error{Kind: kind, Step: step, Text: fmt.Sprintf(format, args...)}
}

func usage(format string, args ...any) *Error {
	return &Error{Kind: Usage, Text: fmt.Sprintf(format, args...)}
}

// passing marks a fault that may be gone in a moment.
func passing(step string, err error) *Error {
	return &Error{Kind: Unavailable, Step: step, Text: oneLine(err.Error()), Err: err, again: true}
}

// asError gives every error of this package its kind; an error of unknown
// origin counts as a passing fault of the given step.
func asError(step string, err error) *Error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	return passing(step, err)
}

// oneLine makes a server's text fit for one line of a message: control
// characters become spaces, the length is bounded.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	const limit = 400
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}
