//go:build lab

package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/oracle/systemdwords"
)

// rulePage reads the wrong and the right example of a rule's page.
func rulePage(t *testing.T, id string) (wrong, right systemdwords.Unit) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docs", "rules", id+".md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```ini (\\S+)\n(.*?)^```$").FindAllStringSubmatch(string(data), -1)
	if len(blocks) != 2 {
		t.Fatalf("%s: %d examples", id, len(blocks))
	}
	return systemdwords.Unit{Name: blocks[0][1], Source: []byte(blocks[0][2])}, systemdwords.Unit{Name: blocks[1][1], Source: []byte(blocks[1][2])}
}

// What the rules say that systemd refuses, it refuses, and takes when it is mended.
func TestRulesAboutWhatSystemdRefuses(t *testing.T) {
	for _, id := range []string{"US005", "US007", "US009", "US052", "US053", "US054"} {
		wrong, right := rulePage(t, id)
		readings := readUnits(t, []systemdwords.Unit{wrong, right})
		if readings[0].Refused == "" && !readings[0].Relaxed {
			t.Errorf("%s: systemd takes the wrong example", id)
		}
		if readings[1].Refused != "" || readings[1].Relaxed {
			t.Errorf("%s: systemd refuses the right example: %s", id, readings[1].Refused)
		}
	}
}

// What the rules say that systemd ignores, it remarks on.
func TestRulesAboutWhatSystemdIgnores(t *testing.T) {
	for _, id := range []string{"US004", "US050", "US051", "US055"} {
		wrong, right := rulePage(t, id)
		readings := readUnits(t, []systemdwords.Unit{wrong, right})
		if len(readings[0].Messages) == 0 {
			t.Errorf("%s: systemd has nothing to say about the wrong example", id)
		}
		if len(readings[1].Messages) > 0 {
			t.Errorf("%s: systemd says of the right example: %v", id, readings[1].Messages)
		}
	}
}

// What the rules say that docker refuses, its client refuses before it calls the
// engine; mended, it goes on to call it.
func TestRulesAboutWhatDockerRefuses(t *testing.T) {
	for _, id := range []string{"US001", "US003", "US004", "US008", "US011", "US022", "US023", "US024", "US026"} {
		wrong, right := rulePage(t, id)
		for i, reading := range readUnits(t, []systemdwords.Unit{wrong, right}) {
			calls, output := dockerStart(t, reading)
			if calls != (i == 1) {
				t.Errorf("%s: the client calls the engine: %v, for %s example\n%s", id, calls, [2]string{"the wrong", "the right"}[i], output)
			}
		}
	}
}

// dockerStart runs a unit's first command with docker's client, without an engine.
func dockerStart(t *testing.T, reading systemdwords.Reading) (calls bool, output string) {
	t.Helper()
	for _, command := range reading.Commands {
		if command.Key != "ExecStart" {
			continue
		}
		cmd := exec.CommandContext(t.Context(), "docker", command.Argv[1:]...)
		cmd.Env = append(os.Environ(), "DOCKER_HOST=tcp://127.0.0.1:1", "DOCKER_CONFIG="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("%q succeeds without an engine", command.Argv)
		}
		return strings.Contains(string(out), "Cannot connect to the Docker daemon"), string(out)
	}
	t.Fatal("there is no ExecStart")
	return false, ""
}
