package plan

import (
	"slices"
)

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

// obstacle is the first path at which something stands that is no unit file, ""
// if there is none.
func (f Files) obstacle() string {
	for _, p := range f.paths() {
		if f[p].Other != "" {
			return p
		}
	}
	return ""
}

// A Unit is a unit that is wanted: its file, its drop-ins, or both.
type Unit struct {
	Name  string
	Files Files
}

// Partial reports whether only drop-ins are there, for a unit that comes from
// elsewhere.
func (u Unit) Partial() bool { _, main := u.Files[u.Name]; return !main }
