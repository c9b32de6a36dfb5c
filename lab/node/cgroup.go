//go:build lab

package node

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// groupPrefix starts the name of every node's control group; the PID of the
// test process and a random part follow.
const groupPrefix = "unitstamp-node-"

// makeCgroup makes a control group in the unified hierarchy and removes those
// that killed test processes left behind.
func makeCgroup() (string, error) {
	root, err := unifiedHierarchy()
	if err != nil {
		return "", err
	}
	old, err := filepath.Glob(filepath.Join(root, groupPrefix+"*"))
	if err != nil {
		return "", err
	}
	for _, group := range old {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(group), groupPrefix), "-")
		if pid, err := strconv.Atoi(owner); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			if err := removeCgroup(group); err != nil {
				return "", err
			}
		}
	}
	return os.MkdirTemp(root, fmt.Sprintf("%s%d-", groupPrefix, os.Getpid()))
}

// unifiedHierarchy finds where this machine has mounted cgroup2.
func unifiedHierarchy() (string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		mount, source, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(mount)
		if ok && strings.HasPrefix(source, "cgroup2 ") && len(fields) > 4 {
			return fields[4], nil
		}
	}
	return "", errors.New("cgroup2 is not mounted on this machine")
}

// removeCgroup removes a group and those below it, waiting a little for the
// last processes in it to be gone.
func removeCgroup(group string) error {
	var err error
	for range 100 {
		var groups []string
		err = filepath.WalkDir(group, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				groups = append(groups, path)
			}
			return err
		})
		for _, path := range slices.Backward(groups) {
			if err == nil {
				err = os.Remove(path)
			}
		}
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}
