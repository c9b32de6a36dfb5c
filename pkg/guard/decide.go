package guard

import (
	"bytes"
	"fmt"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// Decide says whether the request may follow the tip. The error is a *[Refusal],
// or one of the view.
func Decide(v View, r Request) (Outcome, error) {
	marks, notes, err := marksAt(v, r.Files)
	before := make([][]byte, len(r.Files))
	exists := make([]bool, len(r.Files))
	for i, f := range r.Files {
		var fileErr error
		if before[i], exists[i], fileErr = v.File(f.Path); fileErr != nil {
			err = fileErr
		}
	}
	if err != nil {
		return Outcome{}, err
	}
	d := decision{request: r, newBranch: v.NewBranch(), marks: marks}
	out := Outcome{Notes: notes}
	changed := false
	for i, f := range r.Files {
		o, err := d.file(f, before[i], exists[i])
		if err != nil {
			return Outcome{}, err
		}
		out.Files = append(out.Files, o)
		changed = changed || o.Action != Unchanged
	}
	if !changed {
		return out, nil
	}
	out.Message, err = message(r, out.Files, d.overrides, d.remaining(), v.Tip().ID)
	return out, err
}

type decision struct {
	request   Request
	newBranch bool
	marks     []mark // of the tip, then with those settled by this commit left out
	removed   []mark // left behind by removals of this commit
	overrides []string
}

func (d *decision) file(f File, before []byte, exists bool) (FileOutcome, error) {
	own := d.request.Build.Tag
	o := FileOutcome{Path: f.Path}
	var was, is unit
	if exists {
		o.Before = before
		was = readUnit(f.Path, before)
		o.Old = was.shown(own)
	}
	if !f.Remove {
		o.After = f.Content
		is = readUnit(f.Path, f.Content)
		o.New = is.shown(own)
	}
	switch {
	case f.Remove && !exists, exists && !f.Remove && bytes.Equal(before, f.Content):
		o.Action = Unchanged
		return o, nil
	case f.Remove:
		o.Action = Removed
	case exists:
		o.Action = Updated
	default:
		o.Action = Created
	}
	if was.hold {
		return o, &Refusal{f.Path, "the unit is held: its [X-Unitstamp] section says Hold", "a change of the unit in the repository lifts the hold"}
	}
	if f.Remove {
		return o, d.removal(f.Path, was)
	}
	return o, d.succession(f.Path, was, is)
}

// succession compares what a unit shall hold with what it holds.
func (d *decision) succession(path string, was, is unit) error {
	newer, equal := false, ""
	mine := is.stamped(d.request.Build.Tag)
	for _, i := range mine {
		for _, old := range was.of(i.repository) {
			switch order, comparable := i.tag.Compare(old); {
			case comparable && order < 0:
				if err := d.older(path, i, old, "the tip holds the newer build"); err != nil {
					return err
				}
				newer = true
			case comparable && order == 0:
				equal = i.tag.String()
			case comparable:
				newer = true
			case old.Kind() == buildtag.Build || old.Kind() == buildtag.Release:
				if err := d.otherStream(path, i, old); err != nil {
					return err
				}
				newer = true
			}
		}
		if err := d.belowMark(path, i, was); err != nil {
			return err
		}
	}
	if err := d.unstamped(path, was, is, mine); err != nil {
		return err
	}
	if equal != "" && !newer && !d.request.AllowRewrite {
		return &Refusal{path, fmt.Sprintf("build %q is there already, with other content", equal),
			"a build brings its unit once; --allow-rewrite replaces it all the same"}
	}
	if equal != "" && !newer {
		d.override("allow-rewrite")
	}
	d.settle(path, is)
	return nil
}

func (d *decision) older(path string, i image, old buildtag.Tag, why string) error {
	if !d.request.AllowDowngrade {
		return &Refusal{path, fmt.Sprintf("%q would go back: %s %q of %s", i.tag, why, old, short(i.repository)),
			"nothing has to be done if a newer build ran meanwhile; --allow-downgrade rolls back on purpose"}
	}
	d.override("allow-downgrade")
	return nil
}

// belowMark refuses what a roll-back in the repository took away.
func (d *decision) belowMark(path string, i image, was unit) error {
	for _, m := range d.marks {
		if m.path != path || m.repository != i.repository || was.reached(m) {
			continue
		}
		order, comparable := i.tag.Compare(m.tag)
		switch {
		case !comparable || order > 0:
		case order < 0:
			if err := d.older(path, i, m.tag, "the unit was rolled back from the newer build"); err != nil {
				return err
			}
		case !d.request.AllowDowngrade && !d.request.AllowRewrite:
			return &Refusal{path, fmt.Sprintf("%q was rolled back in the repository", i.tag),
				"a newer build goes through; --allow-downgrade brings this one back on purpose"}
		default:
			d.override("allow-downgrade")
		}
	}
	return nil
}

func (d *decision) otherStream(path string, i image, old buildtag.Tag) error {
	if d.newBranch {
		return nil // copied from the branch that this one starts from
	}
	if !d.request.AllowBranchChange {
		return &Refusal{path, fmt.Sprintf("%q would replace %q of %s, which is of another branch", i.tag, old, short(i.repository)),
			"push to another branch or folder of the repository; --allow-branch-change changes the branch on purpose"}
	}
	d.override("allow-branch-change")
	return nil
}

// unstamped refuses to replace a build by a reference that tells no build.
func (d *decision) unstamped(path string, was, is unit, mine []image) error {
	if d.newBranch {
		return nil
	}
	stamped := map[string]bool{}
	for _, i := range mine {
		stamped[i.repository] = true
	}
	for _, old := range was.images {
		if old.tag.Kind() != buildtag.Build || stamped[old.repository] || len(is.of(old.repository)) == 0 {
			continue
		}
		if !d.request.AllowBranchChange {
			return &Refusal{path, fmt.Sprintf("the tip holds %q of %s, and the new unit tells no build", old.tag, short(old.repository)),
				"stamp the unit first; --allow-branch-change leaves the branch on purpose"}
		}
		d.override("allow-branch-change")
	}
	return nil
}

// removal is guarded as if the build that asks for it came into the unit's place.
func (d *decision) removal(path string, was unit) error {
	own := d.request.Build.Tag
	for _, old := range was.images {
		if old.tag.Kind() != buildtag.Build {
			continue
		}
		left := mark{path, old.repository, old.tag}
		if own.Kind() == buildtag.Build {
			order, comparable := own.Compare(old.tag)
			i := image{repository: old.repository, tag: own}
			switch {
			case comparable && order < 0:
				if err := d.older(path, i, old.tag, "the unit to be removed holds the newer build"); err != nil {
					return err
				}
				left.tag = own
			case comparable:
				left.tag = own
			default:
				if err := d.otherStream(path, i, old.tag); err != nil {
					return err
				}
			}
			if err := d.belowMark(path, i, was); err != nil {
				return err
			}
		}
		d.removed = add(d.removed, left)
	}
	return nil
}

// settle forgets the marks of streams that this commit raises, or lowers on
// purpose.
func (d *decision) settle(path string, is unit) {
	var open []mark
	for _, m := range d.marks {
		settled := false
		for _, tag := range is.of(m.repository) {
			_, comparable := tag.Compare(m.tag)
			settled = settled || comparable && m.path == path
		}
		if !settled {
			open = append(open, m)
		}
	}
	d.marks = open
}

// remaining lists the marks that the commit carries on.
func (d *decision) remaining() []mark {
	all := append([]mark(nil), d.removed...)
	for _, m := range d.marks {
		all = add(all, m)
	}
	return all[:min(len(all), maxMarks)]
}

func (d *decision) override(what string) {
	for _, o := range d.overrides {
		if o == what {
			return
		}
	}
	d.overrides = append(d.overrides, what)
}

// mayHoldImages is a quick look at a name.
func mayHoldImages(name string) bool {
	return isUnit(unitname.FromPath(name)) || isEnvFile(name)
}
