// Unitstamp writes a build's tag into the container commands of systemd units, and
// checks such units.
package main

import "github.com/unitstamp/unitstamp/internal/cli"

func main() { cli.Run(program()) }

func program() *cli.Program {
	return &cli.Program{
		Name:  "unitstamp",
		Usage: "write a build's tag into the container commands of systemd units",
		Description: "Unitstamp finds the image of docker, podman and nerdctl commands in unit files as systemd and the " +
			"clients themselves would, and sets its tag. Every other byte stays.",
		Commands: []*cli.Command{stampCommand(), tagCommand(), imagesCommand(), checkCommand(), rulesCommand(), ruleCommand()},
	}
}
