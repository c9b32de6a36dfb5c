package lint

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/spelling"
)

// directiveList holds a line for each setting of systemd 252 to 258, and those before
// that it still knows: the name, and the sections that have it. The names of 252 are
// what `systemd --dump-configuration-items` prints, later ones come from its NEWS.
//
//go:embed directives.txt
var directiveList string

// sectionsOf returns the sections that have a setting. The list is sorted, and
// searched by halves.
func sectionsOf(key string) []string {
	low, high := 0, len(directiveList)
	for low < high {
		start := strings.LastIndexByte(directiveList[:(low+high)/2], '\n') + 1
		line, _, _ := strings.Cut(directiveList[start:], "\n")
		name, sections, _ := strings.Cut(line, " ")
		switch {
		case name == key:
			return strings.Fields(sections)
		case name < key:
			low = start + len(line) + 1
		default:
			high = start
		}
	}
	return nil
}

// nearestDirective is the setting of a section whose name differs least from a
// text, if it differs by little, or "".
func nearestDirective(text, section string) string {
	best, distance := "", 3
	for line := range strings.Lines(directiveList) {
		name, sections, _ := strings.Cut(strings.TrimSpace(line), " ")
		if abs(len(name)-len(text)) >= distance || !slices.Contains(strings.Fields(sections), section) {
			continue
		}
		if strings.EqualFold(name, text) {
			return name
		}
		if d := spelling.Distance(name, text); d < distance && d < len(text)/2 {
			best, distance = name, d
		}
	}
	return best
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// ownSections are the sections that a unit of a type has beside [Unit] and
// [Install]. Quadlet's files may hold a [Service] section as well.
var ownSections = map[string][]string{
	".service": {"Service"}, ".socket": {"Socket"}, ".mount": {"Mount"}, ".automount": {"Automount"}, ".swap": {"Swap"},
	".timer": {"Timer"}, ".path": {"Path"}, ".slice": {"Slice"}, ".scope": {"Scope"}, ".target": {}, ".device": {},
	".container": {"Container", "Service", "Quadlet"}, ".pod": {"Pod", "Service", "Quadlet"}, ".volume": {"Volume", "Service", "Quadlet"},
	".kube": {"Kube", "Service", "Quadlet"}, ".image": {"Image", "Service", "Quadlet"},
	".build": {"Build", "Service", "Quadlet"},
}

// hasOwnSection reports whether a unit of the type has the section. Of an unknown
// type nothing is known.
func hasOwnSection(suffix, section string) bool {
	if section == "Unit" || section == "Install" || strings.HasPrefix(section, "X-") {
		return true
	}
	own, known := ownSections[suffix]
	return !known || slices.Contains(own, section)
}

// readsDirectives reports whether systemd itself reads the section, so that the
// list of settings is about it.
func readsDirectives(section string) bool {
	switch section {
	case "Unit", "Install", "Service", "Socket", "Mount", "Automount", "Swap", "Timer", "Path", "Slice", "Scope":
		return true
	}
	return false
}
