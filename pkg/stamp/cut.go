package stamp

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

// cutByContinuation reports an image that somebody broke in two at a line's end: to
// systemd the '\' there is a blank. It is an error if the image was to be stamped.
func (s *stamper) cutByContinuation(r unitimage.Reference) bool {
	whole, ok := acrossLines(s.unit.Source.Bytes, r)
	if !ok {
		return false
	}
	ref, err := imageref.Parse(whole)
	if err != nil {
		return false
	}
	severity := diag.Warning
	if s.request.Target.has(ref.Repository) {
		severity = diag.Error
		s.match(ref.Repository)
	}
	s.finding(r.Span, severity, "crosses-continuation", "the image "+strconv.Quote(whole)+" is cut by the end of the line: the '\\' there becomes a blank",
		"write the image as one word on one line")
	return true
}

// acrossLines joins an operand with what was meant to belong to it: the first word
// of the next line, or the lines inside its quotes.
func acrossLines(file []byte, r unitimage.Reference) (whole string, ok bool) {
	join := func(text string) string {
		var b strings.Builder
		for i, line := range strings.Split(text, "\n") {
			if i > 0 {
				line = strings.TrimLeft(line, " \t")
			}
			b.WriteString(strings.TrimSuffix(strings.TrimSuffix(line, "\r"), "\\"))
		}
		return b.String()
	}
	if strings.Contains(r.Written, "\\\n") || strings.Contains(r.Written, "\\\r\n") {
		return join(r.Written), true
	}
	rest := file[min(r.Span.End, len(file)):]
	if !bytes.HasPrefix(rest, []byte("\\\n")) && !bytes.HasPrefix(rest, []byte("\\\r\n")) {
		return "", false
	}
	_, next, _ := bytes.Cut(rest, []byte("\n"))
	next = bytes.TrimLeft(next, " \t")
	if end := bytes.IndexAny(next, " \t\r\n\\"); end >= 0 {
		next = next[:end]
	}
	return r.Written + string(next), len(next) > 0
}
