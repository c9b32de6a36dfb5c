//go:build unix

package main

import (
	"os"
	"syscall"
)

// identity is the same for two names of one file. Hard links are files of their
// own: writing one in place leaves the others as they are.
func identity(path string, info os.FileInfo) any {
	stat := info.Sys().(*syscall.Stat_t)
	if stat.Nlink > 1 {
		return resolved(path)
	}
	return [2]uint64{uint64(stat.Dev), stat.Ino}
}
