package lint

import (
	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
)

var us060 = Rule{
	ID: "US060", Name: "quadlet-image", Severity: diag.Error,
	Summary: "Quadlet makes no service of a container without an image",
	Check: func(u *Unit, report func(Problem)) {
		if u.Name.Suffix != ".container" || u.Name.DropIn || u.refused != nil {
			return
		}
		if u.value("Container", "Image") != "" || u.value("Container", "Rootfs") != "" {
			return
		}
		for i := range u.doc.Items {
			if it := &u.doc.Items[i]; it.Kind == unitfile.Section && it.Section == "Container" {
				report(Problem{Span: it.KeySpan, Message: "[Container] has no Image=: Quadlet makes no service of the file", Hint: "add Image="})
				return
			}
		}
	},
}
