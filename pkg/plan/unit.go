package plan

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// maxName is systemd's UNIT_NAME_MAX less one, in bytes.
const maxName = 255

// unitName holds the characters that systemd takes in a unit's name
// (systemd src/basic/unit-name.c, VALID_CHARS_WITH_AT).
var unitName = regexp.MustCompile(`^[0-9A-Za-z:_.\\@-]+$`)

// kinds are the suffixes of units that come from files.
var kinds = []string{"automount", "mount", "path", "service", "slice", "socket", "swap", "target", "timer"}

// quadlets are the suffixes of the files that podman's generator turns into
// services.
var quadlets = []string{"build", "container", "image", "kube", "network", "pod", "volume"}

// IsUnitFile reports whether a file of that base name is taken for a unit,
// whether or not the name is a good one.
func IsUnitFile(base string) bool {
	kind := Kind(base)
	return slices.Contains(kinds, kind) || slices.Contains(quadlets, kind)
}

// IsQuadlet reports whether the unit is a file for podman's generator.
func IsQuadlet(name string) bool { return slices.Contains(quadlets, Kind(name)) }

// ValidName reports whether systemd takes the name: letters, digits and
// ":-_.\@", a known suffix, something before it, at most 255 bytes.
func ValidName(name string) bool {
	prefix := strings.TrimSuffix(name, "."+Kind(name))
	return len(name) <= maxName && unitName.MatchString(name) && IsUnitFile(name) &&
		prefix != "" && !strings.HasPrefix(prefix, "@")
}

// Kind is the suffix of a unit's name without the dot: "service", "timer".
func Kind(name string) string { return strings.TrimPrefix(path.Ext(name), ".") }

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

// UnitOf returns the unit that a path below a unit folder belongs to: the file
// itself, or for a drop-in the unit that its folder names. It is "" for paths
// that are neither.
func UnitOf(p string) string {
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

// A File is what stands at a path of a unit folder: bytes, a symbolic link, or
// something that is no unit file at all, such as a folder.
type File struct {
	Data  []byte `json:"data,omitempty"`
	Link  string `json:"link,omitempty"`
	Other string `json:"other,omitempty"` // what it is, if neither
}

// Regular reports whether the file is bytes.
func (f File) Regular() bool { return f.Link == "" && f.Other == "" }

// Equal reports whether two files are the same byte for byte.
func (f File) Equal(g File) bool {
	return f.Link == g.Link && f.Other == g.Other && string(f.Data) == string(g.Data)
}

// IsMask reports whether the file is what `systemctl mask` leaves.
func (f File) IsMask() bool { return f.Link == "/dev/null" }

// Files are files by their path below the unit folder, as in "web.service" and
// "web.service.d/10-limits.conf".
type Files map[string]File

// paths are the paths in order.
func (f Files) paths() []string {
	paths := make([]string, 0, len(f))
	for p := range f {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// A Unit is a unit that is wanted: its file, its drop-ins, or both.
type Unit struct {
	Name  string
	Files Files
}

// Partial reports whether only drop-ins are there, for a unit that comes from
// elsewhere.
func (u Unit) Partial() bool { _, main := u.Files[u.Name]; return !main }
