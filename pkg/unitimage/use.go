package unitimage

import (
	"slices"

	"github.com/unitstamp/unitstamp/pkg/containerrun"
	"github.com/unitstamp/unitstamp/pkg/source"
)

// A Use is a place of a command line where the value of a variable stands.
type Use struct {
	Written string
	text    text
}

// Uses reports whether an edit of a span of the file changes what stands here. An
// empty span is an insertion; it changes the text that ends at it.
func (u Use) Uses(span source.Span) bool { return u.text.overlaps(span) }

// Uses reports whether an edit of a span of the file changes the reference.
func (r Reference) Uses(span source.Span) bool { return r.target.overlaps(span) }

func (t text) overlaps(span source.Span) bool {
	for r, s := range t.each {
		if r.origin != verbatim {
			continue
		}
		start, end := r.file, r.file+len(s)
		if span.Start < end && start < span.End || span.Len() == 0 && start < span.Start && span.Start <= end {
			return true
		}
	}
	return false
}

// nameOptions are the options whose value is the name of a container or a host.
var nameOptions = []string{"--name", "--hostname", "-h", "--net-alias", "--network-alias", "--link", "--volumes-from", "--net", "--network", "--pod"}

// optionNames notes variables in options that name something.
func (f *finder) optionNames(args []argument, inv containerrun.Invocation) {
	for _, o := range inv.Options {
		if slices.Contains(nameOptions, o.Name) {
			f.use(args[o.ValueArg])
		}
	}
}

// nameVerbs are the commands of the clients that take names of containers.
var nameVerbs = []string{"attach", "exec", "kill", "logs", "pause", "port", "rename", "restart", "rm", "start", "stop", "top", "unpause", "update", "wait"}

// containerNames notes variables in commands that name containers.
func (f *finder) containerNames(args []argument) {
	for i := 1; i < len(args); i++ {
		if slices.Contains(nameVerbs, args[i].text.s) {
			for _, a := range args[i+1:] {
				f.use(a)
			}
			return
		}
	}
}

func (f *finder) use(a argument) {
	if a.text.substituted() {
		f.found.Names = append(f.found.Names, Use{f.written(a.site), a.text})
	}
}
