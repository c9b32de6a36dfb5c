//go:build lab

// Package e2e walks the road from a commit in a service's repository to the answer
// of its container: the examples' own pipelines, with the orb's own steps, a docker
// engine, a registry, a git server and a systemd, all in one disposable machine.
package e2e

import (
	"context"
	"fmt"
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
	"github.com/unitstamp/unitstamp/lab/sshd"
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
	urls     map[string]string // over http
	overSSH  map[string]string // over ssh
	sshd     *sshd.Server
	known    string          // a known_hosts line of it
	builder  string          // the pipelines' engine
	keys     map[string]bool // the repositories whose pipelines have keys and no token
	jobs     int
	told     strings.Builder // the transcript
	seen     int             // of the journal, when the scene began
	mu       sync.Mutex
}

func newWorld(t *testing.T) *world {
	t.Helper()
	for _, program := range []string{"docker-registry", "curl", "ssh", "ssh-keygen", "bash", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: the lab needs docker-registry, curl, openssh-client, bash and go", err)
		}
	}
	w := &world{t: t, n: node.Boot(t), bares: map[string]string{}, urls: map[string]string{}, overSSH: map[string]string{}, keys: map[string]bool{}}
	w.sshd = sshd.Start(t, sshd.Options{Enter: w.n.Network(), Port: "2222"})
	w.known = "[127.0.0.1]:2222 " + w.sshd.Key(t, "host_ed25519")
	var err error
	if w.orb, err = circleci.Pack(filepath.Join(root, ".circleci", "orb", "src")); err != nil {
		t.Fatal(err)
	}
	w.engines()
	w.release()
	return w
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
	n.Write("/etc/lab-registry/htpasswd", "ci:"+string(hash)+"\n", 0o600)
	n.Write("/etc/lab-registry/config.yml", `version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: /var/lib/lab-registry}}
http: {addr: "`+registry+`"}
auth: {htpasswd: {realm: lab, path: /etc/lab-registry/htpasswd}}
`, 0o644)
	n.Write("/etc/systemd/system/registry.service", "[Service]\nExecStart=/usr/bin/docker-registry serve /etc/lab-registry/config.yml\n", 0o644)
	n.Must("systemctl", "daemon-reload")
	n.Must("systemctl", "start", "registry.service")
	w.builder = engine.Start(w.t, n, "builder")
	engine.Start(w.t, n, "docker")
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
	if err := circleci.Release(root, dir, runtime.GOARCH); err != nil {
		w.t.Fatal(err)
	}
	w.releases = "http://" + w.serve(http.FileServer(http.Dir(dir)))
	w.n.Copy(filepath.Join(dir, "programs", "confpush"), "/usr/local/bin/confpush") // for the operator
	platform := "linux/" + runtime.GOARCH
	w.n.Copy(filepath.Join(dir, "programs", "confapply"), "/srv/image/"+platform+"/confapply")
	w.n.Copy(filepath.Join(root, ".release", "confapply.Dockerfile"), "/srv/image/Dockerfile")
	w.n.Must("docker", "--host", w.builder, "build", "--quiet", "--build-arg", "TARGETPLATFORM="+platform, "--tag", "unitstamp/confapply:"+circleci.Version, "/srv/image")
}

// serve serves on the machine's own loopback and returns host:port.
func (w *world) serve(handler http.Handler) string {
	w.t.Helper()
	listener := w.n.Listen("127.0.0.1:0")
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(listener) }() // ends with Close
	w.t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

// repository makes a bare repository from an example and serves it, over http and over
// ssh. Images are those of the machine's own registry.
func (w *world) repository(name, example string, change func(path, content string) (string, bool)) {
	w.t.Helper()
	bare := gittest.FromFolder(w.t, filepath.Join(root, "examples", example), "develop", func(path, content string) (string, bool) {
		return change(path, local(content))
	})
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
	w.overSSH[name] = w.sshd.URL(bare)
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
	content, err := gittest.Try(bare, "", "show", commit+":.circleci/config.yml")
	if err != nil {
		return "", err
	}
	content = strings.ReplaceAll(content, "https://github.com/myrepo/mysysconfig.git", w.urls["mysysconfig"])
	content = strings.ReplaceAll(content, "git@github.com:myrepo/mysysconfig.git", w.overSSH["mysysconfig"])
	document, err := circleci.Parse(repository, []byte(content))
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
		last, err := w.job(&config, repository, commit, job)
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

// job runs a job's steps on the machine, in a home of its own. It checks a repository
// out over http if that needs no key, else with a key that may only read.
func (w *world) job(config *circleci.Config, repository, commit string, job circleci.Job) (string, error) {
	w.mu.Lock()
	w.jobs++
	id := w.jobs
	w.mu.Unlock()
	home := fmt.Sprintf("/srv/ci/%d", id)
	dir := home + "/project"
	w.n.Write(home+"/.ssh/id_rsa", w.sshd.Read(w.t, "reader"), 0o600)
	w.n.Write(home+"/.ssh/checkout_hosts", w.known+"\n", 0o644)
	env := append([]string{
		"HOME=" + home, "PATH=" + home + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:" + goPath,
		"DOCKER_HOST=" + w.builder, "DOCKER_USERNAME=ci", "DOCKER_PASSWORD=" + password,
		"GOCACHE=/root/.cache/go-build", "GOFLAGS=-buildvcs=false", "GOTOOLCHAIN=local",
		"GIT_SSH_COMMAND=ssh -F /dev/null -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -i " + home + "/.ssh/id_rsa -o UserKnownHostsFile=" + home + "/.ssh/checkout_hosts",
	}, config.Environment(job, 9000+id, commit)...)
	url := w.urls[repository]
	if w.keys[repository] {
		url = w.overSSH[repository]
	} else {
		env = append(env, "CONFPUSH_TOKEN="+token)
	}
	last := ""
	for _, step := range job.Steps {
		script := step.Command
		switch step.Kind {
		case "checkout":
			step.Name = "checkout"
			script = "git clone -q -b " + config.Pipeline["git.branch"] + " " + url + " ."
			if _, _, code := w.n.Run(w.t.Context(), "mkdir", "-p", dir); code != 0 {
				return "", fmt.Errorf("no folder %s", dir)
			}
		case "add_ssh_keys":
			if err := w.addKeys(home, step.Options["fingerprints"]); err != nil {
				return "", err
			}
			continue
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

// addKeys puts the project's keys into a job's home, by their fingerprints, as CircleCI
// does: the file's name tells nothing of it.
func (w *world) addKeys(home string, fingerprints any) error {
	list, _ := fingerprints.([]any)
	for _, f := range list {
		if f != w.sshd.Fingerprint(w.t, "user") {
			return fmt.Errorf("the project has no key %v", f)
		}
		w.n.Write(home+"/.ssh/id_rsa_4a1f0f5e3c1b7c1de0a2a0b7a4a1c9d0", w.sshd.Read(w.t, "user"), 0o600)
	}
	return nil
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
