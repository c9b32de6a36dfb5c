package webhook

import (
	"encoding/json"
	"strings"
)

// readCircleCI: workflow-completed and job-completed. A pipeline that GitHub's OAuth app
// or Bitbucket started tells of its branch in vcs, all others in trigger_parameters
// (https://circleci.com/docs/reference/outbound-webhooks-reference).
func readCircleCI(r Request, body json.RawMessage) (Event, error) {
	type ref struct {
		Branch string `json:"branch"`
		Tag    string `json:"tag"`
		Ref    string `json:"ref"`
	}
	var b struct {
		ID           string                `json:"id"`
		Type         string                `json:"type"`
		Project      struct{ Name string } `json:"project"`
		Organization struct{ Name string } `json:"organization"`
		Workflow     struct{ Status string }
		Job          struct{ Status string }
		Pipeline     struct {
			VCS struct {
				ref
				Origin string `json:"origin_repository_url"`
				Target string `json:"target_repository_url"`
			} `json:"vcs"`
			Parameters struct {
				Git    ref `json:"git"`
				GitLab ref `json:"gitlab"`
			} `json:"trigger_parameters"`
		} `json:"pipeline"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return Event{}, err
	}
	e := Event{ID: b.ID, Kind: b.Type}
	if e.Kind == "" {
		e.Kind, _ = single(r, "Circleci-Event-Type")
	}
	s := Subject{Repository: b.Project.Name}
	if b.Organization.Name != "" {
		s.Repository = b.Organization.Name + "/" + s.Repository
	}
	for _, where := range []ref{b.Pipeline.VCS.ref, b.Pipeline.Parameters.Git, b.Pipeline.Parameters.GitLab} {
		if s.Branch+s.Tag == "" {
			s.Branch, s.Tag = where.Branch, where.Tag
		}
		if s.Branch+s.Tag == "" {
			s.Branch, s.Tag = splitRef(where.Ref)
		}
	}
	e.Subjects = []Subject{s}
	origin, target := b.Pipeline.VCS.Origin, b.Pipeline.VCS.Target
	switch {
	case e.Kind == "workflow-completed":
		e.Idle = unlessSuccess("workflow", b.Workflow.Status)
	case e.Kind == "job-completed":
		e.Idle = unlessSuccess("job", b.Job.Status)
	case e.Kind == "ping" || e.Kind == "":
		e.Idle = "ping"
	default:
		e.Idle = "of no interest"
	}
	if e.Idle == "" && origin != "" && target != "" && origin != target {
		e.Idle = fork
	}
	return e, nil
}

// fork is why a build of somebody else's repository changes nothing, whatever its
// branch is called.
const fork = "of a fork or a pull request"

func unlessSuccess(what, status string) string {
	switch status {
	case "success":
		return ""
	case "":
		return "ping" // a test says nothing about how it ended
	}
	return "the " + what + " has not succeeded"
}

// splitRef takes a full name of git's apart.
func splitRef(ref string) (branch, tag string) {
	if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
		return name, ""
	}
	if name, ok := strings.CutPrefix(ref, "refs/tags/"); ok {
		return "", name
	}
	return "", ""
}
