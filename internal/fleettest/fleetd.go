package fleettest

import (
	"fmt"
	"maps"
	"slices"
)

// beat is how many seconds lie between two times that a machine says which units it
// has launched.
const beat = 24.0

// StopFleetd ends fleetd on a machine, as systemctl stop or kill -9 do: what runs
// there goes on, and the cluster believes what it heard last for 30 seconds at most.
// Then the machine and its records are forgotten, and what was scheduled to it is
// started on another one: it runs twice.
func (c *Cluster) StopFleetd(id string) {
	c.locked(func() {
		m := c.node(id)
		if m.away {
			return
		}
		last := map[string]UnitState{}
		for name := range m.loaded {
			if s, told := m.told(name); told {
				last[name] = s
			}
		}
		m.away, m.last = true, last
		m.stops++
		stop := m.stops
		later := func(seconds float64, do func()) {
			c.after(seconds, func() {
				if m.away && m.stops == stop {
					do()
				}
			})
		}
		for _, name := range slices.Sorted(maps.Keys(last)) {
			later(c.between(10, 30), func() { delete(m.last, name) })
		}
		later(c.between(10, 26), func() {
			m.gone = true
			later(c.between(0, 2), func() { c.move(m) })
		})
	})
}

// move schedules anew what was on a machine that is gone.
func (c *Cluster) move(m *node) {
	for _, name := range c.names() {
		u := c.units[name]
		if u.machine != m.ID {
			continue
		}
		u.machine = ""
		if c.beats[name] == m.ID {
			delete(c.beats, name)
		}
		if !u.waiting {
			u.waiting = true
			c.schedule(u)
		}
	}
}

// StartFleetd starts fleetd on a machine again. If the cluster has not forgotten the
// machine, nothing is seen of it, except that once in a while the record of a unit is
// lost until it is told the next time. Otherwise its agent stops what is elsewhere by
// now, with the odd effect that the unit does not count as launched there any more,
// until that machine says so again.
func (c *Cluster) StartFleetd(id string) {
	c.locked(func() {
		m := c.node(id)
		if !m.away {
			return
		}
		m.away, m.gone = false, false
		m.stuck = slices.ContainsFunc(slices.Collect(maps.Keys(m.left)), isTemplate)
		for _, name := range slices.Sorted(maps.Keys(m.loaded)) {
			i := m.loaded[name]
			_, remembered := m.last[name]
			i.quiet = i.quiet || !remembered
			if remembered && c.rand.Float64() < 1.0/30 {
				i.hidden = true
				c.after(c.between(0, beat), func() { i.hidden = false })
			}
			c.notice(m, name, 3, 5)
		}
		for _, name := range c.names() {
			if u := c.units[name]; u.global() && m.loaded[name] == nil {
				c.notice(m, name, 1, 5)
			}
		}
		c.catchUp(m)
	})
}

// unbeat is a machine that says it has a unit launched no more. There is one such
// word for each unit, not one for each machine (fleet registry/job_state.go): it is
// that of another machine that is lost, if that has the unit, until its next beat.
func (c *Cluster) unbeat(m *node, name string) {
	delete(c.beats, name)
	for _, other := range c.machines {
		i := other.loaded[name]
		if other == m || other.away || i == nil || i.current != "launched" {
			continue
		}
		passed := c.since(c.born) + other.phase
		next := beat - (passed - beat*float64(int(passed/beat)))
		c.after(next, func() {
			if other.loaded[name] == i && i.current == "launched" && !other.away {
				c.beats[name] = other.ID
			}
		})
	}
}

// leave is an agent that is to unload what systemd could not load: it cannot stop it,
// ceases to tell of it, keeps the file, and so finds the unit again at each look
// (fleet 1.0, agent/agent.go, unloadUnit; 0.11.8 removes the file nevertheless).
func (c *Cluster) leave(m *node, name string) {
	delete(m.loaded, name)
	m.left[name] = true
	c.unbeat(m, name)
	c.nag(m, name, fmt.Sprintf("Failed to trigger systemd unit %s stop: Unit %s not loaded.", name, name))
}

// nag has fleetd complain at each look, as long as a file is left.
func (c *Cluster) nag(m *node, name, line string) {
	if !m.left[name] {
		return
	}
	if !m.away {
		m.journal = append(m.journal, line)
		if !isTemplate(name) {
			c.unbeat(m, name)
		}
	}
	c.after(5, func() { c.nag(m, name, line) })
}

// Journal is what fleetd on a machine complained of.
func (c *Cluster) Journal(id string) (lines []string) {
	c.locked(func() { lines = slices.Clone(c.node(id).journal) })
	return lines
}

// Left are the files of units that a machine does not get rid of, sorted.
func (c *Cluster) Left(id string) (names []string) {
	c.locked(func() { names = slices.Sorted(maps.Keys(c.node(id).left)) })
	return names
}

// RemoveFile removes a file from fleet's folder on a machine, as a person does.
func (c *Cluster) RemoveFile(id, name string) {
	c.locked(func() { delete(c.node(id).left, name) })
}

// Running are the machines on which a unit's program runs, whatever the cluster
// knows of it.
func (c *Cluster) Running(name string) (ids []string) {
	c.locked(func() {
		for _, m := range c.machines {
			if i := m.loaded[name]; i != nil && i.up() {
				ids = append(ids, m.ID)
			}
		}
	})
	return ids
}
