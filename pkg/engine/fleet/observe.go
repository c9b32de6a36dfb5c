package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// Observe reads the whole cluster: machines, units, states. A unit that is the
// same as the wanted one, but for its mark, is shown as the wanted bytes; others as
// fleet would write their file. A cluster without machines, or one that knows of
// units and of no state, is taken for a fault of fleet's and not for how things
// are. What is not known of a single unit is waited for, and then told as unknown.
func (e *Engine) Observe(ctx context.Context, wanted []plan.Unit) (*plan.Observed, error) {
	names := map[string]bool{}
	for _, u := range wanted {
		names[u.Name] = true
	}
	units, states, machines, err := e.look(ctx, func(u *apiUnit) bool {
		return names[u.Name] || u.options().owner(u.Name) == e.owner
	})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.units, e.machines = units, machines
	e.mu.Unlock()
	if err := e.placeable(wanted, units, machines); err != nil {
		return nil, err
	}

	o := &plan.Observed{
		Files: plan.Files{}, Owned: map[string]plan.Entry{}, Others: map[string]string{}, States: map[string]plan.State{},
		Running: true, Replaces: true,
	}
	byUnit := map[string][]unitState{}
	for _, at := range slices.SortedFunc(maps.Keys(states), comparePlaces) {
		byUnit[at.unit] = append(byUnit[at.unit], states[at])
	}
	note := func(name string, want *plan.File) {
		u, there := units[name]
		if !there {
			return
		}
		file := e.show(&u, want)
		o.Files[name] = file
		o.States[name] = e.stateOf(&u, byUnit[name], machines)
		switch owner := u.options().owner(name); owner {
		case e.owner:
			o.Owned[name] = plan.Entry{Unit: name, Files: map[string]string{name: plan.Sum(file)}}
		case "":
		default:
			o.Others[name] = owner
		}
	}
	for _, u := range wanted {
		if file, there := u.Files[u.Name]; there {
			note(u.Name, &file)
		}
	}
	for name, u := range units {
		if _, seen := o.Files[name]; !seen && u.options().owner(name) == e.owner {
			note(name, nil)
		}
	}
	return o, nil
}

// patience is how long a look at the cluster bears with a fleet that cannot answer.
func (e *Engine) patience() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.changes) > 0 {
		return workPatience
	}
	return lookPatience
}

func comparePlaces(a, b place) int {
	if n := strings.Compare(a.unit, b.unit); n != 0 {
		return n
	}
	return strings.Compare(a.machine, b.machine)
}

// look reads machines, units and states. For some seconds after etcd was away fleet
// knows the units and none of their states, and for up to 24 seconds after a fleetd was
// started it may not know that of one of its units: as long as something is missing of
// the units that matter that may yet come, it is waited for, once in a run.
func (e *Engine) look(ctx context.Context, matters func(*apiUnit) bool) (map[string]apiUnit, map[place]unitState, map[string]machine, error) {
	began := time.Now()
	for pause := poll; ; pause = min(2*pause, lease/6) {
		machines, err := patient(ctx, e.patience(), e.api.machines)
		if err != nil {
			return nil, nil, nil, err
		}
		if len(machines) == 0 {
			return nil, nil, nil, errors.New("fleet knows of no machine: the cluster, or etcd, is down")
		}
		units, err := patient(ctx, e.patience(), e.api.units)
		if err != nil {
			return nil, nil, nil, err
		}
		states, err := patient(ctx, e.patience(), func(ctx context.Context) (map[place]unitState, error) { return e.api.states(ctx, "") })
		if err != nil {
			return nil, nil, nil, err
		}
		meant, worth := 0, time.Duration(0)
		for _, u := range units {
			if u.DesiredState != inactive {
				meant++
			}
			if matters(&u) {
				worth = max(worth, untold(&u, states, machines))
			}
		}
		none := len(states) == 0 && meant > 0
		if none {
			worth = lease
		}
		left := worth - time.Since(began)
		if e.watched || left <= 0 {
			if none && !e.watched {
				return nil, nil, nil, fmt.Errorf("fleet knows of no state of any unit for %v, although %d are to run: "+
					"the agents do not reach etcd, or no machine takes any of them", lease, meant)
			}
			e.watched = true
			return units, states, machines, nil
		}
		if err := sleep(ctx, min(pause, left)); err != nil {
			return nil, nil, nil, err
		}
	}
}

// show is a unit as the bytes of a file, the same for the same options as long as
// the engine lives.
func (e *Engine) show(u *apiUnit, want *plan.File) plan.File {
	held := u.options()
	v := version{u.Name, held.hash()}
	e.mu.Lock()
	defer e.mu.Unlock()
	if file, known := e.shown[v]; known {
		return file
	}
	file := plan.File{Data: held.unmarked().serialise()}
	if want != nil && held.owner(u.Name) == e.owner {
		if o, err := normalise(u.Name, want.Data); err == nil && held.same(o.marked(u.Name, e.owner)) {
			file = *want
		}
	}
	e.shown[v] = file
	return file
}

// placeable refuses wanted units that no machine of the cluster can take, unless
// they are there already with the same wishes: then it is the machine that is away.
func (e *Engine) placeable(wanted []plan.Unit, units map[string]apiUnit, machines map[string]machine) error {
	known := func(name string) bool {
		_, there := units[name]
		return there || slices.ContainsFunc(wanted, func(u plan.Unit) bool { return u.Name == name })
	}
	for _, u := range wanted {
		if len(u.Files[u.Name].Data) == 0 || unitname.IsTemplate(u.Name) {
			continue
		}
		o, err := normalise(u.Name, u.Files[u.Name].Data)
		if err != nil {
			return err
		}
		r := requirementsOf(u.Name, o)
		if held, there := units[u.Name]; there && (held.options().unmarked().same(o) ||
			reflect.DeepEqual(requirementsOf(u.Name, held.options()), r) && r.alone(known) == "") {
			continue
		}
		if r.global && len(r.conflicts) > 0 && !e.api.replaces() {
			return &plan.InputError{Path: u.Name, Err: errors.New("[X-Fleet] Conflicts= cannot be used with Global= before fleet 0.13")}
		}
		if why := r.hopeless(machines, known); why != "" {
			return &plan.InputError{Path: u.Name, Err: errors.New("[X-Fleet] " + why), Hint: "fleetctl list-machines shows the machines and their metadata"}
		}
	}
	return nil
}

// stateOf puts the records of a unit on its machines together: the worst counts. Of a
// unit that has one machine only the record there counts; where else it is, is noted.
func (e *Engine) stateOf(u *apiUnit, records []unitState, machines map[string]machine) plan.State {
	state := plan.State{Load: "loaded", Active: inactive, Sub: "dead"}
	r := requirementsOf(u.Name, u.options())
	if !r.global {
		records, state.Note = home(u, records, machines)
	}
	hash := u.options().hash()
	worst := -1
	seen := map[string]bool{}
	for _, r := range records {
		seen[r.MachineID] = true
		state.NeedReload = state.NeedReload || r.Hash != hash
		if n := badness(r); n > worst {
			worst = n
			state.Load, state.Active, state.Sub = r.Load, r.Active, r.Sub
			state.Idle = ""
			switch {
			case r.Load != "loaded":
				state.Idle = "systemd on " + machineName(machines, r.MachineID) + " cannot load it: " + r.Load
				if r.Load == badSetting && e.api.keepsFiles() {
					state.Note = leftover(u.Name, "on "+machineName(machines, r.MachineID))
				}
			case u.DesiredState == launched && r.Active == inactive:
				state.Idle = "it has ended on " + machineName(machines, r.MachineID)
			}
		}
	}
	if u.DesiredState != launched || unitname.IsTemplate(u.Name) {
		return state
	}
	unknown := func(why string) plan.State {
		return plan.State{Unknown: true, Idle: why, Note: state.Note, NeedReload: state.NeedReload}
	}
	switch {
	case r.global:
		for _, id := range slices.Sorted(maps.Keys(machines)) {
			if r.takes(machines[id]) && !seen[id] && worst < badness(unitState{Load: "loaded", Active: inactive}) {
				return unknown(machineName(machines, id) + " says nothing of it: its agent may be blocked")
			}
		}
		if r.nowhere(machines) {
			return unknown(r.away())
		}
	case len(records) > 0:
	case u.MachineID != "":
		return unknown(machineName(machines, u.MachineID) + " says nothing of it: its agent may be blocked, or its fleetd away")
	case r.nowhere(machines):
		state.Note = "" // that it runs on unseen is said already
		return unknown(r.away())
	default:
		state.Idle = "no machine takes it"
	}
	return state
}

// badness orders records: what is wrong with a unit is more than what is right.
func badness(r unitState) int {
	switch {
	case r.Load != "loaded":
		return 4
	case r.Active == "failed":
		return 3
	case r.Active == inactive, r.Active == "deactivating":
		return 2
	case r.Active == "activating":
		return 1
	}
	return 0
}

// machineName is how a machine is spoken of.
func machineName(machines map[string]machine, id string) string {
	name := "machine " + id[:min(len(id), 8)]
	if m, known := machines[id]; known && m.IP != "" {
		name += " (" + m.IP + ")"
	}
	return name
}
