package receiver

import (
	"cmp"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits are what a client may take of a server. The zero value of each is its default.
type Limits struct {
	Header   time.Duration // to send the headers: 5 s
	Whole    time.Duration // to send all of a request, and to take the answer: 10 s
	Idle     time.Duration // between requests: 30 s
	Requests int           // at work at once: 64
	Conns    int           // open at once: 256
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Header: cmp.Or(l.Header, 5*time.Second), Whole: cmp.Or(l.Whole, 10*time.Second), Idle: cmp.Or(l.Idle, 30*time.Second),
		Requests: cmp.Or(l.Requests, 64), Conns: cmp.Or(l.Conns, 256),
	}
}

// maxFailing is how many addresses are remembered at once.
const maxFailing = 4096

// failures counts the requests of each address that were refused. Those that are proven
// cost nothing, so that a burst of a registry's is never held up.
type failures struct {
	mu     sync.Mutex
	limit  float64 // in a minute
	counts map[netip.Addr]count
}

// count is how many failures are not forgotten yet, at a time.
type count struct {
	n  float64
	at time.Time
}

func newFailures(limit int) *failures {
	return &failures{limit: float64(limit), counts: map[netip.Addr]count{}}
}

// exhausted tells that an address has failed too often of late.
func (f *failures) exhausted(a netip.Addr, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.left(network(a), now) > f.limit-1
}

// add notes a failure, and tells whether it was one too many.
func (f *failures) add(a netip.Addr, now time.Time) (exhausted bool) {
	if !a.IsValid() { // a local socket
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a = network(a)
	if _, there := f.counts[a]; !there && len(f.counts) >= maxFailing {
		f.forget(now)
	}
	n := f.left(a, now)
	f.counts[a] = count{n + 1, now}
	return n <= f.limit-1 && n+1 > f.limit-1
}

// left is how many failures of an address are not forgotten: limit of them are, a minute.
func (f *failures) left(a netip.Addr, now time.Time) float64 {
	c := f.counts[a]
	return max(0, c.n-f.limit*now.Sub(c.at).Minutes())
}

// looked is how many addresses are looked at to make room for one.
const looked = 64

// forget makes room: of some addresses, by chance, the one that has failed least goes.
func (f *failures) forget(now time.Time) {
	var least netip.Addr
	fewest, n := math.Inf(1), 0
	for a := range f.counts {
		if left := f.left(a, now); left < fewest {
			least, fewest = a, left
		}
		if n++; n == looked {
			break
		}
	}
	delete(f.counts, least)
}

// network is what one client has at its command: of IPv6 a network of 64 bits.
func network(a netip.Addr) netip.Addr {
	if a.Is6() {
		if prefix, err := a.Prefix(64); err == nil {
			return prefix.Addr()
		}
	}
	return a
}

// limitedListener lets no more than so many connections be open at once; further ones
// wait before the door.
type limitedListener struct {
	net.Listener
	open   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func limit(l net.Listener, n int) net.Listener {
	return &limitedListener{Listener: l, open: make(chan struct{}, n), closed: make(chan struct{})}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.open <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.open
		return nil, err
	}
	return &limitedConn{Conn: conn, release: sync.OnceFunc(func() { <-l.open })}, nil
}

func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
