package main

import (
	"testing"

	"github.com/unitstamp/unitstamp/internal/docpage"
)

// TestDocs runs the examples of the page.
func TestDocs(t *testing.T) {
	docpage.Run(t, "../../docs/confpush.md", "", docpage.Self(t, "confpush"),
		"CI=true", "CIRCLECI=true", "CIRCLE_BUILD_NUM=58", "CIRCLE_BRANCH=develop", "UNITSTAMP_BUILD=58",
		"CIRCLE_SHA1=4a1f0f5e3c1b7c1de0a2a0b7a4a1c9d0e1f2a3b4", "CIRCLE_BUILD_URL=https://ci.example.com/58")
}
