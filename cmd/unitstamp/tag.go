package main

import (
	"context"

	cliflags "github.com/urfave/cli/v2"

	"github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/imageref"
)

// tagCommand prints the build's tags, so that the image that is built and the unit
// that is stamped cannot disagree.
func tagCommand() *cli.Command {
	return &cli.Command{
		Name:  "tag",
		Usage: "print the tags of this build",
		Description: "Prints the build's own tag (58-develop) and the branch's moving tag (develop), one a line. " +
			"A build of a git tag has one tag only. Use it for docker build -t, so that image and unit carry the same tag.",
		Flags: append(cli.BuildFlags(),
			&cliflags.StringFlag{Name: "image", Usage: "print `REPOSITORY`:TAG"},
			&cliflags.BoolFlag{Name: "json", Usage: "print one JSON document"}),
		Run:     runTag,
		Failure: func(err error) any { return tagReport{Tags: []string{}, Error: err.Error()} },
	}
}

// tagReport is the document of tag --json.
type tagReport struct {
	Tags   []string `json:"tags"`
	Branch string   `json:"branch"`
	System string   `json:"system"`
	Commit string   `json:"commit"`
	URL    string   `json:"url"`
	Error  string   `json:"error,omitempty"`
}

func runTag(_ context.Context, call *cli.Call) error {
	if len(call.Files) > 0 {
		return cli.Errorf(cli.Usage, "tag takes no arguments, got %q", call.Files[0])
	}
	stamp, err := call.Build()
	if err != nil {
		return err
	}
	prefix := ""
	if image := call.String("image"); image != "" {
		if _, err := imageref.ParseRepository(image); err != nil {
			return cli.Errorf(cli.Usage, "%w", err).WithHint("--image wants a repository, such as myrepo/myservice")
		}
		prefix = image + ":"
	}
	tags := []string{prefix + stamp.Tag.String()}
	if stamp.Moving != "" {
		tags = append(tags, prefix+stamp.Moving)
	}
	call.WarnOfTag(stamp)
	if kind := buildtag.Parse(stamp.Moving).Kind(); kind == buildtag.Build || kind == buildtag.Release {
		call.Note("the branch's own tag %q reads as the tag of a build or release, which another branch or a git tag may give as well", stamp.Moving)
		call.Hint("push " + tags[0] + " only, or give the branch a name that is no build and no version")
	}
	if call.Bool("json") {
		return call.JSON(tagReport{Tags: tags, Branch: stamp.Branch, System: stamp.Build.System, Commit: stamp.Build.Commit, URL: stamp.Build.URL})
	}
	for _, tag := range tags {
		if err := call.Printf("%s\n", tag); err != nil {
			return err
		}
	}
	return nil
}
