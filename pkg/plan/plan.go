// Package plan decides what has to happen so that a target holds and runs the
// units that are wanted: it compares what is wanted, what is there, and what
// earlier runs put there, and answers with ordered steps, each with its reason.
//
// It looks at nothing itself; engines observe, and package apply carries out.
package plan

import (
	"cmp"
	"slices"
	"time"
)

// An Action is the one word for what happens to a unit.
type Action string

// The actions.
const (
	Create   Action = "create"
	Update   Action = "update"
	Delete   Action = "delete"
	Start    Action = "start"
	Restart  Action = "restart"
	Reload   Action = "reload"
	None     Action = "none"
	Adopt    Action = "adopt"
	Conflict Action = "conflict"
)

// A Change replaces what stands at a path; nil is a path where nothing stands.
type Change struct {
	Path          string
	Before, After *File
}

// A Step is what happens to one unit.
type Step struct {
	Unit   string
	Action Action
	// From and To are the builds that are there and that are wanted, "" if
	// none is known.
	From, To string
	Reason   string
	// Drifted tells that the unit was changed or stopped by hand, or has failed,
	// since an earlier run saw it good.
	Drifted bool

	// Changes are the files to write, sorted by path.
	Changes []Change
	// Effect is what becomes of the Targets: the unit itself, or for a
	// template its instances.
	Effect  Effect
	Targets []string
	// Triggers are timers, sockets and paths that are up and could start the
	// unit half-way: they are stopped first and started again when it is done.
	Triggers []string
	// Base is what stood there when all was well, to be put back if the change
	// comes to nothing; WasEnabled tells that it had an [Install] section.
	Base       Files
	WasEnabled bool
	// WasReloadable tells, of a step that reloads, that systemd could have
	// reloaded what stood there before.
	WasReloadable bool
	// Enable and Disable are done by the unit's [Install] section.
	Enable, Disable bool

	// Before is the entry of the record, if there is one; After is what it
	// will say when all is well, nil for a unit that is given up.
	Before, After *Entry
	// Ran tells which of the targets were up when the plan was made.
	Ran map[string]bool
	// Fresh tells that nothing of the unit was there, so that giving the change
	// up means removing it.
	Fresh bool
	// Waits are the units of the plan that have to be up before: the next ones, as
	// those wait for others in turn.
	Waits []string
	// Needs are the units of the plan that the unit requires, the next ones: what
	// becomes of them, or of those that they need, reaches it.
	Needs []string
	// At is when the step was begun; the zero time until then.
	At time.Time
	// Group numbers the steps that are carried out together.
	Group int
}

// Acts reports whether the step does anything.
func (s *Step) Acts() bool { return s.Action != None && s.Action != Conflict }

// A Refusal is a reason not to carry out the plan at all.
type Refusal struct {
	Reason string
	Hint   string
}

// A Plan is what would be done, in order.
type Plan struct {
	// Steps has those that act first, in the order in which they are carried
	// out, then the others by name.
	Steps []*Step
	// Refusals are why the plan must not be carried out; a plan that has some
	// can still be shown.
	Refusals []Refusal
	// Matched is how many units the selection took in, wanted or owned.
	Matched int
}

// Changes reports whether carrying out the plan would change anything.
func (p *Plan) Changes() bool {
	return slices.ContainsFunc(p.Steps, func(s *Step) bool { return s.Acts() })
}

// Groups are the steps that act, those carried out together in one slice.
func (p *Plan) Groups() [][]*Step {
	var groups [][]*Step
	for _, s := range p.Steps {
		switch {
		case !s.Acts():
		case len(groups) > 0 && groups[len(groups)-1][0].Group == s.Group:
			groups[len(groups)-1] = append(groups[len(groups)-1], s)
		default:
			groups = append(groups, []*Step{s})
		}
	}
	return groups
}

// Count is how many steps have each action.
func (p *Plan) Count() map[Action]int {
	n := map[Action]int{}
	for _, s := range p.Steps {
		n[s.Action]++
	}
	return n
}

func byUnit(a, b *Step) int { return cmp.Compare(a.Unit, b.Unit) }
