//go:build lab

// Package serve proves the webhook endpoint on a machine with a real systemd, its bus
// and polkit: the files of the example as they are, hooks by curl.
package serve

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/docpage"
	"github.com/unitstamp/unitstamp/internal/programs"
	"github.com/unitstamp/unitstamp/lab/node"
)

const (
	example = "../../examples/sysconfig/hook"
	secret  = "geheim-geheim-geheim"
	// stub stands in for the service that pulls and runs the image.
	stub = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo run >>/run/runs; sleep %s'\n"
)

// binary is the program, built once for all tests of a run.
var binary string

func TestMain(m *testing.M) { os.Exit(programs.Run(m, "confapply", &binary)) }

// A machine is a node with the program and a service to start.
type machine struct {
	*node.Node
	t *testing.T
}

// boot makes a machine whose service takes so many seconds.
func boot(t *testing.T, seconds string) machine {
	t.Helper()
	m := machine{node.Boot(t), t}
	t.Cleanup(func() {
		if t.Failed() {
			journal, _, _ := m.Run(context.Background(), "journalctl", "--no-pager", "--quiet", "--unit=sysconfig-hook*", "--unit=polkit.service")
			t.Logf("journal:\n%s", journal)
		}
	})
	// Credentials are mounted by a process with mounts of its own. systemd sees to it that
	// they show elsewhere, except in a container, where it leaves that to who made it.
	m.Must("mount", "--no-mtab", "--make-rshared", "/")
	m.Copy(binary, "/usr/bin/confapply")
	m.Write("/etc/systemd/system/sysconfig-apply.service", fmt.Sprintf(stub, seconds), 0o644)
	return m
}

// install does what the example's README says.
func (m machine) install() {
	m.t.Helper()
	for from, to := range map[string]string{
		"sysconfig-hook.socket": "/etc/systemd/system/", "sysconfig-hook.service": "/etc/systemd/system/", "50-sysconfig-hook.rules": "/etc/polkit-1/rules.d/",
	} {
		data, err := os.ReadFile(filepath.Join(example, from))
		if err != nil {
			m.t.Fatal(err)
		}
		m.Write(to+from, string(data), 0o644)
	}
	m.Must("useradd", "--system", "--shell", "/usr/sbin/nologin", "sysconfig-hook")
	m.Must("install", "-d", "-m", "700", "/etc/sysconfig-hook")
	m.Write("/etc/sysconfig-hook/circleci", secret+"\n", 0o600)
	m.Must("systemctl", "daemon-reload")
	m.Must("systemctl", "enable", "--now", "sysconfig-hook.socket")
}

// hook sends CircleCI's event about a workflow of a branch and returns the answer.
func (m machine) hook(id, branch string) string {
	m.t.Helper()
	body := fmt.Sprintf(`{"id":"%s","type":"workflow-completed","project":{"name":"mysysconfig"},"organization":{"name":"myrepo"},`+
		`"workflow":{"status":"success"},"pipeline":{"vcs":{"branch":"%s"}}}`, id, branch)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return m.Must("curl", "-sS", "--max-time", "20", "-H", "Content-Type: application/json", "-H", "circleci-signature: v1="+hex.EncodeToString(mac.Sum(nil)),
		"--data-binary", body, "http://127.0.0.1:9114/hook/circleci")
}

func (m machine) runs() int {
	m.t.Helper()
	out, _, _ := m.Run(m.t.Context(), "cat", "/run/runs")
	return strings.Count(out, "run\n")
}

func (m machine) show(unit, property string) string {
	m.t.Helper()
	return strings.TrimSpace(m.Must("systemctl", "show", "--property="+property, "--value", unit))
}

func (m machine) eventually(what string, condition func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("not seen: %s\n%s", what, m.Journal("sysconfig-hook.service"))
		}
	}
}

// log waits for a line of the endpoint's.
func (m machine) log(line string) {
	m.t.Helper()
	m.eventually(line, func() bool { return strings.Contains(m.Journal("sysconfig-hook.service"), line) })
}

// TestExample: the first hook has systemd start the endpoint, which has a user and a
// network of its own and may start one service.
func TestExample(t *testing.T) {
	m := boot(t, "1")
	m.install()
	if state := m.show("sysconfig-hook.service", "ActiveState"); state != "inactive" {
		t.Errorf("before the first hook the service is %s", state)
	}
	if answer := m.hook("1", "feature"); answer != "ignored\n" {
		t.Fatalf("answer %q\n%s", answer, m.Journal("sysconfig-hook.service"))
	}
	if answer := m.hook("2", "develop"); answer != "accepted\n" {
		t.Fatalf("answer %q", answer)
	}
	m.log("start sysconfig-apply.service: done")
	if runs := m.runs(); runs != 1 {
		t.Errorf("%d runs", runs)
	}

	t.Run("least right", func(t *testing.T) {
		pid := m.show("sysconfig-hook.service", "MainPID")
		if user := strings.TrimSpace(m.Must("ps", "-o", "user:32=", "-p", pid)); user != "sysconfig-hook" {
			t.Errorf("it runs as %q", user)
		}
		if caps := m.Must("sed", "-n", `s/^Cap\(Eff\|Bnd\|Prm\):\s*//p`, "/proc/"+pid+"/status"); strings.Trim(caps, "0\n") != "" {
			t.Errorf("capabilities %q", caps)
		}
		if links := m.Must("nsenter", "--target", pid, "--net", "ip", "-brief", "address"); strings.Contains(links, "UP") {
			t.Errorf("it sees a network: %s", links)
		}
		if readable := m.Must("ls", "-ld", "/var/lib/sysconfig-hook"); !strings.HasPrefix(readable, "drwx------") && !strings.HasPrefix(readable, "drwxr-x") && !strings.HasPrefix(readable, "drwxr-xr-x") {
			t.Errorf("state: %s", readable)
		}
		m.Write("/etc/systemd/system/other.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n", 0o644)
		m.Must("systemctl", "daemon-reload")
		as := func(words ...string) int {
			_, _, code := m.Run(t.Context(), append([]string{"systemd-run", "--quiet", "--wait", "--pipe", "-p", "User=sysconfig-hook"}, words...)...)
			return code
		}
		if as("systemctl", "--no-ask-password", "start", "sysconfig-apply.service") != 0 {
			t.Error("its user may not start the service")
		}
		for _, words := range [][]string{{"start", "other.service"}, {"stop", "sysconfig-apply.service"}, {"restart", "sysconfig-apply.service"}, {"daemon-reload"}} {
			if as(append([]string{"systemctl", "--no-ask-password"}, words...)...) == 0 {
				t.Errorf("its user may %q", words)
			}
		}
		if secure := m.Must("sh", "-c", "systemd-analyze security --no-pager sysconfig-hook.service | tail -1"); !strings.Contains(secure, "SAFE") {
			t.Errorf("exposure: %s", secure)
		} else {
			t.Log(strings.TrimSpace(secure))
		}
	})

	t.Run("burst", func(t *testing.T) {
		before := m.runs()
		if answer := m.hook("burst", "develop"); answer != "accepted\n" {
			t.Fatal(answer)
		}
		m.eventually("the first run", func() bool { return m.runs() == before+1 })
		for i := range 10 {
			if answer := m.hook(fmt.Sprint("burst", i), "develop"); answer != "accepted\n" {
				t.Error(answer)
			}
		}
		m.eventually("another run", func() bool { return m.runs() >= before+2 })
		time.Sleep(2500 * time.Millisecond)
		if runs := m.runs() - before; runs > 3 { // ten hooks take longer than a run
			t.Errorf("%d runs for 11 hooks", runs)
		}
	})

	t.Run("restart", func(t *testing.T) {
		if answer := m.hook("2", "develop"); answer != "duplicate\n" {
			t.Error(answer)
		}
		before := m.runs()
		m.Must("systemctl", "stop", "sysconfig-hook.service")
		if answer := m.hook("2", "develop"); answer != "duplicate\n" {
			t.Errorf("after a restart: %q", answer)
		}
		if answer := m.hook("3", "develop"); answer != "accepted\n" {
			t.Error(answer)
		}
		m.eventually("a run after a restart", func() bool { return m.runs() == before+1 })
	})
	if journal := m.Journal("sysconfig-hook.service"); strings.Contains(journal, secret) {
		t.Error("the journal tells the secret")
	}
}

// TestUnderWay: a start that the timer began before the hook may have pulled too early,
// so that another follows it.
func TestUnderWay(t *testing.T) {
	m := boot(t, "3")
	m.install()
	m.Must("systemctl", "start", "--no-block", "sysconfig-apply.service")
	m.eventually("the timer's run", func() bool { return m.runs() == 1 })
	if answer := m.hook("1", "develop"); answer != "accepted\n" {
		t.Fatal(answer)
	}
	m.eventually("another run", func() bool { return m.runs() == 2 })
	m.log("start sysconfig-apply.service: done")

	// a service that fails is told, and the endpoint goes on
	m.Write("/etc/systemd/system/sysconfig-apply.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 7'\n", 0o644)
	m.Must("systemctl", "daemon-reload")
	if answer := m.hook("2", "develop"); answer != "accepted\n" {
		t.Fatal(answer)
	}
	m.log("error: start sysconfig-apply.service: job failed, failed/failed, exit-code, exit status 7")
	if answer := m.hook("3", "feature"); answer != "ignored\n" {
		t.Error(answer)
	}
}

// TestEnd: the endpoint is stopped while the service is at work. It ends at the latest
// after its grace; the service goes on.
func TestEnd(t *testing.T) {
	m := boot(t, "4")
	m.install()
	m.Write("/etc/systemd/system/sysconfig-hook.service.d/grace.conf", "[Service]\nEnvironment=CONFAPPLY_GRACE=500ms\n", 0o644)
	m.Must("systemctl", "daemon-reload")
	if answer := m.hook("1", "develop"); answer != "accepted\n" {
		t.Fatal(answer)
	}
	m.eventually("the run", func() bool { return m.runs() == 1 })
	began := time.Now()
	m.Must("systemctl", "stop", "sysconfig-hook.service")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the end took %v", took)
	}
	if state := m.show("sysconfig-hook.service", "Result"); state != "success" {
		t.Errorf("it ended with %s", state)
	}
	m.log("start sysconfig-apply.service: not waited for any longer")
	if state := m.show("sysconfig-apply.service", "ActiveState"); state != "activating" {
		t.Errorf("the service is %s", state)
	}
}

// TestWithoutPolkit: the page's drop-in lets root do it.
func TestWithoutPolkit(t *testing.T) {
	m := boot(t, "0")
	m.Must("rm", "/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service")
	m.Must("busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig")
	page := load(t)
	m.install()
	if answer := m.hook("1", "develop"); answer != "accepted\n" {
		t.Fatal(answer)
	}
	m.log("not allowed to start it")
	m.Must("systemctl", "stop", "sysconfig-hook.service")
	const dropIn = "/etc/systemd/system/sysconfig-hook.service.d/root.conf"
	m.Write(dropIn, page.Files[dropIn], 0o644)
	m.Must("systemctl", "daemon-reload")
	if answer := m.hook("2", "develop"); answer != "accepted\n" {
		t.Fatal(answer)
	}
	m.log("start sysconfig-apply.service: done")
}

// TestGitHub: the page's other drop-in.
func TestGitHub(t *testing.T) {
	m := boot(t, "0")
	const dropIn = "/etc/systemd/system/sysconfig-hook.service.d/github.conf"
	m.Write(dropIn, load(t).Files[dropIn], 0o644)
	m.Write("/etc/sysconfig-hook/github", secret+"\n", 0o600)
	m.install()
	body := `{"action":"published","registry_package":{"name":"mysysconfig","namespace":"myrepo","package_type":"CONTAINER","package_version":{"container_metadata":{"tag":{"name":"develop"}}}}}`
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	if answer := m.Must("curl", "-sS", "-H", "Content-Type: application/json", "-H", "X-GitHub-Event: registry_package", "-H", "X-Hub-Signature-256: sha256="+hex.EncodeToString(mac.Sum(nil)),
		"--data-binary", body, "http://127.0.0.1:9114/hook/github"); answer != "accepted\n" {
		t.Fatal(answer)
	}
	m.log("start sysconfig-apply.service: done")
}

func TestRefusedAtTheStart(t *testing.T) {
	m := boot(t, "0")
	m.Write("/etc/systemd/system/stays.service", "[Service]\nExecStart=/bin/sleep 1000\n", 0o644)
	m.Write("/root/secret", secret, 0o600)
	m.Must("systemctl", "daemon-reload")
	for unit, message := range map[string]string{"none.service": "systemd knows no such unit", "stays.service": "it is no service that does its work and ends"} {
		_, stderr, code := m.Run(t.Context(), "confapply", "serve", "--secret-file", "generic=/root/secret", "--start", unit)
		if code != 2 || !strings.Contains(stderr, message) {
			t.Errorf("%s: exit %d, %s", unit, code, stderr)
		}
	}
}

func load(t *testing.T) *docpage.Page {
	t.Helper()
	page, err := docpage.Read("../../docs/serve.md")
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// TestDocs runs the examples of the page that need systemd and curl.
func TestDocs(t *testing.T) {
	m := boot(t, "0")
	page := load(t)
	m.Must("systemctl", "daemon-reload")
	m.Write("/root/body.json", page.Files["body.json"], 0o644)
	page.Try(t, "docs/serve.md", "systemd", m.Shell)
}
