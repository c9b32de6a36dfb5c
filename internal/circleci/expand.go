package circleci

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Config is a configuration with the orbs that it names and the values of the
// pipeline that it is run in.
type Config struct {
	Document Document
	// Orbs by the name that they are used under, whatever version is asked for.
	Orbs map[string]Document
	// Pipeline has "number", "git.branch" and so on.
	Pipeline map[string]string
}

// A Job is one of a workflow, with nothing left to be put in.
type Job struct {
	Name        string
	Environment map[string]string
	Requires    []string
	Steps       []Step
}

// A Step is what a CI system does by itself: "run", "checkout", "add_ssh_keys" and the
// like.
type Step struct {
	Kind        string
	Name        string            // of a run
	Command     string            // of a run: a script
	Begin       string            // of a run: what the system puts before the script
	Shell       string            // of a run: what runs the script, which lies in the file {0}
	Environment map[string]string // of a run
	Options     Document          // of anything else

	// Orb is the one that the step is written in, by the name that the configuration
	// uses; "" is the configuration itself. Places are where it stands there, as
	// [Runs] and its like list them: more than one where a system joins scripts.
	Orb    string
	Places []string
}

// builtin are the steps that need no definition.
var builtin = []string{"checkout", "setup_remote_docker", "add_ssh_keys", "run", "save_cache", "restore_cache",
	"store_artifacts", "store_test_results", "persist_to_workspace", "attach_workspace"}

// Workflows are the names of a configuration's workflows, sorted.
func Workflows(d Document) []string { return keys(mapping(d["workflows"])) }

// Workflow lists the jobs of a workflow, each after those that it requires. A name
// that is not there, a parameter that is missing, unknown or of a wrong kind is an
// error.
func (c *Config) Workflow(name string) ([]Job, error) {
	workflow := mapping(mapping(c.Document["workflows"])[name])
	if workflow == nil {
		return nil, fmt.Errorf("no workflow %q", name)
	}
	entries, _ := workflow["jobs"].([]any)
	var waiting []Job
	for _, entry := range entries {
		job, err := c.invocation(entry)
		if err != nil {
			return nil, fmt.Errorf("workflow %s: %w", name, err)
		}
		waiting = append(waiting, job)
	}
	var ordered []Job
	done := func(name string) bool {
		return slices.ContainsFunc(ordered, func(j Job) bool { return j.Name == name })
	}
	for len(waiting) > 0 {
		i := slices.IndexFunc(waiting, func(j Job) bool {
			return !slices.ContainsFunc(j.Requires, func(r string) bool { return !done(r) })
		})
		if i < 0 {
			return nil, fmt.Errorf("workflow %s: %s requires %q, which cannot run before it", name, waiting[0].Name, waiting[0].Requires)
		}
		ordered = append(ordered, waiting[i])
		waiting = slices.Delete(waiting, i, i+1)
	}
	return ordered, nil
}

// ofWorkflow are what an entry of a workflow may say besides a job's parameters.
var ofWorkflow = []string{"name", "requires", "context", "filters", "matrix", "type", "serial-group", "pre-steps", "post-steps"}

func (c *Config) invocation(entry any) (Job, error) {
	name, options := invocation(entry)
	definition, orb, err := c.find("jobs", name, "")
	if err != nil {
		return Job{}, err
	}
	arguments := Document{}
	for _, key := range keys(options) {
		if !slices.Contains(ofWorkflow, key) {
			arguments[key] = options[key]
		}
	}
	if arguments, err = c.pipeline(arguments); err != nil {
		return Job{}, err
	}
	body, err := c.instance(definition, arguments)
	if err != nil {
		return Job{}, fmt.Errorf("job %s: %w", name, err)
	}
	job := Job{Name: name, Environment: map[string]string{}}
	if alias := text(options["name"]); alias != "" {
		job.Name = alias
	}
	requires, _ := options["requires"].([]any)
	for _, r := range requires {
		job.Requires = append(job.Requires, text(r))
	}
	shell := defaultShell
	if body["executor"] != nil {
		executor, err := c.executor(body["executor"], orb)
		if err != nil {
			return Job{}, fmt.Errorf("job %s: %w", name, err)
		}
		addEnvironment(job.Environment, executor["environment"])
		shell = either(text(executor["shell"]), shell)
	}
	addEnvironment(job.Environment, body["environment"])
	steps, _ := body["steps"].([]any)
	if job.Steps, err = c.steps(steps, place{orb, "jobs/" + afterSlash(name) + "/steps"}); err != nil {
		return Job{}, fmt.Errorf("job %s: %w", name, err)
	}
	shell = either(text(body["shell"]), shell)
	for i := range job.Steps {
		if job.Steps[i].Kind == "run" {
			job.Steps[i].Shell = either(job.Steps[i].Shell, shell) + " {0}"
		}
	}
	return job, nil
}

func (c *Config) executor(value any, orb string) (Document, error) {
	name, arguments := text(value), Document{}
	if d := mapping(value); d != nil {
		name = text(d["name"])
		for _, key := range keys(d) {
			if key != "name" {
				arguments[key] = d[key]
			}
		}
	}
	definition, _, err := c.find("executors", name, orb)
	if err != nil {
		return nil, err
	}
	return c.instance(definition, arguments)
}

// defaultShell is what CircleCI runs scripts with where there is bash.
const defaultShell = "/bin/bash -eo pipefail"

// A place is where a list of steps is written.
type place struct{ orb, path string }

// steps are the steps of a job or a command, with those of commands in their place.
func (c *Config) steps(list []any, at place) ([]Step, error) {
	var steps []Step
	for i, entry := range list {
		name, arguments := invocation(entry)
		path := fmt.Sprintf("%s/%d", at.path, i)
		switch {
		case name == "run":
			run := arguments
			if run == nil {
				run = Document{"command": mapping(entry)["run"]}
			}
			step := Step{Kind: name, Name: text(run["name"]), Command: text(run["command"]), Shell: text(run["shell"]), Environment: map[string]string{}, Orb: at.orb, Places: []string{path}}
			addEnvironment(step.Environment, run["environment"])
			steps = append(steps, step)
		case name == "when" || name == "unless":
			if truthy(arguments["condition"]) == (name == "when") {
				inner, _ := arguments["steps"].([]any)
				more, err := c.steps(inner, place{at.orb, path + "/" + name + "/steps"})
				if err != nil {
					return nil, err
				}
				steps = append(steps, more...)
			}
		case slices.Contains(builtin, name):
			steps = append(steps, Step{Kind: name, Options: arguments})
		default:
			definition, of, err := c.find("commands", name, at.orb)
			if err != nil {
				return nil, err
			}
			body, err := c.instance(definition, arguments)
			if err != nil {
				return nil, fmt.Errorf("command %s: %w", name, err)
			}
			inner, _ := body["steps"].([]any)
			more, err := c.steps(inner, place{of, "commands/" + afterSlash(name) + "/steps"})
			if err != nil {
				return nil, fmt.Errorf("command %s: %w", name, err)
			}
			steps = append(steps, more...)
		}
	}
	return steps, nil
}

// find looks a definition up: in the orb that is named before a slash, else in the
// orb in which the name stands, else in the configuration.
func (c *Config) find(kind, name, within string) (definition Document, orb string, err error) {
	where, rest, foreign := strings.Cut(name, "/")
	if !foreign {
		where, rest = within, name
	}
	of := c.Document
	if where != "" {
		if of = c.Orbs[where]; of == nil {
			return nil, "", fmt.Errorf("%q: no orb %q", name, where)
		}
	}
	if definition = mapping(mapping(of[kind])[rest]); definition == nil {
		return nil, "", fmt.Errorf("%q is not among the %s", name, kind)
	}
	return definition, where, nil
}

// invocation splits "- name" and "- name: {arguments}".
func invocation(entry any) (name string, arguments Document) {
	if d := mapping(entry); len(d) == 1 {
		name = keys(d)[0]
		return name, mapping(d[name])
	}
	return text(entry), nil
}

var (
	value = regexp.MustCompile(`<<\s*(parameters|pipeline)\.([\w.-]+)\s*>>`)
	name  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// instance puts arguments, defaults and the pipeline's values into a definition.
func (c *Config) instance(definition, arguments Document) (Document, error) {
	declared := mapping(definition["parameters"])
	values := Document{}
	for _, parameter := range keys(declared) {
		d := mapping(declared[parameter])
		v, given := arguments[parameter]
		if !given {
			if v, given = d["default"]; !given {
				return nil, fmt.Errorf("parameter %q is missing", parameter)
			}
		}
		if err := kind(d, v); err != nil {
			return nil, fmt.Errorf("parameter %q: %w", parameter, err)
		}
		values[parameter] = v
	}
	for _, argument := range keys(arguments) {
		if declared[argument] == nil {
			return nil, fmt.Errorf("%q is not a parameter", argument)
		}
	}
	body := Document{}
	for _, key := range keys(definition) {
		if key != "parameters" && key != "description" {
			body[key] = definition[key]
		}
	}
	return c.put(body, values)
}

// pipeline puts the pipeline's values in and nothing else.
func (c *Config) pipeline(d Document) (Document, error) { return c.put(d, nil) }

func (c *Config) put(d, parameters Document) (Document, error) {
	look := func(of, key string) (any, error) {
		if of == "pipeline" {
			if v, ok := c.Pipeline[key]; ok {
				return v, nil
			}
		} else if v, ok := parameters[key]; ok {
			return v, nil
		}
		return nil, fmt.Errorf("<< %s.%s >> has no value", of, key)
	}
	result, err := walk(d, func(s string) (any, error) {
		if m := value.FindStringSubmatch(s); m != nil && m[0] == s {
			return look(m[1], m[2])
		}
		var failed error
		s = value.ReplaceAllStringFunc(s, func(match string) string {
			m := value.FindStringSubmatch(match)
			v, err := look(m[1], m[2])
			if err != nil {
				failed = err
			}
			return fmt.Sprint(v)
		})
		return s, failed
	})
	if err != nil {
		return nil, err
	}
	return mapping(result), nil
}

// kind compares a value with the type that a parameter declares.
func kind(declared Document, v any) error {
	ok := true
	switch text(declared["type"]) {
	case "string":
		_, ok = v.(string)
	case "boolean":
		_, ok = v.(bool)
	case "integer":
		_, ok = v.(int)
	case "env_var_name":
		ok = name.MatchString(text(v))
	case "enum":
		list, _ := declared["enum"].([]any)
		ok = slices.Contains(list, v)
	case "steps":
		_, ok = v.([]any)
	case "executor":
	default:
		return fmt.Errorf("the type %q is not known", declared["type"])
	}
	if !ok {
		return fmt.Errorf("%q is no %v", fmt.Sprint(v), declared["type"])
	}
	return nil
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// afterSlash is a name without that of its orb.
func afterSlash(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

func truthy(v any) bool {
	return v != nil && v != "" && v != false && v != 0 && v != "false"
}

func addEnvironment(to map[string]string, environment any) {
	d := mapping(environment)
	for _, key := range keys(d) {
		to[key] = fmt.Sprint(d[key])
	}
}
