// Package systemd is the engine for the units of a machine: it writes their
// files into a unit folder and talks to systemd over D-Bus.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/engine/dir"
	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// ErrNotUnitPath tells that systemd does not read the unit folder.
var ErrNotUnitPath = errors.New("systemd does not read units from there")

// An Engine changes the units of the machine whose system bus it reaches.
type Engine struct {
	dir.Folder
	// Containers, if not nil, asks a container client, docker, podman or nerdctl,
	// how a container is. An error tells that it cannot be asked; then a unit that
	// runs one counts as up like any other.
	Containers func(ctx context.Context, client, name string) (Container, error)

	mu   sync.Mutex
	conn *systemd.Conn
	raw  *dbus.Conn // what conn sends its calls by

	// displaced are the units that were up and made way for one that was started,
	// by that unit. They come back if it is put back.
	displaced map[string][]string
}

// Open reaches for systemd over the system bus (DBUS_SYSTEM_BUS_ADDRESS, or
// /run/dbus/system_bus_socket). The unit folder must be one that it reads, by
// the same path.
func Open(ctx context.Context, unitDir, owner string) (*Engine, error) {
	e := &Engine{Folder: dir.Folder{Path: filepath.Clean(unitDir), Owner: owner}}
	conn, err := e.bus(ctx)
	if err != nil {
		return nil, err // at the start, a bus that is not there is not waited for
	}
	paths, err := conn.GetManagerProperty("UnitPath")
	if err != nil {
		e.Close()
		return nil, err
	}
	if !strings.Contains(paths, `"`+e.Path+`"`) {
		e.Close()
		return nil, fmt.Errorf("%q: %w", unitDir, ErrNotUnitPath)
	}
	return e, nil
}

// Close lets go of the bus.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn != nil {
		e.conn.Close()
		e.conn = nil
	}
}

// Check refuses files that systemd itself does not read.
func (e *Engine) Check(wanted []plan.Unit) error {
	for _, u := range wanted {
		if unitname.IsQuadlet(u.Name) {
			return fmt.Errorf("%s is a file for podman's generator, which systemd does not read from %s", u.Name, e.Path)
		}
	}
	return nil
}

// Commit records that the steps are done.
func (e *Engine) Commit(steps []*plan.Step) error { return e.Record(steps, false) }

// Self is the service that this process runs in, "" if none is known. A
// process in a container does not see the service that started it.
func Self() string {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(groups)) {
		if name := path.Base(strings.TrimSpace(line)); strings.HasSuffix(name, ".service") {
			return name
		}
	}
	return ""
}

// unitFault turns what systemd answers about a unit into that unit's failure;
// other errors stay what they are.
func unitFault(err error) error {
	var answer dbus.Error
	if errors.As(err, &answer) && strings.HasPrefix(answer.Name, "org.freedesktop.systemd1.") {
		return apply.Unitf("%s", answer.Error())
	}
	return err
}
