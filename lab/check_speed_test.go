//go:build lab

package lab

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/corpus"
	"github.com/unitstamp/unitstamp/internal/programs"
)

// Checking 300 units takes less than 100 ms, start-up included, so that nobody
// leaves the hook out. systemd-analyze verify runs beside it for comparison.
func TestCheckIsQuick(t *testing.T) {
	program := filepath.Join(programs.For(t, "unitstamp"), "unitstamp")
	var files []string
	for _, f := range corpus.Units(t) {
		if strings.HasSuffix(f.Name, ".service") {
			files = append(files, f.Name)
		}
	}
	for len(files) < 300 { // the project's own are few
		files = append(files, files...)
	}
	files = files[:300]
	folder := t.TempDir() // each a file with a name of its own
	for i, file := range files {
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = filepath.Join(folder, strconv.Itoa(i)+"-"+filepath.Base(file))
		if output, err := exec.Command("cp", path, files[i]).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
	}
	check := fastest(t, 10, program, append([]string{"check", "--no-config"}, files...)...)
	verify := fastest(t, 1, "systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=no"}, files...)...)
	t.Logf("300 units: unitstamp check %v, systemd-analyze verify %v", check, verify)
	if check > 100*time.Millisecond {
		t.Errorf("checking 300 units takes %v", check)
	}
}

// fastest runs a program several times and returns the shortest time. Findings are
// no failure.
func fastest(t *testing.T, times int, program string, args ...string) time.Duration {
	t.Helper()
	best := time.Hour
	for range times {
		start := time.Now()
		err := exec.Command(program, args...).Run()
		var exit *exec.ExitError
		if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	return best
}
