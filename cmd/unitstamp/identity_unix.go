//go:build unix

package main

import (
	"os"
	"syscall"
)

// identity is the same for two names of one file.
func identity(_ string, info os.FileInfo) any {
	stat := info.Sys().(*syscall.Stat_t)
	return [2]uint64{uint64(stat.Dev), stat.Ino}
}
