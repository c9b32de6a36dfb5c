//go:build lab

package e2e

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/unitstamp/unitstamp/internal/circleci"
	"github.com/unitstamp/unitstamp/internal/gittest"
)

// A delivery is what a pipeline has to bring about.
type delivery struct {
	build, branch, commit, url string
	tags                       [2]string // of the image
	before                     string    // the configuration's commit
	images                     map[string]string
	answer                     string
}

// begin makes a service's repository and a system configuration in which the build
// before the next one stands. The service answers with a word of its own, so that no
// image is like one that is there.
func (w *world) begin(word, branch string) (*repository, *delivery) {
	w.t.Helper()
	service := w.repository("myservice", "service", func(path, content string) (string, bool) {
		return strings.ReplaceAll(content, `"myservice `, `"`+word+` `), true
	})
	sysconfig := w.repository("mysysconfig", "sysconfig", func(_, content string) (string, bool) {
		return strings.ReplaceAll(content, ":58-develop", ":57-develop"), true
	})
	if branch != "develop" {
		gittest.Git(w.t, service.bare, "branch", branch, "develop")
	}
	d := &delivery{branch: branch, commit: gittest.Git(w.t, service.bare, "rev-parse", branch), before: gittest.Git(w.t, sysconfig.bare, "rev-parse", "develop"), answer: word}
	return service, d
}

// expect says which build it will be, and looks at what the registry has until then.
func (w *world) expect(d *delivery, build, stamp, url string) {
	w.t.Helper()
	d.build, d.url = build, url
	d.tags = [2]string{stamp, strings.TrimPrefix(stamp, build+"-")}
	d.images = map[string]string{}
	for _, tag := range d.tags {
		d.images[tag] = w.digest(tag)
	}
}

// digest is that of an image of the service in the registry, "" if it is not there.
func (w *world) digest(tag string) string {
	w.t.Helper()
	head := w.n.Must("curl", "-s", "-I", "-u", "ci:"+password, "-H", "Accept: application/vnd.docker.distribution.manifest.v2+json", "https://registry-1.docker.io/v2/myrepo/myservice/manifests/"+tag)
	m := regexp.MustCompile(`(?im)^docker-content-digest: (\S+)`).FindStringSubmatch(head)
	if m == nil {
		return ""
	}
	return m[1]
}

// arrived looks at all that a pipeline leaves behind: the image under both tags, what a
// container of it answers, the unit, and the one commit that brought it.
func (w *world) arrived(d *delivery) {
	t := w.t
	t.Helper()
	first, second := w.digest(d.tags[0]), w.digest(d.tags[1])
	if first == "" || first != second || first == d.images[d.tags[0]] || second == d.images[d.tags[1]] {
		t.Errorf("the registry has %s and %s as %q and %q; before %q", d.tags[0], d.tags[1], first, second, d.images)
	}
	image := "myrepo/myservice:" + d.tags[0]
	w.n.Must("docker", "run", "--quiet", "--pull", "always", "--detach", "--rm", "--name", "try", "--publish", "127.0.0.1:8090:8080", image)
	w.eventually("an answer of "+image, 30*time.Second, func() bool {
		out, _, _ := w.n.Run(t.Context(), "curl", "-s", "--max-time", "2", "http://127.0.0.1:8090/")
		return out == d.answer+" "+d.tags[0]+"\n"
	})
	w.n.Must("docker", "rm", "--force", "try")

	sysconfig := w.bare("mysysconfig")
	written := gittest.Git(t, w.bare("myservice"), "show", d.commit+":myservice.service")
	want := strings.ReplaceAll(written, " myrepo/myservice\n", " "+image+"\n")
	if strings.Count(want, image) != 2 {
		t.Fatalf("the service's unit is\n%s", written)
	}
	if unit := gittest.Git(t, sysconfig, "show", d.branch+":units/myservice.service"); unit != want {
		t.Errorf("the unit is\n%s\nwant\n%s", unit, want)
	}
	if changed := gittest.Git(t, sysconfig, "diff", "--name-status", d.before, d.branch); changed != "M\tunits/myservice.service" {
		t.Errorf("the configuration's changes are\n%s", changed)
	}
	if parent := gittest.Git(t, sysconfig, "rev-parse", d.branch+"^"); parent != d.before {
		t.Errorf("the commit's parent is %s, want %s", parent, d.before)
	}
	message := fmt.Sprintf("Updating myservice tag to '%s'\n\nUnitstamp-Image: %s\nUnitstamp-Build: %s\nUnitstamp-Branch: %s\nUnitstamp-Source: %s\nUnitstamp-Url: %s\nUnitstamp-Parent: %s",
		d.tags[0], image, d.build, d.branch, d.commit, d.url, d.before)
	if got := strings.TrimSpace(gittest.Git(t, sysconfig, "log", "-1", "--format=%B", d.branch)); got != message {
		t.Errorf("the commit says\n%s\nwant\n%s", got, message)
	}
	gittest.Fsck(t, sysconfig)
}

// orbsExamples runs the configurations that the orb shows: its own job, over ssh, and the
// check of a system configuration.
func (w *world) orbsExamples(t *testing.T) {
	examples := circleci.Examples(w.orb)
	use := func(name string, r *repository, change func(string) string) {
		t.Helper()
		data, err := yaml.Marshal(examples[name])
		if err != nil {
			t.Fatal(err)
		}
		gittest.Commit(t, r.bare, "develop", "Use the orb", map[string]string{".circleci/config.yml": change(string(data))})
		r.written = orbSource + "/examples/" + name + ".yml"
		delete(examples, name)
	}
	service, d := w.begin("orb", "develop")
	use("deploy-a-service", service, w.withKey)
	service.keys, service.left = true, w.net.known+"\n"
	d.commit = gittest.Git(t, service.bare, "rev-parse", "develop")
	w.expect(d, "58", "58-develop", "")
	if out, err := w.pipeline("myservice", "develop", 58); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d.url = service.built
	w.arrived(d)

	sysconfig := w.repos.of("mysysconfig")
	use("check-a-system-configuration", sysconfig, func(s string) string { return s })
	if out, err := w.pipeline("mysysconfig", "develop", 7); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name := range examples {
		t.Errorf("nothing executes the orb's example %s", name)
	}
}

// elsewhere runs the pipeline for another CI system, with the environment of that.
func (w *world) elsewhere(t *testing.T, system circleci.System) {
	golden := filepath.Join(root, "pkg", "cienv", "testdata", system.Environment)
	_, says, err := circleci.Environment(golden, "")
	if err != nil {
		t.Fatal(err)
	}
	_, d := w.begin(filepath.Dir(system.File), says["branch"])
	environment, says, err := circleci.Environment(golden, d.commit)
	if err != nil {
		t.Fatal(err)
	}
	w.expect(d, says["number"], says["stamp"], says["url"])
	file := "examples/" + system.File
	steps, err := system.Steps(filepath.Join(root, file), circleci.Secrets(password, token))
	if err != nil {
		t.Fatal(err)
	}
	var j, last *job
	for _, step := range steps {
		if step.Kind != "run" {
			continue
		}
		if j == nil || step.Options != nil && step.Name != j.name { // a job of its own
			last, j = j, w.job(file)
			j.name = step.Name
			j.environment = append(append(j.environment, environment...), "RUNNER_TEMP="+j.home+"/temp", "GITHUB_PATH="+j.home+"/path")
			w.n.Write(j.home+"/path", "", 0o644)
			if system.Name == "Jenkins" { // its agent has the programs
				w.n.Must("cp", "/usr/local/bin/unitstamp", "/usr/local/bin/confpush", j.home+"/bin")
			}
			if _, err := j.checkout("myservice", d.branch); err != nil {
				t.Fatal(err)
			}
			if last != nil {
				for _, path := range last.artifacts {
					w.n.Must("cp", last.dir+"/"+path, j.dir+"/"+path)
				}
			}
			j.artifacts = circleci.Artifacts(step)
		}
		if _, err := j.run(step); err != nil {
			t.Fatal(err)
		}
		j.first = strings.Fields(w.n.Read(j.home + "/path"))
	}
	w.arrived(d)
}
