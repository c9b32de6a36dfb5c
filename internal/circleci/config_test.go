package circleci

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/unitstamp/unitstamp/internal/corpus"
)

var root = filepath.Join("..", "..")

// configurations are the files that are checked, besides the orb.
var configurations = []string{".circleci/config.yml", "examples/service/.circleci/config.yml", "examples/sysconfig/.circleci/config.yml"}

// documents are all configurations, and the orb with its examples.
func documents(t *testing.T) map[string]Document {
	t.Helper()
	all := map[string]Document{"orb": orb(t)}
	for _, path := range configurations {
		all[path] = read(t, path)
	}
	for name, example := range mapping(all["orb"]["examples"]) {
		all["orb: example "+name] = mapping(mapping(example)["usage"])
	}
	all["examples/service: over ssh"] = overSSH(t)
	return all
}

func read(t *testing.T, path string) Document {
	t.Helper()
	d, err := Read(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// overSSH is the service's configuration as its page has it for an ssh key.
func overSSH(t *testing.T) Document {
	t.Helper()
	var texts []string
	for _, path := range []string{configurations[1], "examples/service/README.md"} {
		data, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	configuration, err := OverSSH(texts[0], texts[1])
	if err != nil {
		t.Fatal(err)
	}
	d, err := Parse("over ssh", []byte(configuration))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// orb is the orb as it is published: packed, written and read again.
func orb(t *testing.T) Document {
	t.Helper()
	packed, err := Pack(filepath.Join(root, ".circleci", "orb", "src"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := yaml.Marshal(packed)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "orb.yml")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// pipeline is what CircleCI knows of a pipeline.
func pipeline(number string) map[string]string {
	return map[string]string{"number": number, "git.branch": "develop", "project.slug": "gh/myrepo/myservice"}
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
	for path, d := range documents(t) {
		if err := schema.Validate(d); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := schema.Validate(map[string]any{"version": 2.1, "jobs": map[string]any{"build": 7}}); err == nil {
		t.Error("the schema takes anything")
	}
}

// TestPack looks for what must have become of the parts.
func TestPack(t *testing.T) {
	d := orb(t)
	for kind, want := range map[string]string{"commands": "check install push stamp", "jobs": "stamp-and-push", "executors": "default"} {
		if got := strings.Join(keys(mapping(d[kind])), " "); got != want {
			t.Errorf("the %s are %s, want %s", kind, got, want)
		}
	}
	data, err := yaml.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "include(") {
		t.Error("an include is left")
	}
	scripts, err := filepath.Glob(filepath.Join(root, ".circleci", "orb", "src", "scripts", "*"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, script := range scripts {
		content, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), "<<") {
			t.Errorf("%s: CircleCI would read << as its own", script)
		}
		found := false
		for _, name := range keys(mapping(d["commands"])) {
			steps, _ := mapping(mapping(d["commands"])[name])["steps"].([]any)
			found = found || slices.ContainsFunc(steps, func(s any) bool { return mapping(mapping(s)["run"])["command"] == string(content) })
		}
		if !found {
			t.Errorf("%s is in no command, or not as it is", script)
		}
	}
}

// TestChecks holds all of them to the rules that the schema does not have.
func TestChecks(t *testing.T) {
	for path, d := range documents(t) {
		for _, problem := range Check(d, path == "orb") {
			t.Errorf("%s: %s", path, problem)
		}
	}
}

// TestWorkflows puts in every name and parameter of every workflow.
func TestWorkflows(t *testing.T) {
	o := orb(t)
	for path, d := range documents(t) {
		if path == "orb" {
			continue
		}
		c := Config{Document: d, Orbs: map[string]Document{}, Pipeline: pipeline("58")}
		for name := range mapping(d["orbs"]) {
			c.Orbs[name] = o
		}
		workflows := mapping(d["workflows"])
		if len(workflows) == 0 {
			t.Errorf("%s: no workflow", path)
		}
		started := map[string]bool{}
		for name := range workflows {
			jobs, err := c.Workflow(name)
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			for _, job := range jobs {
				started[job.Name] = true
			}
		}
		for _, job := range keys(mapping(d["jobs"])) {
			if !started[job] {
				t.Errorf("%s: no workflow starts the job %s", path, job)
			}
		}
	}
}

// TestFaultsAreSeen breaks a good document in each way that is looked for.
func TestFaultsAreSeen(t *testing.T) {
	const good = `
version: 2.1
orbs: {u: ns/orb@1.0.0}
commands:
  greet:
    description: Greet.
    parameters: {who: {type: string, description: Whom.}}
    steps: [{run: {name: Greet, command: echo << parameters.who >>}}]
jobs:
  a:
    description: A job.
    docker: [{image: "cimg/base:2024.12"}]
    steps: [checkout, {greet: {who: you}}, {u/install: {}}]
  b:
    description: Another.
    executor: u/default
    steps: [checkout]
workflows: {w: {jobs: [a, {b: {requires: [a]}}]}}
`
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{"description: Whom.", "", `the parameter "who" has no description`},
		{"echo << parameters.who >>", "echo", `the parameter "who" is not used`},
		{"echo << parameters.who >>", "echo << parameters.whom >>", `the parameter "whom" is not declared`},
		{"{who: you}", "{whom: you}", `parameter "who" is missing`},
		{"{who: you}", "{who: you, why: me}", `"why" is not a parameter`},
		{"{who: you}", "{who: 7}", `"7" is no string`},
		{"u/install", "u/instal", `"u/instal" is not among the commands`},
		{"u/install: {}", "u/install: {version: true}", `"true" is no string`},
		{"u/default", "default", `"default" is not among the executors`},
		{"requires: [a]", "requires: [c]", `b requires ["c"], which cannot run before it`},
		{"[a, {b", "[c, {b", `"c" is not among the jobs`},
		{"orb@1.0.0", "orb@1", "the orb u is not pinned"},
		{"orb@1.0.0", "orb@volatile", "the orb u is not pinned"},
		{"base:2024.12", "base:latest", "has no fixed version"},
		{"name: Greet, ", "", "a run without a name"},
		{"description: A job.", "", "jobs/a has no description"},
	} {
		path := filepath.Join(t.TempDir(), "config.yml")
		if err := os.WriteFile(path, []byte(strings.Replace(good, c.old, c.new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		d["description"] = "a configuration that is held to an orb's rules"
		problems := Check(d, true)
		config := Config{Document: d, Orbs: map[string]Document{"u": orb(t)}}
		if _, err := config.Workflow("w"); err != nil {
			problems = append(problems, err.Error())
		}
		if got := strings.Join(problems, "\n"); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%q for %q: %q, want %q", c.new, c.old, got, c.want)
		}
	}
}
