package plan

import "slices"

// Reverse is the step that puts back what was there before: the same bytes,
// the same units up. It is made for the moment after s was carried out, in
// full or in part.
func (s *Step) Reverse() *Step {
	r := &Step{
		Unit: s.Unit, Action: Update, From: s.To, To: s.From,
		Reason:  "back to what was there before",
		Targets: s.Targets, Ran: s.Ran, Triggers: s.Triggers, Needs: s.Needs,
		Before: s.After, Base: s.Base, Group: s.Group, At: s.At,
		Disable: s.Enable && !s.WasEnabled,
		Enable:  (s.Enable || s.Disable) && s.WasEnabled,
	}
	paths := Files{}
	for p, f := range s.Base {
		paths[p] = f
	}
	if s.After != nil {
		for p := range s.After.Files {
			if _, both := paths[p]; !both {
				paths[p] = File{}
			}
		}
	}
	for _, p := range paths.paths() {
		change := Change{Path: p}
		if f, was := s.Base[p]; was {
			change.After = &f
		}
		r.Changes = append(r.Changes, change)
	}
	if len(s.Base) == 0 {
		r.Action = Delete
	}
	if s.Before != nil && len(s.Base) > 0 {
		r.After = &Entry{Unit: s.Unit, Files: Sums(s.Base), Tag: s.From, At: s.Before.At}
		if !s.Before.Pending {
			r.After.Previous = s.Before.Previous
		}
	}
	ran := slices.ContainsFunc(s.Targets, func(target string) bool { return s.Ran[target] })
	switch {
	case s.Effect == DoNothing:
	case s.Effect == DoReload && ran:
		if s.WasReloadable {
			r.Effect = DoReload
		}
	case ran:
		r.Effect = DoCycle
	default:
		r.Effect = DoStop
	}
	return r
}
