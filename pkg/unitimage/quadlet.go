package unitimage

import (
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/source"
)

// quadlet reads an Image= of a Quadlet file.
func (f *finder) quadlet() {
	v := f.item.Value
	value := strings.TrimLeft(v.Text, `"`) // as podman's unitfile.go, Lookup
	start := len(v.Text) - len(value)
	value = strings.TrimRight(value, `"`)
	if value == "" || strings.HasSuffix(value, ".image") || strings.HasSuffix(value, ".build") {
		return // nothing, or another unit
	}
	if blank := strings.IndexAny(value, " \t"); blank > 0 && f.quadletWords(value[:blank], start) {
		return
	}
	var b builder
	appendValue(&b, v, start, start+len(value))
	raw := b.text()
	expanded, specifiers, bad := expandSpecifiers(raw, f.name)
	if bad >= 0 {
		expanded = raw
	}
	var a argument
	// Quadlet hands the value on as one word of a command line.
	if list := appendExpanded(nil, expanded, specifiers, f.environment("Service")); len(list) == 1 {
		a = list[0]
	} else {
		a = argument{text: unknownText(raw), variables: true}
	}
	a.site = raw.site(0, len(raw.s))
	f.found.References = append(f.found.References, f.reference(a, "quadlet"))
}

// quadletWords notes an image that something follows, such as what was meant as a
// comment: all of it is the value.
func (f *finder) quadletWords(image string, start int) bool {
	if _, err := imageref.Parse(image); err != nil {
		return false
	}
	v := f.item.Value
	span := source.Span{Start: v.Offset(start), End: v.Offset(start+len(image)-1) + 1}
	f.found.Doubts = append(f.found.Doubts, Doubt{
		Section: f.item.Section, Key: f.item.Key, Command: "quadlet", Span: span, Rule: "comment-in-value",
		Message: "what follows " + strconv.Quote(image) + " is part of the value of Image=, and no comment",
		Hint:    "write the image alone, and a comment on a line of its own", words: []string{image},
	})
	return true
}
