// Package fleet is the engine for a cluster that is run by fleet: it speaks to
// fleetd's API, version 1, of 0.11 as well as of 1.0.
//
// fleet stores a unit as a list of options, starts it on some machine, and says
// what became of it with some seconds' delay. It has no transactions, no locks and
// no history, and takes units that stop a machine's agent for good. So the engine
// refuses those before anything is sent, reads a unit before and after each
// change, changes one unit of a machine at a time, and never takes silence for an
// answer.
package fleet

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/unitstamp/unitstamp/pkg/plan"
)

// How fast fleet is. All are measured on 1.0.0 and 0.11.8.
const (
	// settled is how long a unit that was replaced may look as if it had failed
	// or ended while its agent is still at work on it: the agent looks every 5
	// seconds, and can trip once over a unit that stopped at once.
	settled = 8 * time.Second
	// settledNew is the same for a unit that was not there before.
	settledNew = 1500 * time.Millisecond
	// unplaced is how long a unit may be without a machine.
	unplaced = 10 * time.Second
	// lease is how long fleet remembers what it has not heard of again. Silence
	// that lasts longer means something.
	lease = 30 * time.Second
	// poll is how often a unit is looked at.
	poll = 500 * time.Millisecond
	// crashing is how long a unit may be waiting to be restarted by systemd.
	crashing = 20 * time.Second
)

// An Engine changes the units of one cluster.
type Engine struct {
	owner    string
	endpoint string
	api      *client

	mu sync.Mutex
	// what the last look at the cluster saw
	units    map[string]apiUnit
	machines map[string]machine
	watched  bool // states have been seen since the run began
	// shown are the bytes that a version of a unit was shown as, so that the same
	// version is always the same bytes.
	shown map[version]plan.File
	// changes are those under way, by unit.
	changes map[string]*change
	// updating are the machines that a unit is being updated on.
	updating machineLocks
	// deleting has a place for each deletion under way.
	deleting chan struct{}
}

// version is a unit's options.
type version struct{ unit, hash string }

// A change is what is known of a unit that this run has begun to change.
type change struct {
	before *apiUnit // nil if it was not there
	sent   apiUnit  // what it was to become
	goal   apiUnit  // what it is to come to now: that, or what was before
	along  []string // units that went down with it
}

// Open makes an engine for the cluster behind an endpoint, unix:///PATH or
// http://HOST:PORT, and owner's units on it. It connects to nothing yet. The only
// error is ErrEndpoint.
func Open(endpoint, owner string) (*Engine, error) {
	api, err := newClient(endpoint)
	if err != nil {
		return nil, err
	}
	return open(api, endpoint, owner), nil
}

func open(api *client, endpoint, owner string) *Engine {
	return &Engine{
		owner: owner, endpoint: endpoint, api: api,
		shown: map[version]plan.File{}, changes: map[string]*change{}, updating: machineLocks{held: map[string]bool{}},
		deleting: make(chan struct{}, deletions),
	}
}

// Close lets go of the connections.
func (e *Engine) Close() {
	if transport, ok := e.api.http.Transport.(*http.Transport); ok {
		transport.CloseIdleConnections()
	}
}

// Commit ends the changes of the steps: what is there now is what they would go
// back to. Nothing is recorded: a unit carries its owner itself.
func (e *Engine) Commit(steps []*plan.Step) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range steps {
		delete(e.changes, s.Unit)
	}
	return nil
}

// machineLocks keep two updates off one machine.
type machineLocks struct {
	mu   sync.Mutex
	held map[string]bool
}

// take waits until all machines are free and holds them.
func (l *machineLocks) take(ctx context.Context, machines []string) (release func(), err error) {
	for {
		if l.try(machines) {
			return func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				for _, m := range machines {
					delete(l.held, m)
				}
			}, nil
		}
		if err := sleep(ctx, poll/5); err != nil {
			return nil, err
		}
	}
}

func (l *machineLocks) try(machines []string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range machines {
		if l.held[m] {
			return false
		}
	}
	for _, m := range machines {
		l.held[m] = true
	}
	return true
}
