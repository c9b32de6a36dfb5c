package main

import (
	"errors"
	"strings"

	"github.com/urfave/cli/v2"

	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/engine/fleet"
	"github.com/unitstamp/unitstamp/pkg/engine/systemd"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

const defaultEndpoint = "unix:///var/run/fleet.sock"

func endpointFlag() cli.Flag {
	return &cli.StringFlag{Name: "endpoint", Usage: "`URL` of fleet's API for the fleet engine: unix:///PATH or http://HOST:PORT",
		EnvVars: env("ENDPOINT"), Value: defaultEndpoint}
}

func connectFleet(call *door.Call, s *settings) (apply.Engine, func(), error) {
	endpoint := call.String("endpoint")
	engine, err := fleet.Open(endpoint, s.opts.Owner)
	if err != nil {
		if strings.Contains(endpoint, "@") {
			return nil, nil, door.Errorf(door.Usage, "--endpoint: %w", err) // what stands before it may be a password
		}
		return nil, nil, door.Errorf(door.Usage, "--endpoint: %q is %w", endpoint, err)
	}
	if s.opts.Self == "" && strings.HasPrefix(endpoint, "unix:") {
		s.opts.Self = systemd.Self()
	}
	return engine, engine.Close, nil
}

// badUnit is a wanted unit that an engine cannot take, nil for any other error.
func badUnit(err error) error {
	var unit *plan.InputError
	if !errors.As(err, &unit) {
		return nil
	}
	return door.Errorf(door.Usage, "%w", err).WithHint("%s", unit.Hint)
}
