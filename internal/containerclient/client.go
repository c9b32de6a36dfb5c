package containerclient

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// ErrNoClient tells that neither the client nor the socket of its engine is at hand.
var ErrNoClient = errors.New("not at hand")

// A State is how a container is. The zero State is that of one that is not there.
type State struct {
	// Running tells that its program runs, and is not about to be started again.
	Running bool
	// Pid is that of its program, and Started when it was started; the zero values
	// where the client does not tell.
	Pid     int
	Started time.Time
}

// A Client is a way to images and containers. Either field is set.
type Client struct {
	program []string // its path, and the words before a reference that make it pull
	engine  *engine
}

// sockets are where the engines of clients listen for root, as dockerd(8) and
// podman-system-service(1) have it. nerdctl's speaks no HTTP.
var sockets = map[string][]string{
	"docker": {"/run/docker.sock", "/var/run/docker.sock"},
	"podman": {"/run/podman/podman.sock"},
}

// Find looks for a client, docker, podman or nerdctl: the program on the search
// path, else the socket of its engine, to which the passwords of registries go from
// docker's configuration in $DOCKER_CONFIG or $HOME/.docker. Neither is ErrNoClient.
func Find(name string, getenv func(string) string) (Client, error) {
	return find(name, sockets[name], getenv)
}

func find(name string, sockets []string, getenv func(string) string) (Client, error) {
	if path, err := exec.LookPath(name); err == nil {
		return Client{program: []string{path, "pull"}}, nil
	}
	folder := getenv("DOCKER_CONFIG")
	if folder == "" {
		folder = filepath.Join(getenv("HOME"), ".docker")
	}
	for _, path := range sockets {
		if info, err := os.Stat(path); err == nil && info.Mode().Type() == os.ModeSocket {
			return Client{engine: &engine{kind: name, socket: path, config: filepath.Join(folder, "config.json")}}, nil
		}
	}
	return Client{}, fmt.Errorf("%s: %w", name, ErrNoClient)
}

// Command is a client that pulls by a command, with the reference behind its words.
func Command(words []string) Client { return Client{program: words} }

// Pull returns when the image is there. The error is what the client said at the
// end, or its engine.
func (c Client) Pull(ctx context.Context, reference string) error {
	if c.engine != nil {
		return c.engine.pull(ctx, reference)
	}
	return pull(ctx, c.program, reference)
}

// Look asks how a container is. An error of a client that does not know the
// container and knows no others either, as it does not reach its engine, is the last
// line that it said.
func (c Client) Look(ctx context.Context, name string) (State, error) {
	if c.engine != nil {
		return c.engine.look(ctx, name)
	}
	return look(ctx, c.program[0], name)
}
