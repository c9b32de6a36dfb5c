package circleci

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/gittest"
)

// TestStepsElsewhere runs what the pipelines for other CI systems say, with those
// systems' environments.
func TestStepsElsewhere(t *testing.T) {
	for _, system := range Systems {
		t.Run(filepath.Dir(system.File), func(t *testing.T) {
			s := newSite(t)
			if system.Name == "Jenkins" { // its agent has the programs
				for _, program := range []string{"unitstamp", "confpush"} {
					if err := os.Symlink(filepath.Join(releaseDir, "programs", program), filepath.Join(s.bin, program)); err != nil {
						t.Fatal(err)
					}
				}
			}
			service := example(t, "service")
			sysconfig := gittest.FromFolder(t, filepath.Join(root, "examples", "sysconfig"), "develop", func(_, content string) (string, bool) {
				return strings.ReplaceAll(content, ":58-develop", ":57-develop"), true // the next build is the systems'
			})
			url := gittest.ServeHTTP(t, sysconfig)
			dir := filepath.Join(t.TempDir(), "project")
			gittest.Git(t, ".", "clone", "-q", service, dir)
			paths := filepath.Join(s.home, "paths")
			write(t, paths, "", 0o600)
			environment, says, err := Environment(filepath.Join(root, "pkg", "cienv", "testdata", system.Environment), gittest.Git(t, dir, "rev-parse", "HEAD"))
			if err != nil {
				t.Fatal(err)
			}
			steps, err := system.Steps(filepath.Join(root, "examples", system.File), Secrets("marker-password-81f2", token))
			if err != nil {
				t.Fatal(err)
			}
			pushes := 0
			for _, step := range steps {
				if step.Kind != "run" {
					continue
				}
				more, err := os.ReadFile(paths)
				if err != nil {
					t.Fatal(err)
				}
				env := append([]string{
					"HOME=" + s.home, "PATH=" + strings.Join(append(strings.Fields(string(more)), s.bin, os.Getenv("PATH")), ":"), "LC_ALL=C", "CI=true",
					"GITHUB_PATH=" + paths, "RUNNER_TEMP=" + s.home,
				}, append(s.goEnv, environment...)...)
				pushes += strings.Count(step.Command, "mysysconfig.git")
				step.Command = regexp.MustCompile(`https://[a-z]+\.com/myrepo/mysysconfig\.git`).ReplaceAllLiteralString(step.Command, url)
				if out, err := s.step(dir, env, step); err != nil {
					t.Fatalf("%s: %v\n%s", step.Command, err, out)
				}
			}
			if pushes != 1 {
				t.Errorf("the file pushes %d times", pushes)
			}
			branch := regexp.MustCompile(`^\d+-`).ReplaceAllString(says["stamp"], "")
			compare(t, s.calls(), strings.NewReplacer("TAG", says["stamp"], "BRANCH", branch).Replace(`password marker-password-81f2
docker login --username ci --password-stdin
docker build --tag myrepo/myservice:TAG --tag myrepo/myservice:BRANCH .
docker push myrepo/myservice:TAG
docker push myrepo/myservice:BRANCH
`))
			if unit := gittest.Git(t, sysconfig, "show", says["branch"]+":units/myservice.service"); strings.Count(unit, ":"+says["stamp"]) != 2 {
				t.Errorf("the unit is\n%s", unit)
			}
		})
	}
}

// TestReading gives the readers files that they must not take for something else.
func TestReading(t *testing.T) {
	for _, c := range []struct {
		name          string
		read          func(path string, secrets map[string]string) ([]Step, error)
		content, want string
	}{
		{"shell, environment, secret", GitHub, "env: {A: 1}\njobs: {a: {env: {B: 2}, steps: [{uses: b/c@v4}, {name: x, run: y, env: {C: '${{ secrets.CONFPUSH_TOKEN }}'}}]}}",
			"uses b/c@v4 [jobs/a/steps/0] : |run x [jobs/a/steps/1] bash -e {0} A=1 B=2 C=secret: y"},
		{"bash", GitHub, "defaults: {run: {shell: bash}}\njobs: {a: {steps: [{name: x, run: y}]}}", "run x [jobs/a/steps/0] bash --noprofile --norc -eo pipefail {0}: y"},
		{"another secret", GitHub, "jobs: {a: {steps: [{name: x, run: y, env: {C: '${{ secrets.NONE }}'}}]}}", `"${{ secrets.NONE }}" is none of the secrets`},
		{"injection", GitHub, "jobs: {a: {steps: [{name: x, run: 'echo ${{ github.ref }}'}]}}", "an expression in a script"},
		{"stages", GitLab, "stages: [b, a]\ndefault: {before_script: [w]}\nx: {stage: a, script: [y], variables: {V: 1}}\nv: {stage: b, image: docker:1, before_script: [], script: [z, y]}",
			"run v [v/script/0 v/script/1] sh {0} CONFPUSH_TOKEN=secret: z\ny\n|run x [default/before_script/0 x/script/0] bash {0} CONFPUSH_TOKEN=secret V=1: w\ny\n"},
		{"extends", GitLab, "x: {stage: test, extends: .y, script: [y]}", "extends"},
		{"no such stage", GitLab, "x: {stage: z, script: [y]}", "a stage that is not there"},
		{"credentials", Jenkins, "pipeline {\n stages { stage('a') { steps { sh 'x' // a comment with sh 'in it'\n withCredentials([string(credentialsId: 'i', variable: 'CONFPUSH_TOKEN')]) { sh '''#!/bin/sh\ny''' } } } }\n}\n",
			"run a [a/sh/0] sh -xe {0}: x|run a [a/sh/1] {0} CONFPUSH_TOKEN=secret: #!/bin/sh\ny"},
		{"other credentials", Jenkins, "pipeline { withCredentials([string(variable: 'OTHER')]) { sh 'x' } }", "OTHER is none of the secrets"},
		{"Groovy's own texts", Jenkins, "pipeline { sh \"echo $PASSWORD\" }", "not what the shell would get"},
		{"a brace", Jenkins, "pipeline { stages { }", `the brace after "pipeline" is not closed`},
		{"another brace", Jenkins, "pipeline { } }", "a brace too many"},
		{"a quote", Jenkins, "pipeline { sh 'x }\n", "a text is not closed"},
		{"a bracket", Jenkins, "pipeline { sh(x }", "a bracket is not closed"},
		{"environment", Jenkins, "pipeline { environment { A = 'b' } }", `"environment" is not known`},
	} {
		path := filepath.Join(t.TempDir(), "file")
		write(t, path, c.content, 0o600)
		steps, err := c.read(path, map[string]string{"CONFPUSH_TOKEN": "secret"})
		var got []string
		for _, step := range steps {
			environment := ""
			for _, key := range slices.Sorted(maps.Keys(step.Environment)) {
				environment += " " + key + "=" + step.Environment[key]
			}
			got = append(got, step.Kind+" "+step.Name+" ["+strings.Join(step.Places, " ")+"] "+step.Shell+environment+": "+step.Command)
		}
		if err != nil {
			if len(got) > 0 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
		} else if strings.Join(got, "|") != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "|"), c.want)
		}
	}
}

var (
	commit  = regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40}$`)
	version = regexp.MustCompile(`^[\w./-]+:\d+\.\d+[\w.-]*$`)
	strict  = regexp.MustCompile(`(?m)^bash .*-euo pipefail|^ *set -euo pipefail$|^set -u$`)
)

// TestPipelinesElsewhere looks at what running the steps does not show: actions are pinned
// to commits, images to versions, and each script stops at the first thing that fails.
func TestPipelinesElsewhere(t *testing.T) {
	for _, system := range Systems {
		steps, err := system.Steps(filepath.Join(root, "examples", system.File), Secrets("password", "token"))
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range steps {
			if step.Kind == "uses" && !commit.MatchString(step.Name) {
				t.Errorf("%s: %s is not pinned to a commit", system.File, step.Name)
			}
			if all := step.Shell + "\n" + step.Begin + step.Command; step.Kind == "run" && !(strict.MatchString(all) && strings.Contains(all, "pipefail")) {
				t.Errorf("%s: %s goes on after a failure", system.File, step.Name)
			}
		}
	}
	d := read(t, "examples/gitlab-ci/.gitlab-ci.yml")
	for _, name := range keys(d) {
		images, _ := mapping(d[name])["services"].([]any)
		if image := mapping(d[name])["image"]; image != nil {
			images = append(images, image)
		}
		for _, image := range images {
			if !version.MatchString(text(image)) {
				t.Errorf("%s: the image %v has no fixed version", name, image)
			}
		}
	}
}

// TestStrict holds CircleCI's steps to the same: of the examples, the orb and our own.
func TestStrict(t *testing.T) {
	o := orb(t)
	for path, d := range documents(t) {
		c := Config{Document: d, Orbs: map[string]Document{"unitstamp": o}, Pipeline: pipeline("58")}
		for name := range mapping(d["workflows"]) {
			jobs, err := c.Workflow(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, job := range jobs {
				for _, step := range job.Steps {
					if step.Kind == "run" && step.Shell != "/bin/bash -euo pipefail {0}" {
						t.Errorf("%s: job %s: %s is run by %s", path, job.Name, step.Name, step.Shell)
					}
				}
			}
		}
	}
}
