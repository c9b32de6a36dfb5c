package main

import (
	"context"

	cliflags "github.com/urfave/cli/v2"

	"github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/imageref"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

func imagesCommand() *cli.Command {
	return &cli.Command{
		Name:  "images",
		Usage: "list every image reference of unit files",
		Args:  "FILE…",
		Description: "Prints FILE:LINE:COL, the setting, the command and the reference as it is written, separated by tabs. " +
			"With --json, also what it resolves to, where the unit or its name tells.",
		Flags: []cliflags.Flag{
			&cliflags.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "walk through folders"},
			&cliflags.StringFlag{Name: "stdin-filename", Usage: "the `PATH` to assume for standard input"},
			&cliflags.BoolFlag{Name: "json", Usage: "print one JSON document"},
		},
		Run:     runImages,
		Failure: func(error) any { return []imageEntry{} },
	}
}

// imageEntry is one reference in images --json.
type imageEntry struct {
	File       string         `json:"file"`
	Line       int            `json:"line"`
	Column     int            `json:"column"`
	Section    string         `json:"section"`
	Key        string         `json:"key"`
	Command    string         `json:"command"`
	Reference  string         `json:"reference"`
	Resolved   string         `json:"resolved"`
	Repository string         `json:"repository"`
	Tag        string         `json:"tag"`
	Digest     string         `json:"digest"`
	Kind       unitimage.Kind `json:"kind"`
}

// runImages lists what it can read; a file that it cannot is exit code 2.
func runImages(_ context.Context, call *cli.Call) error {
	list, err := inputs(call, call.Files, call.Bool("recursive"))
	if err != nil {
		return err
	}
	entries := []imageEntry{}
	code := cli.Done
	var r reader
	for _, in := range list {
		f, err := r.read(in, call)
		if err != nil {
			return err
		}
		unit := r.unit(in, f)
		if unit.Refused != nil {
			call.Finding(*unit.Refused, f)
			code = cli.Usage
			continue
		}
		for _, ref := range unit.Found.References {
			if ref.Command == unitimage.EnvFileCommand && !ref.LooksLikeImage() {
				continue
			}
			entries = append(entries, newImageEntry(f, ref))
		}
	}
	if call.Bool("json") {
		if err := call.JSON(entries); err != nil {
			return err
		}
		return cli.Exit(code)
	}
	for _, e := range entries {
		if err := call.Printf("%s:%d:%d\t%s\t%s\t%s\n", e.File, e.Line, e.Column, e.Key, e.Command, e.Reference); err != nil {
			return err
		}
	}
	return cli.Exit(code)
}

func newImageEntry(f *source.File, r unitimage.Reference) imageEntry {
	pos := f.Position(r.Span.Start)
	repository := ""
	if r.Repository != "" {
		repository = imageref.Familiar(r.Repository)
	}
	return imageEntry{
		File: f.Name, Line: pos.Line, Column: pos.Column, Section: r.Section, Key: r.Key, Command: r.Command,
		Reference: r.Written, Resolved: r.Resolved, Repository: repository, Tag: r.Tag, Digest: r.Digest, Kind: r.Kind,
	}
}
