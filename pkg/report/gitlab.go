package report

import (
	"path/filepath"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

// codeQuality is an issue of GitLab's code quality report.
type codeQuality struct {
	Description string `json:"description"`
	CheckName   string `json:"check_name"`
	Fingerprint string `json:"fingerprint"`
	Severity    string `json:"severity"`
	Location    struct {
		Path  string `json:"path"`
		Lines struct {
			Begin int `json:"begin"`
		} `json:"lines"`
	} `json:"location"`
}

// GitLab is a code quality report. GitLab takes issues of one fingerprint for one
// and the same, and those whose fingerprint changes for new ones.
func GitLab(run Run) ([]byte, error) {
	severity := map[diag.Severity]string{diag.Error: "major", diag.Warning: "minor", diag.Info: "info"}
	issues := []codeQuality{}
	for _, r := range run.Results {
		prints := fingerprints(r)
		for i, f := range r.Findings {
			issue := codeQuality{Description: f.Message, CheckName: f.Rule, Fingerprint: prints[i], Severity: severity[f.Severity]}
			issue.Location.Path = filepath.ToSlash(filepath.Clean(f.File))
			issue.Location.Lines.Begin = f.Line
			issues = append(issues, issue)
		}
	}
	return marshal(issues)
}
