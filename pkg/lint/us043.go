package lint

import (
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

var us043 = Rule{
	ID: "US043", Name: "untrusted-registry", Severity: diag.Warning, Optional: true,
	Summary: "an image from a registry that is not on the list",
	Check: func(u *Unit, report func(Problem)) {
		if len(u.Settings.Registries) == 0 {
			return
		}
		for _, r := range u.found.References {
			if r.Repository == "" || trusted(u.Settings.Registries, r.Repository) {
				continue
			}
			host, _, _ := strings.Cut(r.Repository, "/")
			report(Problem{
				Span:    r.Span,
				Message: strconv.Quote(r.Written) + " comes from " + host + "; trusted are " + strings.Join(u.Settings.Registries, ", "),
				Hint:    "the registries are listed under \"registries\" in .unitstamp.yaml",
			})
		}
	},
}

// trusted compares a repository's full name with registries, or parts of them:
// docker.io/library.
func trusted(registries []string, repository string) bool {
	for _, r := range registries {
		if repository == r || strings.HasPrefix(repository, strings.TrimSuffix(r, "/")+"/") {
			return true
		}
	}
	return false
}
