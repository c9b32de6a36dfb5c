package circleci

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// GitHubSteps are the scripts of a workflow of GitHub Actions, job after job, each with
// the environment that it asks for.
func GitHubSteps(path string) ([]Step, error) {
	d, err := Read(path)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, name := range keys(mapping(d["jobs"])) {
		list, _ := mapping(mapping(d["jobs"])[name])["steps"].([]any)
		for _, entry := range list {
			if command := text(mapping(entry)["run"]); command != "" {
				step := Step{Kind: "run", Name: text(mapping(entry)["name"]), Command: command, Environment: map[string]string{}}
				addEnvironment(step.Environment, mapping(entry)["env"])
				steps = append(steps, step)
			}
		}
	}
	return steps, nil
}

// GitLabSteps are the jobs of a pipeline of GitLab CI: one shell for all lines of a job,
// as its runner has it.
func GitLabSteps(path string) ([]Step, error) {
	d, err := Read(path)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, name := range keys(d) {
		var lines []string
		for _, part := range []string{"before_script", "script"} {
			list, _ := mapping(d[name])[part].([]any)
			for _, line := range list {
				lines = append(lines, text(line))
			}
		}
		if len(lines) > 0 {
			steps = append(steps, Step{Kind: "run", Name: name, Command: strings.Join(lines, "\n")})
		}
	}
	return steps, nil
}

var groovyShell = regexp.MustCompile(`(?s)sh '''\n(.*?)\n\s*'''`)

// JenkinsSteps are the scripts of a Jenkinsfile.
func JenkinsSteps(path string) ([]Step, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if strings.Count(string(data), "{") != strings.Count(string(data), "}") {
		return nil, fmt.Errorf("%s: braces do not match", path)
	}
	var steps []Step
	for i, m := range groovyShell.FindAllStringSubmatch(string(data), -1) {
		steps = append(steps, Step{Kind: "run", Name: fmt.Sprint("script ", i+1), Command: m[1]})
	}
	return steps, nil
}
