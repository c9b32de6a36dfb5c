package confrepo

import (
	"bufio"
	"context"
)

// wire carries messages to git-upload-pack and git-receive-pack of one
// repository. HTTP carries each request on its own; over ssh and with local
// programs one conversation goes on until it is ended.
type wire interface {
	// greet starts a conversation with git-upload-pack and returns its
	// advertisement. With fresh unset, one that was started in advance will do.
	greet(ctx context.Context, fresh bool) (*answer, error)
	// ask sends a request to git-upload-pack and returns what comes back. On a
	// wire that keeps state it goes on with the conversation that greet began.
	ask(ctx context.Context, request []byte) (*answer, error)
	// prepare may begin to open what push will need; it does not wait.
	prepare(ctx context.Context)
	// push sends an update to git-receive-pack. The answer holds the report.
	push(ctx context.Context, u update) (*answer, error)
	// keepsState tells the two sorts of wire apart.
	keepsState() bool
	// seal is that of the credential which the server accepted. It is asked for
	// after an answer.
	seal() (seal, error)
	close()
}

// answer is what a server sends back. finish must be called once it has been
// read, with the error met while reading, if any; it returns that error with
// what the wire knows about its cause (a program's last words, a status).
type answer struct {
	r      *bufio.Reader
	finish func(error) error
}

// command is the change of one reference.
type command struct {
	ref      string
	from, to string // ids in hex; forty zeros for "does not exist"
}

// update is what a push asks for.
type update struct {
	commands []command
	pack     []byte // empty where references are only deleted
	// wary: ask for the server's capabilities first where that is optional.
	wary bool
	// atomic: all of the commands or none. A server that cannot gives errNotAtomic.
	atomic bool
	// beforeAtomic: an atomic update will follow, so that there is no use in this
	// one where the server is known to be unable.
	beforeAtomic bool
	agent        string
}

const zeroID = "0000000000000000000000000000000000000000"

var errNotAtomic = &Error{Kind: Unsupported, Step: "push", Text: "the server cannot update several references at once"}

// allows reports whether a server with these capabilities can do the update.
func (u update) allows(offered []string) error {
	if (u.atomic || u.beforeAtomic && offered != nil) && !hasCapability(offered, "atomic") {
		return errNotAtomic
	}
	return nil
}

// request is the message to git-receive-pack (gitprotocol-pack, "Reference
// Update Request and Packfile Transfer"). offered lists the server's
// capabilities; nil means that they are not known, in which case those are
// asked for that every server of the last ten years has.
func (u update) request(offered []string) []byte {
	wanted := []string{"report-status", "side-band-64k"}
	if u.atomic {
		wanted = append(wanted, "atomic")
	}
	caps := ""
	for _, c := range wanted {
		if offered == nil || hasCapability(offered, c) {
			caps += " " + c
		}
	}
	if offered != nil && hasCapability(offered, "object-format") {
		caps += " object-format=sha1"
	}
	var b pktBuffer
	for i, c := range u.commands {
		tail := ""
		if i == 0 {
			tail = "\x00" + caps + " agent=" + u.agent
		}
		b.line("%s %s %s%s", c.from, c.to, c.ref, tail)
	}
	b.flush()
	return append(b.bytes, u.pack...)
}
