// Package circleci checks the project's CircleCI configurations: against CircleCI's
// own schema, and for what the schema does not say.
package circleci

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/unitstamp/unitstamp/internal/corpus"
)

// configurations are the files that are checked.
var configurations = []string{".circleci/config.yml"}

func read(t *testing.T, path string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := yaml.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// TestSchema needs the schema beside the project; where it lies, it must agree.
func TestSchema(t *testing.T) {
	shared := corpus.Shared(t)
	if shared == "" {
		t.Log("CircleCI's schema is not at hand")
		return
	}
	f, err := os.Open(filepath.Join(shared, "schemas", "circleci-config.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	document, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("circleci.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("circleci.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range configurations {
		if err := schema.Validate(read(t, path)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := schema.Validate(map[string]any{"version": 2.1, "jobs": map[string]any{"build": 7}}); err == nil {
		t.Error("the schema takes anything")
	}
}

// TestReferences checks what the schema cannot: that workflows name jobs that are
// there, jobs name executors that are there, and requires name jobs of the same
// workflow.
func TestReferences(t *testing.T) {
	for _, path := range configurations {
		document := read(t, path)
		jobs, _ := document["jobs"].(map[string]any)
		executors, _ := document["executors"].(map[string]any)
		for name, job := range jobs {
			if executor, ok := job.(map[string]any)["executor"].(string); ok && executors[executor] == nil {
				t.Errorf("%s: job %s names the executor %s, which is not there", path, name, executor)
			}
		}
		workflows, _ := document["workflows"].(map[string]any)
		if len(workflows) == 0 {
			t.Errorf("%s: no workflow", path)
		}
		for name, workflow := range workflows {
			checkWorkflow(t, path+": workflow "+name, workflow.(map[string]any), jobs)
		}
	}
}

func checkWorkflow(t *testing.T, where string, workflow, jobs map[string]any) {
	t.Helper()
	var names []string
	requires := map[string][]any{}
	for _, entry := range workflow["jobs"].([]any) {
		switch entry := entry.(type) {
		case string:
			names = append(names, entry)
		case map[string]any:
			for name, options := range entry {
				names = append(names, name)
				if list, ok := options.(map[string]any)["requires"].([]any); ok {
					requires[name] = list
				}
			}
		}
	}
	for _, name := range names {
		if jobs[name] == nil {
			t.Errorf("%s names the job %s, which is not there", where, name)
		}
		for _, required := range requires[name] {
			if !slices.Contains(names, required.(string)) {
				t.Errorf("%s: %s requires %v, which is not in it", where, name, required)
			}
		}
	}
}
