package confrepo

import (
	"encoding/base64"
	"errors"
	"net"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Auth is how the caller proves who it is and how the server does. Nothing of
// it is ever put into an error or a message.
type Auth struct {
	// Token is a password or an access token for http and https.
	Token string
	// Username goes with Token; empty means the user part of the URL, else
	// "x-access-token", which the large hosts accept with any token.
	Username string
	// Bearer sends the token as "Authorization: Bearer" instead of basic.
	Bearer bool
	// Netrc is the content of a netrc file, asked if Token is empty.
	Netrc string
	// AllowInsecure lets a token go over plain http to another machine.
	AllowInsecure bool
	// CACertificates in PEM form are trusted besides the system's own.
	CACertificates []byte

	// SSHKey is a private key in PEM or OpenSSH form. If it is set, it is the
	// only key that is offered.
	SSHKey []byte
	// SSHPassphrase opens SSHKey.
	SSHPassphrase []byte
	// AgentSocket is the path of an ssh agent's socket, used if SSHKey is empty.
	AgentSocket string
	// KnownHosts are the files that list the host keys. Without any, every host
	// is unknown, and the error tells its fingerprint.
	KnownHosts []string
}

// header makes the Authorization header, or "" if there are no credentials.
func (a Auth) header(to address) (string, error) {
	user, secret := a.Username, a.Token
	if secret == "" {
		user, secret = to.user, to.secret
	}
	if secret == "" && a.Netrc != "" {
		user, secret = netrcEntry(a.Netrc, to.host, to.user)
	}
	if secret == "" {
		return "", nil
	}
	if user == "" {
		user = to.user
	}
	if user == "" {
		user = "x-access-token"
	}
	if strings.ContainsAny(secret, "\r\n\x00") {
		return "", usage("the token holds a line end or a NUL byte")
	}
	if a.Bearer {
		return "Bearer " + secret, nil
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret)), nil
}

// netrcEntry finds login and password for a host in the content of a netrc
// file: words separated by white space, "machine NAME", "default", "login",
// "password", "account"; "macdef" runs to the next empty line.
func netrcEntry(content, host, user string) (login, password string) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	var words []string
	inMacro := false
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
			inMacro = false
		case inMacro, strings.HasPrefix(fields[0], "#"):
		case fields[0] == "macdef":
			inMacro = true
		default:
			words = append(words, fields...)
		}
	}
	matches := false
	found := func() bool { return matches && password != "" && (user == "" || login == "" || login == user) }
	for i := 0; i < len(words); i++ {
		next := func() string {
			i++
			if i < len(words) {
				return words[i]
			}
			return ""
		}
		switch words[i] {
		case "machine":
			if found() {
				return login, password
			}
			matches, login, password = strings.EqualFold(next(), host), "", ""
		case "default":
			if found() {
				return login, password
			}
			matches, login, password = true, "", ""
		case "login":
			if v := next(); matches {
				login = v
			}
		case "password":
			if v := next(); matches {
				password = v
			}
		case "account":
			next()
		}
	}
	if found() {
		return login, password
	}
	return "", ""
}

// checkSSH finds unusable keys and host key files before anything is dialled.
func (a Auth) checkSSH() error {
	if len(a.SSHKey) > 0 {
		if _, err := a.signer(); err != nil {
			return err
		}
	} else if a.AgentSocket == "" {
		return &Error{Kind: Usage, Text: "there is no ssh key to offer", Hint: "name a key file, or start an agent and set SSH_AUTH_SOCK"}
	}
	_, err := a.hostKeys()
	return err
}

func (a Auth) signer() (ssh.Signer, error) {
	var signer ssh.Signer
	var err error
	if len(a.SSHPassphrase) > 0 {
		signer, err = ssh.ParsePrivateKeyWithPassphrase(a.SSHKey, a.SSHPassphrase)
	} else {
		signer, err = ssh.ParsePrivateKey(a.SSHKey)
	}
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, &Error{Kind: Usage, Text: "the ssh key is locked with a passphrase", Hint: "name a file that holds the passphrase, or add the key to an agent"}
	case err != nil:
		return nil, usage("the ssh key cannot be read: it is not a private key, or the passphrase is wrong")
	}
	return signer, nil
}

// sshMethods returns what is offered to the server; forget closes the connection
// to the agent. The key that the server accepts is written to used.
func (a Auth) sshMethods(used *ssh.PublicKey) (methods []ssh.AuthMethod, forget func(), err error) {
	signers, forget, err := a.signers()
	if err != nil {
		return nil, nil, err
	}
	return []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
		list, err := signers()
		for i, s := range list {
			if s, ok := s.(ssh.AlgorithmSigner); ok {
				list[i] = witness{s, used}
			}
		}
		return list, err
	})}, forget, nil
}

// signers are the key of the file, or those of the agent; forget closes the
// connection to it.
func (a Auth) signers() (list func() ([]ssh.Signer, error), forget func(), err error) {
	if len(a.SSHKey) > 0 {
		signer, err := a.signer()
		if err != nil {
			return nil, nil, err
		}
		return func() ([]ssh.Signer, error) { return []ssh.Signer{signer}, nil }, func() {}, nil
	}
	conn, err := net.Dial("unix", a.AgentSocket)
	if err != nil {
		return nil, nil, &Error{Kind: Usage, Text: "the ssh agent cannot be reached", Hint: "start an agent, or name a key file", Err: err}
	}
	return agent.NewClient(conn).Signers, func() { conn.Close() }, nil
}

// eachSigner calls look for one key after the other until it returns false.
func (a Auth) eachSigner(look func(ssh.Signer) bool) error {
	signers, forget, err := a.signers()
	if err != nil {
		return err
	}
	defer forget()
	list, err := signers()
	for _, s := range list {
		if !look(s) {
			break
		}
	}
	return err
}

// hostKeys reads the known_hosts files.
func (a Auth) hostKeys() (*knownhosts.HostKeyDB, error) {
	db, err := knownhosts.NewDB(a.KnownHosts...)
	if err != nil {
		return nil, usage("the known_hosts file cannot be read: %s", oneLine(err.Error()))
	}
	return db, nil
}
