package atomicfile

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const canSyncWhole = true

// syncWhole syncs the file systems of the folders, each once.
func syncWhole(folders []string) error {
	seen := map[uint64]bool{}
	for _, dir := range folders {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil {
			if device := info.Sys().(*syscall.Stat_t).Dev; !seen[device] {
				seen[device] = true
				err = unix.Syncfs(int(f.Fd()))
			}
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// openNew makes a file. os.OpenFile asks six times more of the system, to find out
// that a file cannot be polled.
func openNew(name string, mode os.FileMode) (*os.File, error) {
	for {
		fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, uint32(mode.Perm()))
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), name), nil
		case err != unix.EINTR:
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

// keepOwner gives a file, of which info tells, the owner and group of another. It
// reports whether it had to.
func keepOwner(f *os.File, info, like os.FileInfo) (changed bool, err error) {
	have, want := info.Sys().(*syscall.Stat_t), like.Sys().(*syscall.Stat_t)
	if have.Uid == want.Uid && have.Gid == want.Gid {
		return false, nil
	}
	return true, f.Chown(int(want.Uid), int(want.Gid))
}

// replace is rename(2) without the look at the target that os.Rename takes before.
func replace(a, b string) error {
	for {
		if err := unix.Rename(a, b); err != unix.EINTR {
			return err
		}
	}
}

// hold keeps a file from being freed until letGo. It returns -1 where there is none,
// or it cannot be held, which only costs time.
func hold(path string) (file int) {
	file, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return file
}

func letGo(file int) { unix.Close(file) }

// exchange swaps two files. Where the file system cannot, the second is replaced
// and its old bytes are kept under the first name.
func exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	if err == nil || !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	return exchangeByLink(a, b)
}
