package report

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// sarifSchema is what OASIS' schema of SARIF 2.1.0 says about the properties that
// are written here, and what GitHub's code scanning asks for beyond it. Nothing else
// may stand there.
const sarifSchema = `{
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object", "required": ["version", "runs"], "additionalProperties": false,
  "properties": {
    "$schema": {"type": "string", "format": "uri"},
    "version": {"const": "2.1.0"},
    "runs": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/run"}}
  },
  "definitions": {
    "text": {"type": "object", "required": ["text"], "additionalProperties": false, "properties": {"text": {"type": "string", "minLength": 1}}},
    "help": {"type": "object", "required": ["text"], "additionalProperties": false, "properties": {"text": {"type": "string"}, "markdown": {"type": "string"}}},
    "level": {"enum": ["none", "note", "warning", "error"]},
    "run": {
      "type": "object", "required": ["tool", "results"], "additionalProperties": false,
      "properties": {
        "tool": {"type": "object", "required": ["driver"], "additionalProperties": false, "properties": {"driver": {"$ref": "#/definitions/driver"}}},
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "originalUriBaseIds": {"type": "object", "additionalProperties": {"$ref": "#/definitions/artifactLocation"}},
        "artifacts": {"type": "array", "uniqueItems": true, "items": {"type": "object", "additionalProperties": false, "properties": {"location": {"$ref": "#/definitions/artifactLocation"}}}},
        "results": {"type": "array", "items": {"$ref": "#/definitions/result"}}
      }
    },
    "driver": {
      "type": "object", "required": ["name", "rules"], "additionalProperties": false,
      "properties": {
        "name": {"type": "string", "minLength": 1}, "version": {"type": "string"}, "informationUri": {"type": "string", "format": "uri"},
        "rules": {"type": "array", "uniqueItems": true, "items": {"$ref": "#/definitions/rule"}}
      }
    },
    "rule": {
      "type": "object", "required": ["id", "shortDescription", "fullDescription", "help", "defaultConfiguration"], "additionalProperties": false,
      "properties": {
        "id": {"type": "string"}, "name": {"type": "string"}, "helpUri": {"type": "string", "format": "uri"},
        "shortDescription": {"$ref": "#/definitions/text"}, "fullDescription": {"$ref": "#/definitions/text"}, "help": {"$ref": "#/definitions/help"},
        "defaultConfiguration": {"type": "object", "additionalProperties": false, "properties": {"level": {"$ref": "#/definitions/level"}}}
      }
    },
    "artifactLocation": {
      "type": "object", "additionalProperties": false,
      "properties": {"uri": {"type": "string", "format": "uri-reference"}, "uriBaseId": {"type": "string"}, "description": {"$ref": "#/definitions/text"}}
    },
    "region": {
      "type": "object", "required": ["startLine"], "additionalProperties": false,
      "properties": {
        "startLine": {"type": "integer", "minimum": 1}, "startColumn": {"type": "integer", "minimum": 1},
        "endLine": {"type": "integer", "minimum": 1}, "endColumn": {"type": "integer", "minimum": 1}
      }
    },
    "result": {
      "type": "object", "required": ["message", "ruleId", "locations", "partialFingerprints"], "additionalProperties": false,
      "properties": {
        "ruleId": {"type": "string"}, "ruleIndex": {"type": "integer", "minimum": 0}, "level": {"$ref": "#/definitions/level"}, "message": {"$ref": "#/definitions/text"},
        "locations": {"type": "array", "minItems": 1, "items": {
          "type": "object", "required": ["physicalLocation"], "additionalProperties": false,
          "properties": {"physicalLocation": {
            "type": "object", "required": ["artifactLocation", "region"], "additionalProperties": false,
            "properties": {"artifactLocation": {"$ref": "#/definitions/artifactLocation"}, "region": {"$ref": "#/definitions/region"}}
          }}
        }},
        "partialFingerprints": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
        "fixes": {"type": "array", "uniqueItems": true, "items": {
          "type": "object", "required": ["artifactChanges"], "additionalProperties": false,
          "properties": {
            "description": {"$ref": "#/definitions/text"},
            "artifactChanges": {"type": "array", "minItems": 1, "items": {
              "type": "object", "required": ["artifactLocation", "replacements"], "additionalProperties": false,
              "properties": {
                "artifactLocation": {"$ref": "#/definitions/artifactLocation"},
                "replacements": {"type": "array", "minItems": 1, "items": {
                  "type": "object", "required": ["deletedRegion"], "additionalProperties": false,
                  "properties": {"deletedRegion": {"$ref": "#/definitions/region"}, "insertedContent": {"$ref": "#/definitions/text"}}
                }}
              }
            }}
          }
        }}
      }
    }
  }
}`

func TestSARIFSchema(t *testing.T) {
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(sarifSchema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("sarif.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Run{{}, run("a.service", good), run("a b/ü.service", bad, "/abs/c.service", twice)} {
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(write(t, "sarif", r))))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(document); err != nil {
			t.Error(err)
		}
	}
}

// Regions count UTF-16 units, rule indexes point at the rule, names of files are
// escaped, and the mends say what Fix does.
func TestSARIF(t *testing.T) {
	var log sarifLog
	if err := json.Unmarshal(write(t, "sarif", run("a b/ü.service", bad, "/abs/c.service", twice)), &log); err != nil {
		t.Fatal(err)
	}
	r := log.Runs[0]
	prints := map[string]bool{}
	mended := 0
	for _, result := range r.Results {
		if r.Tool.Driver.Rules[result.RuleIndex].ID != result.RuleID {
			t.Errorf("%s points at rule %d", result.RuleID, result.RuleIndex)
		}
		key := result.Fingerprints["primaryLocationLineHash"]
		if prints[key] || key == "" {
			t.Errorf("the fingerprint %q stands twice", key)
		}
		prints[key] = true
		place := result.Locations[0].Physical
		if u, err := url.Parse(place.Artifact.URI); err != nil || u.Path != "a b/ü.service" && u.Path != "/abs/c.service" {
			t.Errorf("uri %q", place.Artifact.URI)
		}
		if result.RuleID != "US001" {
			continue
		}
		mended += len(result.Fixes)
		line := utf16.Encode([]rune(strings.Split(bad, "\n")[place.Region.StartLine-1]))
		if got := string(utf16.Decode(line[place.Region.StartColumn-1 : place.Region.EndColumn-1])); got != "—" {
			t.Errorf("the region holds %q", got)
		}
		if change := result.Fixes[0].Changes[0].Replacements[0]; change.Inserted.Text != "--" || change.Deleted != place.Region {
			t.Errorf("the fix is %+v", change)
		}
	}
	if mended != 1 {
		t.Errorf("%d mends of US001", mended)
	}
}
