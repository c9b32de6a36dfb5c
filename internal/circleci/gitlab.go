package circleci

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// gitLabScripts are the keys that hold scripts, in a job and under "default".
var gitLabScripts = []string{"before_script", "script", "after_script"}

// gitLabBegin is how the runner begins each script.
const gitLabBegin = "if set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit\nset +o noclobber\n"

// GitLab are the scripts of a pipeline of GitLab CI, stage after stage: before_script and
// script of a job in one shell, after_script in another, as its runner has it. Jobs of
// one stage come in the order of their names. All have the project's secrets. What would
// change them and is not known is an error.
func GitLab(path string, secrets map[string]string) ([]Step, error) {
	d, err := Read(path)
	if err != nil {
		return nil, err
	}
	stages := []string{".pre", "build", "test", "deploy", ".post"}
	if list, ok := d["stages"].([]any); ok {
		stages = nil
		for _, stage := range list {
			stages = append(stages, text(stage))
		}
	}
	jobs := keys(d)
	jobs = slices.DeleteFunc(jobs, func(name string) bool { return mapping(d[name])["script"] == nil })
	stage := func(name string) int { return slices.Index(stages, either(text(mapping(d[name])["stage"]), "test")) }
	slices.SortStableFunc(jobs, func(a, b string) int { return stage(a) - stage(b) })
	var steps []Step
	for _, name := range jobs {
		job := mapping(d[name])
		if stage(name) < 0 || job["extends"] != nil || job["inherit"] != nil || d["include"] != nil {
			return nil, fmt.Errorf("%s: %s: a stage that is not there, or extends, inherit or include, which are not known", path, name)
		}
		environment := maps.Clone(secrets)
		addEnvironment(environment, d["variables"])
		addEnvironment(environment, job["variables"])
		shell := "bash {0}"
		image := either(text(job["image"]), text(mapping(d["default"])["image"]))
		if strings.HasPrefix(image, "docker:") || strings.Contains(image, "alpine") { // they have no bash
			shell = "sh {0}"
		}
		for _, parts := range [][]string{gitLabScripts[:2], gitLabScripts[2:]} {
			step := Step{Kind: "run", Name: name, Begin: gitLabBegin, Shell: shell, Environment: environment, Options: Document{"artifacts": mapping(job["artifacts"])["paths"]}}
			for _, part := range parts {
				of := name
				if job[part] == nil {
					of = "default"
				}
				lines, _ := mapping(d[of])[part].([]any)
				for i, line := range lines {
					step.Command += text(line) + "\n"
					step.Places = append(step.Places, fmt.Sprintf("%s/%s/%d", of, part, i))
				}
			}
			if len(step.Places) > 0 {
				steps = append(steps, step)
			}
		}
	}
	return steps, nil
}

// Artifacts are the paths that a job of GitLab CI hands on to those of later stages.
func Artifacts(s Step) []string {
	list, _ := s.Options["artifacts"].([]any)
	var paths []string
	for _, path := range list {
		paths = append(paths, text(path))
	}
	return paths
}

// GitLabRuns lists where a pipeline has scripts, line by line.
func GitLabRuns(d Document) map[string]string {
	found := map[string]string{}
	for _, name := range keys(d) {
		at := mapping(d[name])
		if slices.Contains(gitLabScripts, name) {
			at = Document{name: d[name]} // an old form, for all jobs
		}
		for _, part := range gitLabScripts {
			switch lines := at[part].(type) {
			case []any:
				for i, line := range lines {
					first, _, _ := strings.Cut(text(line), "\n")
					found[fmt.Sprintf("%s/%s/%d", name, part, i)] = first
				}
			case string:
				found[name+"/"+part] = lines
			}
		}
	}
	return found
}
