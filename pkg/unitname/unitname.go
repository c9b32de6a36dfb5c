// Package unitname knows what the name of a unit file says: its type, its prefix
// and instance, whether it is a template, and what the specifiers that depend on
// the name alone stand for (systemd.unit(5), src/core/unit-printf.c).
package unitname

import (
	"path/filepath"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"
)

// A Name is the name of a unit. The zero Name is an unknown one.
type Name struct {
	// Full is the unit's name as systemd knows it: web.service for web.container.
	Full string
	// Suffix is the type with its dot, as the file has it: ".service", ".container".
	Suffix string
	// Prefix is the part before '@', or before the suffix.
	Prefix string
	// Instance is the part between '@' and the suffix.
	Instance string
	// Template tells that the name has an '@' with nothing behind it.
	Template bool
	// DropIn tells that the file is a drop-in of the unit.
	DropIn bool
}

// quadlet maps Quadlet's file types to what it appends to the name of the service
// that it makes (podman-systemd.unit(5)).
var quadlet = map[string]string{
	".container": "", ".kube": "", ".pod": "-pod", ".volume": "-volume", ".network": "-network", ".image": "-image", ".build": "-build",
}

// Quadlet reports whether the file is read by Quadlet and not by systemd itself.
func (n Name) Quadlet() bool {
	_, ok := quadlet[n.Suffix]
	return ok
}

// FromPath reads the name of the unit that a file belongs to. A file in a folder
// NAME.d that ends in .conf is a drop-in of NAME. A path without a name, such as
// "-", gives the zero Name.
func FromPath(path string) Name {
	base := filepath.Base(path)
	var n Name
	if dir := filepath.Base(filepath.Dir(path)); strings.HasSuffix(base, ".conf") && strings.HasSuffix(dir, ".d") {
		n.DropIn = true
		base = strings.TrimSuffix(dir, ".d")
	}
	dot := strings.LastIndexByte(base, '.')
	if dot <= 0 { // service.d/ holds drop-ins of all services
		return Name{DropIn: n.DropIn}
	}
	n.Suffix = base[dot:]
	stem := base[:dot]
	n.Full = base
	at := strings.IndexByte(stem, '@')
	if extra, ok := quadlet[n.Suffix]; ok {
		n.Full = stem + extra + ".service"
		if at >= 0 {
			n.Full = stem[:at] + extra + stem[at:] + ".service"
		}
	}
	n.Prefix = strings.TrimSuffix(n.Full, ".service")
	if at := strings.IndexByte(n.Full, '@'); at >= 0 {
		n.Prefix = n.Full[:at]
		n.Instance = stem[strings.IndexByte(stem, '@')+1:]
		n.Template = n.Instance == ""
	} else if n.Full == base {
		n.Prefix = stem
	}
	return n
}

// Specifier returns what %letter stands for, and false if the name alone does not
// tell: for specifiers about the host or the user, and for those about the
// instance in a template.
func (n Name) Specifier(letter byte) (value string, ok bool) {
	if n.Full == "" {
		return "", false
	}
	last := n.Prefix[strings.LastIndexByte(n.Prefix, '-')+1:]
	switch letter {
	case 'p':
		return n.Prefix, true
	case 'P':
		return unit.UnitNameUnescape(n.Prefix), true
	case 'j':
		return last, true
	case 'J':
		return unit.UnitNameUnescape(last), true
	}
	if n.Template {
		return "", false
	}
	switch letter {
	case 'i':
		return n.Instance, true
	case 'I':
		return unit.UnitNameUnescape(n.Instance), true
	case 'n':
		return n.Full, true
	case 'N':
		return n.Full[:strings.LastIndexByte(n.Full, '.')], true
	}
	return "", false
}

// KnownSpecifier reports whether any version of systemd has %letter. systemd
// refuses a unit with another letter or a digit there; before any other character
// a '%' stands for itself.
func KnownSpecifier(letter byte) bool {
	return strings.IndexByte("aAbBcCdDEfgGhHiIjJlLmMnNopPqrRsStTuUvVwWyY", letter) >= 0
}
