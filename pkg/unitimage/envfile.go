package unitimage

import (
	"strings"

	"github.com/unitstamp/unitstamp/pkg/envfile"
	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/source"
)

// EnvFileCommand is the Command of references in KEY=value files.
const EnvFileCommand = "env-file"

// FindEnvFile looks through a file of KEY=value lines. Any value that can be an
// image reference is one; nobody but the user can tell which of them are.
func FindEnvFile(f *source.File) *Found {
	found := &Found{}
	for _, v := range envfile.Parse(f.Bytes) {
		if _, err := imageref.Parse(v.Value); err != nil {
			continue
		}
		var b builder
		for i := range len(v.Value) {
			b.add(v.Value[i:i+1], v.Offsets[i], verbatim, source.Span{})
		}
		t := b.text()
		r := Reference{Key: v.Key, Command: EnvFileCommand, Written: t.s, Span: t.site(0, len(t.s)), target: t}
		r.resolve(argument{text: t})
		found.References = append(found.References, r)
	}
	return found
}

// LooksLikeImage reports whether the value of an env file says by itself that it
// is an image: it names a path or a tag.
func (r Reference) LooksLikeImage() bool { return strings.ContainsAny(r.Resolved, "/:") }
