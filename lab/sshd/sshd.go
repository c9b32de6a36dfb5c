//go:build lab

// Package sshd runs OpenSSH's own server for the lab, with keys that it makes for it.
package sshd

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A Server listens on loopback, with two host keys and a certificate for one of them.
// Root may log in with "user" or "locked", whose passphrase is "open sesame"; "reader"
// may only fetch; "other" is known to nobody.
type Server struct {
	// Port is the TCP port.
	Port string
	dir  string
}

// Options of a server.
type Options struct {
	// Enter is put before the server's command line, to start it in another network.
	Enter []string
	// Port is looked for if it is empty.
	Port string
}

// fetchOnly is the command of a key that may read: what a deploy key without the right
// to write may do.
const fetchOnly = `restrict,command="case $SSH_ORIGINAL_COMMAND in git-upload-pack*) exec sh -c \"$SSH_ORIGINAL_COMMAND\" ;; *) echo 'this key may only read' >&2; exit 1 ;; esac" `

// Tool runs one of OpenSSH's or GnuPG's programs and returns what it prints.
func Tool(t testing.TB, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// Start starts a server that ends with the test. It needs openssh-server.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{dir: t.TempDir(), Port: o.Port}
	for _, key := range [][2]string{{"host_ed25519", "ed25519"}, {"host_ecdsa", "ecdsa"}, {"ca", "ed25519"}, {"user", "ed25519"}, {"reader", "ed25519"}, {"other", "ed25519"}} {
		Tool(t, nil, "ssh-keygen", "-q", "-t", key[1], "-N", "", "-C", key[0], "-f", s.Path(key[0]))
	}
	Tool(t, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", s.Path("locked"))
	Tool(t, nil, "ssh-keygen", "-q", "-s", s.Path("ca"), "-I", "host", "-h", "-n", "127.0.0.1", s.Path("host_ed25519.pub"))
	if s.Port == "" {
		s.Port = freePort(t)
	}
	s.Write(t, "authorized", s.Read(t, "user.pub")+s.Read(t, "locked.pub")+fetchOnly+s.Read(t, "reader.pub"))
	s.Write(t, "config", strings.Join([]string{
		"ListenAddress 127.0.0.1:" + s.Port, "HostKey " + s.Path("host_ed25519"), "HostKey " + s.Path("host_ecdsa"),
		"HostCertificate " + s.Path("host_ed25519-cert.pub"), "AuthorizedKeysFile " + s.Path("authorized"),
		"SetEnv GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null", "StrictModes no", "PidFile none", "UsePAM no", "PasswordAuthentication no", "PermitRootLogin prohibit-password", "",
	}, "\n"))
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // it wants the folder
		t.Fatal(err)
	}
	s.run(t, o.Enter)
	return s
}

// run starts the server and returns when it listens.
func (s *Server) run(t testing.TB, enter []string) {
	t.Helper()
	words := append(append([]string{}, enter...), "/usr/sbin/sshd", "-D", "-e", "-f", s.Path("config"))
	server := exec.Command(words[0], words[1:]...)
	log, err := os.Create(s.Path("log"))
	if err != nil {
		t.Fatal(err)
	}
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
		log.Close()
		if t.Failed() {
			t.Logf("sshd:\n%s", s.Read(t, "log"))
		}
	})
	for range 100 {
		if strings.Contains(s.Read(t, "log"), "Server listening on 127.0.0.1 port "+s.Port) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("sshd does not come up:\n%s", s.Read(t, "log"))
}

func freePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
}

// URL of a repository, for root.
func (s *Server) URL(path string) string { return "ssh://root@127.0.0.1:" + s.Port + path }

// Path of a file of the server: a key by its name, a public one with ".pub" behind it.
func (s *Server) Path(name string) string { return filepath.Join(s.dir, name) }

// Read returns a file of the server.
func (s *Server) Read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(s.Path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Write writes a file beside the server's own and returns its path.
func (s *Server) Write(t testing.TB, name, text string) string {
	t.Helper()
	if err := os.WriteFile(s.Path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.Path(name)
}

// Hosts makes a known_hosts file of lines in which HOST stands for the server.
func (s *Server) Hosts(t testing.TB, name string, lines ...string) string {
	t.Helper()
	text := strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "HOST", "[127.0.0.1]:"+s.Port)
	return s.Write(t, name, text)
}

// Key is a public key without its comment.
func (s *Server) Key(t testing.TB, name string) string {
	t.Helper()
	fields := strings.Fields(s.Read(t, name+".pub"))
	return fields[0] + " " + fields[1]
}

// Fingerprint of a key, as the settings of CI systems and git servers show it.
func (s *Server) Fingerprint(t testing.TB, name string) string {
	t.Helper()
	return strings.Fields(Tool(t, nil, "ssh-keygen", "-l", "-E", "sha256", "-f", s.Path(name+".pub")))[1]
}
