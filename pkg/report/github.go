package report

import (
	"fmt"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

// githubData and githubProperty escape what workflow commands give a meaning to
// (actions/toolkit, command.ts).
var (
	githubData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// GitHub is a workflow command for each finding, which GitHub Actions shows beside
// the line.
func GitHub(run Run) ([]byte, error) {
	command := map[diag.Severity]string{diag.Error: "error", diag.Warning: "warning", diag.Info: "notice"}
	var out strings.Builder
	for _, r := range run.Results {
		for _, f := range r.Findings {
			end := r.File.Position(f.Span.End)
			fmt.Fprintf(&out, "::%s file=%s,line=%d", command[f.Severity], githubProperty.Replace(f.File), f.Line)
			if end.Line == f.Line { // GitHub takes columns of one line only
				fmt.Fprintf(&out, ",col=%d,endColumn=%d", f.Column, max(end.Column, f.Column+1))
			} else {
				fmt.Fprintf(&out, ",endLine=%d", end.Line)
			}
			message := f.Message
			if f.Hint != "" {
				message += "\n" + f.Hint
			}
			fmt.Fprintf(&out, ",title=%s::%s\n", githubProperty.Replace(f.Rule), githubData.Replace(message))
		}
	}
	return []byte(out.String()), nil
}
