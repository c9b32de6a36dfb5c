package plan

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/parallel"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// A desired unit is one that is wanted, with what is asked of it whatever becomes
// of it.
type desired struct {
	Unit
	// build is what it carries, and unstamped an image that carries none.
	build, unstamped string
	taken            bool // it has an image of those selected
	relation
}

// A relation is what a wanted unit says about others that are wanted, by name.
type relation struct {
	requires []string // Requires=, Requisite=, BindsTo=, PartOf=: a restart there reaches here
	after    []string // After=, and Before= turned round
	before   []string // Before=
	starts   []string // what a timer, socket or path starts, wanted or not
	also     []string // Also=: units that are enabled with this one, so must be there
	lacks    []string // what it requires that is owned and not wanted
}

// study reads every wanted unit once, and fills in how they hang together.
func (m *maker) study(units []Unit) {
	list := make([]desired, len(units))
	m.units = make(map[string]*desired, len(units))
	for i, u := range units {
		list[i].Unit = u
		m.units[u.Name] = &list[i]
	}
	// nothing of this fails
	_ = parallel.Each(len(list), func(r *reader, i int) error {
		m.studyOne(r, &list[i])
		return nil
	})
	m.triggers, m.lacking = map[string][]string{}, map[string][]string{}
	for i := range list {
		w := &list[i]
		for _, later := range w.before {
			m.units[later].after = append(m.units[later].after, w.Name)
		}
		for _, started := range w.starts {
			m.triggers[started] = append(m.triggers[started], w.Name)
		}
		for _, lack := range w.lacks {
			m.lacking[lack] = append(m.lacking[lack], w.Name)
		}
	}
}

// studyOne reads one wanted unit, without the settings of its program.
func (m *maker) studyOne(r *reader, w *desired) {
	template := unitname.TemplateOf(w.Name)
	t := r.read(w.Name, w.Files, m.filesOf(template), "Service")
	w.build, w.unstamped = tagText(t.images), unstamped(t.images)
	w.taken = slices.ContainsFunc(t.images, m.opts.Select.takes)
	s := t.settings
	for _, key := range []string{"Requires", "Requisite", "BindsTo", "PartOf"} {
		names := s.words("Unit", key)
		if key != "PartOf" {
			w.lacks = append(w.lacks, m.lost(names, w.lacks)...)
		}
		w.requires = append(w.requires, m.resolve(names)...)
	}
	w.after = m.resolve(append(s.words("Unit", "After"), peers(w.Name, s)...))
	w.before = m.resolve(s.words("Unit", "Before"))
	w.also = m.resolve(s.words("Install", "Also"))
	w.starts = starts(w.Name, s)
	if m.units[template] != nil {
		w.requires = append(w.requires, template)
		w.after = append(w.after, template)
	}
}

// lost are those of the names that are owned and not wanted, without those known.
func (m *maker) lost(names, known []string) []string {
	var lost []string
	for _, name := range names {
		_, owned := m.obs.Owned[name]
		if owned && m.units[name] == nil && !slices.Contains(known, name) && !slices.Contains(lost, name) {
			lost = append(lost, name)
		}
	}
	return lost
}

// filesOf are those of a unit that is wanted, none of another.
func (m *maker) filesOf(name string) Files {
	if w := m.units[name]; w != nil {
		return w.Files
	}
	return nil
}

// resolve keeps the names that stand for wanted units; an instance without a
// file of its own stands for its template.
func (m *maker) resolve(names []string) []string {
	known := names[:0]
	for _, name := range names {
		w := m.units[name]
		if w == nil {
			w = m.units[unitname.TemplateOf(name)]
		}
		if w != nil {
			known = append(known, w.Name)
		}
	}
	if len(known) == 0 {
		return nil
	}
	return known
}

// starts lists what a timer, path or socket starts.
func starts(name string, s settings) []string {
	stem := strings.TrimSuffix(name, path.Ext(name))
	var said string
	switch unitname.Kind(name) {
	case "timer":
		said = s.last("Timer", "Unit")
	case "path":
		said = s.last("Path", "Unit")
	case "socket":
		said = s.last("Socket", "Service")
		if said == "" && s.is("Socket", "Accept", true) {
			stem += "@"
		}
	default:
		return nil
	}
	return []string{cmp.Or(said, stem+".service")}
}

// peers lists the units whose machine a unit is bound to in a cluster of fleet's;
// it cannot be placed before they are.
func peers(name string, s settings) []string {
	var names []string
	n := unitname.FromPath(name)
	for _, key := range []string{"MachineOf", "X-ConditionMachineOf"} {
		for _, word := range s.words("X-Fleet", key) {
			for _, letter := range "npiN" {
				if value, known := n.Specifier(byte(letter)); known {
					word = strings.ReplaceAll(word, "%"+string(letter), value)
				}
			}
			names = append(names, word)
		}
	}
	return names
}

// order sorts the steps: those that act in groups, each after the groups that
// its units are ordered after, deletions last; then the rest by name.
func (m *maker) order(p *Plan) {
	var change, remove, rest []*Step
	for _, s := range p.Steps {
		switch {
		case !s.Acts():
			rest = append(rest, s)
		case s.Action == Delete:
			remove = append(remove, s)
		default:
			change = append(change, s)
		}
	}
	groups := m.group(change)
	if !m.obs.Running && len(groups) > 0 {
		// Nothing runs, so nothing has to be proven before the next is written.
		groups = [][]*Step{slices.Concat(groups...)}
	}
	if len(remove) > 0 {
		groups = append(groups, remove)
	}
	p.Steps = nil
	for i, group := range groups {
		for _, s := range group {
			s.Group = i + 1
		}
		p.Steps = append(p.Steps, group...)
	}
	p.Steps = append(p.Steps, rest...)
	m.holdTriggers(change, remove)
}

// holdTriggers notes, on units that change, the timers, sockets and paths that
// are up, start them, and will be deleted at the end.
func (m *maker) holdTriggers(change, remove []*Step) {
	var files reader
	for _, trigger := range remove {
		if !m.obs.States[trigger.Unit].Up() {
			continue
		}
		started := starts(trigger.Unit, m.says(&files, trigger.Unit, m.there(trigger.Unit)))
		for _, s := range change {
			if slices.Contains(started, s.Unit) {
				s.Triggers = append(s.Triggers, trigger.Unit)
			}
		}
	}
}

// group puts together the steps that must be carried out together, because a
// restart of one reaches the other or one starts the other, and sorts the groups.
func (m *maker) group(steps []*Step) [][]*Step {
	acting := make(map[string]*Step, len(steps))
	for _, s := range steps {
		acting[s.Unit] = s
	}
	sets := newSets(len(steps))
	index := make(map[string]int, len(steps))
	for i, s := range steps {
		index[s.Unit] = i
	}
	after := make([][]int, len(steps))
	for i, s := range steps {
		s.Needs = m.reach(s.Unit, acting, func(w *desired) []string { return w.requires })
		for _, name := range s.Needs {
			sets.join(i, index[name])
		}
		for _, name := range m.units[s.Unit].also {
			if j, ok := index[name]; ok {
				sets.join(i, j)
			}
		}
		for _, name := range m.units[s.Unit].starts {
			if j, ok := index[name]; ok {
				sets.join(i, j)
				after[i] = append(after[i], j)
			}
		}
		s.Waits = m.reach(s.Unit, acting, func(w *desired) []string { return w.after })
		for _, name := range s.Waits {
			after[i] = append(after[i], index[name])
		}
	}
	return sets.sorted(steps, after)
}

// reach lists the units that act and are the next ones along relations, through
// units that do not act.
func (m *maker) reach(from string, acting map[string]*Step, along func(*desired) []string) []string {
	if len(along(m.units[from])) == 0 {
		return nil
	}
	seen := map[string]bool{from: true}
	var found []string
	for todo := []string{from}; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		for _, next := range along(m.units[name]) {
			if seen[next] {
				continue
			}
			seen[next] = true
			if acting[next] != nil {
				found = append(found, next)
			} else {
				todo = append(todo, next)
			}
		}
	}
	slices.Sort(found)
	return found
}

// sets are disjoint sets of the numbers below n, each with its lowest member
// for a name.
type sets []int

func newSets(n int) sets {
	s := make(sets, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func (s sets) find(i int) int {
	for s[i] != i {
		s[i] = s[s[i]]
		i = s[i]
	}
	return i
}

func (s sets) join(i, j int) {
	i, j = s.find(i), s.find(j)
	s[max(i, j)] = min(i, j)
}

// sorted lists the sets so that each comes after those that its members are
// after; sets that wait for each other become one. Otherwise the lowest comes
// first, and members are sorted likewise.
func (s sets) sorted(steps []*Step, after [][]int) [][]*Step {
	for {
		edges := map[int][]int{}
		for i := range steps {
			for _, j := range after[i] {
				if a, b := s.find(i), s.find(j); a != b {
					edges[a] = append(edges[a], b)
				}
			}
		}
		order, circle := walk(len(steps), func(i int) bool { return s.find(i) == i }, func(i int) []int { return edges[i] })
		if circle != nil {
			for _, i := range circle[1:] {
				s.join(circle[0], i)
			}
			continue
		}
		members := map[int][]int{}
		for i := range steps {
			members[s.find(i)] = append(members[s.find(i)], i)
		}
		var groups [][]*Step
		for _, root := range order {
			groups = append(groups, sortGroup(steps, members[root], after))
		}
		return groups
	}
}

// sortGroup orders the members of one group; a circle is broken at its lowest.
func sortGroup(steps []*Step, members []int, after [][]int) []*Step {
	if len(members) == 1 {
		return []*Step{steps[members[0]]}
	}
	in := map[int]bool{}
	for _, i := range members {
		in[i] = true
	}
	var group []*Step
	done := map[int]bool{}
	var visit func(i int)
	visit = func(i int) {
		if done[i] || !in[i] {
			return
		}
		done[i] = true
		for _, j := range slices.Sorted(slices.Values(after[i])) {
			visit(j)
		}
		group = append(group, steps[i])
	}
	for _, i := range members {
		visit(i)
	}
	return group
}

// walk sorts the nodes below n that exist so that each comes after those it has
// edges to, lowest first; or it returns a circle.
func walk(n int, exists func(int) bool, edges func(int) []int) (order, circle []int) {
	const white, grey, black = 0, 1, 2
	colour := make([]int, n)
	var stack []int
	var visit func(i int) bool
	visit = func(i int) bool {
		colour[i] = grey
		stack = append(stack, i)
		for _, j := range slices.Sorted(slices.Values(edges(i))) {
			switch colour[j] {
			case grey:
				circle = slices.Clone(stack[slices.Index(stack, j):])
				return false
			case white:
				if !visit(j) {
					return false
				}
			}
		}
		stack = stack[:len(stack)-1]
		colour[i] = black
		order = append(order, i)
		return true
	}
	for i := range n {
		if exists(i) && colour[i] == white && !visit(i) {
			return nil, circle
		}
	}
	return order, nil
}
