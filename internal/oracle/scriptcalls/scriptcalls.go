//go:build linux

// Package scriptcalls finds out which container commands a shell script or a
// wrapper would run, by running it: in a sandbox that holds a shell, the usual
// text tools and, for everything else that the script names, a stand-in that
// only prints Output. The stand-ins of docker and its like write down their words.
// No shell grammar of the project is involved.
//
// A script is run twice, with stand-ins that succeed and with stand-ins that
// fail, so that both sides of `docker start x || docker run y` are seen. What
// neither run reaches stays unknown.
package scriptcalls

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/unitstamp/unitstamp/internal/oracle/sandbox"
)

// Script is a command line whose program is a shell or a wrapper.
type Script struct {
	Argv []string
	Env  []string
}

// Trace runs every script, on at most workers sandboxes at a time, and returns
// the command lines of container tools that it ran, first with stand-ins that
// succeed, then with stand-ins that fail. The tool is named by its base name. Of equal
// command lines only the first is kept: how often a loop goes round is chance.
func Trace(ctx context.Context, workers int, scripts []Script) ([][][]string, error) {
	template, err := toolbox()
	if err != nil {
		return nil, err
	}
	defer template.Remove()
	calls := make([][][]string, len(scripts))
	failures := make([]error, workers)
	next := make(chan int)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := range next {
				if failures[w] != nil {
					continue // drain
				}
				for _, code := range []int{0, 1} {
					seen, err := traceOnce(ctx, template, scripts[i], code)
					if err != nil {
						failures[w] = fmt.Errorf("run %q: %w", scripts[i].Argv, err)
						break
					}
					calls[i] = appendNew(calls[i], seen)
				}
			}
		})
	}
	for i := range scripts {
		next <- i
	}
	close(next)
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	return calls, nil
}

func appendNew(calls, more [][]string) [][]string {
	for _, call := range more {
		if !slices.ContainsFunc(calls, func(known []string) bool { return slices.Equal(known, call) }) {
			calls = append(calls, call)
		}
	}
	return calls
}

const (
	bin     = "/usr/bin"
	record  = "/record"
	timeout = 2 * time.Second
)

// tools are the programs that are there for real: they only turn text into
// text, or run another program.
var tools = []string{"env", "nice", "timeout", "xargs", "nohup", "sed", "grep", "awk", "cut", "tr", "cat", "head", "tail", "wc",
	"basename", "dirname", "date", "sort", "uniq", "tee", "expr", "seq", "paste", "mkdir", "rm", "touch"}

// containerTools are the programs whose words are written down.
var containerTools = []string{"docker", "podman", "nerdctl", "systemd-docker"}

// Output is what every stand-in prints, so that `-h $(hostname)` has a value that
// can be told from all others.
const Output = "127.0.0.1"

const recorder = `#!/bin/bash
printf '%s\0' "$#" "${0##*/}" "$@" >> ` + record + `
echo ` + Output + `
exit CODE
`

const standIn = `#!/bin/bash
echo ` + Output + `
exit CODE
`

// runner stands in for sudo and its like: it drops options and runs the rest.
const runner = `#!/bin/bash
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
`

// waitForAll runs its arguments as the first process of the sandbox and then waits
// until nothing else is left, so that what was put in the background is seen too.
const waitForAll = `"$@"
while kill -0 -1 2> /dev/null; do :; done`

func traceOnce(ctx context.Context, template *sandbox.Root, script Script, code int) ([][]string, error) {
	root, err := template.Clone()
	if err != nil {
		return nil, err
	}
	defer root.Remove()
	if err := furnish(root, script, code); err != nil {
		return nil, err
	}
	_, err = root.Run(ctx, sandbox.Call{
		Argv:    append([]string{bin + "/bash", "-c", waitForAll, "init", program(script.Argv[0])}, script.Argv[1:]...),
		Env:     append([]string{"PATH=" + bin, "HOME=/tmp", "LANG=C.UTF-8"}, script.Env...),
		Dir:     "/tmp",
		Timeout: timeout,
	})
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(root.Path(record))
	if err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("the record is gone")
	}
	text, err := os.ReadFile(root.Path(record))
	if err != nil {
		return nil, err
	}
	return parseRecord(string(text))
}

// program is the path inside at which a command is found.
func program(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(bin, name)
}

var (
	bareName = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_.+-]*`)
	absolute = regexp.MustCompile(`(?:/[A-Za-z0-9_.+-]+)+`)
)

// toolbox makes a root with the shell and the tools.
func toolbox() (*sandbox.Root, error) {
	root, err := sandbox.New()
	if err != nil {
		return nil, err
	}
	if err := fillToolbox(root); err != nil {
		return nil, errors.Join(err, root.Remove())
	}
	return root, nil
}

func fillToolbox(root *sandbox.Root) error {
	if err := root.Mkdir(bin); err != nil {
		return err
	}
	for folder, target := range map[string]string{"/bin": "usr/bin", "/sbin": "usr/bin", "/usr/sbin": "bin"} {
		if err := root.Link(target, folder); err != nil {
			return err
		}
	}
	for _, tool := range append([]string{"bash"}, tools...) {
		if err := root.Install(tool, path.Join(bin, tool)); err != nil {
			return err
		}
	}
	return root.Link("bash", bin+"/sh")
}

// furnish puts stand-ins into the root for all else that the script may want to run.
func furnish(root *sandbox.Root, script Script, code int) error {
	exit := strings.NewReplacer("CODE", strconv.Itoa(code))
	for name, text := range map[string]string{".stand-in": exit.Replace(standIn), ".recorder": exit.Replace(recorder), "sudo": runner} {
		if err := root.Write(path.Join(bin, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	for _, file := range []string{record, "/dev/null", "/dev/stdout", "/dev/stderr"} {
		if err := root.Write(file, nil, 0o666); err != nil {
			return err
		}
	}
	if err := root.Mkdir("/tmp"); err != nil {
		return err
	}
	for _, tool := range containerTools {
		if err := root.Link(".recorder", path.Join(bin, tool)); err != nil {
			return err
		}
	}
	text := strings.Join(script.Argv, "\n")
	for _, name := range bareName.FindAllString(text, -1) {
		placeStandIn(root, path.Join(bin, name))
	}
	for _, name := range absolute.FindAllString(text, -1) {
		placeStandIn(root, name)
	}
	return nil
}

// placeStandIn makes a stand-in at a path that a script mentions, if nothing is
// in the way. Most of these paths are no programs at all, so a failure is none.
func placeStandIn(root *sandbox.Root, name string) {
	name = path.Clean(name)
	outside := root.Path(name)
	if _, err := os.Lstat(outside); err == nil {
		return
	}
	target := ".stand-in"
	if slices.Contains(containerTools, path.Base(name)) {
		target = ".recorder"
	}
	relative, err := filepath.Rel(path.Dir(name), path.Join(bin, target))
	if err != nil {
		return
	}
	_ = root.Link(relative, name)
}

// parseRecord reads what the recorders wrote: for each call the number of
// arguments, the tool and the arguments, each ended by NUL.
func parseRecord(text string) ([][]string, error) {
	fields := strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
	var calls [][]string
	for len(fields) > 1 {
		count, err := strconv.Atoi(fields[0])
		if err != nil || count < 0 || len(fields) < count+2 {
			return nil, fmt.Errorf("garbled record at %q", fields[0])
		}
		calls = append(calls, fields[1:count+2])
		fields = fields[count+2:]
	}
	return calls, nil
}
