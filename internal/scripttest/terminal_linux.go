package scripttest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// OnTerminal runs a command to its end with stdout, stderr and stdin on a terminal of so
// many columns of its own, and returns all that was written there. While it runs, typed is
// called, if not nil, with what was written so far, and says what is typed then.
func OnTerminal(t testing.TB, columns int, cmd *exec.Cmd, typed func(stream string) string) (stream string, code int) {
	t.Helper()
	outer, inner, err := openTerminal(columns)
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inner, inner, inner
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	inner.Close()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := outer.Read(buffer)
		all.Write(buffer[:n])
		if typed != nil && n > 0 {
			if _, err := io.WriteString(outer, typed(all.String())); err != nil {
				t.Error(err)
			}
		}
		if err != nil { // EIO, when nobody has the inner end any more
			break
		}
	}
	_ = cmd.Wait()
	return strings.ReplaceAll(all.String(), "\r\n", "\n"), cmd.ProcessState.ExitCode()
}

func openTerminal(columns int) (outer io.ReadWriteCloser, inner *os.File, err error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	number, err := unix.IoctlGetUint32(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)})
	}
	if err == nil {
		inner, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, inner, nil
}
