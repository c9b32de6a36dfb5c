package lint

import "strings"

// Rules are all rules, sorted by their IDs.
func Rules() []Rule {
	return []Rule{
		us001,
		us002,
		us003,
		us004,
		us005,
		us006,
		us007,
		us008,
		us009,
		us010,
		us011,
		us012,
		us013,
		us014,
		us015,
		us016,
		us017,
		us018,
		us019,
		us020,
		us021,
		us022,
		us023,
		us024,
		us025,
		us026,
		us027,
		us028,
		us029,
		us030,
		us031,
		us032,
		us033,
		us034,
		us035,
		us036,
		us040,
		us041,
		us042,
		us043,
		us044,
		us045,
		us046,
		us047,
		us048,
		us050,
		us051,
		us052,
		us053,
		us054,
		us055,
		us056,
		us060,
		us090,
		us091,
	}
}

// Lookup finds a rule by its ID or its name; the case does not matter.
func Lookup(text string) (Rule, bool) {
	for _, r := range Rules() {
		if strings.EqualFold(text, r.ID) || strings.EqualFold(text, r.Name) {
			return r, true
		}
	}
	return Rule{}, false
}
