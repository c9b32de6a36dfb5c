//go:build lab

// Package e2e walks the road from a commit in a service's repository to the answer of its
// container, and executes every step of every pipeline that the project shows or has: with
// docker engines, a registry, git servers and a systemd, all in one disposable machine.
package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/unitstamp/unitstamp/internal/circleci"
	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/lab/engine"
	"github.com/unitstamp/unitstamp/lab/node"
)

const (
	password = "marker-password-81f2"
	token    = "marker-token-c3d9"
	goPath   = "/usr/local/go/bin"
)

var root = filepath.Join("..", "..")

// A world is a machine with engines, a registry and git servers.
type world struct {
	t        *testing.T
	n        *node.Node
	net      *internet
	orb      circleci.Document
	builder  string // the pipelines' engine
	repos    *repositories
	executed *ledger
	told     strings.Builder // the transcript
	seen     int             // of the journal, when the scene began
}

// A repository is one that the git servers have.
type repository struct {
	bare    string
	handler http.Handler
	written string // the file of the project that its pipeline stands in
	keys    bool   // its pipeline has keys and no token
	left    string // what checking it out leaves in ~/.ssh/known_hosts
	built   string // the URL of its last job
}

// repositories are those of the git servers, by their names.
type repositories struct {
	mu     sync.Mutex
	byName map[string]*repository
}

func (r *repositories) of(name string) *repository {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byName[name]
}

func (r *repositories) put(name string, one *repository) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byName[name] = one
}

func newWorld(t *testing.T) *world {
	t.Helper()
	for _, program := range []string{"docker-registry", "curl", "wget", "ssh", "ssh-keygen", "bash", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: the lab needs docker-registry, curl, wget, openssh-client, bash and go", err)
		}
	}
	w := &world{t: t, n: node.Boot(t), repos: &repositories{byName: map[string]*repository{}}, executed: &ledger{}}
	w.net = connect(t, w.n, w.repos)
	var err error
	if w.orb, err = circleci.Pack(filepath.Join(root, ".circleci", "orb", "src")); err != nil {
		t.Fatal(err)
	}
	w.engines()
	w.release()
	return w
}

// part runs a part of the test as one of its own, and tells whether it was wanted.
func (w *world) part(name string, run func(t *testing.T)) bool {
	ran, outer, machine := false, w.t, w.n
	outer.Run(name, func(t *testing.T) {
		ran, w.t, w.n = true, t, machine.For(t)
		run(t)
	})
	w.t, w.n = outer, machine
	return ran
}

// engines starts the registry and two engines as services of the machine: its own, and
// the one that pipelines build with, so that neither moves the other's tags.
func (w *world) engines() {
	w.t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		w.t.Fatal(err)
	}
	n := w.n
	certificate, key := w.net.certificate(w.t, "registry-1.docker.io", "index.docker.io", "auth.docker.io")
	n.Write("/etc/lab-registry/certificate.pem", certificate, 0o644)
	n.Write("/etc/lab-registry/key.pem", key, 0o600)
	n.Write("/etc/lab-registry/htpasswd", "ci:"+string(hash)+"\n", 0o600)
	n.Write("/etc/lab-registry/config.yml", `version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: /var/lib/lab-registry}}
http: {addr: "`+hub+`:443", tls: {certificate: /etc/lab-registry/certificate.pem, key: /etc/lab-registry/key.pem}}
auth: {htpasswd: {realm: lab, path: /etc/lab-registry/htpasswd}}
`, 0o644)
	n.Write("/etc/systemd/system/registry.service", "[Service]\nExecStart=/usr/bin/docker-registry serve /etc/lab-registry/config.yml\n", 0o644)
	n.Must("systemctl", "daemon-reload")
	n.Must("systemctl", "start", "registry.service")
	w.builder = engine.Start(w.t, n, "builder")
	engine.Start(w.t, n, "docker")
	w.eventually("the registry", 30*time.Second, func() bool {
		_, _, code := n.Run(w.t.Context(), "curl", "-s", "https://registry-1.docker.io/v2/")
		return code == 0
	})
	// as an operator does once
	n.Must("sh", "-c", "printf %s "+password+" | docker login --username ci --password-stdin")
}

// release serves the programs as a release, and makes the image that the
// Dockerfile of the system configuration takes confapply from.
func (w *world) release() {
	w.t.Helper()
	dir := w.t.TempDir()
	architectures := []string{runtime.GOARCH}
	if runtime.GOARCH != "amd64" {
		architectures = append(architectures, "amd64") // which some pipelines name; here it is what this machine runs
	}
	if err := circleci.Release(root, dir, architectures...); err != nil {
		w.t.Fatal(err)
	}
	w.net.releases = http.FileServer(http.Dir(dir))
	w.n.Copy(filepath.Join(dir, "programs", "confpush"), "/usr/local/bin/confpush")   // for the operator
	w.n.Copy(filepath.Join(dir, "programs", "unitstamp"), "/usr/local/bin/unitstamp") // for an agent of Jenkins
	platform := "linux/" + runtime.GOARCH
	w.n.Copy(filepath.Join(dir, "programs", "confapply"), "/srv/image/"+platform+"/confapply")
	w.n.Copy(filepath.Join(root, ".release", "confapply.Dockerfile"), "/srv/image/Dockerfile")
	w.n.Must("docker", "--host", w.builder, "build", "--quiet", "--build-arg", "TARGETPLATFORM="+platform, "--tag", "unitstamp/confapply:"+circleci.Version, "/srv/image")
}

// repository makes a repository from an example, and has the git servers have it. Its
// pipeline is the example's own.
func (w *world) repository(name, example string, change func(path, content string) (string, bool)) *repository {
	w.t.Helper()
	r := &repository{
		bare:    gittest.FromFolder(w.t, filepath.Join(root, "examples", example), "develop", change),
		written: "examples/" + example + "/.circleci/config.yml",
	}
	w.net.serve(w.t, name, r)
	return r
}

// bare is the path of a repository.
func (w *world) bare(name string) string { return w.repos.of(name).bare }

func (w *world) eventually(what string, limit time.Duration, condition func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("not seen within %s: %s", limit, what)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
