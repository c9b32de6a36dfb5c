//go:build lab

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/lab/node"
	"github.com/unitstamp/unitstamp/lab/sshd"
)

// An internet is what the examples ask for by its name: the machine finds the names on
// its own loopback, and trusts who answers. So the examples run as they are.
type internet struct {
	authority    *x509.Certificate
	key          *ecdsa.PrivateKey
	sshd         *sshd.Server
	known        string // a known_hosts line of it
	home         string // of its user git
	releases     http.Handler
	repositories *repositories
}

// The git servers answer at gitServers, with https and ssh, and docker's registry at hub.
const (
	gitServers = "127.0.0.1"
	hub        = "127.0.0.2"
	hosts      = "127.0.0.1 localhost github.com gitlab.com\n127.0.0.2 registry-1.docker.io index.docker.io auth.docker.io\n"
)

func connect(t *testing.T, n *node.Node, repositories *repositories) *internet {
	t.Helper()
	i := &internet{home: t.TempDir(), repositories: repositories}
	i.authority, i.key = certificate(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "lab"}}, nil, nil)
	n.Write("/etc/hosts", hosts, 0o644)
	n.Write("/etc/lab/authority.pem", encode("CERTIFICATE", i.authority.Raw), 0o644)
	n.Must("sh", "-c", "cat /etc/lab/authority.pem >>/etc/ssl/certs/ca-certificates.crt")

	certificate, key := i.certificate(t, "github.com", "gitlab.com")
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: i, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}}
	listener := n.Listen(gitServers + ":443")
	go func() { _ = server.ServeTLS(listener, "", "") }() // ends with Close
	t.Cleanup(func() { server.Close() })

	// sshd has the files of the machine underneath, where nobody is called git.
	passwd := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(passwd, []byte(read(t, "/etc/passwd")+"git:x:0:0::"+i.home+":/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	enter := append(n.Network(), "unshare", "--mount", "sh", "-c", `mount --bind "$0" /etc/passwd && exec "$@"`, passwd)
	i.sshd = sshd.Start(t, sshd.Options{Enter: enter, Port: "22"})
	i.known = "github.com " + i.sshd.Key(t, "host_ed25519")
	return i
}

// certificate makes one for servers of these names, and its key.
func (i *internet) certificate(t *testing.T, names ...string) (chain, key string) {
	t.Helper()
	made, private := certificate(t, &x509.Certificate{DNSNames: names}, i.authority, i.key)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return encode("CERTIFICATE", made.Raw), encode("PRIVATE KEY", der)
}

func certificate(t *testing.T, wanted, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, signer = wanted, key
	}
	wanted.SerialNumber, wanted.NotBefore, wanted.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, wanted, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// ServeHTTP is github.com and gitlab.com: releases of the programs, and repositories that
// anyone may read, and write to with the token.
func (i *internet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const releases = "/unitstamp/unitstamp/releases/download"
	if strings.HasPrefix(r.URL.Path, releases+"/") {
		http.StripPrefix(releases, i.releases).ServeHTTP(w, r)
		return
	}
	owner, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	name, below, _ := strings.Cut(rest, ".git/")
	served := i.repositories.of(name)
	if owner != "myrepo" || served == nil {
		http.NotFound(w, r)
		return
	}
	writes := strings.HasSuffix(r.URL.Path, "git-receive-pack") || r.URL.Query().Get("service") == "git-receive-pack"
	if _, given, _ := r.BasicAuth(); writes && given != token {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	r.URL.Path = "/" + filepath.Base(served.bare) + "/" + below
	served.handler.ServeHTTP(w, r)
}

// serve has the git servers have a repository under a name, in place of what was there.
func (i *internet) serve(t *testing.T, name string, r *repository) {
	t.Helper()
	r.handler = gittest.Backend(t, r.bare)
	i.repositories.put(name, r)
	link := filepath.Join(i.home, "myrepo", name+".git")
	_ = os.Remove(link) // there may be none
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(r.bare, link); err != nil {
		t.Fatal(err)
	}
}
