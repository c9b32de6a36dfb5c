package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// A Note is a line of the record, in the order in which they were written.
type Note struct {
	Entry
	// Removed tells that the unit was given up: nothing of it is owned any more.
	Removed bool `json:"removed,omitempty"`
}

// A Revision is one change of a unit, as the record tells it.
type Revision struct {
	Unit string
	// At is when the change was begun; the zero time is not known.
	At time.Time
	// Action is Create, Update or Delete.
	Action Action
	// From and To are the builds before and after.
	From, To string
	// Outcome is "done", "rolled-back" for a change that came to nothing, or
	// "cut-off" for one whose end was never written.
	Outcome string
	// Before is what stood there before, to go back to.
	Before Files

	sums map[string]string // what was written, nil for a deletion
}

// The outcomes of a revision.
const (
	outcomeDone       = "done"
	outcomeRolledBack = "rolled-back"
	outcomeCutOff     = "cut-off"
)

// Revisions reads the changes out of a record, oldest first. Notes that leave
// the files of a unit as they were, as when it was only started, are none.
func Revisions(notes []Note) []Revision {
	var list []Revision
	var files reader
	now := map[string]map[string]string{} // the sums that are there, by unit
	begun := map[string]int{}             // where the pending revision of a unit stands
	for _, n := range notes {
		was, owned := now[n.Unit]
		at, pending := begun[n.Unit]
		r := Revision{Unit: n.Unit, At: n.At, Action: Update, To: n.Tag, Outcome: outcomeDone, Before: n.Previous, sums: n.Files}
		switch {
		case n.Removed:
			r.Action, r.To, r.sums = Delete, "", nil
		case len(n.Previous) == 0:
			r.Action = Create
		}
		r.From = tagText(files.images(n.Unit, n.Previous))
		switch {
		case n.Pending && !pending && !maps.Equal(n.Files, was):
			begun[n.Unit] = len(list)
			r.Outcome = outcomeCutOff
			list = append(list, r)
		case n.Pending:
			// the same change begun again, or on its way back
		case pending && maps.Equal(n.Files, list[at].sums) && !n.Removed:
			list[at].Outcome = outcomeDone
		case pending && (owned && maps.Equal(n.Files, was) || n.Removed && !owned):
			list[at].Outcome = outcomeRolledBack
		case n.Removed && owned, !n.Removed && !maps.Equal(n.Files, was):
			list = append(list, r)
		}
		switch {
		case n.Pending:
			continue
		case n.Removed:
			delete(now, n.Unit)
		default:
			now[n.Unit] = n.Files
		}
		delete(begun, n.Unit)
	}
	return list
}

// Kept are the notes that a record needs to be a record still, and to know up to
// so many changes of each unit that is owned: what else it said is forgotten.
func Kept(notes []Note, changes int) []Note {
	kept := map[string][]int{} // the notes of each unit, by number
	for i, n := range notes {
		list := kept[n.Unit]
		if last := len(list) - 1; last >= 0 && notes[list[last]].Pending {
			list = list[:last] // how it ended is said now
		}
		last := len(list) - 1
		switch {
		case n.Removed:
			list = nil
		case n.Pending, last < 0, !maps.Equal(n.Files, notes[list[last]].Files):
			list = append(list, i)
		}
		kept[n.Unit] = list
	}
	var numbers []int
	for _, list := range kept {
		numbers = append(numbers, list[max(0, len(list)-changes):]...)
	}
	slices.Sort(numbers)
	short := make([]Note, 0, len(numbers))
	for _, i := range numbers {
		short = append(short, notes[i])
	}
	return short
}

// An UnknownError is a unit that there is nothing to go back to for.
type UnknownError struct{ Reason string }

func (e *UnknownError) Error() string { return e.Reason }

// Back chooses what to go back to: for each unit named, or for the one changed
// last if none is, the files that stood there before its last change that was not
// rolled back already. The only errors are *UnknownError.
func Back(revisions []Revision, names []string) ([]Unit, error) {
	last := map[string]Revision{}
	latest := ""
	for _, r := range revisions {
		if r.Outcome != outcomeRolledBack {
			last[r.Unit], latest = r, r.Unit
		}
	}
	if len(names) == 0 {
		if latest == "" {
			return nil, &UnknownError{"the record knows of no change"}
		}
		names = []string{latest}
	}
	var units []Unit
	for _, name := range names {
		r, known := last[name]
		switch {
		case !known:
			return nil, &UnknownError{fmt.Sprintf("the record knows of no change of %q", name)}
		case len(r.Before) == 0:
			return nil, &UnknownError{fmt.Sprintf("the record holds no earlier version of %s", name)}
		}
		units = append(units, Unit{Name: name, Files: r.Before})
	}
	slices.SortFunc(units, func(a, b Unit) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(units, func(a, b Unit) bool { return a.Name == b.Name }), nil
}

// Amid joins some units with the owned ones as they stand, so that a plan for the
// some knows how they hang together with the others.
func Amid(units []Unit, observed *Observed) []Unit {
	all := map[string]Unit{}
	for name := range observed.Owned {
		all[name] = Unit{name, Files{}}
	}
	for p, f := range observed.Files {
		if u, owned := all[unitname.Of(p)]; owned {
			u.Files[p] = f
		}
	}
	for _, u := range units {
		all[u.Name] = u
	}
	var list []Unit
	for _, name := range sortedKeys(all) {
		if len(all[name].Files) > 0 {
			list = append(list, all[name])
		}
	}
	return list
}
