package circleci

import (
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
		scripts func(path string) ([]Step, error)
		env     []string
	}{
		{"github-actions/deploy.yml", GitHubSteps, []string{"GITHUB_ACTIONS=true", "GITHUB_RUN_NUMBER=71", "GITHUB_REF_TYPE=branch", "GITHUB_REF_NAME=develop",
			"GITHUB_EVENT_NAME=push", "GITHUB_REPOSITORY=myrepo/myservice", "GITHUB_SERVER_URL=https://github.com", "GITHUB_RUN_ID=1"}},
		{"gitlab-ci/.gitlab-ci.yml", GitLabSteps, []string{"GITLAB_CI=true", "CI_PIPELINE_IID=71", "CI_COMMIT_BRANCH=develop", "CI_PROJECT_PATH=myrepo/myservice",
			"CONFPUSH_TOKEN=" + token}},
		{"jenkins/Jenkinsfile", JenkinsSteps, []string{"JENKINS_URL=https://ci.example.com/", "BUILD_NUMBER=71", "BRANCH_NAME=develop", "CONFPUSH_TOKEN=" + token}},
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
			steps, err := c.scripts(filepath.Join(root, "examples", c.file))
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range steps {
				for key, v := range step.Environment {
					if !strings.HasPrefix(v, "${{ secrets.") {
						t.Errorf("%s: %s is no secret", c.file, key)
					}
					delete(step.Environment, key)
					if key == "CONFPUSH_TOKEN" {
						step.Environment[key] = token
					}
				}
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
