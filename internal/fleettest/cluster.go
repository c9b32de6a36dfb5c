// Package fleettest is a cluster run by fleet, simulated: the API as fleetd 0.11.8
// and 1.0 serve it, and behind it machines whose agents take their time, as was
// measured on two nodes. It is for tests only.
//
// Nothing runs in the background: each request first lets everything happen that
// was due by then.
package fleettest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// The two generations of the server. The old one, which CoreOS shipped, never
// replaces the options of a unit.
const (
	Old = "0.11.8"
	New = "1.0.0"
)

// Options are what a cluster is like; the zero value is one of two machines that
// runs the new version.
type Options struct {
	Version  string
	Machines []Machine
	// TokenLimit is how many entries a page has; 0 is 100.
	TokenLimit uint16
	// Second is how long a second takes; 0 is a second.
	Second time.Duration
	// Seed makes the delays, each within what was measured.
	Seed uint64
	Now  func() time.Time
}

// A Machine is one node.
type Machine struct {
	ID       string            `json:"id,omitempty"`
	IP       string            `json:"primaryIP,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Machines are the two nodes that a cluster has unless told otherwise.
func Machines() []Machine {
	return []Machine{
		{"11111111111111111111111111111111", "10.88.0.1", map[string]string{"node": "n1"}},
		{"22222222222222222222222222222222", "10.88.0.2", map[string]string{"node": "n2"}},
	}
}

// A Cluster is an http.Handler, and an http.RoundTripper for clients in the same
// program.
type Cluster struct {
	opts Options

	mu       sync.Mutex
	now      time.Time // up to when everything has happened
	born     time.Time
	rand     *rand.Rand
	phases   *rand.Rand
	events   []event
	seq      int
	units    map[string]*unit
	machines []*node
	poisoned map[string]bool
	beats    map[string]string // the machine that says it has a unit launched, by unit
	contents map[string]bool   // hashes of all unit files ever stored: etcd keeps them
	log      []Request
	faults   []string
	failing  []fault
	hooks    []hook
	server   *string // what it calls itself, nil for the truth

	etcdDown, etcdUp time.Time // when the last outage began, and ended
}

// A node is a machine with what its agent has loaded.
type node struct {
	Machine
	loaded map[string]*instance
	deaf   bool // the agent does nothing
	stuck  bool // the agent stumbles over a template at each look
	missed []string
	// left are the files in fleet's folder that the agent does not get rid of.
	left    map[string]bool
	journal []string
	phase   float64 // of its heartbeats, in seconds

	away  bool // fleetd does not run
	stops int
	gone  bool                 // so long that the cluster has forgotten the machine
	last  map[string]UnitState // what it said last, as long as the cluster remembers
}

func newNode(m Machine, phase float64) *node {
	return &node{Machine: m, loaded: map[string]*instance{}, left: map[string]bool{}, phase: phase}
}

// A unit is what the registry holds of one.
type unit struct {
	name    string
	options []option
	hash    string
	again   int // how often it was replaced by the very same
	desired string
	machine string // where it is scheduled, "" for nowhere
	waiting bool   // for a machine
}

// event is something that will happen.
type event struct {
	at  time.Time
	seq int
	do  func()
}

// NewCluster makes a cluster.
func NewCluster(opts Options) *Cluster {
	if opts.Version == "" {
		opts.Version = New
	}
	if opts.Machines == nil {
		opts.Machines = Machines()
	}
	if opts.TokenLimit == 0 {
		opts.TokenLimit = 100
	}
	if opts.Second == 0 {
		opts.Second = time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &Cluster{
		opts: opts, now: opts.Now(), rand: rand.New(rand.NewPCG(opts.Seed, 1)),
		units: map[string]*unit{}, poisoned: map[string]bool{}, beats: map[string]string{}, contents: map[string]bool{},
	}
	c.born = c.now
	c.phases = rand.New(rand.NewPCG(opts.Seed, 2))
	for _, m := range opts.Machines {
		c.machines = append(c.machines, newNode(m, c.phases.Float64()*beat))
	}
	return c
}

// after plans something for some seconds from the moment at hand.
func (c *Cluster) after(seconds float64, do func()) {
	c.seq++
	e := event{c.now.Add(time.Duration(seconds * float64(c.opts.Second))), c.seq, do}
	i, _ := slices.BinarySearchFunc(c.events, e, func(a, b event) int {
		if n := a.at.Compare(b.at); n != 0 {
			return n
		}
		return a.seq - b.seq
	})
	c.events = slices.Insert(c.events, i, e)
}

// between draws a number of seconds.
func (c *Cluster) between(low, high float64) float64 { return low + c.rand.Float64()*(high-low) }

// advance lets everything happen that is due.
func (c *Cluster) advance() {
	now := c.opts.Now()
	for len(c.events) > 0 && !c.events[0].at.After(now) {
		e := c.events[0]
		c.events = c.events[1:]
		c.now = e.at
		e.do()
	}
	c.now = now
}

// since is how many of its seconds have passed in the cluster.
func (c *Cluster) since(t time.Time) float64 { return float64(c.now.Sub(t)) / float64(c.opts.Second) }

func (c *Cluster) node(id string) *node {
	for _, m := range c.machines {
		if m.ID == id {
			return m
		}
	}
	return nil
}

// locked runs do when everything due has happened.
func (c *Cluster) locked(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	do()
}

// SetEtcd breaks the store, or mends it. For 20 seconds of an outage requests
// end with 500, then with 503; for 12 seconds after it no state is known.
func (c *Cluster) SetEtcd(up bool) {
	c.locked(func() {
		if up {
			c.etcdUp = c.now
		} else {
			c.etcdDown, c.etcdUp = c.now, time.Time{}
		}
	})
}

// Block makes the agent of a machine deaf, or lets it hear again.
func (c *Cluster) Block(id string, blocked bool) {
	c.locked(func() {
		m := c.node(id)
		m.deaf = blocked
		if !blocked {
			c.catchUp(m)
		}
	})
}

// catchUp has an agent look at what it has missed.
func (c *Cluster) catchUp(m *node) {
	for _, name := range m.missed {
		c.notice(m, name, 0.2, 5)
	}
	m.missed = nil
}

// SetMachines replaces the machines that are known; what runs on those that stay
// goes on, what ran on others is scheduled anew.
func (c *Cluster) SetMachines(machines []Machine) {
	c.locked(func() {
		var next []*node
		for _, m := range machines {
			n := c.node(m.ID)
			if n == nil {
				n = newNode(m, c.phases.Float64()*beat)
			}
			n.Machine = m
			next = append(next, n)
		}
		c.machines = next
		for _, name := range c.names() {
			u := c.units[name]
			if c.node(u.machine) == nil {
				u.machine = ""
			}
			c.settle(u)
		}
	})
}

// Forget drops the state records of a unit for so many seconds, as a race of the
// publisher does now and then.
func (c *Cluster) Forget(name string, seconds float64) {
	c.locked(func() {
		for _, m := range c.machines {
			if i := m.loaded[name]; i != nil {
				i.hidden = true
				c.after(seconds, func() { i.hidden = false })
			}
		}
	})
}

// Kill ends the program of a unit on all machines: it has failed.
func (c *Cluster) Kill(name string) {
	c.locked(func() {
		for _, m := range c.machines {
			if i := m.loaded[name]; i != nil {
				i.gen++
				i.active, i.sub = "failed", "failed"
			}
		}
	})
}

// A fault spoils requests.
type fault struct {
	method, path string
	carriedOut   bool
	status       int
}

// hook is something to do after a request.
type hook struct {
	method, path string
	do           func()
}

// Fail spoils the next request of that method and path: it gets that status, or
// with 0 no answer at all, and is carried out nevertheless, or not.
func (c *Cluster) Fail(method, path string, status int, carriedOut bool) {
	c.locked(func() { c.failing = append(c.failing, fault{method, path, carriedOut, status}) })
}

// A Request is one that was made.
type Request struct {
	Method, Path, Query, Body string
	Status                    int // 0 for none
}

// Requests are all that were made, in order.
func (c *Cluster) Requests() (log []Request) {
	c.locked(func() { log = slices.Clone(c.log) })
	return log
}

// Faults are the things that a careful client does not do, with the request that
// did them: what wedges an agent, poisons a unit, restarts for nothing, or takes
// down two units of a machine at once.
func (c *Cluster) Faults() (faults []string) {
	c.locked(func() { faults = slices.Clone(c.faults) })
	return faults
}

// Forgive forgets the faults so far.
func (c *Cluster) Forgive() { c.locked(func() { c.faults = nil }) }

// Say makes the server call itself something else, "" for nothing.
func (c *Cluster) Say(server string) { c.locked(func() { c.server = &server }) }

// After has something done when the next request of that method and path has been
// carried out, before it is answered.
func (c *Cluster) After(method, path string, do func()) {
	c.locked(func() { c.hooks = append(c.hooks, hook{method, path, do}) })
}
