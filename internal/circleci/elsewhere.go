package circleci

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// A System is a CI system other than CircleCI: the file of its pipeline in examples, the
// environment that it sets, in the folder testdata of pkg/cienv, and how the file is read.
type System struct {
	Name, File, Environment string
	Steps                   func(path string, secrets map[string]string) ([]Step, error)
}

// Systems are those that examples has a pipeline for.
var Systems = []System{
	{"GitHub Actions", "github-actions/deploy.yml", "github.env", GitHub},
	{"GitLab CI", "gitlab-ci/.gitlab-ci.yml", "gitlab.env", GitLab},
	{"Jenkins", "jenkins/Jenkinsfile", "jenkins.env", Jenkins},
}

// Secrets are the names that the pipelines look for, with values to look for in what
// they print.
func Secrets(password, token string) map[string]string {
	return map[string]string{"DOCKER_USERNAME": "ci", "DOCKER_PASSWORD": password, "SYSCONFIG_TOKEN": token, "CONFPUSH_TOKEN": token}
}

// Environment is what a CI system sets in a build of a commit, from a file of KEY=VALUE
// lines, whose comments tell in turn what is to be read out of it: "branch", "stamp" and
// so on.
func Environment(path, commit string) (environment []string, says map[string]string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	says = map[string]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		if key, value, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(line, "# ") {
			says[strings.TrimPrefix(key, "# ")] = strings.TrimSpace(value)
		} else if key, value, ok := strings.Cut(line, "="); ok {
			if value == says["commit"] {
				value = commit
			}
			environment = append(environment, key+"="+value)
		}
	}
	if says["commit"] == "" || says["stamp"] == "" {
		err = fmt.Errorf("%s does not tell the commit and the stamp", path)
	}
	return environment, says, err
}
