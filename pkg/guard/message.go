package guard

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// Message is what a message template can use, as in
// "deploy {{.Units}} {{.Tag}}".
type Message struct {
	// Units are the names of the units that change, "a, b".
	Units string
	// Removed are the names of those that are removed.
	Removed string
	// Tag is the tag, or "a, b" where the units differ in it.
	Tag string
	// Branch, Source and URL of the build; "" where unknown.
	Branch, Source, URL string
	// Images are "repository:tag", "a, b".
	Images string
}

// message writes the commit message with its trailers.
func message(r Request, files []FileOutcome, overrides []string, marks []mark, tip string) (string, error) {
	var (
		units, removed, tags, images []string
		trailers                     []trailer
		digests                      []string
	)
	for _, f := range files {
		switch f.Action {
		case Unchanged:
			continue
		case Removed:
			removed = appendNew(removed, serviceName(f.Path))
			continue
		}
		units = appendNew(units, serviceName(f.Path))
		tags = appendNew(tags, f.New)
		for _, i := range readUnit(f.Path, f.After).stamped(r.Build.Tag) {
			images = appendNew(images, short(i.repository)+":"+i.tag.String())
			digests = appendNew(digests, i.digest)
		}
	}
	m := Message{
		Units: plain(strings.Join(units, ", ")), Removed: plain(strings.Join(removed, ", ")), Tag: plain(strings.Join(tags, ", ")),
		Branch: plain(r.Build.Branch), Source: plain(r.Build.Source), URL: plain(r.Build.URL), Images: plain(strings.Join(images, ", ")),
	}
	text := usual(m, len(units))
	if r.Template != "" {
		var err error
		if text, err = render(r.Template, m); err != nil {
			return "", err
		}
	}
	say := func(key, value string) {
		if value = plain(value); value != "" {
			trailers = append(trailers, trailer{key, value})
		}
	}
	for _, i := range images {
		say(trailerImage, i)
	}
	number, branch := buildOf(r.Build, tags)
	say(trailerBuild, number)
	say(trailerBranch, branch)
	say(trailerSource, r.Build.Source)
	say(trailerURL, r.Build.URL)
	for _, d := range digests {
		say(trailerDigest, d)
	}
	for _, o := range overrides {
		say(trailerOverride, o)
	}
	if r.ID != "" {
		say(trailerRequest, r.ID)
		for _, f := range files {
			if f.Action != Unchanged {
				say(trailerChange, f.change())
			}
		}
	}
	for _, k := range marks {
		say(trailerMark, k.String())
	}
	if tip == "" {
		tip = noParent
	}
	say(trailerParent, tip)
	var b strings.Builder
	b.WriteString(text + "\n\n")
	for _, t := range trailers {
		fmt.Fprintf(&b, "%s: %s\n", t.key, t.value)
	}
	return b.String(), nil
}

// usual is the message as it has always been.
func usual(m Message, units int) string {
	text := ""
	if units > 0 {
		text = "Updating " + m.Units
	}
	if m.Tag != "" {
		noun := "tag"
		if units > 1 {
			noun = "tags"
		}
		text += fmt.Sprintf(" %s to '%s'", noun, m.Tag)
	}
	switch {
	case m.Removed == "":
		return text
	case text == "":
		return "Removing " + m.Removed
	}
	return text + ", removing " + m.Removed
}

// buildOf gives number and raw branch of the build, from what is known of it or
// from the one build tag of the units.
func buildOf(b Build, tags []string) (number, branch string) {
	tag := b.Tag
	if len(tags) == 1 && buildtag.Parse(tags[0]).Kind() == buildtag.Build && tag.String() != tags[0] {
		tag = buildtag.Parse(tags[0]) // stamped by another build than the one that pushes
		if buildtag.Sanitize(b.Branch, buildtag.Options{}) != tag.Branch() {
			b.Branch = tag.Branch()
		}
	}
	if tag.Kind() != buildtag.Build {
		return "", b.Branch
	}
	if b.Branch == "" {
		b.Branch = tag.Branch()
	}
	return fmt.Sprint(tag.Number()), b.Branch
}

// serviceName is a unit's name as people say it: without type and without the
// "@" of a template.
func serviceName(file string) string {
	base := path.Base(file)
	n := unitname.FromPath(file)
	if n.DropIn || !isUnit(n) {
		return base
	}
	return strings.TrimSuffix(strings.TrimSuffix(base, n.Suffix), "@")
}

func appendNew(list []string, s string) []string {
	if s == "" {
		return list
	}
	for _, old := range list {
		if old == s {
			return list
		}
	}
	return append(list, s)
}

var skipWords = regexp.MustCompile(`(?i)\[([^\[\]]*\b(?:skip|no)\b[^\[\]]*)\]|\*\*\*(no_ci)\*\*\*|\b(skip-checks)\b`)

// plain makes a value safe inside a message: one line, and none of the marks by
// which a text that is only quoted would tell a CI system to do nothing.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	return skipWords.ReplaceAllStringFunc(s, func(m string) string {
		return strings.NewReplacer("[", "(", "]", ")", "*", "", "skip-checks", "skip_checks").Replace(m)
	})
}
