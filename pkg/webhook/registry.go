package webhook

import (
	"encoding/json"
	"slices"
	"strings"
)

// readDockerHub: a tag was pushed; there is no other event
// (https://docs.docker.com/docker-hub/repos/manage/webhooks).
func readDockerHub(_ Request, body json.RawMessage) (Event, error) {
	var b struct {
		Push struct {
			Tag string `json:"tag"`
		} `json:"push_data"`
		Repository struct {
			Name string `json:"repo_name"`
		} `json:"repository"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return Event{}, err
	}
	return pushed(Event{Kind: "push"}, Subject{Repository: b.Repository.Name, Tag: b.Push.Tag}), nil
}

// readQuay: tags of a repository were pushed. Older ones map tags to images
// (https://docs.quay.io/guides/notifications.html).
func readQuay(_ Request, body json.RawMessage) (Event, error) {
	var b struct {
		Repository string          `json:"repository"`
		Tags       json.RawMessage `json:"updated_tags"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return Event{}, err
	}
	var tags []string
	if len(b.Tags) > 0 && json.Unmarshal(b.Tags, &tags) != nil {
		var byTag map[string]json.RawMessage
		if err := json.Unmarshal(b.Tags, &byTag); err != nil {
			return Event{}, err
		}
		for tag := range byTag {
			tags = append(tags, tag)
		}
		slices.Sort(tags)
	}
	var subjects []Subject
	for _, tag := range tags {
		subjects = append(subjects, Subject{Repository: b.Repository, Tag: tag})
	}
	return pushed(Event{Kind: "push"}, subjects...), nil
}

// readHarbor: PUSH_ARTIFACT, or harbor.artifact.pushed of CloudEvents, which names its
// delivery (https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks).
func readHarbor(_ Request, body json.RawMessage) (Event, error) {
	type data struct {
		Resources []struct {
			Tag string `json:"tag"`
		} `json:"resources"`
		Repository struct {
			FullName string `json:"repo_full_name"`
		} `json:"repository"`
	}
	var b struct {
		ID      string `json:"id"`
		Version string `json:"specversion"`
		Type    string `json:"type"`
		Event   data   `json:"event_data"`
		Cloud   data   `json:"data"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return Event{}, err
	}
	e, d := Event{Kind: b.Type, ID: b.ID}, b.Event
	if b.Version != "" {
		d = b.Cloud
	}
	if b.Type != "PUSH_ARTIFACT" && b.Type != "harbor.artifact.pushed" {
		e.Idle = "of no interest"
		return e, nil
	}
	var subjects []Subject
	for _, resource := range d.Resources {
		if !strings.HasPrefix(resource.Tag, "sha256:") { // pushed by digest
			subjects = append(subjects, Subject{Repository: d.Repository.FullName, Tag: resource.Tag})
		}
	}
	return pushed(e, subjects...), nil
}

// notice is one event of the distribution registry.
type notice struct {
	ID     string `json:"id"`
	Action string `json:"action"`
	Target struct {
		Repository string `json:"repository"`
		Tag        string `json:"tag"`
	} `json:"target"`
}

// readDistribution: an envelope of events, layers and pulls among them
// (https://distribution.github.io/distribution/about/notifications).
func readDistribution(_ Request, body json.RawMessage) (Event, error) {
	var b struct {
		Events []notice `json:"events"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return Event{}, err
	}
	var e Event
	var subjects []Subject
	for _, n := range b.Events {
		if n.Action != "push" || n.Target.Tag == "" {
			continue
		}
		if e.ID == "" {
			e.ID = n.ID
		}
		subjects = append(subjects, Subject{Repository: n.Target.Repository, Tag: n.Target.Tag})
	}
	e.Kind = "push"
	return pushed(e, subjects...), nil
}

// readACR: the same event without the envelope
// (https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference).
func readACR(_ Request, body json.RawMessage) (Event, error) {
	var n notice
	if err := json.Unmarshal(body, &n); err != nil {
		return Event{}, err
	}
	e := Event{ID: n.ID, Kind: n.Action}
	switch n.Action {
	case "push":
		return pushed(e, Subject{Repository: n.Target.Repository, Tag: n.Target.Tag}), nil
	case "ping":
		e.Idle = "ping"
	default:
		e.Idle = "of no interest"
	}
	return e, nil
}

// pushed is an event about tags that were pushed, of which there may be none.
func pushed(e Event, subjects ...Subject) Event {
	for _, s := range subjects {
		if s.Repository != "" && s.Tag != "" && !slices.Contains(e.Subjects, s) {
			e.Subjects = append(e.Subjects, s)
		}
	}
	if len(e.Subjects) == 0 {
		e.Idle = "no tag was pushed"
	}
	return e
}

// readGeneric: whatever a script sends. A repository, a branch, a tag and a name of the
// delivery are read if they are there.
func readGeneric(_ Request, body json.RawMessage) (Event, error) {
	var b struct {
		ID         string `json:"id"`
		Repository string `json:"repository"`
		Branch     string `json:"branch"`
		Tag        string `json:"tag"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return Event{}, err
	}
	e := Event{ID: b.ID}
	if s := (Subject{b.Repository, b.Branch, b.Tag}); s != (Subject{}) {
		e.Subjects = []Subject{s}
	}
	return e, nil
}
