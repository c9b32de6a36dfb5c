// Package rules holds the pages about the rules of unitstamp check, so that
// `unitstamp rule` prints what the documentation says.
package rules

import "embed"

//go:embed US*.md
var pages embed.FS

// Page is the page about a rule, named by its ID, in Markdown; "" if there is none.
func Page(id string) string {
	page, err := pages.ReadFile(id + ".md")
	if err != nil {
		return ""
	}
	return string(page)
}
