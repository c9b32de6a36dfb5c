//go:build lab

package e2e

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/circleci"
	"github.com/unitstamp/unitstamp/internal/gittest"
)

const mainFile = "main.go"

// road goes from commits in services' repositories to what their containers answer.
func (w *world) road(t *testing.T) {
	w.repository("mysysconfig", "sysconfig", func(path, content string) (string, bool) {
		// its services come by their own pipelines
		return content, path != "units/myservice.service" && path != "units/orders.service"
	})
	w.repository("myservice", "service", func(_, content string) (string, bool) { return content, true })
	w.repository("orders", "service", func(path, content string) (string, bool) {
		content = strings.ReplaceAll(strings.ReplaceAll(content, "myservice", "orders"), "8080:8080", "8081:8080")
		return content, true
	})
	// The other service's unit is orders.service, its program orders; it has keys and
	// no token.
	rename(t, w.bare("orders"), "myservice.service", "orders.service")
	w.useKeys("orders")
	w.host()

	number := 100
	deploy := func(branch string) {
		t.Helper()
		number++
		out, err := w.pipeline("mysysconfig", branch, number)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if number == 101 { // the others are the same
			w.tell("", out)
		}
	}
	release := func(service, branch string, build int) {
		t.Helper()
		out, err := w.pipeline(service, branch, build)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		w.tell("", out)
	}

	w.scene("Build 58 of myservice: its pipeline, the configuration's pipeline, and within moments the machine")
	release("myservice", "develop", 58)
	unit := gittest.Git(t, w.bare("mysysconfig"), "show", "develop:units/myservice.service")
	if strings.Count(unit, "myrepo/myservice:58-develop") != 2 {
		t.Errorf("the unit is\n%s", unit)
	}
	deploy("develop")
	w.n.Must("systemctl", "enable", "--now", "sysconfig-apply.timer")
	w.acted("done  myservice.service  58-develop")
	w.answers(8080, "myservice 58-develop")
	if tags := w.n.Must("curl", "-s", "-u", "ci:"+password, "https://registry-1.docker.io/v2/myrepo/myservice/tags/list"); !strings.Contains(tags, `"58-develop"`) || !strings.Contains(tags, `"develop"`) {
		t.Errorf("the registry has the tags %s", tags)
	}

	w.scene("Two services at the same time: nobody waits, nothing is lost")
	var both sync.WaitGroup
	words, errors := make([]string, 2), make([]error, 2)
	for i, job := range []struct {
		service string
		build   int
	}{{"myservice", 59}, {"orders", 41}} {
		both.Add(1)
		go func() {
			defer both.Done()
			words[i], errors[i] = w.pipeline(job.service, "develop", job.build)
		}()
	}
	both.Wait()
	for _, err := range errors {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, said := range words {
		w.tell("", outlined(said))
	}
	if got := len(strings.Fields(gittest.Git(t, w.bare("mysysconfig"), "log", "--format=%h", "develop"))); got != 4 {
		t.Errorf("the configuration has %d commits, want 4", got)
	}
	deploy("develop")
	w.acted("done  myservice.service  58-develop -> 59-develop", "done  orders.service  41-develop")
	w.answers(8080, "myservice 59-develop")
	w.answers(8081, "orders 41-develop")

	w.scene("Build 60 ends as soon as it starts: the machine goes back by itself")
	good := gittest.Git(t, w.bare("myservice"), "show", "develop:"+mainFile) + "\n"
	broken := strings.Replace(good, "	address := os.Getenv(\"LISTEN\")\n", "	address := os.Getenv(\"LISTEN\")\n	log.Fatal(\"no database\")\n", 1)
	gittest.Commit(t, w.bare("myservice"), "develop", "Break it", map[string]string{mainFile: broken})
	orders := w.show("orders.service", "InvocationID")
	release("myservice", "develop", 60)
	deploy("develop")
	w.acted("rolled-back  myservice.service")
	w.answers(8080, "myservice 59-develop")
	if w.show("orders.service", "InvocationID") != orders {
		t.Error("orders was restarted, which nothing asked for")
	}

	w.scene("Mended, and the other service is given up: confpush --remove orders.service")
	gittest.Commit(t, w.bare("myservice"), "develop", "Mend it", map[string]string{mainFile: good})
	release("myservice", "develop", 61)
	w.n.Must("env", "CONFPUSH_TOKEN="+token, "confpush", "--repo", "https://github.com/myrepo/mysysconfig.git", "--branch", "develop", "--dir", "units", "--remove", "orders.service")
	deploy("develop")
	w.acted("done  myservice.service  59-develop -> 61-develop", "done  orders.service")
	w.answers(8080, "myservice 61-develop")
	w.eventually("orders is gone", 2*time.Minute, func() bool {
		_, _, code := w.n.Run(t.Context(), "test", "-e", "/etc/systemd/system/orders.service")
		return code != 0 && w.show("orders.service", "ActiveState") == "inactive"
	})
	if containers := w.n.Must("docker", "ps", "--format", "{{.Names}}"); strings.Contains(containers, "orders") {
		t.Errorf("containers run on: %s", containers)
	}

	w.scene("One build of another branch, by hand, with the timer stopped")
	gittest.Git(t, w.bare("myservice"), "branch", "feature/login", "develop")
	release("myservice", "feature/login", 70)
	deploy("feature/login")
	w.n.Must("systemctl", "stop", "sysconfig-apply.timer")
	w.eventually("the last run's end", 2*time.Minute, func() bool { return w.show("sysconfig-apply.service", "ActiveState") != "activating" })
	command := strings.Replace(w.byHand("apply --engine systemd --only myservice.service"), ":12-feature-login ", fmt.Sprintf(":%d-feature-login ", number), 1)
	w.tell(command, w.n.Must(strings.Fields(command)...))
	w.answers(8080, "myservice 70-feature-login")
	if plan := w.n.Must(strings.Fields(w.byHand("plan --engine systemd"))...); !strings.Contains(plan, "update  myservice.service  70-feature-login -> 61-develop") {
		t.Errorf("the plan of develop is\n%s", plan)
	}

	w.scene("The timer again: back to the branch")
	w.n.Must("systemctl", "start", "sysconfig-apply.timer")
	w.answers(8080, "myservice 61-develop")
	for _, name := range []string{"mysysconfig", "myservice", "orders"} {
		gittest.Fsck(t, w.bare(name))
	}
	w.tell("git log --reverse --format=%s develop", gittest.Git(t, w.bare("mysysconfig"), "log", "--reverse", "--format=%s", "develop"))
	w.compare(filepath.Join(root, "README.md"))
	w.n.Must("systemctl", "stop", "sysconfig-apply.timer")
}

// byHand is the command of the configuration's page that ends in these words.
func (w *world) byHand(words string) string {
	w.t.Helper()
	page := gittest.Git(w.t, w.bare("mysysconfig"), "show", "develop:README.md")
	for line := range strings.Lines(page) {
		if command := strings.TrimSpace(line); strings.HasPrefix(command, "docker run ") && strings.HasSuffix(command, " "+words) {
			return command
		}
	}
	w.t.Fatalf("the page has no command for %q", words)
	return ""
}

// host installs the machine's own timer and service from the example. The timer
// ticks faster here.
func (w *world) host() {
	w.t.Helper()
	for _, name := range []string{"sysconfig-apply.service", "sysconfig-apply.timer"} {
		w.n.Write("/etc/systemd/system/"+name, read(w.t, filepath.Join(root, "examples", "sysconfig", "host", name)), 0o644)
	}
	w.n.Write("/etc/systemd/system/sysconfig-apply.timer.d/fast.conf", "[Timer]\nOnActiveSec=\nOnActiveSec=0\nOnUnitInactiveSec=2s\nRandomizedDelaySec=0\n", 0o644)
	w.n.Must("systemctl", "daemon-reload")
}

// useKeys has a service's pipeline push as the example's page says for an ssh key: the
// one of a fingerprint, to a host that is named in the repository. What the checkout has
// left behind would not do.
func (w *world) useKeys(name string) {
	w.t.Helper()
	r := w.repos.of(name)
	page := gittest.Git(w.t, r.bare, "show", "develop:README.md")
	config, err := circleci.OverSSH(gittest.Git(w.t, r.bare, "show", "develop:.circleci/config.yml")+"\n", page)
	if err != nil {
		w.t.Fatal(err)
	}
	if !strings.Contains(config, "known-hosts: .circleci/known_hosts\n") {
		w.t.Fatalf("no known_hosts:\n%s", config)
	}
	gittest.Commit(w.t, r.bare, "develop", "Push with a key", map[string]string{
		".circleci/config.yml":  w.withKey(config),
		".circleci/known_hosts": w.net.known + "\n",
	})
	r.keys, r.left = true, "github.com "+w.net.sshd.Key(w.t, "other")+"\n"
}

// withKey is a configuration with the fingerprint of the key that may write.
func (w *world) withKey(config string) string {
	w.t.Helper()
	fingerprint := regexp.MustCompile(`SHA256:\S+`)
	if len(fingerprint.FindAllString(config, -1)) != 1 {
		w.t.Fatalf("no key:\n%s", config)
	}
	return fingerprint.ReplaceAllLiteralString(config, w.net.sshd.Fingerprint(w.t, "user"))
}

// answers waits until the service behind a port says so.
func (w *world) answers(port int, want string) {
	w.t.Helper()
	got := ""
	defer func() {
		if w.t.Failed() {
			w.t.Logf("port %d answers %q\n%s", port, got, w.n.Journal("sysconfig-apply.service"))
		}
	}()
	w.eventually(want, 2*time.Minute, func() bool {
		got, _, _ = w.n.Run(w.t.Context(), "curl", "-s", "--max-time", "2", fmt.Sprintf("http://127.0.0.1:%d/", port))
		return strings.TrimSpace(got) == want
	})
	w.tell(fmt.Sprintf("curl http://127.0.0.1:%d/", port), got)
}

func (w *world) show(unit, property string) string {
	w.t.Helper()
	return strings.TrimSpace(w.n.Must("systemctl", "show", "--value", "--property", property, unit))
}

func rename(t *testing.T, bare, from, to string) {
	t.Helper()
	gittest.Commit(t, bare, "develop", "Name the unit", map[string]string{to: gittest.Git(t, bare, "show", "develop:"+from) + "\n"}, from)
}
