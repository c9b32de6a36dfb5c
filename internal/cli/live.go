package cli

import (
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// A Status says what is under way at a time, and how it stands: "restart a.service",
// "waiting for the job, 4s". It is called from another goroutine.
type Status func(now time.Time) (doing, how string)

// Progress shows on a terminal what is under way, in one line that is drawn again as
// time goes by and makes room for every other line; nil takes it away. Elsewhere, and
// where NO_COLOR is set or TERM is dumb, it does nothing and reports false.
func (p *Printer) Progress(status Status) bool {
	if p.live == nil {
		return false
	}
	p.live.show(status)
	return true
}

// redraw is how often the line is drawn as time goes by. What happens draws it as well,
// unless it was drawn less than that ago.
const redraw = 250 * time.Millisecond

// erase goes to the beginning of the line and clears it (ECMA-48, EL).
const erase = "\r\x1b[K"

// live is the line of a terminal that tells what is under way.
type live struct {
	out   io.Writer
	name  string
	width func() int // in columns; 0 is not known
	now   func() time.Time

	mu     sync.Mutex
	status Status // nil: nothing is under way
	shown  string // what stands there
	drawn  time.Time
	open   bool          // another line has no end yet
	stop   chan struct{} // ends the goroutine that draws; nil without one
	gone   chan struct{}
}

// newLive is nil unless a person sees stderr, on a terminal that can erase a line.
func newLive(name string, env Env) *live {
	if !IsTerminal(env.Stderr) || env.Getenv("NO_COLOR") != "" || env.Getenv("TERM") == "dumb" {
		return nil
	}
	width := func() int {
		columns, _, _ := term.GetSize(int(env.Stderr.(*os.File).Fd()))
		return columns
	}
	return &live{out: env.Stderr, name: name, width: width, now: time.Now}
}

// show changes what is under way. A goroutine draws as long as something is.
func (l *live) show(status Status) {
	l.mu.Lock()
	l.status = status
	switch {
	case status == nil:
		l.erase()
	case l.now().Sub(l.drawn) >= redraw:
		l.draw()
	}
	gone := l.gone
	switch {
	case status == nil && l.stop != nil:
		close(l.stop)
		l.stop = nil
	case status != nil && l.stop == nil:
		l.stop, l.gone = make(chan struct{}), make(chan struct{})
		go l.run(l.stop, l.gone)
	}
	l.mu.Unlock()
	if status == nil && gone != nil {
		<-gone
	}
}

func (l *live) run(stop <-chan struct{}, gone chan<- struct{}) {
	defer close(gone)
	ticks := time.NewTicker(redraw)
	defer ticks.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticks.C:
			l.mu.Lock()
			l.draw()
			l.mu.Unlock()
		}
	}
}

func (l *live) draw() {
	if l.status == nil || l.open {
		return
	}
	now := l.now()
	doing, how := l.status(now)
	columns := l.width()
	if columns <= 0 {
		columns = 80
	}
	// In the last column some terminals go on to the next line.
	text := fit(l.name+": "+doing, how, columns-1)
	if text == l.shown {
		return
	}
	io.WriteString(l.out, "\r"+text+"\x1b[K")
	l.shown, l.drawn = text, now
}

func (l *live) erase() {
	if l.shown != "" {
		io.WriteString(l.out, erase)
		l.shown = ""
	}
}

// fit makes a line of at most so many characters; how it stands outlasts what is done.
func fit(doing, how string, columns int) string {
	tail := " …"
	if how != "" {
		tail += " " + how
	}
	head, rest := []rune(printable(doing)), []rune(printable(tail))
	head = head[:min(len(head), max(0, columns-len(rest)))]
	all := append(head, rest...)
	return string(all[:min(len(all), max(0, columns))])
}

// above is a stream that the line makes room for.
func (l *live) above(w io.Writer) io.Writer { return roomMaker{l, w} }

type roomMaker struct {
	live *live
	w    io.Writer
}

func (m roomMaker) Write(data []byte) (int, error) {
	m.live.mu.Lock()
	defer m.live.mu.Unlock()
	m.live.erase()
	n, err := m.w.Write(data)
	if n > 0 {
		m.live.open = data[n-1] != '\n'
	}
	return n, err
}
