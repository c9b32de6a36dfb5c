package confrepo_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/pkg/confrepo"
)

func TestKnownHosts(t *testing.T) {
	bare := seeded(t)
	s := gittest.ServeSSH(t, gittest.SSHOptions{HostKeys: 1})
	stranger, _ := gittest.NewSSHKey(t)
	foreign := knownhosts.Line([]string{s.Addr}, stranger.PublicKey())
	key := strings.SplitN(s.KnownHostsLine(0), " ", 2)[1]
	ca, _ := gittest.NewSSHKey(t)
	n := 1
	tests := []struct {
		name, content string
		kind          confrepo.Kind // 0: accepted
	}{
		{"plain", s.KnownHostsLine(0), 0},
		{"hashed", knownhosts.HashHostname(knownhosts.Normalize(s.Addr)) + " " + key, 0},
		{"several hosts on a line", "other.example," + knownhosts.Normalize(s.Addr) + ",third.example " + key, 0},
		{"several keys of the host", foreign + "\n" + s.KnownHostsLine(0), 0},
		{"wildcard", "127.0.0.* " + key, 0},
		{"comments", "# keys\n\n" + s.KnownHostsLine(0) + " a comment", 0},
		{"empty", "", confrepo.HostKey},
		{"another host", knownhosts.Line([]string{"other.example:22"}, stranger.PublicKey()), confrepo.HostKey},
		{"changed", foreign, confrepo.HostKey},
		{"authority that did not sign", "@cert-authority * " + strings.SplitN(knownhosts.Line([]string{"x"}, ca.PublicKey()), " ", 2)[1], confrepo.HostKey},
		{"revoked", s.KnownHostsLine(0) + "\n@revoked * " + key, confrepo.HostKey},
		{"nonsense", "this is no known_hosts line", confrepo.Usage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n++
			began := time.Now()
			_, err := confrepo.Publish(limited(t, 20*time.Second), confrepo.Target{URL: s.URL(bare), Branch: "main"}, put("units/a.service", fmt.Sprintln(n)),
				confrepo.Options{Auth: confrepo.Auth{SSHKey: s.ClientKey, KnownHosts: []string{gittest.WriteFile(t, "known_hosts", tt.content+"\n")}}})
			if tt.kind == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			e := wantKind(t, err, tt.kind)
			if time.Since(began) > 5*time.Second {
				t.Errorf("took %s", time.Since(began))
			}
			fingerprint := ssh.FingerprintSHA256(s.HostKeys[0].PublicKey())
			if tt.kind == confrepo.HostKey && tt.name != "revoked" && tt.name != "authority that did not sign" &&
				(!strings.Contains(e.Text, fingerprint) || !strings.Contains(e.Hint, s.KnownHostsLine(0))) {
				t.Errorf("neither fingerprint nor line: %q %q", e.Text, e.Hint)
			}
			if tt.name == "changed" && !strings.Contains(e.Text, "CHANGED") {
				t.Errorf("%q", e.Text)
			}
		})
	}
	if got := s.Connections.Load(); got == 0 {
		t.Error("nothing reached the server")
	}
}

func TestSSHKeys(t *testing.T) {
	bare := seeded(t)
	s := gittest.ServeSSH(t, gittest.SSHOptions{Version2: true})
	hosts := []string{s.KnownHosts(t)}
	publish := func(auth confrepo.Auth, content string) error {
		auth.KnownHosts = hosts
		_, err := confrepo.Publish(limited(t, 20*time.Second), confrepo.Target{URL: s.URL(bare), Branch: "main"}, put("units/a.service", content), confrepo.Options{Auth: auth})
		return err
	}
	_, wrong := gittest.NewSSHKey(t)
	wantKind(t, publish(confrepo.Auth{SSHKey: wrong}, "w\n"), confrepo.Denied)
	wantKind(t, publish(confrepo.Auth{}, "w\n"), confrepo.Usage)
	wantKind(t, publish(confrepo.Auth{SSHKey: []byte("no key")}, "w\n"), confrepo.Usage)

	private, err := ssh.ParseRawPrivateKey(s.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	locked := pem.EncodeToMemory(block)
	wantKind(t, publish(confrepo.Auth{SSHKey: locked}, "w\n"), confrepo.Usage)
	wantKind(t, publish(confrepo.Auth{SSHKey: locked, SSHPassphrase: []byte("wrong")}, "w\n"), confrepo.Usage)
	if err := publish(confrepo.Auth{SSHKey: locked, SSHPassphrase: []byte("open sesame")}, "locked\n"); err != nil {
		t.Error(err)
	}

	// an agent with several keys, the wrong one first
	_, other, _ := ed25519.GenerateKey(rand.Reader)
	socket := serveAgent(t, &other, private)
	before := s.Connections.Load()
	if err := publish(confrepo.Auth{AgentSocket: socket}, "agent\n"); err != nil {
		t.Error(err)
	}
	if got := s.Connections.Load() - before; got != 1 {
		t.Errorf("%d connections for one push", got)
	}
	wantKind(t, publish(confrepo.Auth{AgentSocket: socket + "-gone"}, "w\n"), confrepo.Usage)
}

// serveAgent is an agent with some keys.
func serveAgent(t testing.TB, keys ...any) (socket string) {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		if err := ring.Add(agent.AddedKey{PrivateKey: k}); err != nil {
			t.Fatal(err)
		}
	}
	socket = filepath.Join(t.TempDir(), "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); agent.ServeAgent(ring, conn) }()
		}
	}()
	return socket
}

// TestReadOnlyDeployKey: hosts refuse the writing program with a line on stderr.
func TestReadOnlyDeployKey(t *testing.T) {
	bare := seeded(t)
	s := gittest.ServeSSH(t, gittest.SSHOptions{Refuse: func(service string, stderr io.Writer) bool {
		if service != "git-receive-pack" {
			return false
		}
		io.WriteString(stderr, "ERROR: The key you are authenticating with has been marked as read only.\n")
		return true
	}})
	_, err := confrepo.Publish(limited(t, 20*time.Second), confrepo.Target{URL: s.URL(bare), Branch: "main"}, put("units/a.service", "2\n"),
		confrepo.Options{Auth: confrepo.Auth{SSHKey: s.ClientKey, KnownHosts: []string{s.KnownHosts(t)}}})
	if e := wantKind(t, err, confrepo.Denied); !strings.Contains(e.Text, "read only") || !strings.Contains(e.Hint, "write access") {
		t.Errorf("%q %q", e.Text, e.Hint)
	}
}

func TestHTTPCredentials(t *testing.T) {
	bare := seeded(t)
	var wanted string
	url := gittest.ServeHTTP(t, bare, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Authorization"); got != wanted {
				http.Error(w, "no", 401)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	withUser := func(user string) string { return strings.Replace(url, "://", "://"+user+"@", 1) }
	const tok = "s3cret"
	tests := []struct {
		name, url, header string
		auth              confrepo.Auth
	}{
		{"token", url, "Basic eC1hY2Nlc3MtdG9rZW46czNjcmV0", confrepo.Auth{Token: tok}},
		{"token and user", url, "Basic Ym90OnMzY3JldA==", confrepo.Auth{Token: tok, Username: "bot"}},
		{"user of the URL", withUser("bot"), "Basic Ym90OnMzY3JldA==", confrepo.Auth{Token: tok}},
		{"in the URL", withUser("bot:s3cret"), "Basic Ym90OnMzY3JldA==", confrepo.Auth{}},
		{"bearer", url, "Bearer s3cret", confrepo.Auth{Token: tok, Bearer: true}},
		{"netrc", url, "Basic Ym90OnMzY3JldA==", confrepo.Auth{Netrc: "machine other login x password y\nmachine 127.0.0.1\n login bot\n password s3cret\n"}},
		{"netrc default", url, "Basic Ym90OnMzY3JldA==", confrepo.Auth{Netrc: "macdef init\nmachine 127.0.0.1 login x password y\n\ndefault login bot password s3cret"}},
		{"none", url, "", confrepo.Auth{Netrc: "machine other login x password s3cret"}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wanted = tt.header
			if _, err := confrepo.Publish(limited(t, 20*time.Second), confrepo.Target{URL: tt.url, Branch: "main"}, put("units/a.service", fmt.Sprintln(i+10)), confrepo.Options{Auth: tt.auth}); err != nil {
				t.Fatal(err)
			}
			wanted = "something else"
			_, err := confrepo.Publish(limited(t, 20*time.Second), confrepo.Target{URL: tt.url, Branch: "main"}, put("units/a.service", "w\n"), confrepo.Options{Auth: tt.auth})
			if e := wantKind(t, err, confrepo.Denied); strings.Contains(fmt.Sprintf("%v %#v", e, e), tok) || strings.Contains(fmt.Sprintf("%v %#v", e, e), "czNjcmV0") {
				t.Errorf("a secret is shown: %#v", e)
			}
		})
	}
}

// TestRedirect follows the first GET and takes no credentials to another host.
func TestRedirect(t *testing.T) {
	bare := seeded(t)
	var leaked []string
	real := gittest.ServeHTTP(t, bare, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			leaked = append(leaked, r.Header.Get("Authorization"))
			next.ServeHTTP(w, r)
		})
	})
	moved := strings.Replace(real, "127.0.0.1", "localhost", 1)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, rest, _ := strings.Cut(r.URL.RequestURI(), "/old.git")
		http.Redirect(w, r, moved+rest, http.StatusMovedPermanently)
	}))
	defer front.Close()
	res, err := confrepo.Publish(limited(t, 20*time.Second), confrepo.Target{URL: front.URL + "/old.git", Branch: "main"}, put("units/a.service", "2\n"),
		confrepo.Options{Auth: confrepo.Auth{Token: "s3cret"}})
	if err != nil || res.Commit == "" {
		t.Fatalf("%+v %v", res, err)
	}
	if strings.Join(leaked, "") != "" {
		t.Errorf("credentials went to another host: %q", leaked)
	}
}

func TestTLS(t *testing.T) {
	bare := seeded(t)
	server := httptest.NewTLSServer(gittest.Backend(t, bare))
	defer server.Close()
	url := server.URL + "/" + filepath.Base(bare)
	began := time.Now()
	_, err := confrepo.Publish(limited(t, 20*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{})
	if e := wantKind(t, err, confrepo.Denied); !strings.Contains(e.Hint, "CA file") || time.Since(began) > 5*time.Second {
		t.Errorf("%v %q", e, e.Hint)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if _, err := confrepo.Publish(limited(t, 20*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{Auth: confrepo.Auth{CACertificates: ca}}); err != nil {
		t.Error(err)
	}
	_, err = confrepo.Publish(limited(t, 20*time.Second), confrepo.Target{URL: url, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{Auth: confrepo.Auth{CACertificates: []byte("x")}})
	wantKind(t, err, confrepo.Usage)
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	for _, url := range []string{"http://" + addr + "/x.git", "ssh://git@" + addr + "/x.git"} {
		_, key := gittest.NewSSHKey(t)
		began := time.Now()
		_, err := confrepo.Publish(limited(t, time.Second), confrepo.Target{URL: url, Branch: "main"}, put("a", "2\n"), confrepo.Options{Auth: confrepo.Auth{SSHKey: key}})
		wantKind(t, err, confrepo.Unavailable)
		if time.Since(began) > 4*time.Second {
			t.Errorf("%s took %s", url, time.Since(began))
		}
	}
}

func TestAddresses(t *testing.T) {
	for raw, shown := range map[string]string{
		"https://user:s3cret@host/x.git": "https://host/x.git", "git@host:path/x.git": "host:path/x.git", "ssh://git@host:2222/x": "ssh://host:2222/x",
		"/srv/x.git": "/srv/x.git", "file:///srv/a#b": "file:///srv/a#b", "./x:y": "./x:y", "https://host/%zz:s3cret": "(unreadable URL)",
	} {
		if got := confrepo.Redact(raw); got != shown {
			t.Errorf("%q is shown as %q, want %q", raw, got, shown)
		}
	}
	for _, raw := range []string{"", "ftp://h/x", "https://h", "https://h/x?y", "-oProxyCommand=x:y", "ssh://-oProxy/x", "git@host:", "https://s3cret@ho st/x", "file://other/x"} {
		_, err := confrepo.Publish(limited(t, time.Second), confrepo.Target{URL: raw}, put("a", "1"), confrepo.Options{Auth: confrepo.Auth{AgentSocket: "x"}})
		e := wantKind(t, err, confrepo.Usage)
		if strings.Contains(e.Error(), "s3cret") {
			t.Errorf("%q shows a secret", e)
		}
	}
	if got := confrepo.RedactText("https://u:s3cret@ci.example/1?x=y"); got != "https://ci.example/1?x=y" {
		t.Error(got)
	}
}

// TestSignatures: git itself verifies them, where it finds ssh-keygen.
func TestSignatures(t *testing.T) {
	bare := seeded(t)
	signer, key := gittest.NewSSHKey(t)
	sign, err := confrepo.Signer(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := confrepo.Publish(limited(t, 20*time.Second), confrepo.Target{URL: bare, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{Sign: sign})
	if err != nil {
		t.Fatal(err)
	}
	gittest.Fsck(t, bare)
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		return // git needs it to verify
	}
	for _, tt := range []struct {
		key  ssh.PublicKey
		good bool
	}{{signer.PublicKey(), true}, {func() ssh.PublicKey { s, _ := gittest.NewSSHKey(t); return s.PublicKey() }(), false}} {
		allowed := gittest.WriteFile(t, "allowed", "build@example.com namespaces=\"git\" "+string(ssh.MarshalAuthorizedKey(tt.key)))
		out, err := gittest.Try(bare, "", "-c", "gpg.format=ssh", "-c", "gpg.ssh.allowedSignersFile="+allowed, "verify-commit", "-v", res.Commit)
		if (err == nil) != tt.good {
			t.Errorf("verified %v, want %v: %s %v", err == nil, tt.good, out, err)
		}
	}
	if _, err := confrepo.Signer([]byte("nonsense"), nil); err == nil {
		t.Error("nonsense is taken for a key")
	}
}
