//go:build lab

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/unitstamp/unitstamp/internal/circleci"
	"github.com/unitstamp/unitstamp/internal/gittest"
)

// A job has a home and a /usr/local/bin of its own on the machine.
type job struct {
	w           *world
	home, dir   string // dir is where steps run
	first       []string
	environment []string
	file        string // of the project, which its steps stand in
	name        string
	artifacts   []string // files that the next job gets
}

var jobs atomic.Int64

// job makes one that finds docker's engine and Go. Steps stand in a file of the project.
func (w *world) job(file string) *job {
	j := &job{w: w, home: fmt.Sprintf("/srv/ci/%d", jobs.Add(1)), file: file}
	j.dir = j.home + "/project"
	w.n.Must("mkdir", "-p", j.dir, j.home+"/bin", j.home+"/temp")
	j.environment = []string{
		"HOME=" + j.home, "DOCKER_HOST=" + w.builder,
		"GOCACHE=/root/.cache/go-build", "GOFLAGS=-buildvcs=false", "GOTOOLCHAIN=local",
	}
	return j
}

// checkout puts a repository's branch into the job's folder, over https if that needs no
// key, else with a key that may only read. The host's key is known for the checkout.
func (j *job) checkout(name, branch string) (string, error) {
	r := j.w.repos.of(name)
	url := "https://github.com/myrepo/" + name + ".git"
	ssh := "ssh -F /dev/null -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -i " + j.home + "/checkout_key -o UserKnownHostsFile=" + j.home + "/checkout_hosts"
	if r.keys {
		url = "git@github.com:myrepo/" + name + ".git"
		j.w.n.Write(j.home+"/checkout_key", j.w.net.sshd.Read(j.w.t, "reader"), 0o600)
		j.w.n.Write(j.home+"/checkout_hosts", j.w.net.known+"\n", 0o644)
		j.w.n.Write(j.home+"/.ssh/known_hosts", r.left, 0o644)
	}
	// The environment stays for what later steps ask the repository.
	j.environment = append(j.environment, "GIT_SSH_COMMAND="+ssh)
	return j.run(circleci.Step{Name: "checkout", Shell: "sh {0}", Command: "git clone -q -b '" + branch + "' " + url + " ."})
}

// run runs a step of the job as its system would, and writes down that it did.
func (j *job) run(step circleci.Step) (string, error) {
	script := fmt.Sprintf("%s/step%d", j.home, jobs.Add(1))
	j.w.n.Write(script, step.Begin+step.Command+"\n", 0o755)
	path := strings.Join(append(j.first, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", goPath), ":")
	words := append([]string{"env", "-i", "-C", j.dir, "PATH=" + path}, j.environment...)
	for name, value := range step.Environment {
		words = append(words, name+"="+value)
	}
	words = append(words, "unshare", "--mount", "sh", "-c", `mount --bind "$0" /usr/local/bin && exec `+strings.Replace(step.Shell, "{0}", `"$1"`, 1), j.home+"/bin", script)
	ctx, cancel := context.WithTimeout(j.w.t.Context(), 4*time.Minute)
	defer cancel()
	out, err := j.w.n.Command(ctx, words...).CombinedOutput()
	said := string(out)
	if strings.Contains(said, token) || strings.Contains(said, password) {
		return "", fmt.Errorf("step %q tells a secret", step.Name)
	}
	if err != nil {
		return said, fmt.Errorf("step %q: %w\n%s", step.Name, err, said)
	}
	j.w.executed.add(j.file, step)
	return said, nil
}

// pipeline runs the workflows of a repository's branch, as CircleCI would after a
// push, and returns what a reader wants to know of it: the names of the steps, and
// what confpush said.
func (w *world) pipeline(repository, branch string, number int) (string, error) {
	r := w.repos.of(repository)
	commit, err := gittest.Try(r.bare, "", "rev-parse", "refs/heads/"+branch)
	if err != nil {
		return "", err
	}
	content, err := gittest.Try(r.bare, "", "show", commit+":.circleci/config.yml")
	if err != nil {
		return "", err
	}
	document, err := circleci.Parse(repository, []byte(content))
	if err != nil {
		return "", err
	}
	config := circleci.Config{Document: document, Orbs: map[string]circleci.Document{"unitstamp": w.orb}, Pipeline: map[string]string{
		"number": fmt.Sprint(number), "git.branch": branch, "project.slug": "gh/myrepo/" + repository,
	}}
	words := ""
	for _, workflow := range circleci.Workflows(document) {
		jobs, err := config.Workflow(workflow)
		if err != nil {
			return "", err
		}
		for _, job := range jobs {
			var names []string
			for _, step := range job.Steps {
				if step.Kind == "run" {
					names = append(names, step.Name)
				}
			}
			last, err := w.circleCI(&config, repository, commit, job)
			if err != nil {
				return last, fmt.Errorf("%s #%d, job %s: %w", repository, number, job.Name, err)
			}
			words += fmt.Sprintf("%s #%d, job %s: %s\n", repository, number, job.Name, strings.Join(names, " · "))
			if strings.HasPrefix(last, "confpush: ") || strings.Contains(last, "its own pipeline") {
				words += last
			}
		}
	}
	return words, nil
}

// circleCI runs a job's steps and returns what the last one printed.
func (w *world) circleCI(config *circleci.Config, repository, commit string, job circleci.Job) (last string, err error) {
	r := w.repos.of(repository)
	environment, _, err := circleci.Environment(filepath.Join(root, "pkg", "cienv", "testdata", "circleci.env"), commit)
	if err != nil {
		return "", err
	}
	j := w.job(r.written)
	number := 9000 + int(jobs.Load())
	j.environment = append(append(append(j.environment, environment...), "DOCKER_USERNAME=ci", "DOCKER_PASSWORD="+password),
		config.Environment(job, number, commit)...)
	r.built = fmt.Sprintf("https://ci.example.com/%d", number)
	if !r.keys {
		j.environment = append(j.environment, "CONFPUSH_TOKEN="+token)
	}
	for _, step := range job.Steps {
		switch step.Kind {
		case "checkout":
			_, err = j.checkout(repository, config.Pipeline["git.branch"])
		case "add_ssh_keys":
			err = j.addKeys(step.Options["fingerprints"])
		case "run":
			last, err = j.run(step)
		}
		if err != nil {
			return last, err
		}
	}
	return last, nil
}

// addKeys puts the project's keys into a job's home, by their fingerprints, as CircleCI
// does: the file's name tells nothing of it.
func (j *job) addKeys(fingerprints any) error {
	list, _ := fingerprints.([]any)
	for _, f := range list {
		if f != j.w.net.sshd.Fingerprint(j.w.t, "user") {
			return fmt.Errorf("the project has no key %v", f)
		}
		j.w.n.Write(j.home+"/.ssh/id_rsa", j.w.net.sshd.Read(j.w.t, "reader"), 0o600) // the checkout's
		j.w.n.Write(j.home+"/.ssh/id_rsa_4a1f0f5e3c1b7c1de0a2a0b7a4a1c9d0", j.w.net.sshd.Read(j.w.t, "user"), 0o600)
	}
	return nil
}
