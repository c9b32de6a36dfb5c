package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Observed is the target as an engine found it.
type Observed struct {
	// Files holds what stands at the paths of wanted and of owned units;
	// a path that is missing has no entry.
	Files Files
	// Owned is the own record: what earlier runs put there, by unit.
	Owned map[string]Entry
	// Others names the owner of units that belong to another owner's record.
	Others map[string]string
	// States is what runs, by unit. It is empty for an engine that only writes
	// files.
	States map[string]State
	// Instances are the loaded instances of templates that are not dead, sorted.
	Instances map[string][]string
	// Running tells that the target has a manager that runs units.
	Running bool
	// Replaces tells that the manager restarts a unit whenever anything of it
	// changes.
	Replaces bool
}

// A State is a unit as its manager sees it, in systemd's own words.
type State struct {
	Load   string // loaded, not-found, masked, bad-setting, error
	Active string // active, reloading, inactive, failed, activating, deactivating
	Sub    string // running, exited, dead, auto-restart, waiting, listening …
	Result string // success, exit-code, timeout …, of services, sockets, timers
	// Fragment is the file that the manager read, "" if none.
	Fragment string
	// Vendor tells that Fragment lies outside the unit folder.
	Vendor bool
	// NeedReload tells that files changed since the manager read them.
	NeedReload bool
	// Unmet tells that the last start was skipped because of a condition.
	Unmet bool
	// Idle is why the unit is not up, "" where the manager does not tell.
	Idle string
	// Unknown tells that the manager cannot say at the moment what became of the
	// unit, and Idle why. Such a unit may be up, and is treated as one that is.
	Unknown bool
	// Note is what else people should know of the unit, "" for nothing.
	Note string
	// Invocation changes with every start.
	Invocation string
	// Restarts counts automatic restarts since the last start by a job.
	Restarts uint32
}

// Up reports whether the unit is running or on its way, or may be.
func (s State) Up() bool {
	if s.Unknown {
		return true
	}
	switch s.Active {
	case "active", "reloading", "activating", "refreshing":
		return true
	}
	return false
}

// An Entry is what the own record says of one unit.
type Entry struct {
	Unit string `json:"unit"`
	// Files are the SHA-256 sums, in hex, of what was written, by path.
	Files map[string]string `json:"files,omitempty"`
	// Previous is what stood there before the last change; a path that was
	// missing has no entry.
	Previous Files `json:"previous,omitempty"`
	// Pending tells that the change was begun and not yet seen to be good.
	Pending bool `json:"pending,omitempty"`
	// Ran tells whether the unit was up before the change that is pending.
	Ran bool `json:"ran,omitempty"`
	// Tag is the build that was written.
	Tag string `json:"tag,omitempty"`
	// At is when.
	At time.Time `json:"at,omitzero"`
}

// Sum is the content of a file as the record keeps it.
func Sum(f File) string {
	switch {
	case f.Link != "":
		return "link:" + f.Link
	case f.Other != "":
		return "other:" + f.Other
	}
	sum := sha256.Sum256(f.Data)
	return hex.EncodeToString(sum[:])
}

// match reports whether the files have these sums, and there are no others.
func (f Files) match(sums map[string]string) bool {
	for p, file := range f {
		if Sum(file) != sums[p] {
			return false
		}
	}
	return len(f) == len(sums)
}

// Sums are the sums of all files.
func Sums(files Files) map[string]string {
	sums := make(map[string]string, len(files))
	for p, f := range files {
		sums[p] = Sum(f)
	}
	return sums
}
