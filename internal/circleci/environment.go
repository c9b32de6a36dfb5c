package circleci

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Environment is what CircleCI sets for a job on a commit, and what the job sets itself.
// Number is the job's own, which is not the pipeline's.
func (c *Config) Environment(job Job, number int, commit string) []string {
	slug := strings.Split(c.Pipeline["project.slug"]+"//", "/")
	env := []string{
		"CI=true", "CIRCLECI=true",
		"CIRCLE_BRANCH=" + c.Pipeline["git.branch"], fmt.Sprintf("CIRCLE_BUILD_NUM=%d", number), "CIRCLE_SHA1=" + commit, "CIRCLE_JOB=" + job.Name,
		"CIRCLE_PROJECT_USERNAME=" + slug[1], "CIRCLE_PROJECT_REPONAME=" + slug[2], fmt.Sprintf("CIRCLE_BUILD_URL=https://ci.example.com/%d", number),
	}
	for _, name := range slices.Sorted(maps.Keys(job.Environment)) {
		env = append(env, name+"="+job.Environment[name])
	}
	return env
}
