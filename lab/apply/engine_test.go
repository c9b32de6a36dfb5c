//go:build lab

package apply

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/unitstamp/unitstamp/lab/engine"
	"github.com/unitstamp/unitstamp/lab/node"
)

const (
	registry       = "127.0.0.1:5000"
	closedRegistry = "127.0.0.1:5001" // which asks for a password
	password       = "marker-password-19e3"
)

// web serves the build that it is told, fails at once or after a while, or asks the server every 10 ms and
// tells at the end how long it was without an answer.
const web = `package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	switch os.Args[1] {
	case "serve":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		go func() { <-stop; os.Exit(0) }()
		http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, os.Args[2]) })
		panic(http.ListenAndServe("127.0.0.1:8080", nil))
	case "late":
		time.Sleep(700 * time.Millisecond)
	case "poll":
		client := &http.Client{Timeout: time.Second}
		last, longest := time.Now(), time.Duration(0)
		for ; ; time.Sleep(10 * time.Millisecond) {
			if r, err := client.Get("http://127.0.0.1:8080/"); err == nil {
				r.Body.Close()
				now := time.Now()
				longest, last = max(longest, now.Sub(last)), now
			}
			if _, err := os.Stat(os.Args[2]); err == nil {
				fmt.Println(longest.Round(time.Millisecond))
				return
			}
		}
	}
	os.Exit(1)
}
`

// Ways to the engine: by its client, by its socket alone, and so from a container that
// holds nothing but confapply, with the options of the example's service.
var (
	byClient      = []string{}
	bySocket      = []string{"env", "PATH=/opt/none", "DOCKER_CONFIG=/srv/docker-config"}
	fromContainer = []string{"docker", "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL",
		"--security-opt", "no-new-privileges", "--pids-limit", "64", "--memory", "128m",
		"--volume", unitDir + ":" + unitDir, "--volume", "/run/dbus/system_bus_socket:/run/dbus/system_bus_socket",
		"--volume", "/run/docker.sock:/run/docker.sock", "--volume", "/srv:/srv:ro", "confapply"}
)

// TestEngine updates a running container of a real docker engine, and measures how
// long nobody answers.
func TestEngine(t *testing.T) {
	t.Parallel()
	n := machine(t)
	startRegistry(t, n)
	source := t.TempDir()
	for name, text := range map[string]string{"main.go": web, "go.mod": "module web\n\ngo 1.24\n"} {
		if err := os.WriteFile(filepath.Join(source, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", "web", ".")
	build.Dir, build.Env = source, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n.Copy(filepath.Join(source, "web"), "/srv/image/web")
	for tag, entry := range map[string]string{"57-develop": `"serve", "57"`, "58-develop": `"serve", "58"`, "59-develop": `"fail"`, "61-develop": `"late"`} {
		image := registry + "/myrepo/web:" + tag
		n.Must("sh", "-c", "tar -C /srv/image -c web | docker import --change 'ENTRYPOINT [\"/web\", "+entry+"]' - "+image+
			" && docker push --quiet "+image+" && docker rmi "+image)
	}

	// an engine that takes its time: systemd has long called the unit active
	n.Write("/opt/slow/docker", "#!/bin/sh\ncase $1 in run) sleep 3;; esac\nexec /usr/bin/docker \"$@\"\n", 0o755)
	n.Must("sh", "-c", "tar -C / -c usr/local/bin/confapply | docker import - confapply")
	late(t, n, "client", byClient)
	late(t, n, "container", fromContainer)
	update(t, n, "client", byClient)
	update(t, n, "socket", bySocket)
	logins(t, n)
}

// late looks at containers that come up after the time for which their units have to stay up.
func late(t *testing.T, n *node.Node, name string, way []string) {
	inCase(t, n, "late-"+name, func(r *rig) {
		r.way = way
		unit := func(tag string) files {
			return files{"late.service": "[Service]\nExecStartPre=-/usr/bin/docker rm -f late\n" +
				"ExecStart=/opt/slow/docker run --rm --name late --network host " + registry + "/myrepo/web:" + tag + "\nExecStop=/usr/bin/docker stop late\n"}
		}
		runs := func() string {
			return strings.TrimSpace(r.n.Must("docker", "ps", "--filter", "name=late", "--format", "{{.Image}}"))
		}
		r.want(unit("57-develop"))
		r.apply(0, "--pull")
		if image := runs(); !strings.HasSuffix(image, ":57-develop") {
			r.t.Errorf("taken for up while %q runs", image)
		}
		// the container comes up after the time that the unit has to stay up, and dies
		r.want(unit("61-develop"))
		_, got := r.apply(1, "--pull")
		r.expect(got, "late.service", "update", "rolled-back", "back at 57-develop")
		r.file("late.service", unit("57-develop")["late.service"])
		if image := runs(); !strings.HasSuffix(image, ":57-develop") {
			r.t.Errorf("rolled back, and %q runs", image)
		}
		// one that does not come up at all within the time that it has
		r.want(unit("58-develop"))
		_, got = r.apply(1, "--pull", "--timeout", "2s")
		if a := got.of("late.service"); !strings.Contains(a.Reason, "its container \"late\" does not run within 2s") {
			r.t.Errorf("%+v", a)
		}
	})
}

// update goes from 57 to 58, and to a broken 59 that is rolled back.
func update(t *testing.T, n *node.Node, name string, way []string) {
	inCase(t, n, "engine-"+name, func(r *rig) {
		r.way = way
		unit := func(tag string) files {
			image := registry + "/myrepo/web:" + tag
			return files{"web.service": "[Service]\nExecStartPre=-/usr/bin/docker rm -f web\n" +
				"ExecStart=/usr/bin/docker run --rm --name web --network host " + image + "\nExecStop=/usr/bin/docker stop web\n"}
		}
		answer := func() string {
			out, _, _ := r.n.Run(r.t.Context(), "curl", "-s", "--max-time", "2", "http://127.0.0.1:8080/")
			return out
		}
		during := func(what string, change func()) {
			stop := "/run/stop-" + name + "-" + strings.ReplaceAll(what, " ", "-")
			gap := make(chan string)
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
				defer cancel()
				out, _, _ := n.Run(ctx, "/srv/image/web", "poll", stop)
				gap <- strings.TrimSpace(out)
			}()
			change()
			n.Write(stop, "", 0o644)
			r.t.Logf("%s: without an answer for %s", what, <-gap)
		}

		// nothing is left of an earlier way: each pull is one
		n.Must("sh", "-c", "docker images --quiet "+registry+"/myrepo/web | xargs --no-run-if-empty docker rmi --force")
		r.want(unit("57-develop"))
		r.apply(0, "--pull")
		r.eventually("build 57", func() bool { return answer() == "57" })

		during("update", func() {
			r.want(unit("58-develop"))
			stderr, got := r.apply(0, "--pull")
			r.expect(got, "web.service", "update", "done", "ExecStart differs")
			if !strings.Contains(stderr, fmt.Sprintf("pull %s/myrepo/web:58-develop: done", registry)) {
				r.t.Errorf("no pull: %s", stderr)
			}
			r.eventually("build 58", func() bool { return answer() == "58" })
		})
		during("broken update rolled back", func() {
			r.want(unit("59-develop"))
			_, got := r.apply(1, "--pull")
			r.expect(got, "web.service", "update", "rolled-back", "back at 58-develop")
			r.eventually("build 58 again", func() bool { return answer() == "58" })
		})

		same := r.kept("web.service")
		r.want(unit("60-develop"))
		_, got := r.apply(1, "--pull")
		r.expect(got, "web.service", "update", "failed", "could not be pulled")
		same()

		during("rollback", func() {
			r.run(0, []string{"/usr/local/bin/confapply", "rollback", "--engine", "systemd", "--owner", r.owner, "--json", "--pull", "--stable", "1s"})
			r.eventually("build 57 again", func() bool { return answer() == "57" })
		})
	})
}

// logins pulls over the socket from a registry that asks for a password.
func logins(t *testing.T, n *node.Node) {
	inCase(t, n, "logins", func(r *rig) {
		r.way = bySocket
		image := closedRegistry + "/myrepo/web:57-develop"
		n.Must("sh", "-c", "docker pull --quiet "+registry+"/myrepo/web:57-develop && docker tag "+registry+"/myrepo/web:57-develop "+image+
			" && printf %s "+password+" | DOCKER_CONFIG=/srv/by-login docker login --username ci --password-stdin "+closedRegistry+
			" && DOCKER_CONFIG=/srv/by-login docker push --quiet "+image+" && docker rmi "+image)
		r.want(files{"closed.service": "[Service]\nExecStart=/usr/bin/docker run --rm --name closed --network host " + image + "\nExecStop=/usr/bin/docker stop closed\n"})

		// without a password, with one that a helper keeps, and with a wrong one
		pair := func(password string) string { return base64.StdEncoding.EncodeToString([]byte("ci:" + password)) }
		const wrong = "marker-wrong-77a0"
		for _, tt := range []struct{ config, says string }{
			{"", "could not be pulled"},
			{`{"credsStore":"pass"}`, `/srv/docker-config/config.json leaves the login for "` + closedRegistry + `" to docker-credential-pass`},
			{`{"auths":{"` + closedRegistry + `":{"auth":"` + pair(wrong) + `"}}}`, "could not be pulled"},
		} {
			n.Must("rm", "-rf", "/srv/docker-config")
			if tt.config != "" {
				n.Write("/srv/docker-config/config.json", tt.config, 0o600)
			}
			stderr, got := r.apply(1, "--pull")
			r.expect(got, "closed.service", "create", "failed", tt.says)
			for _, secret := range []string{wrong, pair(wrong)} {
				if strings.Contains(stderr+got.of("closed.service").Reason, secret) {
					r.t.Errorf("tells a secret: %s", stderr)
				}
			}
			r.t.Log(got.of("closed.service").Reason)
		}
		// as docker login wrote it, from a container as the page has it
		n.Must("sh", "-c", "mkdir -p /root/.docker && cp /srv/by-login/config.json /root/.docker")
		words := dockerRun(t, true)
		at := slices.IndexFunc(words, func(word string) bool { return strings.HasPrefix(word, "myrepo/") })
		r.way = append(words[:at:at], "--volume", "/srv:/srv:ro", "confapply")
		stderr, got := r.apply(0, "--pull")
		r.expect(got, "closed.service", "create", "done", "new")
		if !strings.Contains(stderr, "pull "+image+": done") {
			r.t.Errorf("no pull: %s", stderr)
		}
	})
}

// startRegistry starts two registries and an engine that pulls from them.
func startRegistry(t *testing.T, n *node.Node) {
	t.Helper()
	for _, program := range []string{"/usr/bin/docker-registry", "/usr/bin/curl"} {
		if _, err := os.Stat(program); err != nil {
			t.Fatalf("the lab needs docker-registry and curl: %v", err)
		}
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	n.Write("/etc/lab-registry/htpasswd", "ci:"+string(hash)+"\n", 0o600)
	for name, config := range map[string]string{
		"registry":        "http: {addr: \"" + registry + "\"}\n",
		"closed-registry": "http: {addr: \"" + closedRegistry + "\"}\nauth: {htpasswd: {realm: lab, path: /etc/lab-registry/htpasswd}}\n",
	} {
		file := "/etc/lab-registry/" + name + ".yml"
		n.Write(file, "version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: /var/lib/"+name+"}}\n"+config, 0o644)
		n.Write("/etc/systemd/system/"+name+".service", "[Service]\nExecStart=/usr/bin/docker-registry serve "+file+"\n", 0o644)
		n.Must("systemctl", "daemon-reload")
		n.Must("systemctl", "start", name+".service")
	}
	engine.Start(t, n, "docker")
}
