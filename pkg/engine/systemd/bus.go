package systemd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// A bus that is restarted is back after a moment; so long it is waited for.
const (
	busPatience = 15 * time.Second
	busPoll     = 200 * time.Millisecond
)

// sockets are where the system bus listens. Only one of them may be there in a
// container.
var sockets = []string{"/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket"}

// dial reaches the system bus, at the address that the environment names or at
// the usual places.
func dial(ctx context.Context) (*dbus.Conn, error) {
	address := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS")
	if address == "" {
		address = "unix:path=" + sockets[0]
		for _, socket := range sockets {
			if _, err := os.Stat(socket); err == nil {
				address = "unix:path=" + socket
				break
			}
		}
	}
	conn, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	// the user's number, as a container may not know its name
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err := conn.Hello(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// bus is the connection, made anew if it was lost.
func (e *Engine) bus(ctx context.Context) (*systemd.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn != nil && e.conn.Connected() {
		return e.conn, nil
	}
	if e.conn != nil {
		e.conn.Close()
		e.conn = nil
	}
	// The connection outlives this call, so it must not end with its context.
	var first *dbus.Conn
	conn, err := systemd.NewConnection(func() (*dbus.Conn, error) {
		conn, err := dial(context.WithoutCancel(ctx))
		first = cmp.Or(first, conn)
		return conn, err
	})
	if err != nil {
		return nil, fmt.Errorf("reach the system bus: %w", err)
	}
	if err := conn.Subscribe(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscribe to systemd's signals: %w", err)
	}
	e.conn, e.raw = conn, first
	return conn, nil
}

// hold keeps systemd from forgetting a unit that is down as long as the bus is
// connected: what became of it, a condition that did not hold, could not be told
// else. Where it is refused, all goes on without.
func (e *Engine) hold(ctx context.Context, unit string) {
	_ = e.ask(ctx, func(*systemd.Conn) error {
		e.mu.Lock()
		raw := e.raw
		e.mu.Unlock()
		return raw.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1").
			CallWithContext(ctx, "org.freedesktop.systemd1.Manager.RefUnit", 0, unit).Err
	})
}

// ask puts a question to systemd, again if the bus was lost: only what may
// reach it twice.
func (e *Engine) ask(ctx context.Context, question func(*systemd.Conn) error) error {
	return e.try(ctx, question, func(err error) bool { return undelivered(err) || lost(err) })
}

// order asks systemd for something that must reach it once: it is repeated only
// when it has surely not arrived.
func (e *Engine) order(ctx context.Context, order func(*systemd.Conn) error) error {
	return e.try(ctx, order, undelivered)
}

func (e *Engine) try(ctx context.Context, call func(*systemd.Conn) error, again func(error) bool) error {
	for began := time.Now(); ; {
		conn, err := e.bus(ctx)
		if err == nil {
			if err = call(conn); err == nil || !again(err) {
				return err
			}
		}
		if time.Since(began) > busPatience {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(busPoll):
		}
	}
}

// undelivered tells that the bus did not know whom to hand the message to:
// systemd comes back to a bus that was restarted a little later.
func undelivered(err error) bool {
	var answer dbus.Error
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Name {
	case "org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.ServiceUnknown":
		return true
	}
	return false
}

// lost tells that the connection, or the one between the bus and systemd, ended
// before there was an answer.
func lost(err error) bool {
	var answer dbus.Error
	if errors.As(err, &answer) {
		switch answer.Name {
		case "org.freedesktop.DBus.Error.Disconnected", "org.freedesktop.DBus.Error.NoReply":
			return true
		}
	}
	return errors.Is(err, dbus.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
