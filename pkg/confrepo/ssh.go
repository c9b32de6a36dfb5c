package confrepo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

// sshDialer opens one connection and runs every program on it.
type sshDialer struct {
	host   string // with the port
	user   string
	path   string
	shown  string
	auth   Auth
	mu     sync.Mutex
	client *ssh.Client
	used   ssh.PublicKey // that the server accepted
}

func newSSHWire(a address, o Options) (*processWire, error) {
	host := a.host
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), "22")
	}
	user := a.user
	if user == "" {
		user = "git"
	}
	if a.secret != "" {
		return nil, &Error{Kind: Usage, Text: "the ssh URL holds a password, which is not used", Hint: "use an agent or a key file"}
	}
	d := &sshDialer{host: host, user: user, path: a.path, shown: a.shown, auth: o.Auth}
	if err := d.auth.checkSSH(); err != nil {
		return nil, err
	}
	return &processWire{start: d.start, done: d.close, sealing: d.seal}, nil
}

func (d *sshDialer) seal() (seal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.used == nil {
		return nil, errors.New("no key was used")
	}
	return keyCircle{d.auth, d.used}, nil
}

func (d *sshDialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client != nil {
		d.client.Close()
		d.client = nil
	}
}

// connect dials, or returns the connection that is open already.
func (d *sshDialer) connect(ctx context.Context) (*ssh.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client != nil {
		return d.client, nil
	}
	methods, forget, err := d.auth.sshMethods(&d.used)
	if err != nil {
		return nil, err
	}
	defer forget()
	db, err := d.auth.hostKeys()
	if err != nil {
		return nil, err
	}
	var keyTrouble *Error
	config := &ssh.ClientConfig{
		User: d.user,
		Auth: methods,
		// only algorithms whose key is known, else the server may show another
		HostKeyAlgorithms: db.HostKeyAlgorithms(d.host),
		HostKeyCallback: func(host string, remote net.Addr, key ssh.PublicKey) error {
			if err := db.HostKeyCallback()(host, remote, key); err != nil {
				keyTrouble = hostKeyError(d.host, key, err)
				return keyTrouble
			}
			return nil
		},
		Timeout: 20 * time.Second,
	}
	conn, err := (&net.Dialer{Timeout: 20 * time.Second}).DialContext(ctx, "tcp", d.host)
	if err != nil {
		return nil, transportError("connect", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c, channels, requests, err := ssh.NewClientConn(conn, d.host, config)
	if err != nil {
		conn.Close()
		return nil, d.handshakeError(ctx, keyTrouble, err)
	}
	client := ssh.NewClient(c, channels, requests)
	d.client = client
	go func() { // a broken connection must not be used by the next attempt
		client.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.client == client {
			d.client = nil
		}
	}()
	return client, nil
}

func (d *sshDialer) handshakeError(ctx context.Context, keyTrouble *Error, err error) error {
	switch {
	case keyTrouble != nil:
		return keyTrouble
	case ctx.Err() != nil:
		return passing("connect", ctx.Err())
	case strings.Contains(err.Error(), "unable to authenticate"):
		e := failure(Denied, "connect", "%s does not accept the key as user %q", d.host, d.user)
		e.Hint = "add the public key to the repository's deploy keys with write access; with several keys in the agent, name the right one"
		e.Err = err
		return e
	case strings.Contains(err.Error(), "no common algorithm for host key"):
		e := failure(HostKey, "connect", "%s has no host key of a kind that known_hosts lists", d.host)
		e.Err = err
		return e
	}
	return passing("connect", err)
}

// hostKeyError explains why a host key is not trusted and what line would
// trust it, if its fingerprint is the right one.
func hostKeyError(host string, key ssh.PublicKey, cause error) *Error {
	e := failure(HostKey, "connect", "the host key of %s is not known (%s %s)", host, key.Type(), ssh.FingerprintSHA256(key))
	e.Hint = "compare the fingerprint with the one that the host publishes, then add this line to known_hosts: " + knownhosts.Line([]string{host}, key)
	if knownhosts.IsHostKeyChanged(cause) {
		e.Text = fmt.Sprintf("the host key of %s has CHANGED (%s %s): somebody may be listening in", host, key.Type(), ssh.FingerprintSHA256(key))
		e.Hint = "if the host announced a new key, replace its line in known_hosts by: " + knownhosts.Line([]string{host}, key)
	}
	if strings.Contains(cause.Error(), "revoked") {
		e.Text = fmt.Sprintf("the host key of %s is marked as revoked in known_hosts", host)
		e.Hint = ""
	}
	e.Err = cause
	return e
}

func (d *sshDialer) start(ctx context.Context, service string) (*process, error) {
	client, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { client.Close() })
	defer stop()
	session, err := client.NewSession()
	if err != nil {
		return nil, passing("connect", err)
	}
	if service == "git-upload-pack" {
		// a server that does not take it answers in version 0; its reply to the
		// request is not waited for
		session.SendRequest("env", false, ssh.Marshal(struct{ Name, Value string }{"GIT_PROTOCOL", "version=2"}))
	}
	words := &lastWords{}
	session.Stderr = words
	in, err := session.StdinPipe()
	if err != nil {
		return nil, passing("connect", err)
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return nil, passing("connect", err)
	}
	if err := session.Start(service + " " + shellQuote(d.path)); err != nil {
		return nil, passing("connect", err)
	}
	return &process{
		in: in, out: bufio.NewReaderSize(out, 32<<10), stderr: words,
		kill: func() { client.Close() }, // a session alone waits for a server that may hang
		wait: sync.OnceValue(func() int {
			err := session.Wait()
			var exit *ssh.ExitError
			switch {
			case err == nil:
				return 0
			case errors.As(err, &exit):
				return exit.ExitStatus()
			}
			return -1
		}),
	}, nil
}

// shellQuote quotes a path for the shell at the other end, as git does.
func shellQuote(s string) string {
	s = strings.ReplaceAll(s, `'`, `'\''`)
	return "'" + strings.ReplaceAll(s, `!`, `'\!'`) + "'"
}
