// Unitstamp writes a build's tag into the container commands of systemd units, and
// checks such units.
package main

import (
	"os"
	"runtime/debug"

	"github.com/unitstamp/unitstamp/internal/cli"
)

func main() {
	saveTime()
	cli.Run(program())
}

// saveTime lets memory be used that a short run need not give back, up to a limit
// at which many thousand files stay within 64 MB. Settings of the user's win.
func saveTime() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(400)
		debug.SetMemoryLimit(48 << 20)
	}
}

func program() *cli.Program {
	return &cli.Program{
		Name:  "unitstamp",
		Usage: "write a build's tag into the container commands of systemd units",
		Description: "Unitstamp finds the image of docker, podman and nerdctl commands in unit files as systemd and the " +
			"clients themselves would, and sets its tag. Every other byte stays.",
		Commands: []*cli.Command{stampCommand(), tagCommand(), imagesCommand(), checkCommand(), rulesCommand(), ruleCommand()},
	}
}
