package main

import (
	"testing"

	"github.com/unitstamp/unitstamp/internal/docpage"
)

// TestDocs runs the examples of the page that need no systemd; the others run
// in the lab.
func TestDocs(t *testing.T) {
	docpage.Run(t, "../../docs/confapply.md", "", docpage.Self(t, "confapply"))
}
