//go:build lab

// Package e2e walks the road from a commit in a service's repository to the answer
// of its container: the examples' own pipelines, with the orb's own steps, a docker
// engine, a registry, a git server and a systemd, all in one disposable machine.
package e2e

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
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
	"golang.org/x/sys/unix"

	"github.com/unitstamp/unitstamp/internal/circleci"
	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/lab/node"
)

const (
	registry = "127.0.0.1:5000"
	password = "marker-password-81f2"
	token    = "marker-token-c3d9"
	goPath   = "/usr/local/go/bin"
)

var root = filepath.Join("..", "..")

// A world is a machine with an engine, a registry and a git server.
type world struct {
	t        *testing.T
	n        *node.Node
	releases string // URL
	orb      circleci.Document
	bares    map[string]string // by the name of the repository
	urls     map[string]string
	jobs     int
	told     strings.Builder // the transcript
	seen     int             // of the journal, when the scene began
	mu       sync.Mutex
}

func newWorld(t *testing.T) *world {
	t.Helper()
	for _, program := range []string{"dockerd", "docker-registry", "curl", "ssh-keygen", "bash", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: the lab needs docker.io, docker-registry, curl, openssh-client, bash and go", err)
		}
	}
	w := &world{t: t, n: node.Boot(t), bares: map[string]string{}, urls: map[string]string{}}
	var err error
	if w.orb, err = circleci.Pack(filepath.Join(root, ".circleci", "orb", "src")); err != nil {
		t.Fatal(err)
	}
	w.engine()
	w.release()
	return w
}

// engine starts docker and the registry as services of the machine.
func (w *world) engine() {
	w.t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		w.t.Fatal(err)
	}
	n := w.n
	n.Write("/etc/lab-registry/htpasswd", "ci:"+string(hash)+"\n", 0o600)
	n.Write("/etc/lab-registry/config.yml", `version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: /var/lib/lab-registry}}
http: {addr: "`+registry+`"}
auth: {htpasswd: {realm: lab, path: /etc/lab-registry/htpasswd}}
`, 0o644)
	n.Write("/etc/systemd/system/registry.service", "[Service]\nExecStart=/usr/bin/docker-registry serve /etc/lab-registry/config.yml\n", 0o644)
	// The node's /proc/sys may not be written to; the engine sets what belongs to
	// the node's own network. Layers cannot lie on the node's root, which is made
	// of layers itself.
	n.Write("/etc/systemd/system/docker.service", `[Service]
Type=notify
ExecStartPre=/bin/sh -c 'mkdir -p /run/proc /var/lib/docker && mount -t proc proc /run/proc && mount --bind /run/proc/sys/net /proc/sys/net && mount -t tmpfs -o size=2g tmpfs /var/lib/docker'
ExecStart=/usr/sbin/dockerd --host unix:///run/docker.sock --exec-opt native.cgroupdriver=cgroupfs
Delegate=yes
KillMode=process
TimeoutStartSec=60
`, 0o644)
	n.Must("rm", "-f", "/lib/systemd/system/docker.socket")
	n.Must("systemctl", "daemon-reload")
	n.Must("systemctl", "start", "registry.service")
	if _, errs, code := n.Run(w.t.Context(), "systemctl", "start", "docker.service"); code != 0 {
		w.t.Fatalf("docker does not start: %s\n%s", errs, n.Journal("docker.service"))
	}
	w.eventually("the registry", 30*time.Second, func() bool {
		_, _, code := n.Run(w.t.Context(), "curl", "-s", "http://"+registry+"/v2/")
		return code == 0
	})
	// as an operator does once
	n.Must("sh", "-c", "printf %s "+password+" | docker login --username ci --password-stdin "+registry)
}

// release serves the programs as a release, and makes the image that the
// Dockerfile of the system configuration takes confapply from.
func (w *world) release() {
	w.t.Helper()
	dir := w.t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "programs")+"/", "./cmd/...")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	name := "unitstamp_0.1.0_linux_" + runtime.GOARCH + ".tar.gz"
	if err := os.MkdirAll(filepath.Join(dir, "v0.1.0"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.New()
	f, err := os.Create(filepath.Join(dir, "v0.1.0", name))
	if err != nil {
		w.t.Fatal(err)
	}
	zip, _ := gzip.NewWriterLevel(writers{f, sum}, gzip.BestSpeed)
	archive := tar.NewWriter(zip)
	for _, step := range []func() error{
		func() error { return archive.AddFS(os.DirFS(filepath.Join(dir, "programs"))) }, archive.Close, zip.Close, f.Close,
		func() error {
			return os.WriteFile(filepath.Join(dir, "v0.1.0", "checksums.txt"), fmt.Appendf(nil, "%x  %s\n", sum.Sum(nil), name), 0o644)
		},
	} {
		if err := step(); err != nil {
			w.t.Fatal(err)
		}
	}
	w.releases = "http://" + w.serve(http.FileServer(http.Dir(dir)))
	w.n.Copy(filepath.Join(dir, "programs", "confpush"), "/usr/local/bin/confpush") // for the operator
	platform := "linux/" + runtime.GOARCH
	w.n.Copy(filepath.Join(dir, "programs", "confapply"), "/srv/image/"+platform+"/confapply")
	w.n.Copy(filepath.Join(root, ".release", "confapply.Dockerfile"), "/srv/image/Dockerfile")
	w.n.Must("docker", "build", "--quiet", "--build-arg", "TARGETPLATFORM="+platform, "--tag", "unitstamp/confapply:0.1.0", "/srv/image")
}

// writers writes to two at once.
type writers [2]interface{ Write([]byte) (int, error) }

func (w writers) Write(b []byte) (int, error) {
	if _, err := w[0].Write(b); err != nil {
		return 0, err
	}
	return w[1].Write(b)
}

// serve serves on the machine's own loopback and returns host:port.
func (w *world) serve(handler http.Handler) string {
	w.t.Helper()
	type result struct {
		listener net.Listener
		err      error
	}
	got := make(chan result)
	go func() {
		// The thread is in the machine's network from here on, and ends with
		// the goroutine.
		runtime.LockOSThread()
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", w.n.PID()))
		if err != nil {
			got <- result{nil, err}
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			got <- result{nil, err}
			return
		}
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		got <- result{listener, err}
	}()
	r := <-got
	if r.err != nil {
		w.t.Fatal(r.err)
	}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(r.listener) }() // ends with Close
	w.t.Cleanup(func() { server.Close() })
	return r.listener.Addr().String()
}

// repository makes a bare repository from an example and serves it. Images are
// those of the machine's own registry.
func (w *world) repository(name, example string, change func(path, content string) (string, bool)) {
	w.t.Helper()
	files := map[string]string{}
	dir := filepath.Join(root, "examples", example)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if content, keep := change(relative, local(string(data))); keep {
			files[relative] = content
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	bare := gittest.Bare(w.t)
	gittest.Git(w.t, bare, "symbolic-ref", "HEAD", "refs/heads/develop")
	gittest.Commit(w.t, bare, "develop", "Begin", files)
	guarded := gittest.Backend(w.t, bare, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			writes := strings.HasSuffix(r.URL.Path, "git-receive-pack") || r.URL.Query().Get("service") == "git-receive-pack"
			if _, given, _ := r.BasicAuth(); writes && given != token {
				rw.Header().Set("WWW-Authenticate", `Basic realm="git"`)
				http.Error(rw, "no token", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(rw, r)
		})
	})
	w.bares[name] = bare
	w.urls[name] = "http://" + w.serve(guarded) + "/" + filepath.Base(bare)
}

// local names the machine's own registry, which a name without a host does not.
func local(content string) string {
	content = strings.ReplaceAll(content, "--password-stdin", "--password-stdin "+registry)
	for _, before := range []string{" ", "=", "\"", "    "} {
		content = strings.ReplaceAll(content, before+"myrepo/", before+registry+"/myrepo/")
	}
	return content
}

// pipeline runs the workflow of a repository's branch, as CircleCI would after a
// push, and returns what a reader wants to know of it: the names of the steps, and
// what confpush said.
func (w *world) pipeline(repository, branch string, number int) (string, error) {
	bare := w.bares[repository]
	commit, err := gittest.Try(bare, "", "rev-parse", "refs/heads/"+branch)
	if err != nil {
		return "", err
	}
	dir := w.t.TempDir()
	content, err := gittest.Try(bare, "", "show", commit+":.circleci/config.yml")
	if err != nil {
		return "", err
	}
	content = strings.ReplaceAll(content, "https://github.com/myrepo/mysysconfig.git", w.urls["mysysconfig"])
	path := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return "", err
	}
	document, err := circleci.Read(path)
	if err != nil {
		return "", err
	}
	config := circleci.Config{Document: document, Orbs: map[string]circleci.Document{"unitstamp": w.orb}, Pipeline: map[string]string{
		"number": fmt.Sprint(number), "git.branch": branch, "project.slug": "gh/myrepo/" + repository,
	}}
	jobs, err := config.Workflow("every-commit")
	if err != nil {
		return "", err
	}
	words := ""
	for _, job := range jobs {
		var names []string
		for _, step := range job.Steps {
			if step.Kind == "run" {
				names = append(names, step.Name)
			}
		}
		last, err := w.job(repository, branch, commit, job)
		if err != nil {
			return last, fmt.Errorf("%s #%d: %w", repository, number, err)
		}
		words += fmt.Sprintf("%s #%d, job %s: %s\n", repository, number, job.Name, strings.Join(names, " · "))
		if strings.HasPrefix(last, "confpush: ") || strings.Contains(last, "its own pipeline") {
			words += last
		}
	}
	return words, nil
}

func (w *world) job(repository, branch, commit string, job circleci.Job) (string, error) {
	w.mu.Lock()
	w.jobs++
	id := w.jobs
	w.mu.Unlock()
	home := fmt.Sprintf("/srv/ci/%d", id)
	dir := home + "/project"
	env := []string{
		"HOME=" + home, "PATH=" + home + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:" + goPath, "CI=true", "CIRCLECI=true",
		"CIRCLE_BRANCH=" + branch, fmt.Sprintf("CIRCLE_BUILD_NUM=%d", 9000+id), "CIRCLE_SHA1=" + commit, "CIRCLE_JOB=" + job.Name,
		"CIRCLE_PROJECT_USERNAME=myrepo", "CIRCLE_PROJECT_REPONAME=" + repository, fmt.Sprintf("CIRCLE_BUILD_URL=https://ci.example.com/%d", id),
		"DOCKER_USERNAME=ci", "DOCKER_PASSWORD=" + password, "CONFPUSH_TOKEN=" + token,
		"GOCACHE=/root/.cache/go-build", "GOFLAGS=-buildvcs=false", "GOTOOLCHAIN=local",
	}
	for name, value := range job.Environment {
		env = append(env, name+"="+value)
	}
	last := ""
	for _, step := range job.Steps {
		script := step.Command
		switch step.Kind {
		case "checkout":
			step.Name = "checkout"
			script = "git clone -q -b " + branch + " " + w.urls[repository] + " ."
			if _, _, code := w.n.Run(w.t.Context(), "mkdir", "-p", dir); code != 0 {
				return "", fmt.Errorf("no folder %s", dir)
			}
		case "run":
		default:
			continue
		}
		more := append([]string{}, env...)
		for name, value := range step.Environment {
			switch name {
			case "PARAM_SOURCE":
				value = w.releases
			case "PARAM_INSTALL_PATH": // jobs have no machine of their own here
				value = home + "/bin"
			}
			more = append(more, name+"="+value)
		}
		ctx, cancel := context.WithTimeout(w.t.Context(), 4*time.Minute)
		args := append(append([]string{"env", "-i", "-C", dir}, more...), "bash", "-eo", "pipefail", "-c", script)
		cmd := w.n.Command(ctx, args...)
		out, err := cmd.CombinedOutput()
		cancel()
		last = string(out)
		if strings.Contains(last, token) || strings.Contains(last, password) {
			return "", fmt.Errorf("job %s, step %q tells a secret", job.Name, step.Name)
		}
		if err != nil {
			return last, fmt.Errorf("job %s, step %q: %w\n%s", job.Name, step.Name, err, out)
		}
	}
	return last, nil
}

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
