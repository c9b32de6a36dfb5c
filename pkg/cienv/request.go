package cienv

import (
	"fmt"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
	"github.com/unitstamp/unitstamp/pkg/imageref"
)

// A Request is what a user says of the build by flags. Empty means not said.
type Request struct {
	Tag    string
	Number string
	Branch string
	// AllowPullRequest lets builds of pull requests through.
	AllowPullRequest bool
	// Options of the tag.
	Options buildtag.Options
}

// A Stamp is the outcome: the tags of this build and where they came from.
type Stamp struct {
	// Tag is the tag to stamp: 58-develop, or the git tag made fit.
	Tag buildtag.Tag
	// Moving is the branch's own tag (develop), or "" where there is none.
	Moving string
	// Branch is the raw branch, or "".
	Branch string
	// Build is what the CI system says, for messages and commit trailers.
	Build Build
}

// An Error is a reason for which no tag can be told, with the cure.
type Error struct {
	Message, Hint string
}

func (e *Error) Error() string { return e.Message }

// Resolve finds the tag of this build. What is said by hand beats the
// environment variables UNITSTAMP_TAG, UNITSTAMP_BUILD and UNITSTAMP_BRANCH, and
// those beat the CI system's own. The only errors are *Error.
func Resolve(request Request, getenv func(string) string) (Stamp, error) {
	build := Detect(getenv)
	env := func(name string) string { return Lookup(getenv, name) }
	flags := request.Number != "" || request.Branch != ""
	if request.Tag != "" && flags {
		return Stamp{}, &Error{"a tag and a build number or branch are given, where one is enough", "leave out --tag, or leave out --build and --branch"}
	}
	tag := request.Tag
	if tag == "" && !flags {
		tag = env("UNITSTAMP_TAG")
	}
	if tag != "" {
		if !imageref.ValidTag(tag) {
			return Stamp{}, &Error{fmt.Sprintf("%q is no valid tag", tag),
				"a tag holds up to 128 letters, digits, '_', '.' and '-', and begins with none of the last two"}
		}
		return Stamp{Tag: buildtag.Parse(tag), Build: build, Branch: first(request.Branch, env("UNITSTAMP_BRANCH"), build.Branch)}, nil
	}
	number := first(request.Number, env("UNITSTAMP_BUILD"))
	branch := first(request.Branch, env("UNITSTAMP_BRANCH"))
	byHand := number != "" && branch != ""
	if build.PullRequest && !byHand && !request.AllowPullRequest {
		return Stamp{}, &Error{"this is the build of a pull request: " + build.System + " says so",
			"roll out builds of branches and tags; --allow-pull-request stamps it all the same"}
	}
	if branch == "" && request.Number == "" && build.Tag != "" {
		return Stamp{Tag: buildtag.ForRelease(build.Tag, request.Options), Build: build}, nil
	}
	number, branch = first(number, build.Number), first(branch, build.Branch)
	if number == "" || branch == "" {
		return Stamp{}, missing(build, number, branch)
	}
	n, err := ParseNumber(number)
	if err != nil {
		return Stamp{}, &Error{err.Error(), numberHint(build)}
	}
	stamped, err := buildtag.ForBuild(n, branch, request.Options)
	if err != nil {
		return Stamp{}, &Error{err.Error(), ""}
	}
	return Stamp{Tag: stamped, Moving: buildtag.ForBranch(branch, request.Options), Branch: branch, Build: build}, nil
}

// missing says what could not be found out.
func missing(build Build, number, branch string) error {
	what := "build number and branch are"
	switch {
	case number != "":
		what = "branch is"
	case branch != "":
		what = "build number is"
	}
	message := "the " + what + " unknown"
	if build.System == "" {
		return &Error{message + ": no CI system is recognised", "give --tag, or --build and --branch, or set UNITSTAMP_TAG, or UNITSTAMP_BUILD and UNITSTAMP_BRANCH"}
	}
	return &Error{message + ": " + build.System + " does not tell", "give --build and --branch, or set UNITSTAMP_BUILD and UNITSTAMP_BRANCH"}
}

func numberHint(build Build) string {
	if build.NumberVariable == "" {
		return "check --build and UNITSTAMP_BUILD"
	}
	return "check --build, UNITSTAMP_BUILD and " + build.NumberVariable
}
