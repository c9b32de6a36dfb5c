//go:build linux

// Package dockeroperand asks the real docker client, or podman's, which word of
// a command line is the image. The client runs in a sandbox without network and
// talks to a stand-in for the engine, which writes down the image of `POST
// /containers/create` or `POST /images/create` (podman: `POST
// /libpod/images/pull`). It shares no code with the project's own reader of such
// command lines.
//
// Files that a command line names (`--env-file`, `--cidfile`, …) are made or
// taken away when the client complains about them, never by looking at the
// options, so that this package knows next to nothing of docker's grammar.
package dockeroperand

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/unitstamp/unitstamp/internal/oracle/sandbox"
)

// Answer is what the client did with one command line.
type Answer struct {
	// Requests are what it asked of the engine, in order.
	Requests []Request
	// Refusal is what it printed when it asked for no image at all.
	Refusal string
}

// Operand returns the image of the last request: the one that is created or
// pulled.
func (a Answer) Operand() (image string, found bool) {
	if len(a.Requests) == 0 {
		return "", false
	}
	return a.Requests[len(a.Requests)-1].Image, true
}

// Client is a program that runs containers.
type Client string

// The clients that can be asked, by the name of the program on this machine.
const (
	Docker Client = "docker"
	Podman Client = "podman"
)

// command is the client inside the sandbox, told where the engine is.
func (c Client) command() []string {
	if c == Podman {
		return []string{"/usr/bin/podman", "--remote", "--url", "unix://" + socket}
	}
	return []string{"/usr/bin/docker"}
}

// Version returns what the machine's client says about itself.
func (c Client) Version(ctx context.Context) (string, error) {
	root, err := newRoot(c)
	if err != nil {
		return "", err
	}
	defer root.Remove()
	outcome, err := root.Run(ctx, sandbox.Call{Argv: []string{c.command()[0], "--version"}, Timeout: callTimeout})
	return strings.TrimSpace(string(outcome.Stdout)), err
}

const (
	socket      = "/var/run/docker.sock"
	home        = "/home"
	callTimeout = 10 * time.Second
	maxRepairs  = 24
)

// Ask runs the client with every element of calls as its arguments, at most
// workers at a time, and returns the answers in the same order.
func (c Client) Ask(ctx context.Context, workers int, calls [][]string) ([]Answer, error) {
	answers := make([]Answer, len(calls))
	failures := make([]error, workers)
	next := make(chan int)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			s, err := newSession(c)
			if err != nil {
				failures[w] = err
			} else {
				defer s.close()
			}
			for i := range next {
				if failures[w] != nil {
					continue // drain
				}
				if answers[i], err = s.ask(ctx, calls[i]); err != nil {
					failures[w] = fmt.Errorf("%s %q: %w", c, calls[i], err)
				}
			}
		})
	}
	for i := range calls {
		next <- i
	}
	close(next)
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	return answers, nil
}

// session is one sandbox with one stand-in engine.
type session struct {
	client Client
	root   *sandbox.Root
	daemon *daemon
	tty    *terminal
}

func newRoot(c Client) (*sandbox.Root, error) {
	root, err := sandbox.New()
	if err != nil {
		return nil, err
	}
	if err := root.Install(string(c), c.command()[0]); err != nil {
		return nil, errors.Join(err, root.Remove())
	}
	return root, nil
}

func newSession(c Client) (*session, error) {
	root, err := newRoot(c)
	if err != nil {
		return nil, err
	}
	s := &session{client: c, root: root}
	if err := s.open(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) open() error {
	for _, folder := range []string{home + "/.docker", filepath.Dir(socket), "/tmp", "/dev"} {
		if err := s.root.Mkdir(folder); err != nil {
			return err
		}
	}
	listener, err := net.Listen("unix", s.root.Path(socket))
	if err != nil {
		return err
	}
	s.daemon = serve(listener)
	if err := os.Chmod(s.root.Path(socket), 0o666); err != nil {
		return err
	}
	s.tty, err = openTerminal()
	return err
}

func (s *session) close() {
	if s.tty != nil {
		s.tty.close()
	}
	if s.daemon != nil {
		_ = s.daemon.Close()
	}
	_ = s.root.Remove()
}

// ask runs the client until it has named an image or complains about something
// that is no matter of files.
func (s *session) ask(ctx context.Context, args []string) (Answer, error) {
	argv := append(s.client.command(), args...)
	for range maxRepairs {
		s.daemon.take()
		outcome, err := s.root.Run(ctx, sandbox.Call{
			Argv: argv,
			Env: []string{"PATH=/usr/bin", "HOME=" + home, "DOCKER_CONFIG=" + home + "/.docker",
				"DOCKER_HOST=unix://" + socket, "DOCKER_CLI_HINTS=false", "TERM=dumb", "LANG=C.UTF-8"},
			Dir:     "/tmp",
			Stdin:   s.tty.inner,
			Timeout: callTimeout,
		})
		if errors.Is(err, syscall.E2BIG) {
			return Answer{Refusal: "no program can be started with so long a word"}, nil
		}
		if err != nil {
			return Answer{}, err
		}
		if outcome.TimedOut {
			return Answer{}, errors.New("the client did not end in time")
		}
		if requests := s.daemon.take(); len(requests) > 0 {
			return Answer{Requests: requests}, nil
		}
		said := strings.TrimSpace(string(outcome.Stderr))
		repaired, err := s.repair(said, argv)
		if err != nil {
			return Answer{}, err
		}
		if repaired == nil {
			if said == "" {
				said = strings.TrimSpace(string(outcome.Stdout))
			}
			return Answer{Refusal: said}, nil
		}
		argv = repaired
	}
	return Answer{Refusal: "the client wants a file both to be and not to be"}, nil
}

var (
	missing  = regexp.MustCompile(`(?:open|stat|lstat) ([^:\n]+): no such file or directory`)
	leftOver = regexp.MustCompile(`container ID file found, make sure the other container isn't running or delete (.+)`)
	noDaemon = regexp.MustCompile(`(?i)cannot connect to the docker daemon at (\S+?)\. is the`)
	noRoute  = regexp.MustCompile(`dial tcp (\S+): connect: `)
)

// repair makes the world fit for the command line, judging by the client's
// complaint alone. It returns the command line for a second try, or nil if there
// is nothing to repair.
func (s *session) repair(said string, argv []string) ([]string, error) {
	retry := func(repaired bool, err error) ([]string, error) {
		if err != nil || !repaired {
			return nil, err
		}
		return argv, nil
	}
	if found := missing.FindStringSubmatch(said); found != nil {
		return retry(s.provide(found[1]))
	}
	if found := leftOver.FindStringSubmatch(said); found != nil {
		return retry(s.takeAway(found[1]))
	}
	if strings.Contains(said, aliasNeedsNetwork) {
		return withNetwork(argv), nil
	}
	if found := noDaemon.FindStringSubmatch(said); found != nil {
		return retry(s.redirect(found[1], argv))
	}
	if found := noRoute.FindStringSubmatch(said); found != nil {
		return retry(s.redirect("tcp://"+found[1], argv))
	}
	return nil, nil
}

// aliasNeedsNetwork is what docker says of `--net-alias` without `--net`, which older
// versions took.
const aliasNeedsNetwork = "network-scoped aliases are only supported for user-defined networks"

func withNetwork(argv []string) []string {
	verb := slices.IndexFunc(argv, func(word string) bool { return word == "run" || word == "create" })
	if verb < 0 || slices.Contains(argv, "--net=oracle") {
		return nil
	}
	return slices.Insert(slices.Clone(argv), verb+1, "--net=oracle")
}

func (s *session) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join("/tmp", path)
}

// provide makes the folder of a missing file and, if that did not help, the
// file itself.
func (s *session) provide(path string) (bool, error) {
	path = s.absolute(path)
	folder := filepath.Dir(path)
	if _, err := os.Stat(s.root.Path(folder)); err != nil {
		return true, s.root.Mkdir(folder)
	}
	if _, err := os.Stat(s.root.Path(path)); err == nil {
		return false, nil
	}
	return true, s.root.Write(path, []byte("{}\n"), 0o666)
}

// takeAway deletes a file that the client found in its way. Older clients end
// their complaint with a full stop.
func (s *session) takeAway(path string) (bool, error) {
	path = strings.TrimSpace(path)
	err := os.Remove(s.root.Path(s.absolute(path)))
	if errors.Is(err, os.ErrNotExist) {
		err = os.Remove(s.root.Path(s.absolute(strings.TrimSuffix(path, "."))))
	}
	return true, err
}

// redirect lets another address of the engine (`-H …`) lead to the stand-in.
func (s *session) redirect(address string, argv []string) (bool, error) {
	if path, found := strings.CutPrefix(address, "unix://"); found {
		if _, err := os.Lstat(s.root.Path(path)); err == nil {
			return false, nil
		}
		if err := s.root.Mkdir(filepath.Dir(path)); err != nil {
			return false, err
		}
		return true, os.Link(s.root.Path(socket), s.root.Path(path))
	}
	// The client takes `host:port` for `tcp://host:port`.
	bare := strings.TrimPrefix(address, "tcp://")
	for i, word := range argv {
		if before, found := strings.CutSuffix(word, bare); found {
			argv[i] = strings.TrimSuffix(before, "tcp://") + "unix://" + socket
			return true, nil
		}
	}
	return false, nil
}
