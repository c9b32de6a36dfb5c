package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	cliflags "github.com/urfave/cli/v2"

	"github.com/unitstamp/unitstamp/docs/rules"
	"github.com/unitstamp/unitstamp/internal/atomicfile"
	"github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/lint"
	"github.com/unitstamp/unitstamp/pkg/report"
	"github.com/unitstamp/unitstamp/pkg/source"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "find what goes wrong in units that run containers",
		Args:  "FILE…",
		Description: "Prints FILE:LINE:COL: SEVERITY: MESSAGE [RULE] for each finding. unitstamp rule US012 explains a rule; a comment " +
			"\"# unitstamp: ignore=US012 -- reason\" on a line of its own ignores it in the next setting; .unitstamp.yaml, looked for " +
			"from the file's folder upwards, has settings for all files below it.",
		Flags: []cliflags.Flag{
			&cliflags.StringFlag{Name: "format", Usage: "print `FORMAT`: " + strings.Join(report.Formats(), ", "), Value: "text"},
			&cliflags.StringSliceFlag{Name: "report", Usage: "write a report into a file as well, `FORMAT=FILE`; may be repeated"},
			&cliflags.StringFlag{Name: "fail-on", Usage: "exit with 1 from this `SEVERITY` on: error, warning, info", Value: "error"},
			&cliflags.StringFlag{Name: "expect", Usage: "whether units are `stamped` or unstamped"},
			&cliflags.StringSliceFlag{Name: "only", Usage: "look for this `RULE` only; may be repeated"},
			&cliflags.BoolFlag{Name: "fix", Usage: "mend in place what can be mended without guessing, and report the rest"},
			&cliflags.StringFlag{Name: "config", Usage: "read the settings from `FILE` instead of .unitstamp.yaml"},
			&cliflags.BoolFlag{Name: "no-config", Usage: "read no settings"},
			&cliflags.BoolFlag{Name: "no-ignores", Usage: "report what comments ignore, too"},
			&cliflags.BoolFlag{Name: "init", Usage: "write a commented .unitstamp.yaml into the working directory"},
			&cliflags.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "walk through folders"},
			&cliflags.StringFlag{Name: "stdin-filename", Usage: "the `PATH` to assume for standard input"},
			&cliflags.BoolFlag{Name: "json", Usage: "print one JSON document, as --format json does"},
		},
		Run: runCheck,
		Failure: func(err error) any {
			d := report.NewDocument(report.Run{})
			d.Error = err.Error()
			return d
		},
	}
}

// checking is one run of the command.
type checking struct {
	call    *cli.Call
	inputs  []input
	configs configs
	off     []string // the rules that --only leaves out
	format  string
	reports []reportFile
	failOn  diag.Severity
	expect  lint.Expectation

	units []*lint.Unit
	batch atomicfile.Batch
	mu    sync.Mutex // guards fixed
	fixed int
}

// reportFile is where a report goes.
type reportFile struct{ format, path string }

func runCheck(ctx context.Context, call *cli.Call) error {
	if call.Bool("init") {
		return writeConfig(call)
	}
	c := &checking{call: call, configs: configs{call: call}}
	if err := c.prepare(); err != nil {
		return err
	}
	defer c.batch.Discard()
	if err := c.read(ctx); err != nil {
		return err
	}
	return c.finish()
}

// prepare checks the flags, lists the files and finds their settings.
func (c *checking) prepare() (err error) {
	call := c.call
	if c.format = call.String("format"); call.Bool("json") {
		c.format = "json"
	}
	if _, err := report.Write(c.format, report.Run{}); err != nil {
		return cli.Errorf(cli.Usage, "%w", err)
	}
	for _, text := range call.StringSlice("report") {
		format, path, found := strings.Cut(text, "=")
		if !found || path == "" {
			return cli.Errorf(cli.Usage, "--report wants FORMAT=FILE, got %q", text).WithHint("such as --report sarif=unitstamp.sarif")
		}
		if _, err := report.Write(format, report.Run{}); err != nil {
			return cli.Errorf(cli.Usage, "--report: %w", err)
		}
		c.reports = append(c.reports, reportFile{format, path})
	}
	severities := map[string]diag.Severity{"error": diag.Error, "warning": diag.Warning, "info": diag.Info}
	var ok bool
	if c.failOn, ok = severities[call.String("fail-on")]; !ok {
		return cli.Errorf(cli.Usage, "unknown severity %q; known are error, warning, info", call.String("fail-on"))
	}
	if c.expect, ok = lint.ParseExpectation(call.String("expect")); !ok {
		return cli.Errorf(cli.Usage, "--expect is %q; known are stamped and unstamped", call.String("expect"))
	}
	if c.off, err = otherRules(call.StringSlice("only")); err != nil {
		return err
	}
	list, err := inputs(call, call.Files, call.Bool("recursive"))
	if err != nil {
		return err
	}
	for _, in := range list {
		switch {
		case in.envFile:
			call.Note("%s is no unit and is left out", in.path)
		case in.path == stdin && call.Bool("fix"):
			return cli.Errorf(cli.Usage, "standard input cannot be mended in place").WithHint("name the file")
		default:
			c.inputs = append(c.inputs, in)
		}
	}
	return nil
}

// otherRules are the IDs of all rules but some; none if none are named.
func otherRules(names []string) (others []string, err error) {
	wanted := map[string]bool{}
	for _, name := range names {
		r, ok := lint.Lookup(name)
		if !ok {
			return nil, cli.Errorf(cli.Usage, "--only: unknown rule %q", name).WithHint("unitstamp rules lists them")
		}
		wanted[r.ID] = true
	}
	for _, r := range lint.Rules() {
		if len(wanted) > 0 && !wanted[r.ID] {
			others = append(others, r.ID)
		}
	}
	return others, nil
}

// read reads and checks all files, several at a time; with --fix it mends them
// before.
func (c *checking) read(ctx context.Context) error {
	settings := make([]lint.Settings, len(c.inputs))
	for i, in := range c.inputs {
		var err error
		if settings[i], err = c.configs.settings(in); err != nil {
			return err
		}
		settings[i].NoIgnores = c.call.Bool("no-ignores")
		if c.expect != lint.Anything {
			settings[i].Expect = c.expect
		}
		for _, id := range c.off {
			settings[i].Set(id, lint.Off)
		}
	}
	c.units = make([]*lint.Unit, len(c.inputs))
	return each(ctx, len(c.inputs), func(r *reader, i int) (err error) {
		c.units[i], err = c.readOne(r, c.inputs[i], settings[i])
		return err
	})
}

func (c *checking) readOne(r *reader, in input, settings lint.Settings) (*lint.Unit, error) {
	f, err := r.read(in, c.call)
	if err != nil {
		return nil, err
	}
	if !c.call.Bool("fix") {
		return lint.Read(f, in.name(), settings), nil
	}
	fixed, mended, err := lint.Fix(f, in.name(), settings)
	if err != nil {
		return nil, cli.Errorf(cli.World, "%s: %w: nothing is written", f.Name, err).WithHint("this is a fault of unitstamp; please report it with the unit")
	}
	if len(mended) > 0 {
		if err := c.batch.Replace(in.path, fixed, nil); err != nil {
			return nil, cli.Errorf(cli.World, "cannot write: %w", err).WithHint("nothing is written to any file")
		}
		c.mu.Lock()
		c.fixed += len(mended)
		c.mu.Unlock()
	}
	return lint.Read(&source.File{Name: f.Name, Bytes: fixed}, in.name(), settings), nil
}

// finish compares the units, writes what was mended, and reports.
func (c *checking) finish() error {
	run := report.Run{Version: cli.Version(), Fixed: c.fixed, FailOn: c.failOn}
	for _, r := range lint.Rules() {
		run.Rules = append(run.Rules, report.Rule{ID: r.ID, Name: r.Name, Summary: r.Summary, Severity: r.Severity, Page: rules.Page(r.ID)})
	}
	for i, findings := range lint.Conclude(c.units) {
		result := report.Result{File: c.units[i].File}
		for _, f := range findings {
			result.Findings = append(result.Findings, report.Finding(f))
		}
		run.Results = append(run.Results, result)
	}
	for _, r := range c.reports {
		data, err := report.Write(r.format, run)
		if err == nil {
			err = c.batch.Create(r.path, data, 0o644)
		}
		if err != nil {
			return cli.Errorf(cli.World, "cannot write the report: %w", err).WithHint("nothing is written to any file")
		}
	}
	files := c.batch.Len() - len(c.reports)
	if c.batch.Len() > 0 {
		if err := c.batch.Commit(); err != nil {
			return cli.Errorf(cli.World, "cannot write: %w", err).WithHint("the files are as they were")
		}
	}
	if err := c.print(run); err != nil {
		return err
	}
	if c.fixed > 0 {
		c.call.Note("%s mended in %s", count(c.fixed, "finding"), count(files, "file"))
	}
	if run.Fails() {
		return cli.Exit(cli.No)
	}
	return nil
}

// print writes the report to stdout. In text that no terminal shows, hints go to
// stderr: the data is a line for each finding.
func (c *checking) print(run report.Run) error {
	switch c.format {
	case "json":
		return c.call.JSON(report.NewDocument(run))
	case "text":
	default:
		data, err := report.Write(c.format, run)
		if err != nil {
			return err
		}
		return c.call.Data(data)
	}
	var text strings.Builder
	for _, r := range run.Results {
		for _, f := range r.Findings {
			text.WriteString(c.call.FindingText(f.Finding, r.File))
		}
	}
	if err := c.call.Data([]byte(text.String())); err != nil {
		return err
	}
	if !c.call.Hints() {
		c.hints(run)
	}
	errors, warnings, infos := run.Count()
	if errors+warnings+infos > 0 {
		c.call.Note("%s, %s and %s in %s", count(errors, "error"), count(warnings, "warning"), count(infos, "info"), count(len(run.Results), "file"))
		c.call.Hint("unitstamp rule " + first(run) + " explains a rule")
	}
	return nil
}

// hints tells the cures of errors and warnings on stderr.
func (c *checking) hints(run report.Run) {
	for _, r := range run.Results {
		for _, f := range r.Findings {
			if f.Severity > diag.Info && f.Hint != "" {
				c.call.Hint(fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Hint))
			}
		}
	}
}

// first is the rule of the most severe finding.
func first(run report.Run) string {
	rule, worst := "", diag.Severity(-1)
	for _, r := range run.Results {
		for _, f := range r.Findings {
			if f.Severity > worst {
				rule, worst = f.Rule, f.Severity
			}
		}
	}
	return rule
}

// writeConfig writes a commented configuration, unless there is one.
func writeConfig(call *cli.Call) error {
	if len(call.Files) > 0 {
		return cli.Errorf(cli.Usage, "--init takes no arguments, got %q", call.Files[0])
	}
	f, err := os.OpenFile(configName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if os.IsExist(err) {
		return cli.Errorf(cli.Refused, "%s exists", configName).WithHint("remove it to get a new one")
	}
	if err != nil {
		return cli.Errorf(cli.World, "cannot write %s: %w", configName, cause(err))
	}
	if _, err := f.WriteString(lint.Example); err != nil {
		f.Close()
		return cli.Errorf(cli.World, "cannot write %s: %w", configName, err)
	}
	if err := f.Close(); err != nil {
		return cli.Errorf(cli.World, "cannot write %s: %w", configName, err)
	}
	call.Note("%s is written", configName)
	return nil
}
