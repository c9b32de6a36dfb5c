package circleci

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/unitstamp/unitstamp/internal/gittest"
)

const token = "marker-token-c3d9"

// A site is all that pipelines need: a release to install, stand-ins for docker and
// the like which write down how they are called, and CircleCI's environment.
type site struct {
	t        *testing.T
	bin, log string
	home     string
	goEnv    []string
}

// standIns are programs that a machine with Go and git may lack.
var standIns = map[string]string{
	"docker": `[ "$1" != login ] || { printf 'password ' && cat && echo; } >>"$SITE_LOG"
echo "docker $*" >>"$SITE_LOG"`,
	"curl": download,
	"wget": download,
}

// releaseDir holds a release of the programs as they are.
var releaseDir string

func TestMain(m *testing.M) { os.Exit(releaseAndRun(m)) }

func releaseAndRun(m *testing.M) int {
	var err error
	if releaseDir, err = os.MkdirTemp("", "release-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(releaseDir)
	// The pipelines for other CI systems name amd64; here it is what this machine runs.
	if err := Release(root, releaseDir, "amd64", "arm64"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// download finds the file behind --output or -O, and the URL at the end.
const download = `for word; do
  case ${before:-} in --output | -O) output=$word ;; esac
  before=$word
done
case $word in
https://github.com/unitstamp/unitstamp/releases/download/v0.1.0/*) cp "$SITE_RELEASE/v0.1.0/${word##*/}" "$output" ;;
*) echo "404: $word" >&2; exit 22 ;;
esac`

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, bin: t.TempDir(), home: t.TempDir()}
	s.log = filepath.Join(s.home, "log")
	for name, script := range standIns {
		write(t, filepath.Join(s.bin, name), "#!/bin/sh\n"+script+"\n", 0o755)
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		s.goEnv = append(s.goEnv, name+"="+strings.TrimSpace(string(value)))
	}
	s.goEnv = append(s.goEnv, "SITE_LOG="+s.log, "SITE_RELEASE="+releaseDir)
	return s
}

// config is a configuration with the orb. What the orb installs goes to the site.
func (s *site) config(d Document, number string) *Config {
	o := orb(s.t)
	path := mapping(mapping(mapping(mapping(o["commands"])["install"])["parameters"])["install-path"])
	if path["default"] != "/usr/local/bin" {
		s.t.Fatalf("install-path has the default %v", path["default"])
	}
	path["default"] = s.bin
	return &Config{Document: d, Orbs: map[string]Document{"unitstamp": o}, Pipeline: pipeline(number)}
}

// run runs a workflow on a commit of a repository, each job in a checkout of its
// own, as CircleCI does. Its words are those of the last step.
func (s *site) run(c *Config, workflow, repository, commit string, environment ...string) (output string, err error) {
	s.t.Helper()
	jobs, err := c.Workflow(workflow)
	if err != nil {
		s.t.Fatal(err)
	}
	for i, job := range jobs {
		dir := filepath.Join(s.t.TempDir(), "project")
		env := append([]string{
			"HOME=" + s.home, "PATH=" + s.bin + ":" + os.Getenv("PATH"), "LC_ALL=C", "DOCKER_USERNAME=ci", "DOCKER_PASSWORD=marker-password-81f2",
		}, append(s.goEnv, environment...)...)
		env = append(env, c.Environment(job, 9000+i, commit)...)
		for _, step := range job.Steps {
			switch step.Kind {
			case "checkout":
				gittest.Git(s.t, ".", "clone", "-q", repository, dir)
				gittest.Git(s.t, dir, "checkout", "-q", "-B", "develop", commit)
			case "store_test_results":
				reports, err := filepath.Glob(filepath.Join(dir, text(step.Options["path"]), "*", "*.xml"))
				if err != nil || len(reports) == 0 {
					s.t.Errorf("job %s stores no test results: %v", job.Name, err)
				}
			case "run":
				if output, err = s.step(dir, env, step); err != nil {
					return output, fmt.Errorf("job %s, step %q: %w\n%s", job.Name, step.Name, err, output)
				}
			}
		}
	}
	return output, nil
}

func (s *site) step(dir string, env []string, step Step) (string, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	script := filepath.Join(s.t.TempDir(), "script")
	write(s.t, script, step.Begin+step.Command, 0o700)
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+strings.Replace(step.Shell, "{0}", `"$0"`, 1), script)
	cmd.Dir, cmd.Env = dir, env
	for name, value := range step.Environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	for _, secret := range []string{token, "marker-password"} {
		if strings.Contains(string(out), secret) {
			s.t.Errorf("step %q tells a secret:\n%s", step.Name, out)
		}
	}
	return string(out), err
}

// calls are those of the stand-ins since the last time.
func (s *site) calls() string {
	s.t.Helper()
	data, err := os.ReadFile(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.Remove(s.log); err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

func TestStepsOfTheExamples(t *testing.T) {
	s := newSite(t)
	sysconfig := example(t, "sysconfig")
	service := example(t, "service")
	var refused int
	url := gittest.ServeHTTP(t, sysconfig, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, password, _ := r.BasicAuth(); password != token {
				refused++
				w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
				http.Error(w, "no token", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	before := gittest.Git(t, sysconfig, "rev-parse", "develop")

	c := s.config(read(t, configurations[1]), "59")
	mustReplace(t, c.Document, "https://github.com/myrepo/mysysconfig.git", url)
	if out, err := s.run(c, "every-commit", service, gittest.Git(t, service, "rev-parse", "develop"), "CONFPUSH_TOKEN="+token); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	compare(t, s.calls(), `docker build --tag myrepo/myservice:59-develop --tag myrepo/myservice:develop .
password marker-password-81f2
docker login --username ci --password-stdin
docker push myrepo/myservice:59-develop
docker push myrepo/myservice:develop
`)
	if n := strings.Count(gittest.Git(t, sysconfig, "show", "develop:units/myservice.service"), "myrepo/myservice:59-develop"); n != 2 {
		t.Errorf("the unit has the tag %d times, want 2", n)
	}
	if subject := gittest.Git(t, sysconfig, "log", "-1", "--format=%s", "develop"); subject != "Updating myservice tag to '59-develop'" {
		t.Errorf("the commit says %q", subject)
	}
	if changed := gittest.Git(t, sysconfig, "diff", "--stat=200", before, "develop", "--", ":!units/myservice.service"); changed != "" {
		t.Errorf("more than the unit changed:\n%s", changed)
	}

	// The other pipeline, on what the first has pushed.
	tip := gittest.Git(t, sysconfig, "rev-parse", "develop")
	c = s.config(read(t, configurations[2]), "102")
	if out, err := s.run(c, "every-commit", sysconfig, tip); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const image = "docker build --tag myrepo/mysysconfig:%s-develop --tag myrepo/mysysconfig:develop --label org.opencontainers.image.revision=%s .\n" +
		"password marker-password-81f2\ndocker login --username ci --password-stdin\ndocker push myrepo/mysysconfig:%[1]s-develop\n"
	compare(t, s.calls(), fmt.Sprintf(image, "102", tip)+"docker push myrepo/mysysconfig:develop\n")

	// A pipeline of an older commit that comes late leaves the branch's tag alone.
	c = s.config(read(t, configurations[2]), "101")
	if out, err := s.run(c, "every-commit", sysconfig, before); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	compare(t, s.calls(), fmt.Sprintf(image, "101", before))

	// A late build of the service, and one without the token, are red.
	c = s.config(read(t, configurations[1]), "58")
	mustReplace(t, c.Document, "https://github.com/myrepo/mysysconfig.git", url)
	commit := gittest.Git(t, service, "rev-parse", "develop")
	if out, err := s.run(c, "every-commit", service, commit, "CONFPUSH_TOKEN="+token); err == nil || !strings.Contains(out, "would go back") {
		t.Errorf("a late build: %v", err)
	}
	if out, err := s.run(c, "every-commit", service, commit); err == nil || !strings.Contains(out, "401") || refused == 0 {
		t.Errorf("without a token: %v", err)
	}

	// So is a unit in the service's repository that carries a tag.
	stamped := gittest.Git(t, sysconfig, "show", "develop:units/myservice.service")
	commit = gittest.Commit(t, service, "develop", "Stamp by hand", map[string]string{"myservice.service": stamped + "\n"})
	if out, err := s.run(c, "every-commit", service, commit); err == nil || !strings.Contains(err.Error(), `step "Check myservice.service"`) {
		t.Errorf("a stamped unit: %v\n%s", err, out)
	}
}

// exampleFingerprint is the one that examples and pages have.
const exampleFingerprint = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"

// keys puts the key that a server takes into the job's home, beside another one, and
// returns its fingerprint.
func (s *site) keys(server *gittest.SSHServer) string {
	s.t.Helper()
	key, err := ssh.ParsePrivateKey(server.ClientKey)
	if err != nil {
		s.t.Fatal(err)
	}
	fingerprint := ssh.FingerprintSHA256(key.PublicKey())
	s.goEnv = append(s.goEnv, "SITE_FINGERPRINT="+fingerprint)
	_, other := gittest.NewSSHKey(s.t)
	write(s.t, filepath.Join(s.home, ".ssh", "id_rsa_00"), string(other), 0o600)
	write(s.t, filepath.Join(s.home, ".ssh", "id_rsa_4711"), string(server.ClientKey), 0o600)
	// the stand-in looks for a word that only the right key has
	write(s.t, filepath.Join(s.bin, "ssh-keygen"), "#!/bin/sh\n[ \"$1 $2 $3 $4\" = \"-l -E sha256 -f\" ] || exit 1\ncase $5 in *4711) echo \"256 $SITE_FINGERPRINT test (ED25519)\" ;; *) echo '256 SHA256:x other (ED25519)' ;; esac\n", 0o755)
	return fingerprint
}

// TestStepsOverSSH pushes with the step that the service's page has for an ssh key.
func TestStepsOverSSH(t *testing.T) {
	s := newSite(t)
	sysconfig, service := example(t, "sysconfig"), example(t, "service")
	server := gittest.ServeSSH(t, gittest.SSHOptions{})
	d := overSSH(t)
	mustReplace(t, d, exampleFingerprint, s.keys(server))
	mustReplace(t, d, "git@github.com:myrepo/mysysconfig.git", server.URL(sysconfig))
	line := server.KnownHostsLine(0)
	for _, c := range []struct{ line, says string }{
		{strings.Replace(line, "127.0.0.1", "127.0.0.2", 1), "is not known"},
		{line, "confpush: pushed"},
	} {
		commit := gittest.Commit(t, service, "develop", "Name the host", map[string]string{".circleci/known_hosts": c.line + "\n"})
		out, err := s.run(s.config(d, "60"), "every-commit", service, commit)
		if (err == nil) != (c.line == line) || !strings.Contains(out, c.says) {
			t.Errorf("%s: %v\n%s", c.line, err, out)
		}
	}
	if unit := gittest.Git(t, sysconfig, "show", "develop:units/myservice.service"); strings.Count(unit, ":60-develop") != 2 {
		t.Errorf("the unit is\n%s", unit)
	}
}

// TestStepsOfTheOrbsExamples pushes over ssh, with the key of the fingerprint among
// several.
func TestStepsOfTheOrbsExamples(t *testing.T) {
	s := newSite(t)
	sysconfig := example(t, "sysconfig")
	service := example(t, "service")
	server := gittest.ServeSSH(t, gittest.SSHOptions{})
	fingerprint := s.keys(server)
	write(t, filepath.Join(s.home, ".ssh", "known_hosts"), server.KnownHostsLine(0)+"\n", 0o600)

	usage := func(name string) Document {
		return mapping(mapping(mapping(orb(t)["examples"])[name])["usage"])
	}
	deploy := usage("deploy-a-service")
	mustReplace(t, deploy, exampleFingerprint, fingerprint)
	mustReplace(t, deploy, "git@github.com:myrepo/mysysconfig.git", server.URL(sysconfig))
	commit := gittest.Git(t, service, "rev-parse", "develop")
	if out, err := s.run(s.config(deploy, "60"), "deploy", service, commit); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	compare(t, s.calls(), `password marker-password-81f2
docker login --username ci --password-stdin
docker build --tag myrepo/myservice:60-develop --tag myrepo/myservice:develop .
docker push myrepo/myservice:60-develop
docker push myrepo/myservice:develop
`)
	if unit := gittest.Git(t, sysconfig, "show", "develop:units/myservice.service"); strings.Count(unit, ":60-develop") != 2 {
		t.Errorf("the unit is\n%s", unit)
	}
	mustReplace(t, deploy, fingerprint, exampleFingerprint)
	if out, err := s.run(s.config(deploy, "61"), "deploy", service, commit); err == nil || !strings.Contains(out, "no key in") {
		t.Errorf("without the key: %v\n%s", err, out)
	}

	if out, err := s.run(s.config(usage("check-a-system-configuration"), "7"), "every-commit", sysconfig, gittest.Git(t, sysconfig, "rev-parse", "develop")); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestInstallComparesTheChecksum gives it archives that are not what they should be.
func TestInstallComparesTheChecksum(t *testing.T) {
	s := newSite(t)
	install := func(arguments Document) (string, error) {
		d := Document{"jobs": Document{"a": Document{"steps": []any{"checkout", Document{"unitstamp/install": arguments}}}},
			"workflows": Document{"w": Document{"jobs": []any{"a"}}}}
		service := example(t, "service")
		return s.run(s.config(d, "1"), "w", service, gittest.Git(t, service, "rev-parse", "develop"))
	}
	if out, err := install(Document{"programs": "confapply"}); err != nil || !strings.Contains(out, "confapply") {
		t.Errorf("%v\n%s", err, out)
	}
	if err := os.Remove(filepath.Join(s.bin, "confapply")); err != nil {
		t.Fatal(err)
	}
	for name, arguments := range map[string]Document{
		"another checksum": {"programs": "confapply", "sha256": strings.Repeat("0", 64)},
		"another release":  {"programs": "confapply", "version": "0.1.1"},
	} {
		if out, err := install(arguments); err == nil {
			t.Errorf("%s: installed\n%s", name, out)
		}
		if _, err := os.Stat(filepath.Join(s.bin, "confapply")); err == nil {
			t.Errorf("%s: a program was installed", name)
		}
	}
}

// example is a bare repository that holds an example on the branch develop.
func example(t *testing.T, name string) string {
	t.Helper()
	return gittest.FromFolder(t, filepath.Join(root, "examples", name), "develop", nil)
}

// mustReplace replaces a text in all of a document.
func mustReplace(t *testing.T, d Document, old, new string) {
	t.Helper()
	found := false
	for _, key := range keys(d) {
		replaced, err := walk(d[key], func(s string) (any, error) {
			found = found || strings.Contains(s, old)
			return strings.ReplaceAll(s, old, new), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		d[key] = replaced
	}
	if !found {
		t.Fatalf("%q is not in the document", old)
	}
}

func compare(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("the calls are\n%s\nwant\n%s", got, want)
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}
