package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// attempts is how often a write is sent at most, each time after a look that
// showed that the one before had come to nothing.
const attempts = 3

// read reads a unit as it is now, nil if it is not there. It tells an outage from
// a unit that was poisoned by a state which there is not: fleet answers 500 for
// that one alone, for ever.
func (e *Engine) read(ctx context.Context, name string) (*apiUnit, error) {
	look := func(ctx context.Context) (*apiUnit, error) { return e.api.unit(ctx, name) }
	u, err := patient(ctx, lookPatience, look)
	var miss *lost
	if !errors.As(err, &miss) {
		return u, err
	}
	if miss.status == http.StatusInternalServerError {
		if _, other := e.api.machines(ctx); other == nil {
			return nil, fmt.Errorf("fleet answers 500 for this unit alone: somebody gave it a state that there is not, "+
				"and only removing /_coreos.com/fleet/job/%s from etcd helps", name)
		}
	}
	return patient(ctx, workPatience-lookPatience, look)
}

// send brings a unit to the options and state given; old is what is there, nil for
// nothing. It has happened when it returns: the unit was read back.
func (e *Engine) send(ctx context.Context, want apiUnit, old *apiUnit) error {
	if old != nil && !e.api.replaces() {
		return e.resend(ctx, want)
	}
	status, err := e.put(ctx, want, old)
	if err != nil {
		return err
	}
	now, err := e.read(ctx, want.Name)
	if err != nil {
		return err
	}
	switch {
	case now == nil:
		return errors.New("somebody else has removed it in this moment")
	case slices.Equal(now.options(), want.options()) && now.DesiredState == want.DesiredState:
		return nil
	case slices.Equal(now.options().joined(), want.options().joined()) && now.DesiredState == want.DesiredState:
		return nil // an old server keeps no continued lines
	case status == http.StatusNoContent && old != nil && slices.Equal(now.options(), old.options()):
		return e.resend(ctx, want) // an old server takes the state and passes over the options
	}
	return errors.New("somebody else has changed it in this moment: what fleet holds is not what was sent")
}

// resend is how an old server is given other options: the unit is deleted, and put
// again when no machine has it any more.
func (e *Engine) resend(ctx context.Context, want apiUnit) error {
	if err := e.destroy(ctx, want.Name); err != nil {
		return err
	}
	err := e.send(ctx, want, nil)
	var no *refusal
	if errors.As(err, &no) {
		return apply.Unitf("%s", no.Error()) // the old unit is gone all the same
	}
	return err
}

// setState sets the state of a unit alone; now is the unit as it is.
func (e *Engine) setState(ctx context.Context, now *apiUnit, state string) error {
	_, err := e.put(ctx, apiUnit{Name: now.Name, DesiredState: state}, now)
	return err
}

// put sends a unit; old is what is there, nil for nothing. A request without a good
// answer is not simply repeated: first a look shows what became of it, and whether
// somebody else has been there.
func (e *Engine) put(ctx context.Context, want apiUnit, old *apiUnit) (int, error) {
	if err := sane(want); err != nil {
		return 0, err
	}
	for n := 1; ; n++ {
		status, err := e.api.put(ctx, want)
		var miss *lost
		if !errors.As(err, &miss) {
			return status, err
		}
		// it may still be under way
		for pause := range 2 {
			if err := sleep(ctx, time.Duration(pause)*4*poll); err != nil {
				return 0, err
			}
			now, look := e.read(ctx, want.Name)
			if look != nil {
				return 0, look
			}
			if now != nil && now.DesiredState == want.DesiredState &&
				(len(want.Options) == 0 || slices.Equal(now.options(), want.options())) {
				return http.StatusCreated, nil
			}
			if !now.holds(old) && !now.holds(&want) {
				return 0, errors.New("somebody else has changed it in this moment, it is left as it is")
			}
		}
		if n == attempts {
			return 0, err
		}
	}
}

// holds reports whether a unit is there, or not there, with the options of another.
func (u *apiUnit) holds(other *apiUnit) bool {
	if u == nil || other == nil {
		return u == other
	}
	return slices.Equal(u.options(), other.options())
}

// sane is the last look at what is sent: fleet takes some things that nobody can
// put right again through its API.
func sane(u apiUnit) error {
	switch {
	case !slices.Contains([]string{inactive, loaded, launched}, u.DesiredState):
		return fmt.Errorf("%q is no state of a unit", u.DesiredState)
	case unitname.IsTemplate(u.Name) && u.DesiredState != inactive:
		return errors.New("a template cannot be started")
	}
	return nil
}

// destroy deletes a unit and waits until it is gone from everywhere.
func (e *Engine) destroy(ctx context.Context, name string) error {
	select {
	case e.deleting <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-e.deleting }()
	for n := 1; ; n++ {
		err := e.api.destroy(ctx, name)
		if err == nil {
			break
		}
		var miss *lost
		if !errors.As(err, &miss) {
			return err
		}
		now, look := e.read(ctx, name)
		if look != nil {
			return look
		}
		if now == nil {
			break
		}
		if n == attempts {
			return err
		}
	}
	if err := e.gone(ctx, name, stopPatience); err != nil {
		return err
	}
	now, err := e.read(ctx, name)
	if err == nil && now != nil {
		err = errors.New("somebody else has put it there again in this moment")
	}
	return err
}

// A blocked error tells that a machine does not let go of a unit.
type blocked struct{ text string }

func (b *blocked) Error() string { return b.text }

// gone waits until no machine has a unit loaded any more; after patience the error
// is *blocked.
func (e *Engine) gone(ctx context.Context, name string, patience time.Duration) error {
	began := time.Now()
	for {
		states, err := e.records(ctx, name)
		if err != nil || len(states) == 0 {
			return err
		}
		if time.Since(began) > patience {
			for at, s := range states {
				return &blocked{fmt.Sprintf("%s still has it after %v (%s/%s): its agent is blocked",
					machineName(e.knownMachines(), at.machine), patience, s.Active, s.Sub)}
			}
		}
		if err := sleep(ctx, poll); err != nil {
			return err
		}
	}
}

// records reads the states of a unit. None so soon after an outage of etcd means
// nothing, and is waited out.
func (e *Engine) records(ctx context.Context, name string) (map[place]unitState, error) {
	for {
		states, err := patient(ctx, workPatience, func(ctx context.Context) (map[place]unitState, error) { return e.api.states(ctx, name) })
		if err != nil || len(states) > 0 || !e.api.blind() {
			return states, err
		}
		if err := sleep(ctx, 2*poll); err != nil {
			return nil, err
		}
	}
}

// on are the machines that a unit is to be on, as far as they are known, sorted.
func (e *Engine) on(u *apiUnit) []string {
	r := requirementsOf(u.Name, u.options())
	switch {
	case !r.global && u.MachineID == "":
		return nil
	case !r.global:
		return []string{u.MachineID}
	}
	var on []string
	machines := e.knownMachines()
	for _, id := range slices.Sorted(maps.Keys(machines)) {
		if r.takes(machines[id]) {
			on = append(on, id)
		}
	}
	return on
}

func (e *Engine) knownMachines() map[string]machine {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.machines
}
