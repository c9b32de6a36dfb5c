package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/internal/wholefile"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/stamp"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// An input is a file to be read.
type input struct {
	path    string
	shown   string // what messages call it, and the unit is named after
	envFile bool
}

func (in input) name() unitname.Name { return unitname.FromPath(in.shown) }

// stdin is the path that stands for standard input.
const stdin = "-"

// unitSuffixes are the files that a walk through a folder takes.
var unitSuffixes = []string{
	".service", ".socket", ".timer", ".path", ".mount", ".automount", ".swap", ".target", ".slice",
	".container", ".pod", ".volume", ".network", ".kube", ".image", ".build",
}

// inputs makes the list of files to be read: each file once, folders walked with
// recursive only.
func inputs(call *cli.Call, files []string, recursive bool) ([]input, error) {
	if len(files) == 0 {
		return nil, cli.Errorf(cli.Usage, "no file given").WithHint("name unit files, or - for standard input")
	}
	var list []input
	seen := map[any]bool{}
	add := func(path string, info os.FileInfo) {
		key := any(stdin)
		if info != nil {
			key = identity(path, info)
		}
		if seen[key] {
			return
		}
		seen[key] = true
		shown := path
		if given := call.String("stdin-filename"); path == stdin && given != "" {
			shown = given
		}
		list = append(list, input{path, shown, isEnvFile(shown)})
	}
	for _, path := range files {
		if path == stdin {
			add(path, nil)
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, cli.Errorf(cli.Usage, "cannot read %s: %w", path, cause(err))
		}
		if !info.IsDir() {
			add(path, info)
			continue
		}
		if !recursive {
			return nil, cli.Errorf(cli.Usage, "%s is a folder", path).WithHint("name the files in it, or add -r to walk through it")
		}
		if err := walk(path, add); err != nil {
			return nil, err
		}
	}
	if len(list) == 0 {
		return nil, cli.Errorf(cli.No, "no unit files in %s", strings.Join(files, ", "))
	}
	return list, nil
}

// walk takes the unit files and drop-ins below a folder; hidden folders are left
// out.
func walk(root string, add func(string, os.FileInfo)) error {
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case entry.IsDir() || !isUnitFile(path):
			return nil
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			add(path, info)
		}
		return nil
	})
	if err != nil {
		return cli.Errorf(cli.Usage, "cannot walk through %s: %w", root, err)
	}
	return nil
}

func isUnitFile(path string) bool {
	ext := filepath.Ext(path)
	return slices.Contains(unitSuffixes, ext) || ext == ".conf" && strings.HasSuffix(filepath.Dir(path), ".d")
}

func isEnvFile(path string) bool { return strings.HasSuffix(path, ".env") }

// A reader reads one file after the other, and uses its memory again.
type reader struct {
	files wholefile.Reader
	units stamp.Reader
}

// read reads a file. What cannot be read is the user's input, exit code 2.
func (r *reader) read(in input, call *cli.Call) (*source.File, error) {
	if in.path == stdin {
		data, err := io.ReadAll(call.Env.Stdin)
		if err != nil {
			return nil, cli.Errorf(cli.Usage, "cannot read standard input: %w", err)
		}
		return &source.File{Name: in.shown, Bytes: data}, nil
	}
	data, err := r.files.ReadPath(in.path)
	if err != nil {
		return nil, cli.Errorf(cli.Usage, "cannot read %s: %w", in.path, cause(err))
	}
	return &source.File{Name: in.shown, Bytes: bytes.Clone(data)}, nil
}

// unit reads a file's bytes as what they are.
func (r *reader) unit(in input, f *source.File) *stamp.Unit {
	if in.envFile {
		return stamp.ReadEnvFile(f)
	}
	return r.units.Read(f, in.name())
}

// cause leaves out the operation and path that Go puts in front.
func cause(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
