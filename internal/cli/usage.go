package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// usageError is called for flags that do not parse.
func (r *runner) usageError(ctx *cli.Context, err error, _ bool) error {
	if r.command == nil && ctx.Command != nil {
		for _, c := range r.program.Commands {
			if c.Name == ctx.Command.Name {
				r.command = c
			}
		}
	}
	call := r.program.Name
	if r.command != nil && r.command != r.program.Root {
		call += " " + r.command.Name
	}
	return (&Error{Code: Usage, Err: r.inOurWords(err)}).WithHint("%s --help lists the flags", call)
}

// inOurWords says what is wrong with a flag, which urfave/cli and the standard library
// tell in words of their own.
func (r *runner) inOurWords(err error) error {
	text := err.Error()
	if name, found := strings.CutPrefix(text, "flag provided but not defined: -"); found {
		return fmt.Errorf("unknown flag %q", dashes(flagName(strings.TrimLeft(name, "-"))))
	}
	if name, found := strings.CutPrefix(text, "flag needs an argument: -"); found {
		return fmt.Errorf("flag %q needs a value", dashes(strings.TrimLeft(name, "-")))
	}
	if names, found := strings.CutPrefix(text, "Cannot use two forms of the same flag: "); found {
		one, other, _ := strings.Cut(names, " ")
		return fmt.Errorf("flag %q is given twice, also as %q", dashes(one), dashes(other))
	}
	flag := regexp.MustCompile(`^invalid (?:boolean )?value ((?s).*) for (?:flag )?-([^ ]*): (?:parse error|value out of range)$`)
	if m := flag.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("flag %q wants %s, not %s", dashes(m[2]), r.kindOf(m[2]), m[1])
	}
	variable := regexp.MustCompile(`^could not parse ((?s).*) as \w+ value from environment variable "([^"]*)" for flag ([^ ]*): `)
	if m := variable.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("variable %s wants %s, not %s", m[2], r.kindOf(m[3]), m[1])
	}
	return err
}

// kindOf says what a flag takes.
func (r *runner) kindOf(name string) string {
	commands := r.program.Commands
	if r.command != nil {
		commands = []*Command{r.command}
	} else if r.program.Root != nil {
		commands = []*Command{r.program.Root}
	}
	for _, c := range commands {
		for _, f := range c.Flags {
			if !slices.Contains(f.Names(), name) {
				continue
			}
			switch f.(type) {
			case *cli.DurationFlag:
				return "a time such as 5s or 10m"
			case *cli.IntFlag:
				return "a whole number"
			}
		}
	}
	return "true or false"
}

// flagName leaves out a flag's value, which may be a secret.
func flagName(arg string) string {
	name, _, _ := strings.Cut(arg, "=")
	return name
}

func dashes(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
