package main

import (
	"testing"

	"github.com/unitstamp/unitstamp/internal/docpage"
)

// TestCheckPage runs the examples of the page about check.
func TestCheckPage(t *testing.T) {
	docpage.Run(t, "../../docs/check.md", "", docpage.Self(t, "unitstamp"))
}
