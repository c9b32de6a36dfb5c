package guard

import (
	"path"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// image is one image reference of a unit.
type image struct {
	repository string // full name
	tag        buildtag.Tag
	digest     string
}

// unit is a file as far as the decision needs it.
type unit struct {
	images []image
	hold   bool
}

// readUnit finds the images of a unit or env file. A file of another kind, or
// one that systemd would refuse, has none: it can neither block nor be blocked.
func readUnit(name string, content []byte) unit {
	f := &source.File{Name: name, Bytes: content}
	if isEnvFile(name) {
		return unit{images: imagesOf(unitimage.FindEnvFile(f), true)}
	}
	known := unitname.FromPath(name)
	if !isUnit(known) {
		return unit{}
	}
	doc, err := unitfile.Parse(f)
	if err != nil {
		return unit{}
	}
	u := unit{images: imagesOf(unitimage.Find(doc, known), false)}
	if hold := doc.Last("X-Unitstamp", "Hold"); hold != nil {
		u.hold = isTrue(hold.Value.Text)
	}
	return u
}

// isUnit reports whether systemd or Quadlet reads files of this name.
func isUnit(n unitname.Name) bool {
	switch n.Suffix {
	case ".service", ".socket", ".timer", ".target", ".path", ".mount", ".automount", ".swap", ".slice", ".scope", ".device":
		return true
	}
	return n.DropIn || n.Quadlet()
}

func isEnvFile(name string) bool {
	base := path.Base(name)
	return base == ".env" || strings.HasSuffix(base, ".env")
}

// isTrue reads a boolean as systemd does (src/basic/parse-util.c parse_boolean).
// Anything else than a plain "no" holds: a mistyped brake must not be lost.
func isTrue(text string) bool {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "", "0", "no", "n", "false", "f", "off":
		return false
	}
	return true
}

func imagesOf(found *unitimage.Found, env bool) []image {
	var images []image
	for _, r := range found.References {
		if r.Repository == "" || env && !r.LooksLikeImage() {
			continue
		}
		images = append(images, image{repository: r.Repository, tag: buildtag.Parse(r.Tag), digest: r.Digest})
	}
	return images
}

// shown is the tag that stands for a unit in output: that of the build itself,
// else the first build tag, release or other tag, in this order.
func (u unit) shown(own buildtag.Tag) string {
	best, rank := "", 0
	for _, i := range u.images {
		r := 0
		switch i.tag.Kind() {
		case buildtag.Build:
			r = 3
		case buildtag.Release:
			r = 2
		case buildtag.Moving:
			r = 1
		}
		if own.String() != "" && i.tag.String() == own.String() {
			r = 4
		}
		if r > rank {
			best, rank = i.tag.String(), r
		}
	}
	return best
}

// stamped lists the images that this build is about: those with a build tag and
// those with the build's own tag, each repository and tag once.
func (u unit) stamped(own buildtag.Tag) []image {
	var all []image
	seen := map[string]bool{}
	for _, i := range u.images {
		key := i.repository + ":" + i.tag.String()
		mine := i.tag.Kind() == buildtag.Build || own.String() != "" && own.String() == i.tag.String()
		if mine && !seen[key] {
			seen[key] = true
			all = append(all, i)
		}
	}
	return all
}

// of lists the tags that a unit holds for a repository.
func (u unit) of(repository string) []buildtag.Tag {
	var tags []buildtag.Tag
	for _, i := range u.images {
		if i.repository == repository {
			tags = append(tags, i.tag)
		}
	}
	return tags
}

// short is a repository as people write it.
func short(repository string) string { return imageref.Familiar(repository) }
