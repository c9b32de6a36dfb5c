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
				Flags: flags(selectFlags(), targetFlags(), planFlags(),
					&cli.BoolFlag{Name: "check", Usage: "exit 1 if anything would change"}),
				Run: runPlan, Failure: failure,
			},
			{
				Name: "apply", Usage: "carry out the plan, and prove that what changed is up",
				Flags: flags(selectFlags(), targetFlags(), planFlags(), applyFlags()),
				Run:   measured(runApply), Failure: failure,
			},
			{
				Name: "status", Usage: "print the wanted and the running build of every unit",
				Flags: flags(selectFlags(), targetFlags(),
					&cli.BoolFlag{Name: "check", Usage: "exit 1 if any of them disagree"}),
				Run: runStatus, Failure: statusFailure,
			},
			{
				Name: "history", Usage: "print the changes that the record knows of", Args: "[UNIT…]",
				Flags: targetFlags(), Run: runHistory, Failure: historyFailure,
			},
			{
				Name: "rollback", Usage: "put back the version before the last change, and prove that it is up", Args: "[UNIT…]",
				Description: "Each unit named, or the one that was changed last, gets back exactly the files that stood there before\n" +
					"its last change. That is a change like any other: rolling back twice is the newer version again, and\n" +
					"the next apply brings the unit in line with the folder.",
				Flags: flags(targetFlags(), applyFlags(), adoptFlag(), selfFlag(), diffFlag(),
					&cli.BoolFlag{Name: "dry-run", Usage: "print what would be done, and change nothing"}),
				Run: measured(runRollback), Failure: failure,
			},
			serveCommand(),
		},
	}
}
