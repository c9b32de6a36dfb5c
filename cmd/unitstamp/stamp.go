package main

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"sync"

	cliflags "github.com/urfave/cli/v2"

	"github.com/unitstamp/unitstamp/internal/atomicfile"
	"github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/cienv"
	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/stamp"
)

func stampCommand() *cli.Command {
	return &cli.Command{
		Name:  "stamp",
		Usage: "write the build's tag into unit files",
		Args:  "FILE…",
		Description: "Prints the stamped unit; -w writes it in place. Without --image, all references without a tag must be " +
			"to one repository. With any error nothing is written to any file.",
		Flags: append(cli.BuildFlags(),
			&cliflags.StringSliceFlag{Name: "image", Usage: "stamp every reference to `REPOSITORY`, whatever its tag; may be repeated"},
			&cliflags.StringFlag{Name: "digest", Usage: "write repository:tag@`DIGEST`"},
			&cliflags.BoolFlag{Name: "literal", Usage: "write the tag over a variable or placeholder that stands for it"},
			&cliflags.StringSliceFlag{Name: "env-file", Usage: "stamp the values of a `FILE` of KEY=value lines too; may be repeated"},
			&cliflags.BoolFlag{Name: "write", Aliases: []string{"w"}, Usage: "write in place"},
			&cliflags.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the units into `DIR`"},
			&cliflags.BoolFlag{Name: "diff", Aliases: []string{"d"}, Usage: "print a unified diff"},
			&cliflags.BoolFlag{Name: "list", Aliases: []string{"l"}, Usage: "print the names of files that would change"},
			&cliflags.BoolFlag{Name: "check", Usage: "exit with 1 if anything would change; write nothing"},
			&cliflags.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "walk through folders"},
			&cliflags.StringFlag{Name: "stdin-filename", Usage: "the `PATH` to assume for standard input"},
			&cliflags.BoolFlag{Name: "json", Usage: "print one JSON document"}),
		Run: runStamp,
		Failure: func(err error) any {
			return stampReport{Files: []fileReport{}, Findings: []diag.Finding{}, Error: err.Error()}
		},
	}
}

// stamping is one run of the command.
type stamping struct {
	call    *cli.Call
	inputs  []input
	request stamp.Request
	build   cienv.Stamp
	batch   atomicfile.Batch
	results []result // in the order of inputs
	stdin   *source.File

	seed maphash.Seed

	mu      sync.Mutex // guards summary
	summary *stamp.Summary
}

// result is what is kept of one file once it is through: many files must not need
// much memory.
type result struct {
	stamped, edits int           // references, and places in the file
	toWrite        []source.Edit // for -w
	read           uint64        // hash of the file's bytes as they were read
	kept           *printed      // nil if there is nothing
}

// keep is where to put what is to be printed.
func (r *result) keep() *printed {
	if r.kept == nil {
		r.kept = new(printed)
	}
	return r.kept
}

// toPrint is what was put there.
func (r *result) toPrint() printed {
	if r.kept == nil {
		return printed{}
	}
	return *r.kept
}

// printed is what is to be printed of one file.
type printed struct {
	findings []finding
	changes  []stamp.Change // for --json
	diff     string
	output   []byte // the unit itself, for standard output
}

// finding is a finding with the file it is about, for its snippet.
type finding struct {
	diag.Finding
	source *source.File
}

func runStamp(ctx context.Context, call *cli.Call) error {
	s := &stamping{call: call, seed: maphash.MakeSeed()}
	if err := s.prepare(); err != nil {
		return err
	}
	defer s.batch.Discard()                                             // of what was prepared only; write takes back the rest
	if call.Bool("write") && !call.Bool("json") && !call.Bool("diff") { // else much is kept to be printed
		saveTime()
	}
	if err := s.choose(ctx); err != nil {
		return err
	}
	s.summary = stamp.NewSummary(s.request.Target)
	s.results = make([]result, len(s.inputs))
	if err := each(ctx, len(s.inputs), s.stampOne); err != nil {
		return err
	}
	return s.finish(ctx)
}

// prepare checks the flags and lists the files.
func (s *stamping) prepare() (err error) {
	call := s.call
	if err := s.checkFlags(); err != nil {
		return err
	}
	if s.build, err = call.Build(); err != nil {
		return err
	}
	s.request.Tag, s.request.Digest, s.request.Literal = s.build.Tag.String(), call.String("digest"), call.Bool("literal")
	files := append(append([]string{}, call.Files...), call.StringSlice("env-file")...)
	if s.inputs, err = inputs(call, files, call.Bool("recursive")); err != nil {
		return err
	}
	for i := range s.inputs {
		for _, env := range call.StringSlice("env-file") {
			s.inputs[i].envFile = s.inputs[i].envFile || s.inputs[i].path == env
		}
		if s.inputs[i].envFile {
			s.request.EnvFiles = append(s.request.EnvFiles, s.inputs[i].path)
		}
		if s.inputs[i].envFile && len(call.StringSlice("image")) == 0 {
			return cli.Errorf(cli.Usage, "%s holds values, and which of them is the image cannot be told", s.inputs[i].path).
				WithHint("name the repository with --image")
		}
		if s.inputs[i].path == stdin && (call.Bool("write") || call.String("output") != "" && call.String("stdin-filename") == "") {
			return cli.Errorf(cli.Usage, "standard input cannot be written in place").WithHint("leave out -w and -o to get the stamped unit on standard output, or name it with --stdin-filename for -o")
		}
	}
	call.WarnOfTag(s.build)
	return nil
}

// checkFlags refuses combinations that contradict each other.
func (s *stamping) checkFlags() error {
	call := s.call
	switch {
	case call.Bool("write") && call.String("output") != "":
		return cli.Errorf(cli.Usage, "-w writes in place, and -o elsewhere").WithHint("use one of them")
	case call.Bool("check") && (call.Bool("write") || call.String("output") != ""):
		return cli.Errorf(cli.Usage, "--check writes nothing, and -w or -o asks to write").WithHint("leave one out")
	}
	if digest := call.String("digest"); digest != "" {
		if err := imageref.ValidDigest(digest); err != nil {
			return cli.Errorf(cli.Usage, "%w", err)
		}
		if len(call.StringSlice("image")) > 1 {
			return cli.Errorf(cli.Usage, "--digest is of one image, and --image names %d repositories", len(call.StringSlice("image"))).
				WithHint("stamp one repository at a time")
		}
	}
	return nil
}

// choose finds the repositories that are meant: those that are named, or the one
// that waits for a tag in all files together.
func (s *stamping) choose(ctx context.Context) (err error) {
	if images := s.call.StringSlice("image"); len(images) > 0 {
		if s.request.Target, err = stamp.Repositories(images); err != nil {
			return cli.Errorf(cli.Usage, "%w", err).WithHint("--image wants a repository, such as myrepo/myservice")
		}
		if s.request.Digest != "" && s.request.Target.Len() > 1 {
			return cli.Errorf(cli.Usage, "--digest is of one image, and --image names several repositories")
		}
		return nil
	}
	surveys := make([]stamp.Survey, len(s.inputs))
	refused := make([]*finding, len(s.inputs))
	err = each(ctx, len(s.inputs), func(r *reader, i int) error {
		f, err := s.read(r, i)
		if err != nil {
			return err
		}
		u := r.unit(s.inputs[i], f)
		if u.Refused != nil {
			refused[i] = &finding{*u.Refused, f}
		}
		surveys[i].Add(u, s.request.Tag, s.request.Digest)
		return nil
	})
	if err != nil {
		return err
	}
	var survey stamp.Survey
	for i := range surveys {
		survey.Merge(surveys[i])
	}
	refused = slices.DeleteFunc(refused, func(f *finding) bool { return f == nil })
	if len(refused) > 0 {
		return s.refuse(refused)
	}
	if s.request.Target, err = survey.Target(); err == nil {
		return nil
	}
	var undecided *stamp.Undecided
	if !errors.As(err, &undecided) {
		return err
	}
	if !undecided.Nothing {
		return cli.Errorf(cli.Usage, "%s", undecided.Message).WithHint("%s", undecided.Hint)
	}
	// What stands in the way of finding an image is worth knowing.
	var r reader
	for i := range s.inputs {
		f, err := s.read(&r, i)
		if err != nil {
			return err
		}
		for _, found := range stamp.Stamp(r.unit(s.inputs[i], f), s.request).Findings {
			s.call.Finding(found, f)
		}
	}
	return cli.Errorf(cli.No, "%s", undecided.Message).WithHint("%s", undecided.Hint)
}

// refuse reports the units that systemd does not take.
func (s *stamping) refuse(refused []*finding) error {
	report := stampReport{Tag: s.request.Tag, Files: []fileReport{}, Findings: []diag.Finding{}}
	for _, f := range refused {
		report.Findings = append(report.Findings, f.Finding)
		s.call.Finding(f.Finding, f.source)
	}
	if s.call.Bool("json") {
		if err := s.call.JSON(report); err != nil {
			return err
		}
	}
	return cli.Exit(cli.Usage)
}

// read reads an input; standard input can be read once only.
func (s *stamping) read(r *reader, i int) (*source.File, error) {
	if s.inputs[i].path != stdin {
		return r.read(s.inputs[i], s.call)
	}
	if s.stdin == nil {
		f, err := r.read(s.inputs[i], s.call)
		if err != nil {
			return nil, err
		}
		s.stdin = f
	}
	return s.stdin, nil
}

// stampOne decides about one file, and prepares the result unless it is to be
// written in place, which has to wait until all files are known to be good.
func (s *stamping) stampOne(reader *reader, i int) error {
	in := s.inputs[i]
	f, err := s.read(reader, i)
	if err != nil {
		return err
	}
	o := stamp.Stamp(reader.unit(in, f), s.request)
	s.mu.Lock()
	s.summary.Add(o)
	s.mu.Unlock()
	r := &s.results[i]
	r.stamped, r.edits = len(o.Changes), len(o.Edits)
	if s.call.Bool("json") {
		r.keep().changes = o.Changes
	}
	for _, found := range o.Findings {
		r.keep().findings = append(r.keep().findings, finding{found, f})
	}
	if o.Unreadable {
		return nil
	}
	if s.call.Bool("write") {
		r.toWrite, r.read = o.Edits, maphash.Bytes(s.seed, f.Bytes)
		if !s.call.Bool("diff") {
			return nil
		}
	}
	output, err := s.edit(reader, i, f, o.Edits)
	if err != nil {
		return err
	}
	if s.call.Bool("diff") && len(o.Edits) > 0 {
		r.keep().diff = unifiedDiff(f.Name, f.Bytes, output)
	}
	switch {
	case s.call.String("output") != "":
		if err := s.writeTo(s.call.String("output"), f.Name, output); err != nil {
			return cli.Errorf(cli.World, "cannot write: %w", err).WithHint("nothing is written to any file")
		}
	case s.printsUnits():
		r.keep().output = output
	}
	return nil
}

// edit makes the edits of one file, and looks at the result with fresh eyes.
func (s *stamping) edit(reader *reader, i int, f *source.File, edits []source.Edit) ([]byte, error) {
	if len(edits) == 0 {
		return f.Bytes, nil
	}
	output, err := source.Apply(f.Bytes, edits)
	if err != nil {
		return nil, err
	}
	in := s.inputs[i]
	written := stamp.Written{Before: f, After: output, Name: in.name(), EnvFile: in.envFile, References: s.results[i].stamped}
	if err := reader.units.Verify(written, s.request); err != nil {
		return nil, cli.Errorf(cli.World, "%s: %w: nothing is written", f.Name, err).WithHint("this is a fault of unitstamp; please report it with the unit")
	}
	return output, nil
}

// finish writes, if nothing stands against it, and prints.
func (s *stamping) finish(ctx context.Context) error {
	verdict, missing := s.summary.Verdict()
	var findings []finding
	changed, references := 0, 0
	for i := range s.results {
		r := &s.results[i]
		findings = append(findings, r.toPrint().findings...)
		if r.edits > 0 {
			changed++
			references += r.stamped
		}
	}
	for _, m := range missing {
		findings = append(findings, finding{m, nil})
	}
	for _, f := range findings {
		s.call.Finding(f.Finding, f.source)
	}
	code := cli.Done
	switch {
	case verdict == stamp.Unreadable:
		code = cli.Usage
	case verdict == stamp.Problems:
		code = cli.No
	case s.call.Bool("check") && changed > 0:
		code = cli.No
	}
	if verdict == stamp.Ready {
		if err := s.write(ctx); err != nil {
			hint := "the files are as they were"
			if more := cli.Hint(err); more != "" {
				hint += "; " + more
			}
			return cli.Errorf(cli.World, "cannot write: %w", err).WithHint("%s", hint)
		}
	}
	if err := s.print(verdict, findings); err != nil {
		return err
	}
	if verdict == stamp.Ready && (s.call.Bool("write") || s.call.String("output") != "") {
		s.call.Note("%s", closingWord(s.request.Tag, changed, references, len(s.inputs)))
	}
	if verdict != stamp.Ready {
		s.call.Note("nothing is written")
	}
	return cli.Exit(code)
}
