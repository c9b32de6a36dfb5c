//go:build unix

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const killedFiles = 300

// leftover is what a killed run may leave beside a file.
var leftover = regexp.MustCompile(`^\.(u[0-9]+\.service)\.tmp-[0-9a-f]{8}$`)

// TestKill kills a run that writes many files in place, at any moment and in the
// midst of the replacements. Each file must be whole, old or new; the next run must
// finish the work, and leave nothing more behind than the killed one did.
func TestKill(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "unitstamp") // the test's binary runs main under this name
	if err := os.Symlink(executable, program); err != nil {
		t.Fatal(err)
	}
	w := killing{t: t, program: program, random: rand.New(rand.NewPCG(1, 2))}
	whole := w.round(func(string, *os.Process) {}).took
	between, midst := 0, 0
	for range 4 {
		r := w.round(func(_ string, p *os.Process) {
			time.Sleep(time.Duration(w.random.Int64N(int64(whole + whole/4))))
			p.Kill()
		})
		between += r.mixed
	}
	for range 24 {
		r := w.round(func(dir string, p *os.Process) {
			awaitReplaced(filepath.Join(dir, unitName(w.random.IntN(killedFiles))), 2*whole+time.Second)
			p.Kill()
		})
		if midst += r.mixed; midst == 3 {
			break
		}
	}
	t.Logf("a whole run takes %v; killed at any moment, %d of 4 left some files new and some old; killed in the midst, %d", whole, between, midst)
	if midst == 0 {
		t.Error("no run was killed between two replacements")
	}
}

type killing struct {
	t       *testing.T
	program string
	random  *rand.Rand
}

type killed struct {
	took  time.Duration
	mixed int // 1 if some files were new and some old
}

func unitName(i int) string { return fmt.Sprintf("u%d.service", i) }

func unitText(i int, image string) []byte {
	return []byte("[Service]\n" + strings.Repeat(fmt.Sprintf("# %d\n", i), 50) + "ExecStart=/usr/bin/docker run " + image + "\n")
}

func (w killing) command(dir string) *exec.Cmd {
	args := []string{"stamp", "-w", "--tag", "58-develop", "--image", "myrepo/x", "-r", dir}
	return exec.CommandContext(w.t.Context(), w.program, args...)
}

// round starts a run in a new folder, has it killed, and looks at what is left.
func (w killing) round(kill func(dir string, p *os.Process)) (r killed) {
	w.t.Helper()
	dir := w.t.TempDir()
	for i := range killedFiles {
		if err := os.WriteFile(filepath.Join(dir, unitName(i)), unitText(i, "myrepo/x:57-develop"), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	start := time.Now()
	cmd := w.command(dir)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	kill(dir, cmd.Process)
	cmd.Wait() // killed, or through already
	r.took = time.Since(start)

	fresh, left := w.look(dir)
	if fresh > 0 && fresh < killedFiles {
		r.mixed = 1
	}
	if out, err := w.command(dir).CombinedOutput(); err != nil {
		w.t.Errorf("the next run: %v\n%s", err, out)
	}
	again, still := w.look(dir)
	if again != killedFiles {
		w.t.Errorf("after the next run %d of %d files are new", again, killedFiles)
	}
	for name := range still {
		if !left[name] {
			w.t.Errorf("the next run leaves %s behind", name)
		}
	}
	if len(left) > killedFiles {
		w.t.Errorf("the killed run left %d files behind", len(left))
	}
	return r
}

// look counts the new files, and lists what does not belong there.
func (w killing) look(dir string) (fresh int, left map[string]bool) {
	w.t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		w.t.Fatal(err)
	}
	left = map[string]bool{}
	units := 0
	for _, e := range entries {
		if leftover.MatchString(e.Name()) {
			left[e.Name()] = true
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			w.t.Fatal(err)
		}
		var i int
		if _, err := fmt.Sscanf(e.Name(), "u%d.service", &i); err != nil {
			w.t.Errorf("a killed run leaves %s behind", e.Name())
			continue
		}
		units++
		switch {
		case bytes.Equal(text, unitText(i, "myrepo/x:58-develop")):
			fresh++
		case !bytes.Equal(text, unitText(i, "myrepo/x:57-develop")):
			w.t.Errorf("%s is neither old nor new: %d bytes", e.Name(), len(text))
		}
	}
	if units != killedFiles {
		w.t.Errorf("%d of %d files are there", units, killedFiles)
	}
	return fresh, left
}

// awaitReplaced returns when another file has a name than when it was called.
func awaitReplaced(path string, patience time.Duration) {
	first, err := os.Lstat(path)
	for end := time.Now().Add(patience); err == nil && time.Now().Before(end); {
		now, statError := os.Lstat(path)
		if statError != nil || !os.SameFile(first, now) {
			return
		}
	}
}
