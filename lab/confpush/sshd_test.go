//go:build lab

package confpush_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/gittest"
)

// sshd is OpenSSH's server with two host keys and a host certificate, on loopback.
type sshd struct {
	dir, port string
}

// tool runs one of OpenSSH's or GnuPG's programs.
func tool(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func startSSHD(t *testing.T) *sshd {
	t.Helper()
	s := &sshd{dir: t.TempDir()}
	for name, kind := range map[string]string{"host_ed25519": "ed25519", "host_ecdsa": "ecdsa", "ca": "ed25519", "user": "ed25519", "other": "ed25519"} {
		tool(t, nil, "ssh-keygen", "-q", "-t", kind, "-N", "", "-f", s.path(name))
	}
	tool(t, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", s.path("locked"))
	tool(t, nil, "ssh-keygen", "-q", "-s", s.path("ca"), "-I", "host", "-h", "-n", "127.0.0.1", s.path("host_ed25519.pub"))
	authorized := s.read(t, "user.pub") + s.read(t, "locked.pub")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
	listener.Close()
	s.write(t, "authorized", authorized)
	s.write(t, "config", strings.Join([]string{
		"ListenAddress 127.0.0.1:" + s.port, "HostKey " + s.path("host_ed25519"), "HostKey " + s.path("host_ecdsa"),
		"HostCertificate " + s.path("host_ed25519-cert.pub"), "AuthorizedKeysFile " + s.path("authorized"),
		"StrictModes no", "PidFile none", "UsePAM no", "PasswordAuthentication no", "PermitRootLogin prohibit-password", "",
	}, "\n"))
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // it wants the folder
		t.Fatal(err)
	}
	server := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", s.path("config"))
	log, err := os.Create(s.path("log"))
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
			t.Logf("sshd:\n%s", s.read(t, "log"))
		}
	})
	for range 100 {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+s.port); err == nil {
			conn.Close()
			return s
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("sshd does not come up:\n%s", s.read(t, "log"))
	return nil
}

func (s *sshd) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sshd) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (s *sshd) write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.path(name)
}

// hosts makes a known_hosts file of lines in which HOST stands for the server.
func (s *sshd) hosts(t *testing.T, name string, lines ...string) string {
	t.Helper()
	text := strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "HOST", "[127.0.0.1]:"+s.port)
	return s.write(t, name, text)
}

// key is a public key without its comment.
func (s *sshd) key(t *testing.T, name string) string {
	t.Helper()
	fields := strings.Fields(s.read(t, name+".pub"))
	return fields[0] + " " + fields[1]
}

// TestSSHD pushes through OpenSSH's own server: every way to know the host and to
// prove who pushes.
func TestSSHD(t *testing.T) {
	program := buildProgram(t)
	s := startSSHD(t)
	bare := repository(t, 20, 1)
	url := "ssh://root@127.0.0.1:" + s.port + bare
	ed25519 := s.hosts(t, "ed25519", "HOST "+s.key(t, "host_ed25519"))
	hashed := s.hosts(t, "hashed", "HOST "+s.key(t, "host_ed25519"))
	tool(t, nil, "ssh-keygen", "-q", "-H", "-f", hashed)
	agent := startAgent(t, s.path("other"), s.path("user"))

	build := 100
	for _, tt := range []struct {
		name string
		env  []string
		args []string
		code int
		says string
	}{
		{"one of two host keys", nil, []string{"--known-hosts", ed25519, "--ssh-key", s.path("user")}, 0, ""},
		{"the other one", nil, []string{"--known-hosts", s.hosts(t, "ecdsa", "HOST "+s.key(t, "host_ecdsa")), "--ssh-key", s.path("user")}, 0, ""},
		{"hashed", nil, []string{"--known-hosts", hashed, "--ssh-key", s.path("user")}, 0, ""},
		{"several hosts a line", nil, []string{"--known-hosts", s.hosts(t, "several", "git.example.com,HOST,other "+s.key(t, "host_ed25519")), "--ssh-key", s.path("user")}, 0, ""},
		{"a certificate authority", nil, []string{"--known-hosts", s.hosts(t, "authority", "@cert-authority HOST "+s.key(t, "ca")), "--ssh-key", s.path("user")}, 0, ""},
		{"a key with a passphrase", nil, []string{"--known-hosts", ed25519, "--ssh-key", s.path("locked"), "--ssh-passphrase-file", s.write(t, "passphrase", "open sesame\n")}, 0, ""},
		{"an agent with a wrong key first", []string{"SSH_AUTH_SOCK=" + agent}, []string{"--known-hosts", ed25519}, 0, ""},
		{"an unknown host", nil, []string{"--known-hosts", s.hosts(t, "none", "example.com "+s.key(t, "host_ed25519")), "--ssh-key", s.path("user")}, 3, "is not known"},
		{"a changed host key", nil, []string{"--known-hosts", s.hosts(t, "changed", "HOST "+s.key(t, "other")), "--ssh-key", s.path("user")}, 3, "CHANGED"},
		{"a revoked host key", nil, []string{"--known-hosts", s.hosts(t, "revoked", "@revoked HOST "+s.key(t, "host_ed25519"), "HOST "+s.key(t, "host_ed25519")), "--ssh-key", s.path("user")}, 3, "revoked"},
		{"another authority", nil, []string{"--known-hosts", s.hosts(t, "authority2", "@cert-authority HOST "+s.key(t, "other")), "--ssh-key", s.path("user")}, 3, ""},
		{"a key that the server does not take", nil, []string{"--known-hosts", ed25519, "--ssh-key", s.path("other")}, 3, "does not accept the key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			build++
			tip := gittest.Git(t, bare, "rev-parse", "main")
			file := writeFile(t, t.TempDir(), "s1.service", unitText("s1", fmt.Sprintf("%d-develop", build)))
			args := append([]string{"--repo", url, "--branch", "main", "--as", unitPath(1), "--deadline", "20s"}, tt.args...)
			got := runProgram(s.dir, tt.env, program, append(args, file)...)
			moved := gittest.Git(t, bare, "rev-parse", "main") != tip
			if got.code != tt.code || !strings.Contains(got.out, tt.says) || moved != (tt.code == 0) {
				t.Errorf("exit %d, want %d; pushed %v\n%s", got.code, tt.code, moved, got.out)
			}
		})
	}
	gittest.Fsck(t, bare)
}

// startAgent starts an ssh-agent with keys and returns its socket.
func startAgent(t *testing.T, keys ...string) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { agent.Process.Kill(); agent.Wait() })
	for range 100 {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	tool(t, []string{"SSH_AUTH_SOCK=" + socket}, "ssh-add", append([]string{"-q"}, keys...)...)
	return socket
}

// TestSignatures lets git itself judge the commits that were signed.
func TestSignatures(t *testing.T) {
	program := buildProgram(t)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }

	tool(t, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", in("ssh"))
	public, err := os.ReadFile(in("ssh.pub"))
	if err != nil {
		t.Fatal(err)
	}
	allowed := writeFile(t, dir, "allowed", "ci@example.com namespaces=\"git\" "+string(public))

	home := []string{"GNUPGHOME=" + in("gnupg")}
	if err := os.Mkdir(in("gnupg"), 0o700); err != nil {
		t.Fatal(err)
	}
	tool(t, home, "gpg", "--batch", "-q", "--passphrase", "", "--quick-generate-key", "CI <ci@example.com>", "ed25519", "sign", "never")
	t.Cleanup(func() { tool(t, home, "gpgconf", "--kill", "all") })
	secret := writeFile(t, dir, "openpgp", tool(t, home, "gpg", "--batch", "-q", "--armor", "--export-secret-keys", "ci@example.com"))

	for _, tt := range []struct {
		name, key string
		config    []string
	}{
		{"ssh", in("ssh"), []string{"-c", "gpg.format=ssh", "-c", "gpg.ssh.allowedSignersFile=" + allowed}},
		{"OpenPGP", secret, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bare := repository(t, 20, 1)
			file := writeFile(t, dir, "s1.service", unitText("s1", "9-develop"))
			if got := runProgram(dir, nil, program, "--repo", bare, "--branch", "main", "--as", unitPath(1), "--sign-key", tt.key, "--committer", "CI <ci@example.com>", file); got.code != 0 {
				t.Fatalf("exit %d\n%s", got.code, got.out)
			}
			cmd := exec.Command("git", append(append([]string{"-C", bare}, tt.config...), "verify-commit", "main")...)
			cmd.Env = append(os.Environ(), home...)
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Good") {
				t.Errorf("git verify-commit: %v\n%s", err, out)
			}
			gittest.Fsck(t, bare)
		})
	}
}
