package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/engine/dir"
	"github.com/unitstamp/unitstamp/pkg/engine/systemd"
	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

const (
	defaultUnits   = "/units"
	defaultUnitDir = "/etc/systemd/system"
)

var ownerName = regexp.MustCompile(`^[a-z0-9._-]+$`)

// flags joins lists of flags and single ones.
func flags(parts ...any) []cli.Flag {
	var all []cli.Flag
	for _, part := range parts {
		switch part := part.(type) {
		case []cli.Flag:
			all = append(all, part...)
		case cli.Flag:
			all = append(all, part)
		}
	}
	return all
}

func env(name string) []string { return []string{"CONFAPPLY_" + name} }

// targetFlags say where, and as whom.
func targetFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "engine", Usage: "`KIND` of target: dir, systemd or fleet", EnvVars: env("ENGINE"), Value: "dir"},
		&cli.StringFlag{Name: "target", Usage: "`DIR` that the dir engine writes to", EnvVars: env("TARGET")},
		&cli.StringFlag{Name: "unit-dir", Usage: "`DIR` of the unit files of the systemd engine", EnvVars: env("UNIT_DIR"), Value: defaultUnitDir},
		endpointFlag(),
		&cli.StringFlag{Name: "owner", Usage: "`NAME` under which units are owned", EnvVars: env("OWNER"), Value: "confapply"},
		&cli.BoolFlag{Name: "json", Usage: "print one JSON document"},
	}
}

// selectFlags say what is wanted, and for which units.
func selectFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "units", Usage: "`DIR` with the wanted units, at any depth", EnvVars: env("UNITS"),
			DefaultText: defaultUnits + " if it exists, else the working directory"},
		&cli.StringSliceFlag{Name: "only", Usage: "take units by `NAME` or glob only (repeatable)"},
		&cli.StringFlag{Name: "branch", Usage: "take builds of this branch only: `NAME`"},
		&cli.StringFlag{Name: "build", Usage: "take these builds only: `RANGE` such as 58, '>=58' or '^1.2'"},
		&cli.StringSliceFlag{Name: "image", Usage: "take stamped units of this `REPOSITORY` only (repeatable)"},
	}
}

// planFlags say what may be done.
func planFlags() []cli.Flag {
	return []cli.Flag{
		adoptFlag(),
		&cli.BoolFlag{Name: "repair", Usage: "put back what was changed by hand, start what was stopped by hand or failed", EnvVars: env("REPAIR")},
		&cli.BoolFlag{Name: "require-stamped", Usage: "refuse units that run containers without a build's tag", EnvVars: env("REQUIRE_STAMPED")},
		&cli.StringFlag{Name: "max-delete", Usage: "refuse to delete more than `N` units, or N% of the owned ones", EnvVars: env("MAX_DELETE"), Value: "5"},
		&cli.BoolFlag{Name: "allow-empty", Usage: "let a folder without units through: every owned unit goes"},
		selfFlag(), diffFlag(),
	}
}

func adoptFlag() cli.Flag {
	return &cli.BoolFlag{Name: "adopt", Usage: "take over units of the same name that somebody else put there", EnvVars: env("ADOPT")}
}

func selfFlag() cli.Flag {
	return &cli.StringFlag{Name: "self", Usage: "`UNIT` that this very run belongs to: never restarted or deleted by itself", EnvVars: env("SELF"),
		DefaultText: "found by control group"}
}

func diffFlag() cli.Flag {
	return &cli.BoolFlag{Name: "diff", Aliases: []string{"d"}, Usage: "show what changes in each file"}
}

// applyFlags say how.
func applyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.DurationFlag{Name: "stable", Usage: "how `LONG` a changed unit has to stay up", EnvVars: env("STABLE"), Value: 5 * time.Second},
		&cli.DurationFlag{Name: "timeout", Usage: "how `LONG` one unit may take to come up or down", EnvVars: env("TIMEOUT"), Value: 10 * time.Minute},
		&cli.IntFlag{Name: "batch", Usage: "change `N` units at once that do not wait for each other", EnvVars: env("BATCH"), Value: 1},
		&cli.BoolFlag{Name: "keep-going", Usage: "go on after a unit did not come up", EnvVars: env("KEEP_GOING")},
		&cli.BoolFlag{Name: "pull", Usage: "pull new images before anything is stopped, by the client that runs them", EnvVars: env("PULL")},
		&cli.StringFlag{Name: "pull-command", Usage: "pull new images by `COMMAND`, with the image behind it", EnvVars: env("PULL_COMMAND")},
		&cli.BoolFlag{Name: "wait", Usage: "wait for another run on the same target to end", EnvVars: env("WAIT")},
		&cli.StringFlag{Name: "metrics-file", Usage: "leave how it went in `FILE`, for Prometheus's node_exporter", EnvVars: env("METRICS_FILE")},
	}
}

// settings are the flags, understood.
type settings struct {
	units  string
	target string // of the dir engine
	kind   string // of engine
	opts   plan.Options
	limits apply.Limits
}

func parse(call *door.Call) (settings, error) {
	var s settings
	if len(call.Files) > 0 && call.Command.ArgsUsage == "" {
		return s, door.Errorf(door.Usage, "%s takes no argument, not %q", call.Command.Name, call.Files[0]).
			WithHint("--units names the folder, --only the units")
	}
	s.units = call.String("units")
	if s.units == "" {
		s.units = "."
		if _, err := os.Stat(defaultUnits); err == nil {
			s.units = defaultUnits
		}
	}
	s.kind = call.String("engine")
	if s.kind == "dir" {
		s.target = call.String("target")
	}
	s.opts = plan.Options{
		Owner: call.String("owner"), Adopt: call.Bool("adopt"), Repair: call.Bool("repair"),
		AllowEmpty: call.Bool("allow-empty"), RequireStamped: call.Bool("require-stamped"), Self: call.String("self"),
	}
	if !ownerName.MatchString(s.opts.Owner) {
		return s, door.Errorf(door.Usage, "owner %q is not made of a-z, 0-9, '.', '_' and '-' alone", s.opts.Owner)
	}
	if limit := call.String("max-delete"); limit != "" {
		var err error
		if s.opts.MaxDelete, err = plan.ParseLimit(limit); err != nil {
			return s, door.Errorf(door.Usage, "--max-delete: %w", err)
		}
	}
	sel := plan.Selection{Names: call.StringSlice("only")}
	if err := sel.Check(); err != nil {
		return s, door.Errorf(door.Usage, "--only: %w", err).WithHint("the name of a unit, or a glob such as 'web-*.service'; a [ needs its ]")
	}
	var err error
	if sel.Builds, err = buildtag.ParseSelection(call.String("branch"), call.String("build"), buildtag.Options{}); err != nil {
		return s, door.Errorf(door.Usage, "%w", err)
	}
	for _, image := range call.StringSlice("image") {
		ref, err := imageref.ParseRepository(image)
		if err != nil {
			return s, door.Errorf(door.Usage, "--image: %w", err)
		}
		sel.Images = append(sel.Images, ref.Repository)
	}
	s.opts.Select = sel
	s.limits = apply.Limits{Stable: call.Duration("stable"), Timeout: call.Duration("timeout"), Usual: !call.IsSet("timeout")}
	if s.kind == "fleet" && (call.Bool("pull") || call.String("pull-command") != "") {
		return s, door.Errorf(door.Usage, "--pull pulls on this machine, and the units of a cluster run on others").
			WithHint("an ExecStartPre= of the unit pulls where it runs")
	}
	if call.IsSet("batch") && call.Int("batch") < 1 {
		return s, door.Errorf(door.Usage, "--batch must be at least 1")
	}
	if s.limits.Stable < 0 || s.limits.Timeout < 0 {
		return s, door.Errorf(door.Usage, "--stable and --timeout cannot be negative")
	}
	return s, nil
}

// connect makes the engine that the flags name; done ends what it holds open.
func connect(ctx context.Context, call *door.Call, s *settings) (engine apply.Engine, done func(), err error) {
	switch s.kind {
	case "dir":
		if s.target == "" {
			return nil, nil, noTarget()
		}
		return dir.New(s.target, s.opts.Owner), func() {}, nil
	case "systemd":
		engine, err := systemd.Open(ctx, call.String("unit-dir"), s.opts.Owner)
		if errors.Is(err, systemd.ErrNotUnitPath) {
			return nil, nil, door.Errorf(door.Usage, "--unit-dir: %w", err).
				WithHint("systemctl show --property=UnitPath lists the folders that it reads")
		}
		if err != nil {
			return nil, nil, fromEngine(*s, err)
		}
		if s.opts.Self == "" {
			s.opts.Self = systemd.Self()
		}
		engine.Containers = lookAtContainers(call)
		return engine, engine.Close, nil
	case "fleet":
		return connectFleet(call, s)
	}
	return nil, nil, unknownEngine(s.kind)
}

func unknownEngine(kind string) error {
	return door.Errorf(door.Usage, "unknown engine %q", kind).
		WithHint("one of: %s", strings.Join([]string{"dir", "systemd", "fleet"}, ", "))
}

func noTarget() error {
	return door.Errorf(door.Usage, "the dir engine needs a folder to write to").
		WithHint("--target DIR, or --engine systemd for the units of this machine, --engine fleet for those of a cluster")
}

// fromEngine gives an engine's error its exit code and says where it comes from.
func fromEngine(s settings, err error) error {
	if bad := badUnit(err); bad != nil {
		return bad
	}
	if errors.Is(err, context.Canceled) {
		return door.Errorf(door.World, "interrupted")
	}
	return fmt.Errorf("%s engine: %w", s.kind, err)
}
