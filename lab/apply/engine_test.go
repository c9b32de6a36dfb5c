//go:build lab

package apply

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/lab/engine"
	"github.com/unitstamp/unitstamp/lab/node"
)

const registry = "127.0.0.1:5000"

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
	inCase(t, n, "late", func(r *rig) {
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

	inCase(t, n, "engine", func(r *rig) {
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
			stop := "/run/stop-" + strings.ReplaceAll(what, " ", "-")
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
			r.run(0, []string{"confapply", "rollback", "--engine", "systemd", "--owner", r.owner, "--json", "--pull", "--stable", "1s"})
			r.eventually("build 57 again", func() bool { return answer() == "57" })
		})
	})
}

// startRegistry starts a registry and an engine that pulls from it.
func startRegistry(t *testing.T, n *node.Node) {
	t.Helper()
	for _, program := range []string{"/usr/bin/docker-registry", "/usr/bin/curl"} {
		if _, err := os.Stat(program); err != nil {
			t.Fatalf("the lab needs docker-registry and curl: %v", err)
		}
	}
	n.Write("/etc/lab-registry/config.yml", "version: 0.1\nlog: {level: warn}\n"+
		"storage: {filesystem: {rootdirectory: /var/lib/lab-registry}}\nhttp: {addr: \""+registry+"\"}\n", 0o644)
	n.Write("/etc/systemd/system/registry.service", "[Service]\nExecStart=/usr/bin/docker-registry serve /etc/lab-registry/config.yml\n", 0o644)
	n.Must("systemctl", "daemon-reload")
	n.Must("systemctl", "start", "registry.service")
	engine.Start(t, n, "docker")
}
