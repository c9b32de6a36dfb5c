//go:build lab

package release

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/unitstamp/unitstamp/internal/docpage"
	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/lab/node"
	"github.com/unitstamp/unitstamp/lab/sshd"
)

const (
	token  = "marker-token-c3d9"
	git    = "git.example.com"
	folder = "/srv/checkout"
)

// ci runs a command as a user of no special rights, who may use docker.
var ci = []string{"setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "--", "env", "-i", "-C", folder,
	"PATH=/srv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + folder,
	"UNITSTAMP_BUILD=58", "UNITSTAMP_BRANCH=develop", "CONFPUSH_TOKEN=" + token}

// legacy is what newer clients say of the builder that every engine has.
var legacy = regexp.MustCompile(`(?s)^DEPRECATED: The legacy builder.*?\n\n`)

// page runs the commands of the images' page, as a user, with git servers behind the
// page's host name.
func page(t *testing.T, n *node.Node, r release, a *authority) {
	p, err := docpage.Read(filepath.Join("..", "..", "docs", "images.md"))
	if err != nil {
		t.Fatal(err)
	}
	bare := gittest.Bare(t)
	gittest.Git(t, bare, "symbolic-ref", "HEAD", "refs/heads/develop")
	gittest.Commit(t, bare, "develop", "Begin", map[string]string{"README": ""})
	a.serve(t, n, bare)
	s := sshd.Start(t, sshd.Options{Enter: n.Network(), Port: "22"})

	for name, content := range p.Files {
		n.Write(folder+"/"+name, content, 0o644)
	}
	// What the page has of a release's downloads, for the machine at hand.
	archive := "unitstamp_" + version + "_linux_" + runtime.GOARCH + ".tar.gz"
	for _, name := range []string{archive, "checksums.txt"} {
		n.Copy(r.file(name), folder+"/"+name)
	}
	n.Write(folder+"/key", s.Read(t, "user"), 0o600)
	n.Write(folder+"/known_hosts", git+" "+s.Key(t, "host_ed25519")+"\n", 0o644)
	n.Must("chown", "-R", "1000:1000", folder)
	n.Must("chmod", "0666", "/run/docker.sock")
	n.Must("sh", "-c", "echo 127.0.0.1 "+git+" >>/etc/hosts")
	// The git servers are on the node's loopback, so containers share its network; over
	// ssh the page's repository lies where this one does, and root is who may log in.
	n.Write("/srv/bin/docker", "#!/bin/sh\nif [ \"$1\" = run ]; then shift; set -- run --network host \"$@\"; fi\nexec /usr/bin/env PATH=/usr/local/bin:/usr/bin:/bin docker \"$@\"\n", 0o755)
	n.Must("mkdir", "-p", "/myrepo")
	base(t, n)

	ran := 0
	for _, session := range p.Sessions {
		for _, c := range session.Commands {
			ran++
			c.Text, c.Output = strings.ReplaceAll(c.Text, "linux_amd64", "linux_"+runtime.GOARCH), strings.ReplaceAll(c.Output, "linux_amd64", "linux_"+runtime.GOARCH)
			command := strings.ReplaceAll(c.Text, "ssh://"+git+"/myrepo/mysysconfig.git", "ssh://root@"+git+bare)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			words, errs, code := n.Run(ctx, append(append([]string{}, ci...), "sh", "-c", command)...)
			cancel()
			got := legacy.ReplaceAllString(strings.ReplaceAll(words+errs, git+bare, git+"/myrepo/mysysconfig.git"), "")
			if strings.Contains(got, token) {
				t.Errorf("%s tells a secret", c.Text)
			}
			want := docpage.Normalise(c.Output)
			if d := diff.Diff("page", []byte(want), "run", []byte(docpage.Normalise(got))); d != nil || code != c.Code {
				t.Errorf("docs/images.md:%d: %s: exit code %d, want %d\n%s\n%s", c.Line, c.Text, code, c.Code, d, words+errs)
			}
		}
	}
	if ran < 5 {
		t.Errorf("the page has %d commands", ran)
	}
	if owner := strings.TrimSpace(n.Must("stat", "-c", "%u:%g %a", folder+"/myservice.service")); owner != "1000:1000 644" {
		t.Errorf("the stamped unit belongs to %s", owner)
	}
	if unit := gittest.Git(t, bare, "show", "develop:units/myservice.service"); !strings.Contains(unit, "myrepo/myservice:58-develop") {
		t.Errorf("pushed was\n%s", unit)
	}

	// Whoever the bundle does not name is not trusted.
	n.Must("sh", "-c", "cp /etc/ssl/certs/ca-certificates.crt "+folder+"/others.crt")
	_, errs, code := n.Run(t.Context(), append(append([]string{}, ci...), "docker", "run", "--rm", "--volume", folder+":/w", "--workdir", "/w",
		"--volume", folder+"/others.crt:/"+bundle+":ro", "--env", "CONFPUSH_TOKEN", "unitstamp/confpush:"+version,
		"--repo", "https://"+git+"/myrepo/mysysconfig.git", "--branch", "develop", "--deadline", "10s", "myservice.service")...)
	if code != 3 || !strings.Contains(errs, "unknown authority") {
		t.Errorf("with another bundle: exit code %d\n%s", code, errs)
	}
	gittest.Fsck(t, bare)
}

// base makes what the page's image is made from: a shell, and what that needs.
func base(t *testing.T, n *node.Node) {
	t.Helper()
	n.Must("sh", "-c", `tar -C / -ch --transform 's,bin/dash$,bin/sh,' bin/dash $(ldd /bin/dash | grep -o '/[^ ]*' | cut -c 2-) | docker import - docker:28.2`)
}

// An authority signs for the lab's git server.
type authority struct {
	pem  []byte
	cert tls.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Lab"}, DNSNames: []string{git},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
}

// serve serves a repository as myrepo/mysysconfig.git over https, to those who have the
// token.
func (a *authority) serve(t *testing.T, n *node.Node, bare string) {
	t.Helper()
	backend := gittest.Backend(t, bare)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, "/myrepo/mysysconfig.git/")
		if _, given, _ := r.BasicAuth(); !ok || given != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		r.URL.Path = "/" + filepath.Base(bare) + "/" + rest
		backend.ServeHTTP(w, r)
	}), TLSConfig: &tls.Config{Certificates: []tls.Certificate{a.cert}}, ErrorLog: log.New(io.Discard, "", 0)}
	listener := n.Listen("127.0.0.1:443")
	go func() { _ = server.ServeTLS(listener, "", "") }() // ends with Close
	t.Cleanup(func() { server.Close() })
}
