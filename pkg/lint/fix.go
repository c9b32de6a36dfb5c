package lint

import (
	"bytes"
	"slices"

	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// maxPasses bounds how often a file is looked at anew: a mend may bring to light
// what it hid. Each pass mends something, so few are ever needed.
const maxPasses = 20

// Fix makes every safe mend and returns the new bytes with the findings that were
// mended. Mends that would overlap wait for the next pass. Rules that compare
// files offer none. A second Fix changes nothing.
func Fix(f *source.File, name unitname.Name, settings Settings) (fixed []byte, mended []Finding, err error) {
	current := f
	for range maxPasses {
		findings := Conclude([]*Unit{Read(current, name, settings)})[0]
		edits, done := choose(findings)
		if len(edits) == 0 {
			break
		}
		next, err := source.Apply(current.Bytes, edits)
		if err != nil {
			return nil, nil, err
		}
		if bytes.Equal(next, current.Bytes) {
			break
		}
		mended = append(mended, done...)
		current = &source.File{Name: f.Name, Bytes: next}
	}
	return current.Bytes, mended, nil
}

// choose takes the mends that do not touch each other, in order.
func choose(findings []Finding) (edits []source.Edit, mended []Finding) {
	for _, f := range findings {
		if f.Fix == nil || slices.ContainsFunc(f.Fix, func(e source.Edit) bool { return touches(edits, e) }) {
			continue
		}
		edits = append(edits, f.Fix...)
		mended = append(mended, f)
	}
	return edits, mended
}

func touches(edits []source.Edit, e source.Edit) bool {
	return slices.ContainsFunc(edits, func(o source.Edit) bool {
		return e.Span.Start <= o.Span.End && o.Span.Start <= e.Span.End
	})
}
