package cli

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// Set by the linker in releases.
var (
	version string
	commit  string
	date    string
)

// Version is the release, or what the Go toolchain recorded of the source, or
// "devel".
func Version() string { return build().Version }

// buildInfo is the document of "version --json".
type buildInfo struct {
	Program  string `json:"program"`
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Date     string `json:"date"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func build() buildInfo {
	b := buildInfo{Version: version, Commit: commit, Date: date, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if b.Version == "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && b.Commit == "":
				b.Commit = s.Value
			case s.Key == "vcs.time" && b.Date == "":
				b.Date = s.Value
			case s.Key == "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	return b
}

func versionCommand(p *Program) *Command {
	return &Command{
		Name:  "version",
		Usage: "print the version",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print one JSON document"}},
		Run: func(_ context.Context, call *Call) error {
			b := build()
			b.Program = p.Name
			if call.Bool("json") {
				return call.JSON(b)
			}
			return call.Printf("%s %s\n", p.Name, b.Version)
		},
		Failure: func(err error) any { return map[string]string{"error": err.Error()} },
	}
}
