package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/engine/systemd"
	"github.com/unitstamp/unitstamp/pkg/receiver"
)

// follow is what follows from an event: a unit is started, or apply runs here. Nothing
// of the event has a part in it.
func follow(ctx context.Context, call *door.Call) (run func(context.Context), done func(), err error) {
	unit := call.String("start")
	if unit == "" {
		set, err := parse(call)
		if err != nil {
			return nil, nil, err
		}
		if set.kind == "dir" && set.target == "" {
			return nil, nil, door.Errorf(door.Usage, "nothing follows from a hook").
				WithHint("--start UNIT starts a service; --engine systemd, or --target DIR, applies the folder --units in this process")
		}
		if !slices.Contains([]string{"dir", "systemd", "fleet"}, set.kind) {
			return nil, nil, unknownEngine(set.kind)
		}
		return func(ctx context.Context) { applyHere(ctx, call) }, func() {}, nil
	}
	if name := conflicting(call); name != "" {
		return nil, nil, door.Errorf(door.Usage, "--start applies nothing in this process, so --%s has no meaning", name).
			WithHint("what is applied, and how, stands in %s", unit)
	}
	if !isService(unit) {
		return nil, nil, door.Errorf(door.Usage, "--start: %q is no name of a service", unit)
	}
	starter, err := systemd.OpenStarter(ctx)
	if err != nil {
		return nil, nil, door.Errorf(door.World, "--start: %w", err)
	}
	switch err := starter.Check(ctx, unit); {
	case errors.Is(err, systemd.ErrNoUnit), errors.Is(err, systemd.ErrStays):
		starter.Close()
		return nil, nil, door.Errorf(door.Usage, "--start %s: %w", unit, err)
	case err != nil:
		starter.Close()
		return nil, nil, door.Errorf(door.World, "--start %s: %w", unit, err)
	}
	return func(ctx context.Context) { startUnit(ctx, call, starter, unit) }, starter.Close, nil
}

// conflicting is a flag of apply that stands beside --start on the command line.
func conflicting(call *door.Call) string {
	for _, f := range applyHereFlags() {
		name := f.Names()[0]
		if !call.IsSet(name) {
			continue
		}
		fromEnv := false
		if documented, ok := f.(interface{ GetEnvVars() []string }); ok {
			fromEnv = slices.ContainsFunc(documented.GetEnvVars(), func(v string) bool { return call.Env.Getenv(v) != "" })
		}
		if !fromEnv {
			return name
		}
	}
	return ""
}

// isService looks at a name as systemd does (unit-name.c); an instance has a name between
// @ and the suffix.
func isService(unit string) bool {
	name, ok := strings.CutSuffix(unit, ".service")
	if !ok || name == "" || len(unit) > 255 || strings.HasPrefix(name, "@") || strings.HasSuffix(name, "@") {
		return false
	}
	return strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@") == ""
}

func startUnit(ctx context.Context, call *door.Call, starter *systemd.Starter, unit string) {
	began := time.Now()
	call.Note("start %s …", unit)
	switch err := starter.Start(ctx, unit); {
	case err != nil && ctx.Err() != nil:
		call.Note("start %s: not waited for any longer", unit)
	case err != nil:
		call.Error(errors.New("start " + unit + ": " + err.Error()))
		call.Hint("journalctl --unit " + unit)
	default:
		call.Note("start %s: done (%s)", unit, seconds(time.Since(began)))
	}
}

// applyHere is one run of apply. How it went is told as ever; a failure ends nothing.
func applyHere(ctx context.Context, call *door.Call) {
	began := time.Now()
	call.Note("apply …")
	err := measured(runApply)(ctx, call)
	if err == nil {
		call.Note("apply: done (%s)", seconds(time.Since(began)))
		return
	}
	if err.Error() != "" {
		call.Error(err)
	}
	if hint := door.Hint(err); hint != "" {
		call.Hint(hint)
	}
	call.Note("apply: exit code %d (%s)", door.ExitCode(err), seconds(time.Since(began)))
}

// logLine is an entry for people: SENDER ID: DECISION: WHY. What others wrote is made
// harmless.
func logLine(e receiver.Entry) string {
	who := e.Sender
	switch {
	case e.ID != "":
		who += " " + harmless(e.ID)
	case e.Decision == receiver.Refused:
		who += " from " + e.From
	}
	if who == "" {
		who = e.From
	}
	line := strings.TrimSpace(who) + ": " + string(e.Decision)
	if e.Why != "" {
		line += ": " + harmless(e.Why)
	}
	return line
}

// shownBytes is how much of a foreign text a line of the log has.
const shownBytes = 300

// harmless cuts a text and escapes what a terminal would not print.
func harmless(text string) string {
	if len(text) > shownBytes {
		end := shownBytes
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "…"
	}
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
