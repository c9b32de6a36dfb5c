package cli

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/cienv"
)

// BuildFlags are the flags that say which build is running. Every program that
// needs to know has the same.
func BuildFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "tag", Usage: "the whole `TAG` [$UNITSTAMP_TAG]"},
		&cli.StringFlag{Name: "build", Usage: "the build's `NUMBER` [$UNITSTAMP_BUILD, then the CI system's own]"},
		&cli.StringFlag{Name: "branch", Usage: "the `BRANCH` that is built [$UNITSTAMP_BRANCH, then the CI system's own]"},
		&cli.BoolFlag{Name: "branch-hash", Usage: "append a hash to branches with characters that a tag cannot hold"},
		&cli.BoolFlag{Name: "allow-pull-request", Usage: "go on in the build of a pull request or a fork"},
	}
}

// Build finds out which build is running.
func (c *Call) Build() (cienv.Stamp, error) {
	stamp, err := cienv.Resolve(cienv.Request{
		Tag: c.String("tag"), Number: c.String("build"), Branch: c.String("branch"),
		AllowPullRequest: c.Bool("allow-pull-request"),
		Options:          buildtag.Options{BranchHash: c.Bool("branch-hash")},
	}, c.Env.Getenv)
	if err != nil {
		var told *cienv.Error
		if errors.As(err, &told) {
			return cienv.Stamp{}, Errorf(Usage, "%s", told.Message).WithHint("%s", told.Hint)
		}
		return cienv.Stamp{}, err
	}
	return stamp, nil
}

// WarnOfTag tells what a user should know of a tag that was made for the build.
func (c *Call) WarnOfTag(stamp cienv.Stamp) {
	if stamp.Branch != "" && stamp.Moving != "" && stamp.Moving != stamp.Branch && !c.Bool("branch-hash") {
		c.Note("branch %q becomes %q in the tag; a branch of that name would give the same tags", stamp.Branch, stamp.Moving)
		c.Hint("--branch-hash keeps them apart")
	}
	git := stamp.Build.Tag
	if made := buildtag.Sanitize(git, buildtag.Options{}); git != "" && made != git && made == stamp.Tag.String() {
		c.Note("git tag %q becomes %q; a git tag of that name would give the same tag", git, stamp.Tag)
		c.Hint("--branch-hash keeps them apart")
	}
	c.warnOfJobNumber(stamp)
}

// warnOfJobNumber tells CircleCI's users once more what its build number counts,
// where it was used.
func (c *Call) warnOfJobNumber(stamp cienv.Stamp) {
	number := stamp.Build.NumberVariable
	if number != "CIRCLE_BUILD_NUM" || c.String("tag")+c.String("build") != "" || stamp.Tag.Kind() != buildtag.Build ||
		cienv.Lookup(c.Env.Getenv, "UNITSTAMP_BUILD")+cienv.Lookup(c.Env.Getenv, "UNITSTAMP_TAG") != "" {
		return
	}
	c.Note("%s is the number of this job: a job that builds the image elsewhere gives it another tag", number)
	c.Hint("set UNITSTAMP_BUILD: << pipeline.number >> in the environment of both jobs")
}
