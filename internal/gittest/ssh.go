package gittest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// SSHServer runs git-upload-pack and git-receive-pack for those who hold its
// client key.
type SSHServer struct {
	// Addr is host:port.
	Addr string
	// HostKeys are the server's keys in the order in which they were asked for.
	HostKeys []ssh.Signer
	// ClientKey is an unencrypted private key in OpenSSH form that is accepted.
	ClientKey []byte
	// Connections counts the connections that were made.
	Connections atomic.Int64
}

// SSHOptions of a server.
type SSHOptions struct {
	// Version2 lets the client choose the protocol version, as a server whose
	// AcceptEnv lists GIT_PROTOCOL does.
	Version2 bool
	// HostKeys is the number of host keys; zero means one.
	HostKeys int
	// Refuse, if not nil, may write to stderr and refuse a program.
	Refuse func(service string, stderr io.Writer) bool
}

// ServeSSH starts a server on loopback.
func ServeSSH(t testing.TB, o SSHOptions) *SSHServer {
	t.Helper()
	s := &SSHServer{}
	config := &ssh.ServerConfig{}
	for range max(1, o.HostKeys) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.NewSignerFromKey(key)
		if err != nil {
			t.Fatal(err)
		}
		s.HostKeys = append(s.HostKeys, signer)
		config.AddHostKey(signer)
	}
	client, pemBytes := NewSSHKey(t)
	s.ClientKey = pemBytes
	config.PublicKeyCallback = func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) == string(client.PublicKey().Marshal()) {
			return nil, nil
		}
		return nil, errors.New("unknown key")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = listener.Addr().String()
	var open sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		open.Wait()
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.Connections.Add(1)
			open.Add(1)
			go func() {
				defer open.Done()
				serveConn(conn, config, o)
			}()
		}
	}()
	return s
}

// NewSSHKey makes a key pair; the private key comes in OpenSSH form.
func NewSSHKey(t testing.TB) (ssh.Signer, []byte) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "test")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

// URL of a repository on this server.
func (s *SSHServer) URL(path string) string { return "ssh://git@" + s.Addr + path }

// KnownHosts writes a known_hosts file with the server's first host key.
func (s *SSHServer) KnownHosts(t testing.TB) string {
	t.Helper()
	return WriteFile(t, "known_hosts", s.KnownHostsLine(0)+"\n")
}

// KnownHostsLine is the line for one of the server's keys.
func (s *SSHServer) KnownHostsLine(i int) string {
	return knownhosts.Line([]string{s.Addr}, s.HostKeys[i].PublicKey())
}

// WriteFile writes a file into a fresh folder and returns its path.
func WriteFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func serveConn(conn net.Conn, config *ssh.ServerConfig, o SSHOptions) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		if offered.ChannelType() != "session" {
			offered.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go serveSession(channel, requests, o)
	}
}

func serveSession(channel ssh.Channel, requests <-chan *ssh.Request, o SSHOptions) {
	defer channel.Close()
	env := Env()
	for req := range requests {
		switch req.Type {
		case "env":
			var v struct{ Name, Value string }
			if ssh.Unmarshal(req.Payload, &v) == nil && o.Version2 && v.Name == "GIT_PROTOCOL" {
				env = append(env, v.Name+"="+v.Value)
			}
			if req.WantReply {
				req.Reply(o.Version2, nil)
			}
		case "exec":
			var v struct{ Command string }
			ssh.Unmarshal(req.Payload, &v)
			req.Reply(true, nil)
			go func() { // the client may close, which ends the program's input
				for range requests {
				}
			}()
			status := run(channel, v.Command, env, o)
			channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
			return
		default:
			if req.WantReply {
				req.Reply(false, nil)
			}
		}
	}
}

func run(channel ssh.Channel, command string, env []string, o SSHOptions) int {
	service, _, _ := strings.Cut(command, " ")
	if service != "git-upload-pack" && service != "git-receive-pack" {
		fmt.Fprintf(channel.Stderr(), "sh: %s: command not found\n", service)
		return 127
	}
	if o.Refuse != nil && o.Refuse(service, channel.Stderr()) {
		return 1
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	in, err := cmd.StdinPipe()
	if err != nil {
		return 1
	}
	if err := cmd.Start(); err != nil {
		return 1
	}
	go func() {
		io.Copy(in, channel)
		in.Close()
	}()
	if err := cmd.Wait(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		return 1
	}
	return 0
}
