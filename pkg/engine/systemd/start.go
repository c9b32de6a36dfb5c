package systemd

import (
	"context"
	"errors"
	"fmt"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// What Check finds.
var (
	ErrNoUnit = errors.New("systemd knows no such unit")
	// ErrStays: a second start of what is active does nothing.
	ErrStays = errors.New("it is no service that does its work and ends (Type=oneshot, without RemainAfterExit=)")
)

// A Starter starts units and does nothing else. Whoever is not root needs polkit's leave
// (org.freedesktop.systemd1.manage-units, with the unit's name and the verb start).
type Starter struct{ engine Engine }

// OpenStarter reaches for the system bus.
func OpenStarter(ctx context.Context) (*Starter, error) {
	s := &Starter{}
	if _, err := s.engine.bus(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Close lets go of the bus.
func (s *Starter) Close() { s.engine.Close() }

// Check asks whether there is such a unit, and whether it can be started again and again.
func (s *Starter) Check(ctx context.Context, unit string) error {
	p, err := s.engine.properties(ctx, unit)
	if err != nil {
		return err
	}
	switch load := p.text("LoadState"); {
	case load == "not-found":
		return ErrNoUnit
	case load != "loaded":
		return fmt.Errorf("it is %s", load)
	case p.text("Type") != "oneshot" || p.flag("RemainAfterExit"):
		return ErrStays
	}
	return nil
}

// Start starts a unit and returns when that is done, with an error if it did not end
// well. A start that is under way already may have begun too early to see what is new,
// so that it is waited for first.
func (s *Starter) Start(ctx context.Context, unit string) error {
	for {
		p, err := s.engine.properties(ctx, unit)
		if err != nil {
			return err
		}
		if state := p.text("ActiveState"); p.job() == 0 && state != "activating" && state != "deactivating" && state != "reloading" {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(watchPoll):
		}
	}
	c := &changer{Engine: &s.engine}
	result := make(chan string, 1)
	err := s.engine.order(ctx, func(conn *systemd.Conn) error {
		_, err := conn.StartUnitContext(ctx, unit, "replace", result)
		return err
	})
	var answer dbus.Error
	if errors.As(err, &answer) && isDenied(answer.Name) {
		return fmt.Errorf("not allowed to start it: %w", err)
	}
	if err != nil {
		return unitFault(err)
	}
	return c.wait(ctx, job{unit: unit}, result)
}

// isDenied tells that polkit said no, or that nobody is there to ask.
func isDenied(name string) bool {
	switch name {
	case "org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired":
		return true
	}
	return false
}
