//go:build lab

package apply

import (
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/docpage"
)

// docker stands in for the client: build 59 does not stay up.
const docker = "#!/bin/sh\ncase \"$*\" in *:59-*) sleep 0.3; exit 1;; esac\nexec sleep 9999\n"

// TestDocs runs the examples of the page that need systemd.
func TestDocs(t *testing.T) {
	t.Parallel()
	page, err := docpage.Read("../../docs/confapply.md")
	if err != nil {
		t.Fatal(err)
	}
	n := machine(t)
	n.Write("/usr/bin/docker", docker, 0o755)
	web := page.Files["units/web.service"]
	n.Write("/root/units/web.service", web, 0o644)
	n.Write("/root/58.service", strings.Replace(web, "57-", "58-", 1), 0o644)
	n.Write("/root/broken.service", strings.Replace(web, "57-", "59-", 1), 0o644)
	n.Must("confapply", "apply", "--engine", "systemd", "--units", "/root/units", "--stable", "0s")
	page.Try(t, "docs/confapply.md", "systemd", n.Shell)
}

// dockerRun is the page's docker run for the systemd engine, the least one, or that with
// the socket of docker's engine.
func dockerRun(t *testing.T, socket bool) []string {
	t.Helper()
	page, err := docpage.Read("../../docs/confapply.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range page.Scripts {
		if strings.HasPrefix(script, "docker run ") && strings.Contains(script, "--engine systemd") && strings.Contains(script, "docker.sock") == socket {
			return strings.Fields(script)
		}
	}
	t.Fatalf("no such docker run on the page: %q", page.Scripts)
	return nil
}

// TestFromAContainer does what the page's docker run does: nothing but the
// program, the units and what the -v flags name is there.
func TestFromAContainer(t *testing.T) {
	t.Parallel()
	words := dockerRun(t, false)
	n := machine(t)
	var inside strings.Builder
	inside.WriteString("set -e\nmkdir -p /image/units\ncp /usr/local/bin/confapply /image/confapply\n")
	var args []string
	for i := 2; i < len(words); i++ {
		switch {
		case words[i] == "-v":
			from, to, _ := strings.Cut(words[i+1], ":")
			inside.WriteString("mkdir -p $(dirname /image" + to + ")\n")
			inside.WriteString("if [ -d " + from + " ]; then mkdir -p /image" + to + "; else : >/image" + to + "; fi\n")
			inside.WriteString("mount --bind " + from + " /image" + to + "\n")
			i++
		case strings.HasPrefix(words[i], "-"):
		default:
			args = words[i+1:] // behind the image
			i = len(words)
		}
	}
	// chroot leaves the control group behind as well, as a container does
	inside.WriteString("exec chroot /image /confapply " + strings.Join(args, " ") + " --stable 1s --json\n")
	n.Write("/image/units/web.service", program(1), 0o644)
	n.Write("/run-image", inside.String(), 0o755)
	run := func() string { return n.Must("unshare", "--mount", "--net", "--pid", "--fork", "sh", "/run-image") }
	if out := run(); !strings.Contains(out, `"result": "done"`) {
		t.Errorf("report: %s", out)
	}
	if state := n.Must("systemctl", "show", "--value", "--property=ActiveState", "web.service"); state != "active\n" {
		t.Errorf("web.service is %s", state)
	}
	n.Write("/image/units/web.service", "[Service]\nExecStart=/bin/false\n", 0o644)
	out, _, code := n.Run(t.Context(), "unshare", "--mount", "--net", "--pid", "--fork", "sh", "/run-image")
	if code != 1 || !strings.Contains(out, "rolled-back") {
		t.Errorf("a broken build from a container: exit %d, %s", code, out)
	}
	if got := n.Read(unitDir + "/web.service"); got != program(1) {
		t.Errorf("web.service holds %q", got)
	}
}
