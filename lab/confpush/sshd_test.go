//go:build lab

package confpush_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/lab/sshd"
)

// TestSSHD pushes through OpenSSH's own server: every way to know the host and to
// prove who pushes.
func TestSSHD(t *testing.T) {
	program := buildProgram(t)
	s := sshd.Start(t, sshd.Options{})
	bare := repository(t, 20, 1)
	url := s.URL(bare)
	ed25519 := s.Hosts(t, "ed25519", "HOST "+s.Key(t, "host_ed25519"))
	hashed := s.Hosts(t, "hashed", "HOST "+s.Key(t, "host_ed25519"))
	sshd.Tool(t, nil, "ssh-keygen", "-q", "-H", "-f", hashed)
	agent := startAgent(t, s.Path("other"), s.Path("user"))

	build := 100
	for _, tt := range []struct {
		name string
		env  []string
		args []string
		code int
		says string
	}{
		{"one of two host keys", nil, []string{"--known-hosts", ed25519, "--ssh-key", s.Path("user")}, 0, ""},
		{"the other one", nil, []string{"--known-hosts", s.Hosts(t, "ecdsa", "HOST "+s.Key(t, "host_ecdsa")), "--ssh-key", s.Path("user")}, 0, ""},
		{"hashed", nil, []string{"--known-hosts", hashed, "--ssh-key", s.Path("user")}, 0, ""},
		{"several hosts a line", nil, []string{"--known-hosts", s.Hosts(t, "several", "git.example.com,HOST,other "+s.Key(t, "host_ed25519")), "--ssh-key", s.Path("user")}, 0, ""},
		{"a certificate authority", nil, []string{"--known-hosts", s.Hosts(t, "authority", "@cert-authority HOST "+s.Key(t, "ca")), "--ssh-key", s.Path("user")}, 0, ""},
		{"a key with a passphrase", nil, []string{"--known-hosts", ed25519, "--ssh-key", s.Path("locked"), "--ssh-passphrase-file", s.Write(t, "passphrase", "open sesame\n")}, 0, ""},
		{"an agent with a wrong key first", []string{"SSH_AUTH_SOCK=" + agent}, []string{"--known-hosts", ed25519}, 0, ""},
		{"an unknown host", nil, []string{"--known-hosts", s.Hosts(t, "none", "example.com "+s.Key(t, "host_ed25519")), "--ssh-key", s.Path("user")}, 3, "is not known"},
		{"a changed host key", nil, []string{"--known-hosts", s.Hosts(t, "changed", "HOST "+s.Key(t, "other")), "--ssh-key", s.Path("user")}, 3, "CHANGED"},
		{"a revoked host key", nil, []string{"--known-hosts", s.Hosts(t, "revoked", "@revoked HOST "+s.Key(t, "host_ed25519"), "HOST "+s.Key(t, "host_ed25519")), "--ssh-key", s.Path("user")}, 3, "revoked"},
		{"another authority", nil, []string{"--known-hosts", s.Hosts(t, "authority2", "@cert-authority HOST "+s.Key(t, "other")), "--ssh-key", s.Path("user")}, 3, ""},
		{"a key that the server does not take", nil, []string{"--known-hosts", ed25519, "--ssh-key", s.Path("other")}, 3, "does not accept the key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			build++
			tip := gittest.Git(t, bare, "rev-parse", "main")
			file := writeFile(t, t.TempDir(), "s1.service", unitText("s1", fmt.Sprintf("%d-develop", build)))
			args := append([]string{"--repo", url, "--branch", "main", "--as", unitPath(1), "--deadline", "20s"}, tt.args...)
			got := runProgram(t.TempDir(), tt.env, program, append(args, file)...)
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
	sshd.Tool(t, []string{"SSH_AUTH_SOCK=" + socket}, "ssh-add", append([]string{"-q"}, keys...)...)
	return socket
}

// TestSignatures lets git itself judge the commits that were signed.
func TestSignatures(t *testing.T) {
	program := buildProgram(t)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }

	sshd.Tool(t, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", in("ssh"))
	public, err := os.ReadFile(in("ssh.pub"))
	if err != nil {
		t.Fatal(err)
	}
	allowed := writeFile(t, dir, "allowed", "ci@example.com namespaces=\"git\" "+string(public))

	home := []string{"GNUPGHOME=" + in("gnupg")}
	if err := os.Mkdir(in("gnupg"), 0o700); err != nil {
		t.Fatal(err)
	}
	sshd.Tool(t, home, "gpg", "--batch", "-q", "--passphrase", "", "--quick-generate-key", "CI <ci@example.com>", "ed25519", "sign", "never")
	t.Cleanup(func() { sshd.Tool(t, home, "gpgconf", "--kill", "all") })
	secret := writeFile(t, dir, "openpgp", sshd.Tool(t, home, "gpg", "--batch", "-q", "--armor", "--export-secret-keys", "ci@example.com"))

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
