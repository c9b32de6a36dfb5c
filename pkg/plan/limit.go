package plan

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
)

// A Limit is a number, or a share of the owned units in percent.
type Limit struct {
	N       int
	Percent bool
}

// ParseLimit reads "5" or "20%".
func ParseLimit(s string) (Limit, error) {
	digits, percent := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || percent && n > 100 {
		return Limit{}, fmt.Errorf("%q is neither a number nor a percentage", s)
	}
	return Limit{n, percent}, nil
}

func (l Limit) String() string {
	if l.Percent {
		return strconv.Itoa(l.N) + "%"
	}
	return strconv.Itoa(l.N)
}

// exceeded reports whether n of all units are more than the limit allows.
func (l Limit) exceeded(n, all int) bool {
	if l.Percent {
		return n*100 > l.N*all
	}
	return n > l.N
}

// A Selection tells which units take part. Every condition that is set must
// hold; units without a build's tag are outside Builds and Images.
type Selection struct {
	// Names are unit names or globs; one of them must match.
	Names []string
	// Builds chooses by branch and build number.
	Builds buildtag.Selection
	// Images are repositories in full, as imageref has them; one of the unit's
	// must be among them.
	Images []string
}

// All reports whether nothing is selected, so that all units take part.
func (s Selection) All() bool {
	return len(s.Names) == 0 && s.Builds.Empty() && len(s.Images) == 0
}

// takes reports whether an image is among those meant.
func (s Selection) takes(image stamp) bool {
	return image.built() && s.Builds.Chooses(image.tag) &&
		(len(s.Images) == 0 || slices.Contains(s.Images, image.repository))
}

// Check fails on a glob that is none.
func (s Selection) Check() error {
	for _, name := range s.Names {
		if _, err := path.Match(name, ""); err != nil {
			return fmt.Errorf("%q is no pattern", name)
		}
	}
	return nil
}

// selected reports whether a unit takes part: by its name, and by what is
// wanted of it, or for one that is not wanted by what is there.
func (m *maker) selected(r *reader, name string) bool {
	sel := m.opts.Select
	if len(sel.Names) > 0 && !slices.ContainsFunc(sel.Names, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return err == nil && ok || pattern == name // a name may hold a backslash
	}) {
		return false
	}
	if sel.Builds.Empty() && len(sel.Images) == 0 {
		return true
	}
	if w, wanted := m.units[name]; wanted {
		return w.taken
	}
	return slices.ContainsFunc(r.images(name, m.there(name)), sel.takes)
}

// limit adds the reasons not to carry out the plan.
func (m *maker) limit(p *Plan) {
	if len(m.units) == 0 && !m.opts.AllowEmpty {
		p.Refusals = append(p.Refusals, Refusal{
			"no unit is wanted: the folder holds none",
			"look whether it is the right folder; --allow-empty if every unit is meant to go",
		})
	}
	if n := p.Count()[Delete]; m.opts.MaxDelete.exceeded(n, len(m.obs.Owned)) {
		p.Refusals = append(p.Refusals, Refusal{
			fmt.Sprintf("%d units would be deleted, at most %s may be", n, m.opts.MaxDelete),
			fmt.Sprintf("--max-delete %d if that is meant", n),
		})
	}
	for _, s := range p.Steps {
		if s.Action == Conflict {
			hint := "--adopt takes it over"
			switch {
			case strings.Contains(s.Reason, "masked"):
				hint = "systemctl unmask " + s.Unit + " lifts the mask"
				if strings.HasPrefix(m.obs.States[s.Unit].Fragment, "/run/") {
					hint = "systemctl unmask --runtime " + s.Unit + " lifts the mask"
				}
			case m.there(s.Unit).obstacle() != "":
				hint = "move it away"
			}
			p.Refusals = append(p.Refusals, Refusal{s.Unit + ": " + s.Reason, hint})
		}
	}
	if m.opts.RequireStamped {
		for _, s := range p.Steps {
			if w, wanted := m.units[s.Unit]; wanted && w.unstamped != "" {
				p.Refusals = append(p.Refusals, Refusal{
					fmt.Sprintf("%s: %q carries no build's tag", s.Unit, w.unstamped),
					"stamp the unit, or leave --require-stamped away",
				})
			}
		}
	}
}
