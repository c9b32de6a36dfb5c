package fleettest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// An instance is a unit that an agent has loaded.
type instance struct {
	hash              string
	again             int // of the unit
	options           []option
	load, active, sub string
	current           string // loaded or launched
	gen               int    // counts up when what was to become of it does not
	busy              bool   // the agent is about to replace or stop it
	hidden            bool   // its record is lost for the moment
	quiet             bool   // fleetd is back and has not looked at it yet
}

func newInstance(u *unit) *instance {
	i := &instance{hash: u.hash, again: u.again, active: "inactive", sub: "dead", current: "loaded"}
	i.hold(u.name, u.options)
	return i
}

// hold gives an instance the options of a unit that systemd has read.
func (i *instance) hold(name string, options []option) {
	i.options, i.load = options, "loaded"
	if b := behave(name, options); b.load != "" {
		i.load = b.load
	}
}

func (i *instance) up() bool {
	return i.active == "active" || i.active == "activating" || i.active == "deactivating"
}

// ending is how many seconds it takes to stop.
func (i *instance) ending() float64 {
	if !i.up() {
		return 0.05
	}
	return stopTime(i.options)
}

// is reports whether an agent has loaded a unit as it is now.
func (i *instance) is(u *unit) bool { return i.hash == u.hash && i.again == u.again }

// replace makes a unit, or gives one other options.
func (c *Cluster) replace(name string, options []option, desired string) {
	u := c.units[name]
	if u == nil {
		u = &unit{name: name}
		c.units[name] = u
	} else {
		c.watchOver(u)
	}
	sum := hash(options)
	if u.hash == sum {
		u.again++
	}
	u.options, u.hash, u.desired = options, sum, desired
	c.contents[sum] = true
	if m := c.node(u.machine); m != nil && (u.global() || !c.takes(m, u)) {
		u.machine = ""
	}
	c.settle(u)
}

// watchOver notes when a second unit of a machine is taken down while the first is
// not up again.
func (c *Cluster) watchOver(u *unit) {
	for _, m := range c.machines {
		i := m.loaded[u.name]
		if i == nil || !i.up() || m.away {
			continue
		}
		for other, j := range m.loaded {
			v := c.units[other]
			if other == u.name || v == nil || v.desired != "launched" {
				continue
			}
			if !j.is(v) || j.busy {
				c.fault(u.name, "a second update on machine "+m.ID+" while "+other+" is not up again")
			}
		}
	}
}

// few is how many units of a machine a careful client deletes at once.
const few = 3

func (c *Cluster) destroy(name string) {
	delete(c.units, name)
	for _, m := range c.machines {
		if i := m.loaded[name]; i != nil {
			c.notice(m, name, 1.6-min(0.7, i.ending()), 3.9)
		}
		if m.away {
			continue
		}
		ending := 0
		for other := range m.loaded {
			if c.units[other] == nil {
				ending++
			}
		}
		if ending > few {
			c.faults = append(c.faults, fmt.Sprintf("DELETE %s: %d units of machine %s end at once", name, ending, m.ID))
		}
	}
}

// settle tells everybody whom it concerns that a unit has changed.
func (c *Cluster) settle(u *unit) {
	if u.desired == "inactive" {
		u.machine = ""
	} else if !u.global() && u.machine == "" && !u.waiting {
		u.waiting = true
		c.after(c.between(0.8, 2.1), func() { c.schedule(u) })
	}
	for _, m := range c.machines {
		i := m.loaded[u.name]
		here := c.wants(m, u)
		switch {
		case i == nil && here:
			c.notice(m, u.name, 0.9, 3)
		case i == nil:
		case !here:
			c.notice(m, u.name, 1.9, 2.1)
		case !i.is(u) && instant(i.options):
			c.notice(m, u.name, 0.7, 4.3)
		case !i.is(u):
			c.notice(m, u.name, 0.25, 3.25)
		case u.desired == "launched" && i.current != "launched":
			c.notice(m, u.name, 1.1, 1.3)
		default:
			c.notice(m, u.name, 0.95, 1.15)
		}
	}
}

// schedule finds a machine for a unit, or tries again at the engine's next tick.
func (c *Cluster) schedule(u *unit) {
	if c.units[u.name] != u || u.desired == "inactive" || u.machine != "" || u.global() {
		u.waiting = false
		return
	}
	if !c.etcdDown.IsZero() && c.etcdUp.IsZero() || c.blind() {
		c.after(2, func() { c.schedule(u) })
		return
	}
	var best *node
	for _, m := range c.machines {
		if c.takes(m, u) && (best == nil || len(m.loaded) < len(best.loaded)) {
			best = m
		}
	}
	if best == nil {
		c.after(2, func() { c.schedule(u) })
		return
	}
	u.machine, u.waiting = best.ID, false
	c.notice(best, u.name, 0.4, 1.2)
}

// takes reports whether a unit may be put on a machine.
func (c *Cluster) takes(m *node, u *unit) bool {
	if target := u.target(); m.gone || len(target) > 0 && target[0] != m.ID || !u.fits(m) {
		return false
	}
	for _, peer := range u.peers() {
		if p := c.units[peer]; p == nil || p.machine != m.ID {
			return false
		}
	}
	for _, v := range c.units {
		if v == u || v.machine != m.ID {
			continue
		}
		if matches(u.conflicts(), v.name) || matches(v.conflicts(), u.name) {
			return false
		}
	}
	return true
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		match, err := path.Match(pattern, name)
		return err == nil && match
	})
}

// wants reports whether a machine is to have a unit.
func (c *Cluster) wants(m *node, u *unit) bool {
	switch {
	case u == nil || u.desired == "inactive":
		return false
	case u.global():
		return c.takes(m, u)
	}
	return u.machine == m.ID
}

// notice lets an agent look at a unit within so many seconds.
func (c *Cluster) notice(m *node, name string, low, high float64) {
	c.after(c.between(low, high), func() { c.reconcile(m, name) })
}

// reconcile is an agent at work on one unit.
func (c *Cluster) reconcile(m *node, name string) {
	u, i := c.units[name], m.loaded[name]
	wanted := c.wants(m, u)
	if i != nil && wanted && !m.away && !m.deaf && !m.stuck && i.quiet {
		i.quiet = false
		if i.current == "launched" && u.desired == "launched" {
			c.beats[name] = m.ID // started again, which changes nothing
		}
	}
	switch {
	case !c.etcdDown.IsZero() && c.etcdUp.IsZero():
		c.notice(m, name, 1, 5)
	case m.deaf, m.stuck, m.away:
		if !slices.Contains(m.missed, name) {
			m.missed = append(m.missed, name)
		}
	case i == nil && !wanted:
	case i != nil && i.busy:
		c.notice(m, name, 0.5, 1)
	case !wanted && !managed(name):
		// fleet systemd/manager.go: it does not see that it has such a unit
	case !wanted && i.load != "loaded" && c.opts.Version != Old:
		c.leave(m, name)
	case !wanted:
		c.unbeat(m, name)
		c.stop(m, name, i, func() { delete(m.loaded, name) })
	case i == nil && isTemplate(name):
		m.stuck, m.left[name] = true, true
		c.nag(m, name, "Unable to determine agent's current state: failed fetching unit states")
	case c.aborts(m) && (i == nil || !i.is(u) || u.desired == "launched" && i.current != "launched"):
		c.notice(m, name, 4.9, 5.1)
	case i == nil:
		delete(m.left, name)
		i = newInstance(u)
		m.loaded[name] = i
		if u.desired == "launched" {
			c.start(m, name, i)
		}
	case !i.is(u):
		c.swap(m, u, i)
	case u.desired == "launched" && i.current != "launched":
		c.start(m, name, i)
	case u.desired == "loaded" && i.current == "launched":
		i.current = "loaded"
		c.unbeat(m, name)
		c.stop(m, name, i, func() {})
	}
}

// aborts reports whether a unit is to be on a machine that its agent cannot load:
// at each look all that was to be loaded or started after it is left undone
// (fleet agent/task.go).
func (c *Cluster) aborts(m *node) bool {
	for name, u := range c.units {
		if !isTemplate(name) && wedges(name, u.options, u.desired) != "" && c.wants(m, u) {
			return true
		}
	}
	return false
}

// swap is an agent that stops a unit, loads it as it is now and starts it. The new
// version counts as launched while the old program is still ending. Where systemd has
// dropped the unit already the agent trips over that: it has ceased to tell of the unit
// by then (fleet agent/agent.go, unloadUnit), and goes on at its next look.
func (c *Cluster) swap(m *node, u *unit, i *instance) {
	hash, again, options, launched := u.hash, u.again, u.options, u.desired == "launched"
	trips := instant(i.options) && i.up() || i.active == "inactive" && i.load == "loaded"
	pause := 0.2
	if trips {
		pause = c.between(4.45, 4.85)
	}
	i.current = "loaded"
	c.unbeat(m, u.name)
	load := func() { i.hash, i.again = hash, again }
	if !trips {
		c.after(0.2, func() {
			load()
			if launched {
				c.beats[u.name] = m.ID
			}
		})
	}
	c.stop(m, u.name, i, func() {
		i.busy = true
		if trips {
			c.after(c.between(0, 1), func() { i.quiet = true })
		}
		c.after(pause, func() {
			load()
			i.hold(u.name, options)
			i.busy, i.active, i.sub = false, "inactive", "dead"
			if launched && !trips {
				c.start(m, u.name, i) // systemd's part, whatever has become of fleetd
			}
			c.reconcile(m, u.name)
		})
	})
}

// stop takes a unit down, and with it what requires it.
func (c *Cluster) stop(m *node, name string, i *instance, then func()) {
	i.gen++
	i.busy = true
	seconds := i.ending()
	was := i.up()
	if was {
		i.active, i.sub = "deactivating", "stop-sigterm"
	}
	c.after(seconds, func() {
		i.busy = false
		if was {
			i.active, i.sub = "inactive", "dead"
			if instant(i.options) {
				i.active, i.sub = "failed", "failed" // killed
			}
			c.takeAlong(m, name)
		}
		then()
	})
}

// takeAlong ends what cannot be up without a unit.
func (c *Cluster) takeAlong(m *node, name string) {
	for _, j := range m.loaded {
		if !j.up() || j.busy {
			continue
		}
		for _, key := range []string{"Requires", "BindsTo", "PartOf"} {
			for _, list := range values(j.options, "Unit", key) {
				if slices.Contains(strings.Fields(list), name) {
					j.gen++
					gen := j.gen
					j.active, j.sub = "deactivating", "stop-sigterm"
					c.after(stopTime(j.options), func() {
						if j.gen == gen {
							j.active, j.sub = "inactive", "dead"
						}
					})
				}
			}
		}
	}
}

// start brings a unit up, or to what comes of it.
func (c *Cluster) start(m *node, name string, i *instance) {
	i.current = "launched"
	c.beats[name] = m.ID
	i.gen++
	gen := i.gen
	b := behave(name, i.options)
	if b.load != "" {
		return
	}
	i.active, i.sub = "activating", "start"
	c.after(0.5, func() {
		if i.gen != gen {
			return
		}
		i.active, i.sub = b.active, b.sub
		if b.end == 0 {
			return
		}
		c.after(b.end, func() {
			if i.gen != gen {
				return
			}
			i.active, i.sub = b.endActive, b.endSub
			if b.endSub == "auto-restart" {
				c.after(3, func() {
					if i.gen == gen {
						c.start(m, name, i)
					}
				})
			}
		})
	})
}
