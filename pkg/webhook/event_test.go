package webhook

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestEvents(t *testing.T) {
	for _, test := range []struct {
		name, sender string
		header       map[string][]string
		body         string
		want         string // kind: subjects; why nothing follows
	}{
		// CircleCI, started by GitHub's OAuth app or Bitbucket
		{"workflow", "circleci", nil, `{"id":"1","type":"workflow-completed","happened_at":"2026-11-24T22:49:34.317Z",
			"project":{"name":"mysysconfig","slug":"github/myrepo/mysysconfig"},"organization":{"name":"myrepo"},
			"workflow":{"name":"every-commit","status":"success"},
			"pipeline":{"number":130,"vcs":{"provider_name":"github","origin_repository_url":"https://github.com/myrepo/mysysconfig",
			"target_repository_url":"https://github.com/myrepo/mysysconfig","revision":"1dc6","branch":"develop"}}}`,
			"workflow-completed: myrepo/mysysconfig develop"},
		{"workflow of a tag", "circleci", nil, `{"type":"workflow-completed","project":{"name":"a"},"workflow":{"status":"success"},"pipeline":{"vcs":{"tag":"v1"}}}`,
			"workflow-completed: a v1"},
		{"workflow that failed", "circleci", nil, `{"type":"workflow-completed","project":{"name":"a"},"workflow":{"status":"failed"},"pipeline":{"vcs":{"branch":"b"}}}`,
			"workflow-completed: a b; the workflow has not succeeded"},
		{"workflow of a fork", "circleci", nil, `{"type":"workflow-completed","project":{"name":"a"},"workflow":{"status":"success"},
			"pipeline":{"vcs":{"branch":"develop","origin_repository_url":"https://github.com/thief/a","target_repository_url":"https://github.com/myrepo/a"}}}`,
			"workflow-completed: a develop; of a fork or a pull request"},
		// started by GitHub's App, GitLab or Bitbucket Data Center
		{"workflow of an app", "circleci", nil, `{"type":"workflow-completed","project":{"name":"a"},"organization":{"name":"o"},"workflow":{"status":"success"},
			"pipeline":{"trigger_parameters":{"git":{"branch":"develop","checkout_sha":"85","ref":"refs/heads/develop"},"circleci":{"actor_id":"x"}}}}`,
			"workflow-completed: o/a develop"},
		{"workflow of an app, by ref", "circleci", nil, `{"type":"workflow-completed","project":{"name":"a"},"workflow":{"status":"success"},
			"pipeline":{"trigger_parameters":{"gitlab":{"ref":"refs/tags/v2"}}}}`, "workflow-completed: a v2"},
		{"job", "circleci", nil, `{"type":"job-completed","project":{"name":"a"},"job":{"name":"image","status":"success"},"workflow":{"name":"w"},"pipeline":{"vcs":{"branch":"develop"}}}`,
			"job-completed: a develop"},
		{"test", "circleci", header("Circleci-Event-Type", "ping"), `{"id":"1","happened_at":"x","webhook":{"id":"2","name":"n"}}`, "ping: -; ping"},
		{"test of workflows", "circleci", nil, `{"type":"workflow-completed"}`, "workflow-completed: -; ping"},
		{"to come", "circleci", nil, `{"type":"pipeline-created"}`, "pipeline-created: -; of no interest"},

		{"push", "github", header("X-Github-Event", "push"), `{"ref":"refs/heads/feature/x","after":"4a","repository":{"full_name":"myrepo/web"}}`, "push: myrepo/web feature/x"},
		{"push of a tag", "github", header("X-Github-Event", "push"), `{"ref":"refs/tags/v1.2","repository":{"full_name":"a/b"}}`, "push: a/b v1.2"},
		{"delete", "github", header("X-Github-Event", "push"), `{"ref":"refs/heads/x","deleted":true,"repository":{"full_name":"a/b"}}`, "push: a/b x; it was deleted"},
		{"notes", "github", header("X-Github-Event", "push"), `{"ref":"refs/notes/x","repository":{"full_name":"a/b"}}`, "push: a/b; neither a branch nor a tag"},
		{"workflow", "github", header("X-Github-Event", "workflow_run"), `{"action":"completed","workflow_run":{"event":"push","head_branch":"develop","conclusion":"success",
			"head_repository":{"full_name":"a/b"}},"repository":{"full_name":"a/b"}}`, "workflow_run: a/b develop"},
		{"workflow begins", "github", header("X-Github-Event", "workflow_run"), `{"action":"requested","workflow_run":{"head_branch":"develop"},"repository":{"full_name":"a/b"}}`,
			"workflow_run: a/b develop; the workflow has not ended"},
		{"workflow fails", "github", header("X-Github-Event", "workflow_run"), `{"action":"completed","workflow_run":{"head_branch":"develop","conclusion":"failure"},"repository":{"full_name":"a/b"}}`,
			"workflow_run: a/b develop; the workflow has not succeeded"},
		{"workflow of a fork", "github", header("X-Github-Event", "workflow_run"), `{"action":"completed","workflow_run":{"event":"push","head_branch":"develop","conclusion":"success",
			"head_repository":{"full_name":"thief/b"}},"repository":{"full_name":"a/b"}}`, "workflow_run: a/b develop; of a fork or a pull request"},
		{"workflow of a pull request", "github", header("X-Github-Event", "workflow_run"), `{"action":"completed","workflow_run":{"event":"pull_request","head_branch":"develop",
			"conclusion":"success"},"repository":{"full_name":"a/b"}}`, "workflow_run: a/b develop; of a fork or a pull request"},
		{"check suite", "github", header("X-Github-Event", "check_suite"), `{"action":"completed","check_suite":{"head_branch":"develop","conclusion":"success"},"repository":{"full_name":"a/b"}}`, "check_suite: a/b develop"},
		{"status", "github", header("X-Github-Event", "status"), `{"state":"success","branches":[{"name":"x"},{"name":"develop"}],"repository":{"full_name":"a/b"}}`, "status: a/b x, a/b develop"},
		{"image", "github", header("X-Github-Event", "registry_package"), `{"action":"published","registry_package":{"name":"mysysconfig","namespace":"myrepo","package_type":"CONTAINER",
			"package_version":{"container_metadata":{"tag":{"name":"develop","digest":"sha256:1"}}}}}`, "registry_package: myrepo/mysysconfig develop"},
		{"image, newer event", "github", header("X-Github-Event", "package"), `{"action":"updated","package":{"name":"a","namespace":"o","package_type":"container",
			"package_version":{"container_metadata":{"tag":{"name":"1"}}}}}`, "package: o/a 1"},
		{"no image", "github", header("X-Github-Event", "package"), `{"action":"published","package":{"name":"a","package_type":"npm"}}`, "package: ; no image"},
		{"ping", "github", header("X-Github-Event", "ping"), `{"zen":"x"}`, "ping: ; ping"},
		{"issue", "github", header("X-Github-Event", "issues"), `{"ref":7}`, "issues: ; of no interest"},

		{"push", "gitlab", header("X-Gitlab-Event", "Push Hook"), `{"ref":"refs/heads/develop","after":"4a","project":{"path_with_namespace":"g/p"}}`, "Push Hook: g/p develop"},
		{"tag", "gitlab", header("X-Gitlab-Event", "Tag Push Hook"), `{"ref":"refs/tags/v1","after":"4a","project":{"path_with_namespace":"g/p"}}`, "Tag Push Hook: g/p v1"},
		{"delete", "gitlab", header("X-Gitlab-Event", "Push Hook"), `{"ref":"refs/heads/develop","after":"0000000000000000000000000000000000000000","project":{"path_with_namespace":"g/p"}}`, "Push Hook: g/p develop; it was deleted"},
		{"pipeline", "gitlab", header("X-Gitlab-Event", "Pipeline Hook"), `{"object_attributes":{"ref":"develop","tag":false,"source":"push","status":"success"},"project":{"path_with_namespace":"g/p"}}`, "Pipeline Hook: g/p develop"},
		{"pipeline of a tag", "gitlab", header("X-Gitlab-Event", "Pipeline Hook"), `{"object_attributes":{"ref":"v1","tag":true,"status":"success"},"project":{"path_with_namespace":"g/p"}}`, "Pipeline Hook: g/p v1"},
		{"pipeline runs", "gitlab", header("X-Gitlab-Event", "Pipeline Hook"), `{"object_attributes":{"ref":"develop","status":"running"},"project":{"path_with_namespace":"g/p"}}`, "Pipeline Hook: g/p develop; the pipeline has not succeeded"},
		{"pipeline of a merge request", "gitlab", header("X-Gitlab-Event", "Pipeline Hook"), `{"object_attributes":{"ref":"develop","source":"merge_request_event","status":"success"},"project":{"path_with_namespace":"g/p"}}`, "Pipeline Hook: g/p develop; of a fork or a pull request"},
		{"issue", "gitlab", header("X-Gitlab-Event", "Issue Hook"), `{"object_attributes":{"ref":7}}`, "Issue Hook: ; of no interest"},

		{"push", "gitea", header("X-Gitea-Event", "push"), `{"ref":"refs/heads/develop","repository":{"full_name":"a/b"}}`, "push: a/b develop"},
		{"workflow", "gitea", header("X-Gitea-Event", "workflow_run"), `{"action":"completed","workflow_run":{"head_branch":"develop","conclusion":"success"},"repository":{"full_name":"a/b"}}`, "workflow_run: a/b develop"},
		{"image", "forgejo", header("X-Forgejo-Event", "package", "X-Gitea-Event", "other"), `{"action":"created","package":{"name":"mysysconfig","version":"develop","type":"container","owner":{"login":"myrepo"}}}`, "package: myrepo/mysysconfig develop"},
		{"no image", "gitea", header("X-Gitea-Event", "package"), `{"action":"created","package":{"type":"npm"}}`, "package: ; no image"},

		{"push", "dockerhub", nil, `{"push_data":{"pushed_at":1417566161,"pusher":"ci","tag":"develop"},"repository":{"name":"mysysconfig","namespace":"myrepo","repo_name":"myrepo/mysysconfig"}}`, "push: myrepo/mysysconfig develop"},
		{"nothing", "dockerhub", nil, `{}`, "push: ; no tag was pushed"},
		{"push", "quay", nil, `{"name":"mysysconfig","repository":"myrepo/mysysconfig","namespace":"myrepo","docker_url":"quay.io/myrepo/mysysconfig","updated_tags":["102-develop","develop"]}`, "push: myrepo/mysysconfig 102-develop, myrepo/mysysconfig develop"},
		{"push, older", "quay", nil, `{"repository":"a/b","updated_tags":{"z":"1","y":"2"}}`, "push: a/b y, a/b z"},
		{"push", "harbor", nil, `{"type":"PUSH_ARTIFACT","occur_at":1586922308,"event_data":{"resources":[{"digest":"sha256:1","tag":"sha256:1"},{"tag":"develop"}],"repository":{"repo_full_name":"library/mysysconfig"}}}`, "PUSH_ARTIFACT: library/mysysconfig develop"},
		{"cloud event", "harbor", header("Content-Type", "application/cloudevents+json"), `{"specversion":"1.0","id":"5","type":"harbor.artifact.pushed","data":{"resources":[{"tag":"develop"}],"repository":{"repo_full_name":"library/a"}}}`, "harbor.artifact.pushed: library/a develop"},
		{"pull", "harbor", nil, `{"type":"PULL_ARTIFACT"}`, "PULL_ARTIFACT: ; of no interest"},
		{"push", "distribution", header("Content-Type", "application/vnd.docker.distribution.events.v2+json"), `{"events":[
			{"id":"1","action":"push","target":{"mediaType":"application/octet-stream","repository":"myrepo/mysysconfig"}},
			{"id":"2","action":"pull","target":{"repository":"myrepo/mysysconfig","tag":"old"}},
			{"id":"3","action":"push","target":{"repository":"myrepo/mysysconfig","tag":"develop"}}]}`, "push: myrepo/mysysconfig develop"},
		{"pull", "distribution", nil, `{"events":[{"id":"2","action":"pull","target":{"repository":"a","tag":"old"}}]}`, "push: ; no tag was pushed"},
		{"push", "acr", header("Content-Type", "application/json; charset=utf-8"), `{"id":"1","action":"push","target":{"repository":"mysysconfig","tag":"develop"},"request":{"host":"r.azurecr.io"}}`, "push: mysysconfig develop"},
		{"ping", "acr", nil, `{"id":"1","action":"ping"}`, "ping: ; ping"},

		{"nothing", "generic", nil, ``, ": "},
		{"something", "generic", nil, `{"id":"1","repository":"myrepo/mysysconfig","branch":"develop"}`, ": myrepo/mysysconfig develop"},
	} {
		t.Run(test.sender+" "+test.name, func(t *testing.T) {
			s, _ := Lookup(test.sender)
			if test.header == nil {
				test.header = header()
			}
			if test.header["Content-Type"] == nil {
				test.header["Content-Type"] = []string{"application/json"}
			}
			e, err := s.ReadUnproven(Request{Header: test.header, Body: []byte(test.body)})
			if err != nil {
				t.Fatal(err)
			}
			if got := text(e); got != test.want {
				t.Errorf("%s\nwant %s", got, test.want)
			}
			if e.Sender != test.sender {
				t.Errorf("sender %q", e.Sender)
			}
		})
	}
}

func text(e Event) string {
	var subjects []string
	for _, s := range e.Subjects {
		subjects = append(subjects, s.String())
	}
	out := fmt.Sprintf("%s: %s", e.Kind, strings.Join(subjects, ", "))
	if e.Idle != "" {
		out += "; " + e.Idle
	}
	return out
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		sender string
		header map[string][]string
		body   string
		want   Reason
	}{
		{"circleci", header("Content-Type", "text/plain"), `{}`, Media},
		{"circleci", header(), `{}`, Media},
		{"github", header("Content-Type", "application/x-www-form-urlencoded"), `payload=%7B%7D`, Media},
		{"github", header("Content-Type", "application/json", "Content-Encoding", "gzip"), `{}`, Media},
		{"circleci", header("Content-Type", "application/json"), ``, Malformed},
		{"circleci", header("Content-Type", "application/json"), `[]`, Malformed},
		{"circleci", header("Content-Type", "application/json"), `null`, Malformed},
		{"circleci", header("Content-Type", "application/json"), `{"id":1}`, Malformed},
		{"circleci", header("Content-Type", "application/json"), `{} {}`, Malformed},
		{"quay", header("Content-Type", "application/json"), `{"updated_tags":7}`, Malformed},
		{"generic", header(), `x`, Media},
		{"generic", header("Content-Type", "application/json"), `{"id":"` + strings.Repeat("x", MaxBody) + `"}`, Malformed},
	} {
		s, _ := Lookup(test.sender)
		_, err := s.ReadUnproven(Request{Header: test.header, Body: []byte(test.body)})
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Reason != test.want {
			t.Errorf("%s %.40q: %v", test.sender, test.body, err)
		}
	}
}

func TestFilter(t *testing.T) {
	all, none := "", "it names neither branch nor tag"
	for _, test := range []struct {
		filter  Filter
		subject Subject
		want    string
	}{
		{Filter{}, Subject{}, all},
		{Filter{}, Subject{"a/b", "x", ""}, all},
		{Filter{Repositories: []string{"c/d", "a/*"}}, Subject{"a/b", "x", ""}, all},
		{Filter{Repositories: []string{"a/*"}}, Subject{"a/b/c", "x", ""}, `repository "a/b/c" is not accepted`},
		{Filter{Repositories: []string{"*"}}, Subject{}, `repository "" is not accepted`},
		{Filter{Branches: []string{"develop"}}, Subject{"a", "develop", ""}, all},
		{Filter{Branches: []string{"develop"}}, Subject{"a", "", "develop"}, `tag "develop" is not accepted`},
		{Filter{Branches: []string{"develop"}}, Subject{"a", "x", ""}, `branch "x" is not accepted`},
		{Filter{Branches: []string{"develop"}, Tags: []string{"*-develop"}}, Subject{"a", "", "102-develop"}, all},
		{Filter{Tags: []string{"develop"}}, Subject{"a", "develop", ""}, `branch "develop" is not accepted`},
		{Filter{Tags: []string{"*"}}, Subject{"a", "", ""}, none},
	} {
		ok, why := test.filter.Accepts(Event{Subjects: []Subject{test.subject}})
		if ok != (test.want == all) || why != test.want {
			t.Errorf("%+v of %+v: %v, %q", test.subject, test.filter, ok, why)
		}
	}
	two := Event{Subjects: []Subject{{"a", "", "x"}, {"b", "", "y"}}}
	if ok, _ := (Filter{Repositories: []string{"a"}, Tags: []string{"y"}}).Accepts(two); ok {
		t.Error("repository and tag are of two subjects")
	}
	if ok, _ := (Filter{Repositories: []string{"b"}, Tags: []string{"y"}}).Accepts(two); !ok {
		t.Error("the second subject was not looked at")
	}
	two.Idle = "ping"
	if ok, why := (Filter{}).Accepts(two); ok || why != "ping" {
		t.Error("a ping is accepted")
	}
	for pattern, ok := range map[string]bool{"a*": true, "[": false, "": false} {
		if err := (Filter{Tags: []string{pattern}}).Check(); (err == nil) != ok {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestTable(t *testing.T) {
	last := ""
	for _, s := range Senders() {
		if s.Name <= last {
			t.Errorf("%s is out of order", s.Name)
		}
		last = s.Name
	}
	if _, ok := Lookup("nobody"); ok {
		t.Error("nobody is known")
	}
}
