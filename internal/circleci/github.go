package circleci

import (
	"fmt"
	"regexp"
	"strings"
)

var secret = regexp.MustCompile(`^\$\{\{ *secrets\.(\w+) *\}\}$`)

// GitHub are the steps of a workflow of GitHub Actions, job after job: "uses" with the
// action for its name, and "run" with the environment and the shell that count for it.
// Of expressions only whole values are known that name one of the secrets.
func GitHub(path string, secrets map[string]string) ([]Step, error) {
	d, err := Read(path)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, name := range keys(mapping(d["jobs"])) {
		job := mapping(mapping(d["jobs"])[name])
		list, _ := job["steps"].([]any)
		for i, entry := range list {
			written := mapping(entry)
			step := Step{Kind: "uses", Name: text(written["uses"]), Places: []string{fmt.Sprintf("jobs/%s/steps/%d", name, i)}}
			if step.Name == "" {
				step.Kind, step.Name, step.Command = "run", text(written["name"]), text(written["run"])
				step.Shell = gitHubShell(written, mapping(mapping(job["defaults"])["run"]), mapping(mapping(d["defaults"])["run"]))
				if step.Environment, err = gitHubEnvironment(secrets, d["env"], job["env"], written["env"]); err != nil {
					return nil, fmt.Errorf("%s: %q: %w", path, step.Name, err)
				}
				if strings.Contains(step.Command, "${{") {
					return nil, fmt.Errorf("%s: %q: an expression in a script would be put in as text, not as a word", path, step.Name)
				}
			}
			steps = append(steps, step)
		}
	}
	return steps, nil
}

// gitHubShell is the command of the first that names a shell: the step, its job, the
// workflow.
func gitHubShell(levels ...Document) string {
	for _, level := range levels {
		switch shell := text(level["shell"]); shell {
		case "":
		case "bash":
			return "bash --noprofile --norc -eo pipefail {0}"
		case "sh":
			return "sh -e {0}"
		default:
			return shell
		}
	}
	return "bash -e {0}"
}

func gitHubEnvironment(secrets map[string]string, levels ...any) (map[string]string, error) {
	environment := map[string]string{}
	for _, level := range levels {
		addEnvironment(environment, level)
	}
	for key, value := range environment {
		if !strings.Contains(value, "${{") {
			continue
		}
		m := secret.FindStringSubmatch(value)
		if m == nil || secrets[m[1]] == "" {
			return nil, fmt.Errorf("%s: %q is none of the secrets", key, value)
		}
		environment[key] = secrets[m[1]]
	}
	return environment, nil
}

// GitHubRuns lists where a workflow has scripts, as [Runs] does for CircleCI. What
// "defaults" says of all scripts is none.
func GitHubRuns(d Document) map[string]string {
	found := Runs(d)
	for path := range found {
		if path == "defaults" || strings.HasSuffix(path, "/defaults") {
			delete(found, path)
		}
	}
	for _, name := range keys(mapping(d["jobs"])) {
		steps, _ := mapping(mapping(d["jobs"])[name])["steps"].([]any)
		for i, step := range steps {
			if path := fmt.Sprintf("jobs/%s/steps/%d", name, i); mapping(step)["run"] != nil {
				found[path] = text(mapping(step)["name"])
			}
		}
	}
	return found
}
