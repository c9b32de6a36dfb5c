package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// An input is a file to be read.
type input struct {
	path    string
	envFile bool
	name    unitname.Name
}

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
		in := input{path: path, envFile: isEnvFile(path), name: unitname.FromPath(path)}
		if path == stdin {
			in.name = unitname.FromPath(call.String("stdin-filename"))
			in.envFile = isEnvFile(call.String("stdin-filename"))
		}
		list = append(list, in)
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

// read reads a file. What cannot be read is the user's input, exit code 2.
func (in input) read(call *cli.Call) (*source.File, error) {
	if in.path == stdin {
		data, err := io.ReadAll(call.Env.Stdin)
		if err != nil {
			return nil, cli.Errorf(cli.Usage, "cannot read standard input: %w", err)
		}
		name := stdin
		if given := call.String("stdin-filename"); given != "" {
			name = given
		}
		return &source.File{Name: name, Bytes: data}, nil
	}
	data, err := os.ReadFile(in.path)
	if err != nil {
		return nil, cli.Errorf(cli.Usage, "cannot read %s: %w", in.path, cause(err))
	}
	return &source.File{Name: in.path, Bytes: data}, nil
}

// cause leaves out the operation and path that Go puts in front.
func cause(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
