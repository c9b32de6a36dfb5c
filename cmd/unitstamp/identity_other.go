//go:build !unix

package main

import "os"

// identity is the same for two names of one file, but for hard links.
func identity(path string, _ os.FileInfo) any { return resolved(path) }
