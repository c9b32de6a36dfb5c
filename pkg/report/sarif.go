package report

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
)

// The types below are the part of SARIF 2.1.0 (OASIS, 2020) that code hosts read.

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver sarifDriver `json:"driver"`
	} `json:"tool"`
	ColumnKind string                   `json:"columnKind"`
	Bases      map[string]sarifLocation `json:"originalUriBaseIds,omitempty"`
	Artifacts  []sarifArtifact          `json:"artifacts"`
	Results    []sarifResult            `json:"results"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID            string       `json:"id"`
	Name          string       `json:"name"`
	Short         sarifMessage `json:"shortDescription"`
	Full          sarifMessage `json:"fullDescription"`
	Help          sarifHelp    `json:"help"`
	HelpURI       string       `json:"helpUri"`
	Configuration struct {
		Level string `json:"level"`
	} `json:"defaultConfiguration"`
}

type sarifMessage struct {
	Text string `json:"text"`
}

type sarifHelp struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown,omitempty"`
}

type sarifLocation struct {
	URI         string        `json:"uri,omitempty"`
	BaseID      string        `json:"uriBaseId,omitempty"`
	Description *sarifMessage `json:"description,omitempty"`
}

type sarifArtifact struct {
	Location sarifLocation `json:"location"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	RuleIndex    int               `json:"ruleIndex"`
	Level        string            `json:"level"`
	Message      sarifMessage      `json:"message"`
	Locations    []sarifPlace      `json:"locations"`
	Fingerprints map[string]string `json:"partialFingerprints"`
	Fixes        []sarifFix        `json:"fixes,omitempty"`
}

type sarifPlace struct {
	Physical struct {
		Artifact sarifLocation `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	} `json:"physicalLocation"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn"`
	EndLine     int `json:"endLine"`
	EndColumn   int `json:"endColumn"`
}

type sarifFix struct {
	Description sarifMessage  `json:"description"`
	Changes     []sarifChange `json:"artifactChanges"`
}

type sarifChange struct {
	Artifact     sarifLocation      `json:"artifactLocation"`
	Replacements []sarifReplacement `json:"replacements"`
}

type sarifReplacement struct {
	Deleted  sarifRegion   `json:"deletedRegion"`
	Inserted *sarifContent `json:"insertedContent,omitempty"`
}

type sarifContent struct {
	Text string `json:"text"`
}

// home is where the project and its pages live.
const home = "https://github.com/unitstamp/unitstamp"

var sarifLevel = map[diag.Severity]string{diag.Error: "error", diag.Warning: "warning", diag.Info: "note"}

// SARIF is a log of format 2.1.0 with one run.
func SARIF(run Run) ([]byte, error) {
	var r sarifRun
	r.Tool.Driver = sarifDriver{Name: "unitstamp", Version: run.Version, InformationURI: home}
	r.ColumnKind = "utf16CodeUnits"
	r.Tool.Driver.Rules = []sarifRule{}
	for _, rule := range run.Rules {
		r.Tool.Driver.Rules = append(r.Tool.Driver.Rules, newSARIFRule(rule))
	}
	r.Artifacts, r.Results = []sarifArtifact{}, []sarifResult{}
	for _, result := range run.Results {
		location := sarifFile(result.File.Name)
		if location.BaseID != "" {
			r.Bases = map[string]sarifLocation{location.BaseID: {Description: &sarifMessage{"the root of the repository"}}}
		}
		r.Artifacts = append(r.Artifacts, sarifArtifact{location})
		prints := fingerprints(result)
		for i, f := range result.Findings {
			index := slices.IndexFunc(run.Rules, func(rule Rule) bool { return rule.ID == f.Rule })
			r.Results = append(r.Results, newSARIFResult(result.File, f, index, location, prints[i]))
		}
	}
	return marshal(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{r}})
}

func newSARIFRule(rule Rule) sarifRule {
	r := sarifRule{
		ID: rule.ID, Name: rule.Name,
		Short: sarifMessage{rule.Summary}, Full: sarifMessage{rule.Summary},
		HelpURI: home + "/blob/main/docs/rules/" + rule.ID + ".md",
	}
	r.Configuration.Level = sarifLevel[rule.Severity]
	r.Help = sarifHelp{Text: rule.Summary + ": see " + r.HelpURI, Markdown: rule.Page}
	return r
}

func newSARIFResult(file *source.File, f Finding, index int, location sarifLocation, fingerprint string) sarifResult {
	message := f.Message
	if f.Hint != "" {
		message += "; " + f.Hint
	}
	r := sarifResult{
		RuleID: f.Rule, RuleIndex: index, Level: sarifLevel[f.Severity], Message: sarifMessage{message},
		Locations:    make([]sarifPlace, 1),
		Fingerprints: map[string]string{"primaryLocationLineHash": fingerprint + ":1"},
	}
	r.Locations[0].Physical.Artifact = location
	r.Locations[0].Physical.Region = region(file, f.Span)
	if f.Fix != nil {
		change := sarifChange{Artifact: location}
		for _, e := range f.Fix {
			replacement := sarifReplacement{Deleted: region(file, e.Span)}
			if e.New != "" {
				replacement.Inserted = &sarifContent{e.New}
			}
			change.Replacements = append(change.Replacements, replacement)
		}
		r.Fixes = []sarifFix{{sarifMessage{f.Hint}, []sarifChange{change}}}
	}
	return r
}

// sarifFile names a file: relative to the repository's root, or as file:///… if the
// name is absolute.
func sarifFile(name string) sarifLocation {
	path := filepath.ToSlash(filepath.Clean(name))
	if filepath.IsAbs(name) {
		return sarifLocation{URI: (&url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(path, "/")}).String()}
	}
	return sarifLocation{URI: strings.TrimPrefix((&url.URL{Path: path}).String(), "./"), BaseID: "%SRCROOT%"}
}

// region is a span in lines and in columns of UTF-16 units, as SARIF counts them.
func region(f *source.File, span source.Span) sarifRegion {
	start, end := f.Position(span.Start), f.Position(span.End)
	return sarifRegion{
		StartLine: start.Line, StartColumn: utf16Column(f, start),
		EndLine: end.Line, EndColumn: utf16Column(f, end),
	}
}

func utf16Column(f *source.File, p source.Position) int {
	column := 1
	for _, r := range string(f.Line(p.Line)[:p.Column-1]) {
		column += max(1, utf16.RuneLen(r))
	}
	return column
}
