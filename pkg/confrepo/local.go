package confrepo

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// newLocalWire runs git's own programs on a repository of this machine.
func newLocalWire(a address, o Options) *processWire {
	return &processWire{start: func(ctx context.Context, service string) (*process, error) {
		return startLocal(a.path, service)
	}}
}

func startLocal(path, service string) (*process, error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, failure(NotFound, "connect", "no repository at %q", path)
		}
		var what *os.PathError
		if errors.As(err, &what) {
			err = what.Err // the path stands there already
		}
		return nil, failure(Denied, "connect", "%q cannot be read: %s", path, oneLine(err.Error()))
	}
	cmd := exec.Command("git", strings.TrimPrefix(service, "git-"), path)
	cmd.Env = gitEnvironment(os.Environ())
	if service == "git-upload-pack" {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL=version=2")
	}
	words := &lastWords{}
	cmd.Stderr = words
	cmd.WaitDelay = time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, passing("connect", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, passing("connect", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, &Error{Kind: Unsupported, Step: "connect", Text: "git cannot be run: " + oneLine(err.Error()), Err: err,
			Hint: "a local repository needs git on this machine"}
	}
	reader := bufio.NewReaderSize(out, 32<<10)
	return &process{
		in: in, out: reader, stderr: words,
		kill: func() { cmd.Process.Kill() },
		wait: sync.OnceValue(func() int {
			if err := cmd.Wait(); err != nil {
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					return exit.ExitCode()
				}
				return -1
			}
			return 0
		}),
	}, nil
}

// gitEnvironment leaves out the variables by which a surrounding git (a hook,
// a checkout) would point the programs at its own repository; see
// "git rev-parse --local-env-vars".
func gitEnvironment(environ []string) []string {
	local := map[string]bool{
		"GIT_ALTERNATE_OBJECT_DIRECTORIES": true, "GIT_CONFIG": true, "GIT_CONFIG_PARAMETERS": true, "GIT_OBJECT_DIRECTORY": true,
		"GIT_DIR": true, "GIT_WORK_TREE": true, "GIT_IMPLICIT_WORK_TREE": true, "GIT_GRAFT_FILE": true, "GIT_INDEX_FILE": true,
		"GIT_NO_REPLACE_OBJECTS": true, "GIT_REPLACE_REF_BASE": true, "GIT_PREFIX": true, "GIT_SHALLOW_FILE": true,
		"GIT_COMMON_DIR": true, "GIT_INTERNAL_SUPER_PREFIX": true, "GIT_QUARANTINE_PATH": true, "GIT_PROTOCOL": true,
	}
	var kept []string
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if !local[name] {
			kept = append(kept, e)
		}
	}
	return kept
}
