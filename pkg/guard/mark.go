package guard

import (
	"github.com/unitstamp/unitstamp/pkg/buildtag"
)

// marksAt lists the streams whose highest build is above what the tip holds.
func marksAt(v View, wanted []File) (marks []mark, notes []string, err error) {
	tip := v.Tip()
	if tip.ID == "" {
		return nil, nil, nil
	}
	if sealed(tip) {
		return marksIn(tip.Message), nil, nil
	}
	last, complete, err := lastSealed(v, 2)
	if err == nil && !complete {
		last, _, err = lastSealed(v, Memory)
	}
	if err != nil {
		return nil, nil, err
	}
	now := map[string]unit{} // the tip's content of the paths that changed since
	for _, last := range last {
		differences, loading := v.ChangedSince(last)
		if loading != nil {
			err = loading
			continue
		}
		if len(differences) > maxCompared {
			notes = append(notes, "more files than can be compared were changed by others since the last commit made here; only those of this commit are looked at")
			differences = only(differences, wanted)
		}
		for _, m := range marksIn(last.Message) {
			marks = add(marks, m)
		}
		for _, d := range differences {
			was, is, loading := readBoth(v, d)
			if loading != nil {
				err = loading
				continue
			}
			now[d.Path] = is
			for _, i := range was.images {
				if i.tag.Kind() == buildtag.Build {
					marks = add(marks, mark{d.Path, i.repository, i.tag})
				}
			}
		}
	}
	if err != nil {
		return nil, nil, err
	}
	open := marks[:0]
	for _, m := range marks {
		if is, changed := now[m.path]; !changed || !is.reached(m) {
			open = append(open, m)
		}
	}
	return open, notes, nil
}

// lastSealed lists the sealed commits that can be reached from the tip in so
// many generations without passing another one, and tells whether all lines
// ended in one or at the beginning of the history.
func lastSealed(v View, generations int) (last []Commit, complete bool, err error) {
	ancestors, err := v.Ancestors(generations)
	if err != nil {
		return nil, false, err
	}
	byID := map[string]Commit{}
	for _, c := range ancestors {
		byID[c.ID] = c
	}
	complete = true
	seen := map[string]bool{}
	queue := ancestors[:min(1, len(ancestors))]
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		if seen[c.ID] {
			continue
		}
		seen[c.ID] = true
		if sealed(c) {
			last = append(last, c)
			continue
		}
		for _, p := range c.Parents {
			parent, known := byID[p]
			if known {
				queue = append(queue, parent)
			}
			complete = complete && known
		}
	}
	return last, complete, nil
}

func readBoth(v View, d Difference) (was, is unit, err error) {
	if d.Old == "" || !mayHoldImages(d.Path) {
		return unit{}, unit{}, nil
	}
	old, err := v.Blob(d.Old)
	if d.New != "" {
		new, newErr := v.Blob(d.New)
		if newErr != nil {
			return unit{}, unit{}, newErr
		}
		is = readUnit(d.Path, new)
	}
	if err != nil {
		return unit{}, unit{}, err
	}
	return readUnit(d.Path, old), is, nil
}

func only(differences []Difference, wanted []File) []Difference {
	paths := map[string]bool{}
	for _, f := range wanted {
		paths[f.Path] = true
	}
	var kept []Difference
	for _, d := range differences {
		if paths[d.Path] {
			kept = append(kept, d)
		}
	}
	return kept
}

// add keeps the highest mark of each stream.
func add(marks []mark, m mark) []mark {
	for i, old := range marks {
		if old.sameStream(m) {
			if order, _ := old.tag.Compare(m.tag); order < 0 {
				marks[i] = m
			}
			return marks
		}
	}
	return append(marks, m)
}

// reached reports whether a unit holds the mark's build or a higher one.
func (u unit) reached(m mark) bool {
	for _, tag := range u.of(m.repository) {
		if order, comparable := tag.Compare(m.tag); comparable && order >= 0 {
			return true
		}
	}
	return false
}
