package cienv

import "strings"

// systems is the table. Where a system's branch variable holds the target of a
// pull request or the name of a tag, the row says so.
var systems = []system{
	{
		// CIRCLE_BUILD_NUM is the number of the job, not of the pipeline. A branch
		// with an open pull request is an ordinary build (CIRCLE_PULL_REQUEST); only
		// forks set CIRCLE_PR_NUMBER.
		name: "CircleCI", number: "CIRCLE_BUILD_NUM", detect: isTrue("CIRCLECI"),
		read: func(env lookup) Build {
			return Build{
				Branch: without(env("CIRCLE_TAG") != "", env("CIRCLE_BRANCH")), Tag: env("CIRCLE_TAG"), Commit: env("CIRCLE_SHA1"),
				Repository: join("/", env("CIRCLE_PROJECT_USERNAME"), env("CIRCLE_PROJECT_REPONAME")), URL: env("CIRCLE_BUILD_URL"),
				PullRequest: env("CIRCLE_PR_NUMBER") != "",
			}
		},
	},
	{
		// Forgejo and Gitea Actions set the same variables. A re-run keeps the number.
		// A merge queue builds a merge that has not happened. Servers of before 2021 set
		// no GITHUB_REF_NAME and GITHUB_REF_TYPE.
		name: "GitHub Actions", number: "GITHUB_RUN_NUMBER", detect: isTrue("GITHUB_ACTIONS"),
		read: func(env lookup) Build {
			event, full := env("GITHUB_EVENT_NAME"), env("GITHUB_REF")
			pull := strings.HasPrefix(event, "pull_request") || event == "merge_group"
			b := Build{
				Commit: env("GITHUB_SHA"), Repository: env("GITHUB_REPOSITORY"), PullRequest: pull,
				URL: join("", env("GITHUB_SERVER_URL"), "/", env("GITHUB_REPOSITORY"), "/actions/runs/", env("GITHUB_RUN_ID")),
			}
			switch {
			case pull:
				b.Branch = first(env("GITHUB_HEAD_REF"), env("GITHUB_REF_NAME"))
			case env("GITHUB_REF_TYPE") == "tag":
				b.Tag = env("GITHUB_REF_NAME")
			default:
				b.Branch = first(env("GITHUB_REF_NAME"), ref(full, "refs/heads/"))
				b.Tag = without(b.Branch != "", ref(full, "refs/tags/"))
			}
			return b
		},
	},
	{
		name: "Woodpecker", number: "CI_PIPELINE_NUMBER", detect: func(env lookup) bool { return env("CI") == "woodpecker" },
		read: func(env lookup) Build {
			pull := strings.HasPrefix(env("CI_PIPELINE_EVENT"), "pull_request")
			branch := env("CI_COMMIT_BRANCH")
			if pull { // the branch is the target
				branch = env("CI_COMMIT_SOURCE_BRANCH")
			}
			return Build{
				Branch: without(env("CI_COMMIT_TAG") != "", branch), Tag: env("CI_COMMIT_TAG"), Commit: env("CI_COMMIT_SHA"),
				Repository: env("CI_REPO"), URL: env("CI_PIPELINE_URL"), PullRequest: pull,
			}
		},
	},
	{
		// CI_PIPELINE_IID counts within the project; CI_PIPELINE_ID within the server.
		name: "GitLab CI", number: "CI_PIPELINE_IID", detect: isTrue("GITLAB_CI"),
		read: func(env lookup) Build {
			return Build{
				Branch: first(env("CI_COMMIT_BRANCH"), env("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")), Tag: env("CI_COMMIT_TAG"), Commit: env("CI_COMMIT_SHA"),
				Repository: env("CI_PROJECT_PATH"), URL: env("CI_PIPELINE_URL"), PullRequest: env("CI_MERGE_REQUEST_IID") != "",
			}
		},
	},
	{
		name: "Drone", number: "DRONE_BUILD_NUMBER", detect: isTrue("DRONE"),
		read: func(env lookup) Build {
			pull := env("DRONE_BUILD_EVENT") == "pull_request"
			branch := env("DRONE_BRANCH")
			if pull { // the branch is the target
				branch = env("DRONE_SOURCE_BRANCH")
			}
			return Build{
				Branch: without(env("DRONE_TAG") != "", branch), Tag: env("DRONE_TAG"), Commit: env("DRONE_COMMIT_SHA"),
				Repository: env("DRONE_REPO"), URL: env("DRONE_BUILD_LINK"), PullRequest: pull,
			}
		},
	},
	{
		// On tag pushes the branch is the tag's name.
		name: "Buildkite", number: "BUILDKITE_BUILD_NUMBER", detect: isTrue("BUILDKITE"),
		read: func(env lookup) Build {
			return Build{
				Branch: without(env("BUILDKITE_TAG") != "", env("BUILDKITE_BRANCH")), Tag: env("BUILDKITE_TAG"),
				Commit:     without(env("BUILDKITE_COMMIT") == "HEAD", env("BUILDKITE_COMMIT")),
				Repository: env("BUILDKITE_REPO"), URL: env("BUILDKITE_BUILD_URL"),
				PullRequest: without(env("BUILDKITE_PULL_REQUEST") == "false", env("BUILDKITE_PULL_REQUEST")) != "",
			}
		},
	},
	{
		name: "Travis CI", number: "TRAVIS_BUILD_NUMBER", detect: isTrue("TRAVIS"),
		read: func(env lookup) Build {
			pull := without(env("TRAVIS_PULL_REQUEST") == "false", env("TRAVIS_PULL_REQUEST")) != ""
			branch := env("TRAVIS_BRANCH")
			if pull { // the branch is the target
				branch = env("TRAVIS_PULL_REQUEST_BRANCH")
			}
			return Build{
				Branch: without(env("TRAVIS_TAG") != "", branch), Tag: env("TRAVIS_TAG"), Commit: env("TRAVIS_COMMIT"),
				Repository: env("TRAVIS_REPO_SLUG"), URL: env("TRAVIS_BUILD_WEB_URL"), PullRequest: pull,
			}
		},
	},
	{
		// BUILD_BUILDNUMBER is a name, such as 20260101.3.
		name: "Azure Pipelines", number: "BUILD_BUILDID", detect: set("TF_BUILD"),
		read: func(env lookup) Build {
			source := env("BUILD_SOURCEBRANCH")
			b := Build{
				Branch: ref(source, "refs/heads/"), Tag: ref(source, "refs/tags/"), Commit: env("BUILD_SOURCEVERSION"),
				Repository:  env("BUILD_REPOSITORY_NAME"),
				URL:         join("", env("SYSTEM_COLLECTIONURI"), env("SYSTEM_TEAMPROJECT"), "/_build/results?buildId=", env("BUILD_BUILDID")),
				PullRequest: env("SYSTEM_PULLREQUEST_PULLREQUESTID") != "" || env("BUILD_REASON") == "PullRequest",
			}
			if b.PullRequest {
				b.Branch = ref(env("SYSTEM_PULLREQUEST_SOURCEBRANCH"), "refs/heads/")
			}
			return b
		},
	},
	{
		name: "Bitbucket Pipelines", number: "BITBUCKET_BUILD_NUMBER", detect: set("BITBUCKET_BUILD_NUMBER"),
		read: func(env lookup) Build {
			return Build{
				Branch: env("BITBUCKET_BRANCH"), Tag: env("BITBUCKET_TAG"), Commit: env("BITBUCKET_COMMIT"), Repository: env("BITBUCKET_REPO_FULL_NAME"),
				URL:         join("", "https://bitbucket.org/", env("BITBUCKET_REPO_FULL_NAME"), "/pipelines/results/", env("BITBUCKET_BUILD_NUMBER")),
				PullRequest: env("BITBUCKET_PR_ID") != "",
			}
		},
	},
	{
		// BRANCH_NAME is set by multibranch jobs only, as PR-24 for pull requests;
		// GIT_BRANCH carries the remote's name. Jenkins comes last: its variables are
		// also set by agents that run something else.
		name: "Jenkins", number: "BUILD_NUMBER", detect: set("JENKINS_URL"),
		read: func(env lookup) Build {
			branch := first(env("BRANCH_NAME"), env("GIT_LOCAL_BRANCH"))
			if branch == "" {
				branch = strings.TrimPrefix(env("GIT_BRANCH"), "origin/")
			}
			pull := env("CHANGE_ID") != ""
			if pull {
				branch = env("CHANGE_BRANCH")
			}
			return Build{
				Branch: without(env("TAG_NAME") != "" || branch == "detached", branch), Tag: env("TAG_NAME"), Commit: env("GIT_COMMIT"),
				Repository: first(env("GIT_URL"), env("JOB_NAME")), URL: env("BUILD_URL"), PullRequest: pull,
			}
		},
	},
}
