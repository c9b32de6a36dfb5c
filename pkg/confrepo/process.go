package confrepo

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
)

// process is one run of git-upload-pack or git-receive-pack, here or at the
// other end of an ssh connection.
type process struct {
	in   io.WriteCloser
	out  *bufio.Reader
	kill func()
	// wait returns when the program has ended: its status, or -1 if none is
	// known.
	wait   func() int
	stderr *lastWords
}

// fail adds to an error what the program said before it died. Text on stderr
// together with a status is the program's own refusal; a stream that just ends
// is a passing fault.
func (p *process) fail(step string, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	status := make(chan int, 1)
	go func() { status <- p.wait() }()
	code := -1
	select {
	case code = <-status:
	case <-time.After(300 * time.Millisecond):
		p.kill()
	}
	e := passing(step, err)
	said := p.stderr.String()
	var remote *remoteError
	if errors.As(err, &remote) {
		said = strings.TrimSpace(remote.text + " " + said)
	}
	if isCut(err) {
		e.Text = "the connection was cut in the middle of the answer"
	}
	if said != "" {
		e.Text = oneLine(said)
		explainWords(e, said, code)
	}
	if code == 127 {
		e.Kind, e.again = Unsupported, false
	}
	return e
}

// explainWords knows what git, its hosts and shells write before they hang up.
func explainWords(e *Error, said string, code int) {
	text := strings.ToLower(said)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("not our ref", "not a valid object", "remote end hung up"):
		// the branch moved between two steps, or somebody else hung up first
	case has("read-only", "read only", "write access", "not allowed to push", "denied to", "permission", "access denied", "unauthorized"):
		e.Kind, e.again = Denied, false
		if has("read-only", "read only", "write access") {
			e.Hint = "the key may read this repository but not write to it; allow write access for the deploy key"
		}
	case has("not found", "does not appear to be a git repository", "does not exist", "no such file", "not a git repository"):
		e.Kind, e.again = NotFound, false
		e.Hint = "check the path; some servers also say this to a key that may not see the repository"
	case has("dubious ownership"):
		e.Kind, e.again = Denied, false
		e.Hint = "the repository belongs to another user: see safe.directory in git-config"
	case code > 0:
		e.Kind, e.again = Unsupported, false
	}
}

// processWire runs the two programs through start.
type processWire struct {
	start func(ctx context.Context, service string) (*process, error)
	done  func()
	// sealing is the seal of whoever is let in; nil where no credential is asked for.
	sealing func() (seal, error)

	reading *process
	mu      sync.Mutex
	early   map[string]chan startedProcess // programs that were started in advance
}

type startedProcess struct {
	p    *process
	err  error
	when time.Time
}

// oldProgram is the age from which on a program that was started in advance is not
// used: it knows the references as they were, and may be about to be cut off.
const oldProgram = 3 * time.Second

func (w *processWire) seal() (seal, error) {
	if w.sealing == nil {
		return openCircle{}, nil
	}
	return w.sealing()
}

func (w *processWire) keepsState() bool { return true }

func (w *processWire) greet(ctx context.Context, fresh bool) (*answer, error) {
	w.endReading()
	var s startedProcess
	if fresh {
		s.p, s.err = w.start(ctx, "git-upload-pack")
	} else {
		s = w.take(ctx, "git-upload-pack")
	}
	if s.err != nil {
		return nil, s.err
	}
	w.reading = s.p
	return w.answer(ctx, s.p, "read"), nil
}

func (w *processWire) ask(ctx context.Context, request []byte) (*answer, error) {
	p := w.reading
	if p == nil {
		return nil, passing("read", io.ErrUnexpectedEOF)
	}
	a := w.answer(ctx, p, "read")
	if _, err := p.in.Write(request); err != nil {
		return nil, a.finish(noUnexpected(err))
	}
	return a, nil
}

// answer reads from a program that is killed when the context ends.
func (w *processWire) answer(ctx context.Context, p *process, step string) *answer {
	stop := context.AfterFunc(ctx, p.kill)
	return &answer{r: p.out, finish: func(err error) error {
		stop()
		if err != nil && ctx.Err() != nil {
			p.kill()
			return passing(step, ctx.Err())
		}
		return p.fail(step, err)
	}}
}

// prepare starts what comes after the tip has been read, a second
// git-upload-pack and git-receive-pack, which hides the round trips of opening
// them.
func (w *processWire) prepare(ctx context.Context) {
	w.startEarly(ctx, "git-upload-pack")
	w.startEarly(ctx, "git-receive-pack")
}

func (w *processWire) startEarly(ctx context.Context, service string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.early[service] != nil {
		return
	}
	ready := make(chan startedProcess, 1)
	if w.early == nil {
		w.early = map[string]chan startedProcess{}
	}
	w.early[service] = ready
	go func() {
		p, err := w.start(ctx, service)
		ready <- startedProcess{p, err, time.Now()}
	}()
}

// take waits for a program that was started in advance, or starts it.
func (w *processWire) take(ctx context.Context, service string) startedProcess {
	w.startEarly(ctx, service)
	w.mu.Lock()
	ready := w.early[service]
	delete(w.early, service)
	w.mu.Unlock()
	s := <-ready
	if s.err == nil && time.Since(s.when) > oldProgram {
		endProcess(s.p)
		s.p, s.err = w.start(ctx, service)
	}
	return s
}

func (w *processWire) push(ctx context.Context, u update) (*answer, error) {
	s := w.take(ctx, "git-receive-pack")
	if s.err != nil {
		return nil, s.err
	}
	p := s.p
	a := w.answer(ctx, p, "push")
	r := &remote{}
	if _, err := r.readGreeting(p.out); err != nil {
		err = a.finish(err)
		endProcess(p)
		return nil, err
	}
	if err := u.allows(r.offered); err != nil {
		a.finish(nil)
		endProcess(p)
		return nil, err
	}
	if _, err := p.in.Write(u.request(r.offered)); err != nil {
		e := asError("push", a.finish(noUnexpected(err)))
		e.unknownOutcome = true
		return nil, e
	}
	p.in.Close()
	return &answer{r: p.out, finish: func(err error) error {
		if err = a.finish(err); err != nil {
			p.kill()
		}
		return err
	}}, nil
}

func (w *processWire) endReading() {
	if w.reading != nil {
		endProcess(w.reading)
		w.reading = nil
	}
}

func (w *processWire) close() {
	w.endReading()
	w.mu.Lock()
	early := w.early
	w.early = nil
	w.mu.Unlock()
	var ending sync.WaitGroup
	for _, ready := range early {
		ending.Go(func() {
			if s := <-ready; s.p != nil {
				endProcess(s.p)
			}
		})
	}
	ending.Wait()
	if w.done != nil {
		w.done()
	}
}

// endProcess takes leave with a flush packet, which both programs understand
// as "nothing more", and does not wait long for them.
func endProcess(p *process) {
	io.WriteString(p.in, "0000")
	p.in.Close()
	timer := time.AfterFunc(300*time.Millisecond, p.kill)
	io.Copy(io.Discard, p.out)
	p.wait()
	timer.Stop()
}

// lastWords keeps the end of a program's stderr.
type lastWords struct {
	mu  sync.Mutex
	buf []byte
}

func (l *lastWords) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, b...)
	if over := len(l.buf) - 4096; over > 0 {
		l.buf = l.buf[over:]
	}
	return len(b), nil
}

func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(l.buf), ""))
}
