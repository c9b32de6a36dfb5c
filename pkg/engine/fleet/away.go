package fleet

import (
	"context"
	"strings"
	"time"

	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// untold is how long it is worth waiting for what is not known of a unit that is to
// run: until its record can be told again, or until it must have been given a machine;
// 0 if all is known, or nothing more can be.
func untold(u *apiUnit, states map[place]unitState, machines map[string]machine) time.Duration {
	if u.DesiredState != launched || unitname.IsTemplate(u.Name) {
		return 0
	}
	told := func(id string) bool { _, known := states[place{u.Name, id}]; return known }
	r := requirementsOf(u.Name, u.options())
	switch {
	case r.global:
		for id, m := range machines {
			if r.takes(m) && !told(id) {
				return lease
			}
		}
	case u.MachineID != "":
		if !told(u.MachineID) {
			return lease
		}
	case !r.nowhere(machines):
		return unplaced
	}
	return 0
}

// home is the record of a unit on the machine that it is scheduled to, if there is one,
// and where else its program runs, "" for nowhere. A fleetd that is away keeps what it
// runs, and the cluster believes it for up to 30 seconds.
func home(u *apiUnit, records []unitState, machines map[string]machine) (own []unitState, note string) {
	var others []string
	for _, r := range records {
		switch {
		case r.MachineID == u.MachineID:
			own = append(own, r)
		case r.Active != inactive && r.Active != "failed":
			others = append(others, machineName(machines, r.MachineID))
		}
	}
	if len(others) == 0 {
		return own, ""
	}
	return own, "it runs on " + strings.Join(others, " and ") + " as well, and will until the fleetd there is back and stops it"
}

// present reports whether fleet knows a machine to be there. One whose fleetd is away
// is forgotten after a while, and its units are moved.
func (e *Engine) present(ctx context.Context, id string) bool {
	machines, err := e.api.machines(ctx)
	_, there := machines[id]
	return err == nil && there
}

// remark adds to a step's reason on which machines the unit was that have left the
// cluster since: where only fleetd has ended, its program has not.
func (c *changer) remark(ctx context.Context, s *plan.Step, was *apiUnit, began time.Time) {
	if time.Since(began) < settled {
		return // no machine is forgotten as fast as that
	}
	machines, err := c.api.machines(ctx)
	if err != nil {
		return // nothing to tell
	}
	for _, id := range c.on(was) {
		if _, there := machines[id]; !there {
			s.Reason += "; " + machineName(c.knownMachines(), id) + " has left the cluster: if only the fleetd there is away, the version before runs on until it is back"
		}
	}
}

// badSetting is what systemd says of a unit file that it understands and refuses.
const badSetting = "bad-setting"

// leftover tells what becomes of a unit that systemd could not load: the agent cannot
// stop what is not loaded, and so never comes to remove the file (fleet 1.0,
// agent/agent.go, unloadUnit).
func leftover(unit, where string) string {
	return "fleet leaves /run/fleet/units/" + unit + " " + where + " when the unit is deleted: rm it by hand"
}
