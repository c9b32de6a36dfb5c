package main

import (
	"errors"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/confrepo"
	"github.com/unitstamp/unitstamp/pkg/guard"
)

// document is what --json prints.
type document struct {
	Result   string   `json:"result"` // pushed, unchanged, dry-run, refused or failed
	Repo     string   `json:"repo"`
	Branch   string   `json:"branch"`
	Commit   string   `json:"commit"`
	Parent   string   `json:"parent"`
	Attempts int      `json:"attempts"`
	Carried  bool     `json:"carried,omitempty"`  // another job pushed it
	Carrying int      `json:"carrying,omitempty"` // other jobs' commits that this one pushed
	Files    []change `json:"files"`
	Reason   string   `json:"reason,omitempty"`
	Hint     string   `json:"hint,omitempty"`
	Remote   []string `json:"remote,omitempty"`
	Diff     string   `json:"diff,omitempty"`
}

type change struct {
	Path   string `json:"path"`
	Change string `json:"change"`
	Old    string `json:"old"`
	New    string `json:"new"`
}

func failureDocument(err error) any {
	return document{Result: resultOf(err), Files: []change{}, Reason: err.Error(), Hint: door.Hint(err)}
}

func resultOf(err error) string {
	if door.ExitCode(err) == door.Refused {
		return "refused"
	}
	return "failed"
}

// printOutcome says what has become of the push and returns the error that ends
// the program.
func printOutcome(call *door.Call, o *order, out guard.Outcome, r confrepo.Result, err error) error {
	doc := document{Repo: confrepo.Redact(o.target.URL), Branch: first(r.Branch, o.target.Branch), Commit: r.Commit, Parent: r.Parent,
		Attempts: r.Attempts, Carried: r.Carried, Carrying: r.Carrying, Files: []change{}}
	for _, f := range out.Files {
		doc.Files = append(doc.Files, change{f.Path, string(f.Action), f.Old, f.New})
	}
	switch {
	case err != nil:
		doc.Result, doc.Reason, doc.Hint = resultOf(err), err.Error(), door.Hint(err)
		var e *confrepo.Error
		if errors.As(err, &e) {
			doc.Remote = e.Remote
		}
	case out.Message == "":
		doc.Result = "unchanged"
		call.Note("nothing to push: %s holds these files already", doc.Branch)
	case o.options.DryRun:
		doc.Result = "dry-run"
		doc.Diff = diffOf(out)
	default:
		doc.Result = "pushed"
		call.Note("pushed %s to %s: %s", r.Commit[:10], doc.Branch, firstLine(out.Message))
	}
	if call.Bool("json") {
		if printErr := call.JSON(doc); printErr != nil && err == nil {
			return printErr
		}
		return err
	}
	if doc.Diff != "" {
		return call.Data([]byte(doc.Diff))
	}
	return err
}

// diffOf shows the changes as a unified diff.
func diffOf(out guard.Outcome) string {
	var text strings.Builder
	for _, f := range out.Files {
		from, to := "a/"+f.Path, "b/"+f.Path
		switch f.Action {
		case guard.Unchanged:
			continue
		case guard.Created:
			from = "/dev/null"
		case guard.Removed:
			to = "/dev/null"
		}
		text.Write(diff.Diff(from, f.Before, to, f.After))
	}
	return text.String()
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
