// Package cli settles once, for all programs, how a command line is read, how a
// program ends, and who prints what. The programs' doors describe their flags
// and hand over a function; everything below is the same for all:
//
//   - Flags after the first file name are refused, never taken for file names.
//     An argument that begins with '-' must follow "--", or be "-" itself.
//   - stdout carries data only. Everything else goes to stderr.
//   - With --json, stdout is one JSON document, whatever the exit code.
//   - Nothing but Main's caller ends the process.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/unitstamp/unitstamp/pkg/spelling"
)

// Env is the world that a program sees.
type Env struct {
	// Args are the program's arguments, its name first.
	Args   []string
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Getenv looks up an environment variable; unset is "".
	Getenv func(string) string
}

// OS is the process's own world.
func OS() Env {
	return Env{Args: os.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
}

// A Program is what a door describes. It has either Commands or a Root command.
type Program struct {
	Name string
	// Usage is one line; Description goes into help and the man page.
	Usage       string
	Description string
	Commands    []*Command
	Root        *Command
}

// A Command is one thing that a program does.
type Command struct {
	Name        string
	Usage       string
	Description string
	// Args names the arguments in the help: "FILE…".
	Args  string
	Flags []cli.Flag
	Run   func(ctx context.Context, call *Call) error
	// Failure makes the JSON document for an error that ends the command before
	// it printed one. Commands with a --json flag must have it.
	Failure func(err error) any
}

// A Call is one run of a command: its flags (through the embedded context), its
// arguments and the printer for its output.
type Call struct {
	*cli.Context
	*Printer
	Env Env
	// Files are the arguments after the flags.
	Files []string
}

// Run is a program's main: it ends the process.
func Run(p *Program) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := Main(ctx, OS(), p)
	stop()
	os.Exit(code)
}

// Main runs a program in a world and returns its exit code.
func Main(ctx context.Context, env Env, p *Program) int {
	r := &runner{program: p, env: env, printer: NewPrinter(p.Name, env), literal: literalArgs(env.Args)}
	err := r.app().RunContext(ctx, env.Args)
	if err == nil {
		return Done
	}
	r.fail(err)
	return ExitCode(err)
}

// runner carries one run through urfave/cli.
type runner struct {
	program *Program
	env     Env
	printer *Printer
	literal int      // how many of the last arguments stood after "--"
	command *Command // the one that was called, once known
}

// literalArgs counts the arguments after the first "--".
func literalArgs(args []string) int {
	at := slices.Index(args, "--")
	if at < 0 {
		return 0
	}
	return len(args) - at - 1
}

// app describes the program to urfave/cli, with its own printing and exiting
// turned off.
func (r *runner) app() *cli.App {
	p := r.program
	app := cli.NewApp()
	app.Name, app.Usage, app.Description = p.Name, p.Usage, p.Description
	app.HelpName = p.Name
	app.Reader, app.Writer, app.ErrWriter = r.env.Stdin, r.env.Stdout, io.Discard
	app.HideVersion = true
	app.EnableBashCompletion = true
	app.UseShortOptionHandling = true
	app.HideHelpCommand = true
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.Flags = append(app.Flags, &cli.BoolFlag{Name: "version", Usage: "print the version and exit"})
	app.OnUsageError = r.usageError
	app.Action = r.rootAction
	for _, c := range p.Commands {
		app.Commands = append(app.Commands, r.convert(c))
	}
	if p.Root != nil {
		app.Flags = append(app.Flags, p.Root.Flags...)
		app.ArgsUsage = p.Root.Args
	}
	app.Commands = append(app.Commands, r.convert(versionCommand(p)), r.convert(completionCommand(p, app)), r.convert(manCommand(app)))
	return app
}

func (r *runner) convert(c *Command) *cli.Command {
	return &cli.Command{
		Name: c.Name, Usage: c.Usage, Description: c.Description, ArgsUsage: c.Args, Flags: c.Flags,
		HideHelpCommand:        true,
		UseShortOptionHandling: true,
		Hidden:                 c.Usage == "",
		OnUsageError:           r.usageError,
		Action:                 func(ctx *cli.Context) error { return r.call(ctx, c) },
	}
}

// rootAction is what runs when no command was named.
func (r *runner) rootAction(ctx *cli.Context) error {
	if ctx.Bool("version") {
		fmt.Fprintln(r.env.Stdout, r.program.Name, Version())
		return nil
	}
	if r.program.Root != nil {
		return r.call(ctx, r.program.Root)
	}
	if !ctx.Args().Present() {
		return Errorf(Usage, "no command given").WithHint("%s --help lists the commands", r.program.Name)
	}
	name := ctx.Args().First()
	err := Errorf(Usage, "unknown command %q", name)
	if near := nearest(name, r.program.Commands); near != "" {
		return err.WithHint("did you mean %s %s?", r.program.Name, near)
	}
	return err.WithHint("%s --help lists the commands", r.program.Name)
}

// call runs a command with its arguments checked.
func (r *runner) call(ctx *cli.Context, c *Command) error {
	r.command = c
	files, err := r.arguments(ctx.Args().Slice())
	if err != nil {
		return err
	}
	return c.Run(ctx.Context, &Call{Context: ctx, Printer: r.printer, Env: r.env, Files: files})
}

// arguments returns the arguments without the "--" that set some apart, and
// refuses flags that stand too late.
func (r *runner) arguments(args []string) ([]string, error) {
	literal := min(r.literal, len(args))
	checked, rest := args[:len(args)-literal], args[len(args)-literal:]
	if n := len(checked); n > 0 && checked[n-1] == "--" {
		checked = checked[:n-1]
	}
	for _, arg := range checked {
		if strings.HasPrefix(arg, "-") && arg != "-" {
			return nil, Errorf(Usage, "flag %q stands after the first argument %q", flagName(arg), checked[0]).
				WithHint("flags come before the arguments; a name that begins with '-' goes after --, or is written ./%s", flagName(arg))
		}
	}
	return append(slices.Clone(checked), rest...), nil
}

// fail says what went wrong: a document on stdout if --json was asked for, and
// the message on stderr in any case.
func (r *runner) fail(err error) {
	command := r.command
	if command == nil {
		command = r.program.Root
	}
	if command != nil && command.Failure != nil && !r.printer.printedJSON && wantsJSON(r.env.Args) {
		if printErr := r.printer.JSON(command.Failure(err)); printErr != nil {
			err = errors.Join(err, printErr)
		}
	}
	if err.Error() == "" {
		return
	}
	r.printer.Error(err)
	if hint := Hint(err); hint != "" {
		r.printer.Hint(hint)
	}
}

// wantsJSON looks for --json among arguments that could not be parsed.
func wantsJSON(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "--":
			return false
		case "--json", "-json", "--json=true", "-json=true":
			return true
		}
	}
	return false
}

// nearest is the command whose name is at most two typing errors away.
func nearest(name string, commands []*Command) string {
	best, distance := "", 3
	for _, c := range commands {
		if d := spelling.Distance(name, c.Name); d < distance {
			best, distance = c.Name, d
		}
	}
	return best
}
