package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// An expectation is what a unit is to come to.
type expectation struct {
	unit    string
	hash    string
	desired string
	fresh   bool // nothing older of it runs
	idle    bool // it is loaded on machines and only to be started there
	leaves  bool // its file would stay on the machine if systemd cannot load it
	ends    bool // a oneshot: it is well when it has ended
	needs   requirements
	limit   time.Duration // of the unit itself, 0 for none
}

// expect is what to wait for after a unit was sent.
func (e *Engine) expect(u apiUnit, fresh bool) expectation {
	o := u.options()
	remains := slices.Contains([]string{"yes", "true", "1", "on", "y", "t"}, strings.ToLower(o.last("Service", "RemainAfterExit")))
	return expectation{
		unit: u.Name, hash: o.hash(), desired: u.DesiredState, fresh: fresh, leaves: fresh && e.api.keepsFiles(),
		ends:  unitname.Kind(u.Name) == "service" && o.last("Service", "Type") == "oneshot" && !remains,
		needs: requirementsOf(u.Name, o),
		limit: startTime(o),
	}
}

// startTime is how long a unit may take by its own word: systemd's default if it
// says nothing, 0 for no limit or one that is not understood.
func startTime(o options) time.Duration {
	value := o.last("Service", "TimeoutStartSec")
	if value == "" {
		value = o.last("Service", "TimeoutSec")
	}
	if value == "" {
		if o.last("Service", "Type") == "oneshot" {
			return 0
		}
		return 90 * time.Second
	}
	if n, err := strconv.ParseFloat(value, 64); err == nil && n < 1e9 { // not infinity
		return time.Duration(n * float64(time.Second))
	}
	d, err := time.ParseDuration(strings.NewReplacer(" ", "", "min", "m", "sec", "s").Replace(value))
	if err != nil {
		return 0
	}
	return d
}

// patience is how long a unit is waited for: what the user gave, or else at least a
// minute more than the unit itself may take. 0 is for ever.
func (w expectation) patience(limits apply.Limits) time.Duration {
	if w.limit == 0 || limits.Timeout > 0 && !limits.Usual {
		return limits.Timeout
	}
	return max(limits.Timeout, time.Minute+w.limit)
}

// phase is how far a unit has come.
type phase int

const (
	coming phase = iota // it is on its way
	silent              // nothing is known of it
	stale               // an older version of it runs
	ended               // it has ended well, or is about to begin
	unsaid              // it has not been started, as far as is known
	wrong               // it failed, if that lasts
	restarting
	up
)

// A sight is one look at a unit.
type sight struct {
	phase   phase
	text    string   // what is the matter, with the machine
	more    string   // what is to be told after that
	plain   string   // systemd's words alone, with the machine
	doubt   bool     // that it was started with these options is not said
	machine string   // where that is, "" for no machine at all
	on      []string // where it is to be
}

// sight sees how far a unit has come: on the machine that is the furthest behind.
func (e *Engine) sight(ctx context.Context, w expectation) (sight, error) {
	states, err := e.api.states(ctx, w.unit)
	if err != nil {
		return sight{}, err
	}
	machines := e.knownMachines()
	var on []string
	current := launched
	switch {
	case w.needs.global:
		if machines, err = e.api.machines(ctx); err != nil {
			return sight{}, err
		}
		for _, id := range slices.Sorted(maps.Keys(machines)) {
			if w.needs.takes(machines[id]) {
				on = append(on, id)
			}
		}
	default:
		resting := false
		for _, s := range states {
			resting = resting || s.Active == inactive || s.Active == "failed"
		}
		if len(states) != 1 || resting {
			u, err := e.api.unit(ctx, w.unit)
			if err != nil {
				return sight{}, err
			}
			if u == nil {
				return sight{}, errors.New("somebody else has removed it")
			}
			current = u.CurrentState
			if u.MachineID != "" {
				on = []string{u.MachineID}
			}
		} else {
			for at := range states {
				on = []string{at.machine}
			}
		}
	}
	if len(on) == 0 {
		return sight{phase: silent, text: "no machine takes it"}, nil
	}
	worst := sight{phase: up}
	for _, id := range on {
		s := sight{phase: silent, text: "nothing is known of it", machine: id}
		if state, known := states[place{w.unit, id}]; known {
			s = judge(w, state, current)
		}
		s.text += " on " + machineName(machines, id) + s.more
		s.plain += " on " + machineName(machines, id)
		if rank(s.phase) > rank(worst.phase) {
			worst = s
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(states), comparePlaces) {
		if !slices.Contains(on, at.machine) && rank(worst.phase) < rank(coming) {
			text := "the version before is still on "
			if states[at].Hash == w.hash {
				text = "it has not gone yet from "
			}
			worst = sight{phase: coming, text: text + machineName(machines, at.machine), machine: at.machine}
		}
	}
	worst.on = on
	return worst, nil
}

// rank orders phases: a failure counts more than what is still on its way.
func rank(p phase) int {
	return slices.Index([]phase{up, ended, coming, silent, stale, restarting, wrong}, p)
}

// judge tells what a record of a unit on a machine means.
func judge(w expectation, s unitState, current string) sight {
	text := s.Active + "/" + s.Sub
	at := func(p phase) sight {
		return sight{phase: p, text: text, machine: s.MachineID, plain: s.Active + "/" + s.Sub, doubt: (p == ended || p == wrong) && current != launched}
	}
	switch {
	case s.Hash != w.hash:
		text = "the version before is " + text
		return at(stale)
	case s.Load != "loaded":
		text = "systemd cannot load it: " + s.Load
		seen := at(wrong)
		if s.Load == badSetting && w.leaves {
			seen.more = ", and " + leftover(w.unit, "there")
		}
		return seen
	case w.desired == loaded && s.Active != "active" && s.Active != "activating" && s.Active != "deactivating":
		return at(up)
	case w.desired == loaded:
		return at(coming)
	case s.Active == "active", s.Active == "reloading":
		return at(up)
	case s.Sub == "auto-restart":
		text += ": it does not stay up, systemd restarts it again and again"
		return at(restarting)
	case s.Active == "failed":
		return at(wrong)
	case s.Active == inactive && w.ends:
		return at(ended)
	case s.Active == inactive:
		text = "it has ended: " + text
		return at(wrong)
	}
	return at(coming)
}

// A progress is what the looks at a unit so far come to.
type progress struct {
	expectation
	bear    time.Duration // how long a failure has to last to be one
	last    sight
	since   time.Time // when the last phase began
	calm    time.Time // from when on silence counts
	started bool      // it was said to have been started
}

// see takes in one more look. It reports whether the unit has come to what is expected
// of it, or why it will not: a *apply.UnitError if that is its own fault, *blocked if an
// agent does nothing.
func (p *progress) see(s sight, now time.Time) (done bool, err error) {
	// An agent may be slow to start what it has loaded. But that a unit was started is
	// also forgotten for up to 24 seconds, when the agent of another machine lets go of
	// a unit of that name.
	resting := s.phase == ended || s.phase == wrong
	p.started = resting && (!s.doubt || p.started && s.machine == p.last.machine)
	if resting && !p.started {
		s.phase, s.text = unsaid, s.plain+": fleet does not say that it was started"
	}
	if s.phase != p.last.phase || s.machine != p.last.machine {
		p.since = now
	}
	p.last = s
	lasted := now.Sub(p.since)
	quiet := min(lasted, now.Sub(p.calm))
	switch {
	case s.phase == up, s.phase == ended && lasted >= p.bear:
		return true, nil
	case s.phase == wrong && lasted >= p.bear, s.phase == restarting && lasted >= crashing:
		return false, apply.Unitf("%s", s.text)
	case s.phase == silent && s.machine == "" && quiet >= unplaced:
		return false, apply.Unitf("%s: %s", s.text, p.needs.text())
	case (s.phase == silent || s.phase == stale || s.phase == unsaid) && s.machine != "" && quiet >= lease:
		return false, &blocked{fmt.Sprintf("%s, for %v: the agent there is blocked", s.text, lease)}
	}
	return false, nil
}

// lose takes in a look that came to nothing: an outage says nothing about the unit, and
// for a while after it fleet knows nothing.
func (p *progress) lose(now time.Time) {
	p.calm, p.last = now.Add(lease/2), sight{phase: -1}
}

// await waits until a unit has come to what is expected of it, and tells apart why
// it does not: it fails, no machine takes it, or the agent of its machine is deaf.
func (e *Engine) await(ctx context.Context, w expectation, limits apply.Limits) error {
	if w.desired == inactive {
		return nil
	}
	timeout := w.patience(limits)
	began := time.Now()
	p := progress{expectation: w, bear: settled, calm: began, last: sight{phase: -1}}
	switch {
	case w.idle && w.needs.global: // of such fleet never says that they were started
		p.bear = lease
	case w.fresh:
		p.bear = settledNew
	}
	for pause := poll / 5; ; pause = min(2*pause, poll) {
		s, err := e.sight(ctx, w)
		now := time.Now()
		var miss *lost
		switch {
		case errors.As(err, &miss):
			p.lose(now)
			if timeout > 0 && now.Sub(began) > timeout || now.Sub(began) > workPatience && timeout == 0 {
				return err
			}
		case err != nil:
			return err
		default:
			done, err := p.see(s, now)
			var deaf *blocked
			switch {
			case done:
				return nil
			case errors.As(err, &deaf) && !e.present(ctx, s.machine):
				// its fleetd is away: it will be moved
			case err != nil:
				return err
			case timeout > 0 && now.Sub(began) >= timeout:
				return apply.Unitf("not up within %v: %s", timeout, p.last.text)
			}
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// text is what a unit asks of its machine, for people.
func (r requirements) text() string {
	var parts []string
	if r.machine != "" {
		parts = append(parts, "MachineID="+r.machine)
	}
	for _, peer := range r.peers {
		parts = append(parts, "MachineOf="+peer)
	}
	for _, key := range slices.Sorted(maps.Keys(r.metadata)) {
		parts = append(parts, "MachineMetadata="+key+"="+strings.Join(r.metadata[key], "|"))
	}
	for _, glob := range r.conflicts {
		parts = append(parts, "Conflicts="+glob)
	}
	if len(parts) == 0 {
		return "the units that are there may conflict with it, or the engine of fleet is blocked"
	}
	return strings.Join(parts, ", ")
}
