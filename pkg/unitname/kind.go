package unitname

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// maxLength is systemd's UNIT_NAME_MAX less one, in bytes.
const maxLength = 255

// good holds the characters that systemd takes in a unit's name
// (systemd src/basic/unit-name.c, VALID_CHARS_WITH_AT).
var good = regexp.MustCompile(`^[0-9A-Za-z:_.\\@-]+$`)

// kinds are the suffixes of units that come from files.
var kinds = []string{"automount", "mount", "path", "service", "slice", "socket", "swap", "target", "timer"}

// Kind is the suffix of a unit's name without the dot: "service", "timer".
func Kind(name string) string { return strings.TrimPrefix(path.Ext(name), ".") }

// IsUnit reports whether a file of that base name is taken for a unit, of
// systemd's or of Quadlet's, whether or not the name is a good one.
func IsUnit(base string) bool { return slices.Contains(kinds, Kind(base)) || IsQuadlet(base) }

// IsQuadlet reports whether the unit is a file for podman's generator.
func IsQuadlet(name string) bool {
	_, ok := quadlet[path.Ext(name)]
	return ok
}

// Valid reports whether systemd takes the name: letters, digits and ":-_.\@", a
// known suffix, something before it, at most 255 bytes.
func Valid(name string) bool {
	prefix := strings.TrimSuffix(name, path.Ext(name))
	return len(name) <= maxLength && good.MatchString(name) && IsUnit(name) &&
		prefix != "" && !strings.HasPrefix(prefix, "@")
}

// IsTemplate reports whether the name is that of a template, as web@.service.
func IsTemplate(name string) bool {
	return strings.HasSuffix(strings.TrimSuffix(name, path.Ext(name)), "@")
}

// TemplateOf returns the template of an instance, web@.service for
// web@1.service, and "" for other names.
func TemplateOf(name string) string {
	at := strings.IndexByte(name, '@')
	if at < 0 || IsTemplate(name) {
		return ""
	}
	return name[:at+1] + path.Ext(name)
}

// Of returns the unit that a path below a unit folder belongs to: the file
// itself, or for a drop-in the unit that its folder names. It is "" for paths
// that are neither.
func Of(p string) string {
	folder, base := path.Split(p)
	if folder == "" {
		return base
	}
	unit, ok := strings.CutSuffix(strings.TrimSuffix(folder, "/"), ".d")
	if !ok || strings.Contains(unit, "/") || !strings.HasSuffix(base, ".conf") {
		return ""
	}
	return unit
}
