//go:build linux

// Package sandbox runs a program in a folder of its own: changed root, no
// network, no view of other processes, no rights, bounded in time. The project
// uses it to ask real programs (the docker client, a shell) what they make of
// text that strangers wrote.
//
// It needs Linux with user namespaces, or root.
package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	insideID = 1000  // user and group that the program sees
	nobody   = 65534 // user and group outside, when started by root
)

// Root is the folder that a sandboxed program takes for `/`. The methods that
// write into it follow links, so they must not be called after a program that is
// not trusted has run in it.
type Root struct {
	Dir string // its path outside

	uid, gid int
}

// New makes an empty root under the system's folder for temporary files.
func New() (*Root, error) {
	dir, err := os.MkdirTemp("", "oracle-")
	if err != nil {
		return nil, err
	}
	root := &Root{Dir: dir, uid: os.Getuid(), gid: os.Getgid()}
	if root.uid == 0 {
		root.uid, root.gid = nobody, nobody
	}
	if err := root.own(dir, 0o755); err != nil {
		return nil, errors.Join(err, root.Remove())
	}
	return root, nil
}

// Remove deletes the root with all that is in it.
func (r *Root) Remove() error { return os.RemoveAll(r.Dir) }

func (r *Root) own(path string, mode os.FileMode) error {
	if err := os.Chmod(path, mode); err != nil {
		return err
	}
	return os.Lchown(path, r.uid, r.gid)
}

// Path returns the path outside of a path inside. `..` does not lead out.
func (r *Root) Path(inside string) string {
	return filepath.Join(r.Dir, filepath.Clean("/"+inside))
}

// Mkdir makes a folder with all its parents, writable for the program.
func (r *Root) Mkdir(inside string) error {
	path := r.Path(inside)
	if path == r.Dir {
		return nil
	}
	if info, err := os.Stat(path); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is no folder", inside)
		}
		return nil
	}
	if err := r.Mkdir(filepath.Dir(filepath.Clean("/" + inside))); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	return r.own(path, 0o755)
}

// Write makes a file with its parents, which may be a script: see copy. The mode says whether the program may
// run or change it.
func (r *Root) Write(inside string, text []byte, mode os.FileMode) error {
	if err := r.Mkdir(filepath.Dir(filepath.Clean("/" + inside))); err != nil {
		return err
	}
	path := r.Path(inside)
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, text, 0o600)
	syscall.ForkLock.RUnlock()
	if err != nil {
		return err
	}
	return r.own(path, mode)
}

// Install copies a program of this machine, with the shared libraries that it
// needs, to the path inside.
func (r *Root) Install(program, inside string) error {
	found, err := exec.LookPath(program)
	if err != nil {
		return err
	}
	if err := r.copy(found, inside); err != nil {
		return err
	}
	// ldd fails on a static program, which needs nothing more.
	listing, err := exec.Command("ldd", found).Output()
	if err != nil {
		return nil
	}
	for _, field := range strings.Fields(string(listing)) {
		if !filepath.IsAbs(field) {
			continue
		}
		// The loader stands where the program says, libraries where the loader
		// looks on every machine.
		inside := field
		if !strings.HasPrefix(filepath.Base(field), "ld-") {
			inside = "/lib/" + filepath.Base(field)
		}
		if _, err := os.Lstat(r.Path(inside)); err == nil {
			continue
		}
		if err := r.copy(field, inside); err != nil {
			return err
		}
	}
	return nil
}

// Link makes a symbolic link with its parents. The target must be relative, so
// that it leads to the same file from inside and from outside.
func (r *Root) Link(target, inside string) error {
	if filepath.IsAbs(target) {
		return fmt.Errorf("link %s to the absolute path %s", inside, target)
	}
	if err := r.Mkdir(filepath.Dir(filepath.Clean("/" + inside))); err != nil {
		return err
	}
	return os.Symlink(target, r.Path(inside))
}

// copy copies a program or library of this machine. No other program is started
// meanwhile: it would inherit the open file and keep it from being run ("text
// file busy").
func (r *Root) copy(from, inside string) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := r.Mkdir(filepath.Dir(filepath.Clean("/" + inside))); err != nil {
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(r.Path(inside), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close(), os.Chmod(r.Path(inside), 0o755))
}

// Clone makes another root with the same folders and links. Files are shared with
// r: the program cannot change what Install put there.
func (r *Root) Clone() (*Root, error) {
	clone, err := New()
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(r.Dir, func(from string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside := strings.TrimPrefix(from, r.Dir)
		switch {
		case entry.IsDir():
			return clone.Mkdir(inside)
		case entry.Type()&os.ModeSymlink != 0:
			target, err := os.Readlink(from)
			if err != nil {
				return err
			}
			return os.Symlink(target, clone.Path(inside))
		default:
			return os.Link(from, clone.Path(inside))
		}
	})
	if err != nil {
		return nil, errors.Join(err, clone.Remove())
	}
	return clone, nil
}

// Call is one run of a program.
type Call struct {
	Argv    []string // Argv[0] is the path inside
	Env     []string
	Dir     string // working folder inside
	Stdin   *os.File
	Timeout time.Duration
}

// Outcome is what a run left.
type Outcome struct {
	Stdout, Stderr []byte
	Code           int
	TimedOut       bool
}

// outputLimit bounds what a run may print; the rest is thrown away.
const outputLimit = 1 << 20

// Run starts the program in fresh user, mount, process, network, ipc and host
// name namespaces as a user without rights and waits for it and for all that it
// started. The network of the new namespace is down.
func (r *Root) Run(ctx context.Context, call Call) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, call.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, call.Argv[0])
	cmd.Path, cmd.Err = call.Argv[0], nil // a path inside, nothing to look up here
	cmd.Args = call.Argv
	cmd.Env = call.Env
	cmd.Dir = call.Dir
	if call.Stdin != nil {
		cmd.Stdin = call.Stdin
	}
	stdout, stderr := &bounded{}, &bounded{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: r.Dir,
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID |
			syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: insideID, HostID: r.uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: insideID, HostID: r.gid, Size: 1}},
		Credential:  &syscall.Credential{Uid: insideID, Gid: insideID, NoSetGroups: true},
		Pdeathsig:   syscall.SIGKILL,
	}
	err := cmd.Run()
	outcome := Outcome{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), Code: cmd.ProcessState.ExitCode()}
	if ctx.Err() == context.DeadlineExceeded {
		outcome.TimedOut = true
		return outcome, nil
	}
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		return Outcome{}, err
	}
	return outcome, nil
}

// bounded keeps the first outputLimit bytes.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := outputLimit - b.Len(); room < len(p) {
		b.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}
