package circleci

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/gittest"
)

// TestStepsElsewhere runs what the pipelines for other CI systems say, with those
// systems' environments.
func TestStepsElsewhere(t *testing.T) {
	for _, c := range []struct {
		file    string
		scripts func(t *testing.T, path string) []Step
		env     []string
	}{
		{"github-actions/deploy.yml", githubSteps, []string{"GITHUB_ACTIONS=true", "GITHUB_RUN_NUMBER=71", "GITHUB_REF_TYPE=branch", "GITHUB_REF_NAME=develop",
			"GITHUB_EVENT_NAME=push", "GITHUB_REPOSITORY=myrepo/myservice", "GITHUB_SERVER_URL=https://github.com", "GITHUB_RUN_ID=1"}},
		{"gitlab-ci/.gitlab-ci.yml", gitlabSteps, []string{"GITLAB_CI=true", "CI_PIPELINE_IID=71", "CI_COMMIT_BRANCH=develop", "CI_PROJECT_PATH=myrepo/myservice",
			"CONFPUSH_TOKEN=" + token}},
		{"jenkins/Jenkinsfile", jenkinsSteps, []string{"JENKINS_URL=https://ci.example.com/", "BUILD_NUMBER=71", "BRANCH_NAME=develop", "CONFPUSH_TOKEN=" + token}},
	} {
		t.Run(filepath.Dir(c.file), func(t *testing.T) {
			s := newSite(t)
			if strings.HasPrefix(c.file, "jenkins") { // its agent has the programs
				for _, program := range []string{"unitstamp", "confpush"} {
					if err := os.Symlink(filepath.Join(releaseDir, "programs", program), filepath.Join(s.bin, program)); err != nil {
						t.Fatal(err)
					}
				}
			}
			sysconfig := example(t, "sysconfig")
			url := gittest.ServeHTTP(t, sysconfig)
			dir := filepath.Join(t.TempDir(), "project")
			gittest.Git(t, ".", "clone", "-q", example(t, "service"), dir)
			paths := filepath.Join(s.home, "paths")
			write(t, paths, "", 0o600)
			pushes := 0
			for _, step := range c.scripts(t, filepath.Join(root, "examples", c.file)) {
				more, err := os.ReadFile(paths)
				if err != nil {
					t.Fatal(err)
				}
				env := append([]string{
					"HOME=" + s.home, "PATH=" + strings.Join(append(strings.Fields(string(more)), s.bin, os.Getenv("PATH")), ":"), "LC_ALL=C", "CI=true",
					"DOCKER_USERNAME=ci", "DOCKER_PASSWORD=marker-password-81f2", "GITHUB_PATH=" + paths, "VERSION=0.1.0",
				}, append(s.goEnv, c.env...)...)
				pushes += strings.Count(step.Command, "mysysconfig.git")
				step.Command = regexp.MustCompile(`https://[a-z]+\.com/myrepo/mysysconfig\.git`).ReplaceAllLiteralString(step.Command, url)
				if out, err := s.step(dir, env, step); err != nil {
					t.Fatalf("%s: %v\n%s", step.Command, err, out)
				}
			}
			if pushes != 1 {
				t.Errorf("the file pushes %d times", pushes)
			}
			compare(t, s.calls(), `password marker-password-81f2
docker login --username ci --password-stdin
docker build --tag myrepo/myservice:71-develop --tag myrepo/myservice:develop .
docker push myrepo/myservice:71-develop
docker push myrepo/myservice:develop
`)
			if unit := gittest.Git(t, sysconfig, "show", "develop:units/myservice.service"); strings.Count(unit, ":71-develop") != 2 {
				t.Errorf("the unit is\n%s", unit)
			}
		})
	}
}

func githubSteps(t *testing.T, path string) []Step {
	t.Helper()
	d, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	var steps []Step
	for _, name := range keys(mapping(d["jobs"])) {
		list, _ := mapping(mapping(d["jobs"])[name])["steps"].([]any)
		for _, entry := range list {
			if command := text(mapping(entry)["run"]); command != "" {
				step := Step{Kind: "run", Command: command, Environment: map[string]string{}}
				for key, v := range mapping(mapping(entry)["env"]) {
					if !strings.HasPrefix(fmt.Sprint(v), "${{ secrets.") {
						t.Errorf("%s: %s is no secret", path, key)
					}
					if key == "CONFPUSH_TOKEN" {
						step.Environment[key] = token
					}
				}
				steps = append(steps, step)
			}
		}
	}
	return steps
}

// gitlabSteps is one shell for all lines, as GitLab's runner has it.
func gitlabSteps(t *testing.T, path string) []Step {
	t.Helper()
	d, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	job := mapping(d["deploy"])
	for _, part := range []string{"before_script", "script"} {
		list, _ := job[part].([]any)
		for _, line := range list {
			lines = append(lines, text(line))
		}
	}
	return []Step{{Kind: "run", Command: strings.Join(lines, "\n")}}
}

var groovyShell = regexp.MustCompile(`(?s)sh '''\n(.*?)\n\s*'''`)

func jenkinsSteps(t *testing.T, path string) []Step {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(data), "{") != strings.Count(string(data), "}") {
		t.Errorf("%s: braces do not match", path)
	}
	var steps []Step
	for _, m := range groovyShell.FindAllStringSubmatch(string(data), -1) {
		steps = append(steps, Step{Kind: "run", Command: m[1]})
	}
	return steps
}
