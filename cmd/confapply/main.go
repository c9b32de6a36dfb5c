// Confapply brings the running units in line with the captured ones: it plans,
// applies, proves that what changed is up, or puts back what ran.
package main

import (
	"github.com/urfave/cli/v2"

	door "github.com/unitstamp/unitstamp/internal/cli"
)

func main() { door.Run(program()) }

func program() *door.Program {
	return &door.Program{
		Name:  "confapply",
		Usage: "bring the running units in line with the captured ones",
		Description: "confapply compares a folder of units with what a target holds and runs, and changes what differs.\n" +
			"It deletes and overwrites only what it put there itself, waits until each changed unit is up and stays\n" +
			"up, and puts back what ran before if it does not.",
		Commands: []*door.Command{
			{
				Name: "plan", Usage: "print what apply would do, and change nothing",
				Flags: flags(selectFlags(), planFlags(),
					&cli.BoolFlag{Name: "check", Usage: "exit 1 if anything would change"}),
				Run: runPlan, Failure: failure,
			},
			{
				Name: "apply", Usage: "carry out the plan, and prove that what changed is up",
				Flags: flags(selectFlags(), planFlags(), applyFlags()),
				Run:   runApply, Failure: failure,
			},
			{
				Name: "status", Usage: "print the wanted and the running build of every unit",
				Flags: flags(selectFlags(),
					&cli.BoolFlag{Name: "check", Usage: "exit 1 if any of them disagree"}),
				Run: runStatus, Failure: statusFailure,
			},
		},
	}
}
