//go:build !unix

package main

import (
	"os"
	"path/filepath"
)

// identity is the same for two names of one file, but for hard links.
func identity(path string, _ os.FileInfo) any {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return path
}
