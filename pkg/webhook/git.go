package webhook

import (
	"encoding/json"
	"slices"
	"strings"
)

// noInterest is an event that nothing follows from. Its body is not read: other events
// have other things in the same places.
func noInterest(kind string) (Event, error) {
	if kind == "ping" {
		return Event{Kind: kind, Idle: kind}, nil
	}
	return Event{Kind: kind, Idle: "of no interest"}, nil
}

// forge is what the events of GitHub, Gitea and Forgejo have in common.
type forge struct {
	Action     string     `json:"action"`
	Ref        string     `json:"ref"`
	Deleted    bool       `json:"deleted"`
	After      string     `json:"after"`
	State      string     `json:"state"`
	Repository repository `json:"repository"`
	Branches   []struct {
		Name string `json:"name"`
	} `json:"branches"`
	Run     *run     `json:"workflow_run"`
	Suite   *run     `json:"check_suite"`
	Package *pkgInfo `json:"package"`
	// RegistryPackage is what GitHub's older event for the same has.
	RegistryPackage *pkgInfo `json:"registry_package"`
}

type repository struct {
	FullName string `json:"full_name"`
}

// run is a workflow's or a suite's.
type run struct {
	Event      string      `json:"event"`
	Branch     string      `json:"head_branch"`
	Conclusion string      `json:"conclusion"`
	Head       *repository `json:"head_repository"`
}

type pkgInfo struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Type      string `json:"package_type"`
	Version   struct {
		Container struct {
			Tag struct {
				Name string `json:"name"`
			} `json:"tag"`
		} `json:"container_metadata"`
	} `json:"package_version"`
}

// readGitHub: push, workflow_run, check_suite, status, package and registry_package
// (https://docs.github.com/en/webhooks/webhook-events-and-payloads).
func readGitHub(r Request, body json.RawMessage) (Event, error) {
	kind, _ := single(r, "X-Github-Event")
	if !slices.Contains([]string{"push", "workflow_run", "check_suite", "status", "package", "registry_package"}, kind) {
		return noInterest(kind)
	}
	var b forge
	if err := json.Unmarshal(body, &b); err != nil {
		return Event{}, err
	}
	e := Event{Kind: kind}
	switch kind {
	case "push":
		e.push(b)
	case "workflow_run":
		e.run("workflow", b, b.Run)
	case "check_suite":
		e.run("check suite", b, b.Suite)
	case "status":
		for _, branch := range b.Branches {
			e.Subjects = append(e.Subjects, Subject{Repository: b.Repository.FullName, Branch: branch.Name})
		}
		e.Idle = unlessSuccess("status", b.State)
	case "package":
		e.published(b.Action, b.Package)
	case "registry_package":
		e.published(b.Action, b.RegistryPackage)
	}
	return e, nil
}

// push is about a branch or a tag.
func (e *Event) push(b forge) {
	s := Subject{Repository: b.Repository.FullName}
	s.Branch, s.Tag = splitRef(b.Ref)
	e.Subjects = []Subject{s}
	switch {
	case b.Deleted || b.After != "" && strings.Trim(b.After, "0") == "":
		e.Idle = "it was deleted"
	case s.Branch+s.Tag == "":
		e.Idle = "neither a branch nor a tag"
	}
}

// run is about a workflow that ended. A branch of a fork, or of a pull request, may be
// called like ours.
func (e *Event) run(what string, b forge, r *run) {
	if r == nil {
		e.Idle = "of no interest"
		return
	}
	e.Subjects = []Subject{{Repository: b.Repository.FullName, Branch: r.Branch}}
	switch {
	case b.Action != "completed":
		e.Idle = "the " + what + " has not ended"
	case strings.HasPrefix(r.Event, "pull_request"), r.Head != nil && r.Head.FullName != b.Repository.FullName:
		e.Idle = fork
	default:
		e.Idle = unlessSuccess(what, r.Conclusion)
	}
}

// published is about an image in GitHub's registry.
func (e *Event) published(action string, p *pkgInfo) {
	if p == nil || !strings.EqualFold(p.Type, "container") {
		e.Idle = "no image"
		return
	}
	e.Subjects = []Subject{{Repository: strings.TrimPrefix(p.Namespace+"/"+p.Name, "/"), Tag: p.Version.Container.Tag.Name}}
	if action != "published" && action != "updated" {
		e.Idle = "of no interest"
	}
}

// readGitea: push, workflow_run and package
// (https://docs.gitea.com/usage/webhooks; Forgejo has them from there).
func readGitea(r Request, body json.RawMessage) (Event, error) {
	name := "X-Gitea-Event"
	if len(r.Header["X-Forgejo-Event"]) > 0 {
		name = "X-Forgejo-Event"
	}
	kind, _ := single(r, name)
	if kind != "push" && kind != "workflow_run" && kind != "package" {
		return noInterest(kind)
	}
	var b struct {
		forge
		Package *struct {
			Name    string `json:"name"`
			Version string `json:"version"`
			Type    string `json:"type"`
			Owner   struct {
				Login string `json:"login"`
			} `json:"owner"`
		} `json:"package"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return Event{}, err
	}
	e := Event{Kind: kind}
	switch kind {
	case "push":
		e.push(b.forge)
	case "workflow_run":
		e.run("workflow", b.forge, b.Run)
	case "package":
		if b.Package == nil || b.Package.Type != "container" {
			e.Idle = "no image"
			break
		}
		e.Subjects = []Subject{{Repository: strings.TrimPrefix(b.Package.Owner.Login+"/"+b.Package.Name, "/"), Tag: b.Package.Version}}
		if b.Action != "created" {
			e.Idle = "of no interest"
		}
	}
	return e, nil
}

// readGitLab: pushes of branches and tags, and pipelines
// (https://docs.gitlab.com/user/project/integrations/webhook_events).
func readGitLab(r Request, body json.RawMessage) (Event, error) {
	kind, _ := single(r, "X-Gitlab-Event")
	if kind != "Push Hook" && kind != "Tag Push Hook" && kind != "Pipeline Hook" {
		return noInterest(kind)
	}
	var b struct {
		Ref     string `json:"ref"`
		After   string `json:"after"`
		Project struct {
			Path string `json:"path_with_namespace"`
		} `json:"project"`
		Attributes struct {
			Ref    string `json:"ref"`
			Tag    bool   `json:"tag"`
			Source string `json:"source"`
			Status string `json:"status"`
		} `json:"object_attributes"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return Event{}, err
	}
	e := Event{Kind: kind}
	switch kind {
	case "Push Hook", "Tag Push Hook":
		e.push(forge{Ref: b.Ref, After: b.After, Repository: repository{b.Project.Path}})
	case "Pipeline Hook":
		s := Subject{Repository: b.Project.Path, Branch: b.Attributes.Ref}
		if b.Attributes.Tag {
			s.Branch, s.Tag = "", b.Attributes.Ref
		}
		e.Subjects = []Subject{s}
		switch b.Attributes.Source {
		case "merge_request_event", "external_pull_request_event":
			e.Idle = fork
		default:
			e.Idle = unlessSuccess("pipeline", b.Attributes.Status)
		}
	}
	return e, nil
}
