// Package release holds .goreleaser.yaml to what the rest of the project says of a
// release: the programs, the archive's name, the pages and completions in packages.
package release

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/unitstamp/unitstamp/internal/circleci"
)

var root = filepath.Join("..", "..")

// config is what is looked at; goreleaser itself knows the rest.
type config struct {
	Version  int
	Project  string `yaml:"project_name"`
	Before   struct{ Hooks []string }
	Builds   []build
	Archives []struct {
		Name    string `yaml:"name_template"`
		Formats []string
		Files   []struct{ Src string }
	}
	Packages []pkg `yaml:"nfpms"`
	Dockers  []struct {
		IDs, Images, Tags, Platforms []string
		Dockerfile                   string
		Files                        []string `yaml:"extra_files"`
		Labels                       map[string]string
		Arguments                    map[string]string `yaml:"build_args"`
		Flags                        []string
		SBOM                         string
	} `yaml:"dockers_v2"`
	Checksum struct {
		Name      string `yaml:"name_template"`
		Algorithm string
	}
}

type build struct {
	ID, Main, Binary    string
	Env, Flags, Ldflags []string
	Tags                []string
	Goos, Goarch        []string
	Timestamp           string `yaml:"mod_timestamp"`
}

type pkg struct {
	Name     string `yaml:"package_name"`
	IDs      []string
	License  string
	Formats  []string
	Mtime    string
	Contents []struct{ Src, Dst string }
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func load(t *testing.T) config {
	t.Helper()
	var c config
	if err := yaml.Unmarshal([]byte(read(t, ".goreleaser.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func programs(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, "cmd"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestBuilds(t *testing.T) {
	c := load(t)
	cli := read(t, "internal/cli/version.go")
	variable := regexp.MustCompile(`^-X github\.com/unitstamp/unitstamp/internal/cli\.(\w+)=`)
	var built []string
	for _, b := range c.Builds {
		built = append(built, b.ID)
		if b.Main != "./cmd/"+b.ID || b.Binary != b.ID {
			t.Errorf("%s builds %s into %s", b.ID, b.Main, b.Binary)
		}
		if !slices.Equal(b.Env, []string{"CGO_ENABLED=0", "GOFLAGS=-buildvcs=false"}) || !slices.Contains(b.Flags, "-trimpath") || b.Timestamp != "{{ .CommitTimestamp }}" {
			t.Errorf("%s: not static, or not the same each time", b.ID)
		}
		// What is measured is what is released.
		tags := ""
		if len(b.Tags) > 0 {
			tags = "-tags " + strings.Join(b.Tags, ",") + " "
		}
		if measured := regexp.MustCompile(`(?m)^CGO_ENABLED=0 go build -trimpath ` + tags + `-ldflags '-s -w' .* \./cmd/` + b.ID + `\b`); !measured.MatchString(read(t, ".ci/run")) {
			t.Errorf("%s: .ci/run does not build it with %q", b.ID, tags)
		}
		if !slices.Contains(b.Goos, "linux") || !slices.Contains(b.Goarch, "amd64") || !slices.Contains(b.Goarch, "arm64") {
			t.Errorf("%s: %v %v", b.ID, b.Goos, b.Goarch)
		}
		set := 0
		for _, flag := range b.Ldflags {
			if strings.Contains(flag, ".Date ") || strings.HasSuffix(flag, "{{ .Date }}") {
				t.Errorf("%s: %s is another each time", b.ID, flag)
			}
			if m := variable.FindStringSubmatch(flag); m != nil {
				set++
				if !regexp.MustCompile(`(?m)^\t` + m[1] + `\s+string$`).MatchString(cli) {
					t.Errorf("%s: internal/cli has no variable %q", b.ID, m[1])
				}
			}
		}
		if set != 3 {
			t.Errorf("%s: version, commit and date are not all set: %q", b.ID, b.Ldflags)
		}
	}
	slices.Sort(built)
	if want := programs(t); !slices.Equal(built, want) {
		t.Errorf("built are %q, want %q", built, want)
	}
}

// TestNames compares with what downloads a release.
func TestNames(t *testing.T) {
	c := load(t)
	if len(c.Archives) != 1 || c.Archives[0].Name != "unitstamp_{{ .Version }}_{{ .Os }}_{{ .Arch }}" || !slices.Equal(c.Archives[0].Formats, []string{"tar.gz"}) {
		t.Fatalf("the archives are %+v", c.Archives)
	}
	if c.Checksum.Name != "checksums.txt" || c.Checksum.Algorithm != "sha256" {
		t.Errorf("the checksums are %+v", c.Checksum)
	}
	for path, want := range map[string]string{
		".circleci/orb/src/scripts/install.sh": "unitstamp_${PARAM_VERSION}_linux_$arch.tar.gz",
		"examples/github-actions/deploy.yml":   "unitstamp_${VERSION}_linux_amd64.tar.gz",
		"examples/gitlab-ci/.gitlab-ci.yml":    "unitstamp_${VERSION}_linux_amd64.tar.gz",
	} {
		if content := read(t, path); !strings.Contains(content, want) || !strings.Contains(content, "checksums.txt") {
			t.Errorf("%s downloads something else", path)
		}
	}
}

// TestImages compares the images with their Dockerfiles, and with what is made from one;
// the lab builds and runs them.
func TestImages(t *testing.T) {
	c := load(t)
	var pictured []string
	for _, d := range c.Dockers {
		if len(d.IDs) != 1 || !slices.Equal(d.Images, []string{"unitstamp/" + d.IDs[0]}) || !slices.Equal(d.Tags, []string{"{{ .Version }}"}) ||
			!slices.Equal(d.Platforms, []string{"linux/amd64", "linux/arm64"}) || d.Dockerfile != ".release/"+d.IDs[0]+".Dockerfile" {
			t.Fatalf("an image is %+v", d)
		}
		name := d.IDs[0]
		pictured = append(pictured, name)
		if d.Labels["org.opencontainers.image.version"] != "{{ .Version }}" {
			t.Errorf("%s has the labels %v", name, d.Labels)
		}
		// Two builds give one image, which nothing of the second build's time is attached to.
		if d.Arguments["SOURCE_DATE_EPOCH"] != "{{ .CommitTimestamp }}" || d.SBOM != "false" ||
			!slices.Equal(d.Flags, []string{"--output=type=image,rewrite-timestamp=true", "--provenance=false"}) {
			t.Errorf("%s is another image each time: %+v", name, d)
		}
		content := read(t, d.Dockerfile)
		for _, want := range []string{"FROM scratch\n", "COPY ${TARGETPLATFORM}/" + name + " /" + name + "\n", "ENTRYPOINT [\"/" + name + "\"]\n"} {
			if !strings.Contains(content, want) {
				t.Errorf("%s lacks %q", d.Dockerfile, want)
			}
		}
		if copied := strings.Count(content, "\nCOPY "); copied != 1+len(d.Files) {
			t.Errorf("%s copies %d times, but gets %q besides the program", d.Dockerfile, copied, d.Files)
		}
		for _, file := range d.Files {
			if !strings.Contains(content, "COPY "+file+" /") {
				t.Errorf("%s does not copy %s", d.Dockerfile, file)
			}
		}
	}
	slices.Sort(pictured)
	if want := programs(t); !slices.Equal(pictured, want) {
		t.Errorf("there are images of %q, want %q", pictured, want)
	}
	if content := read(t, "examples/sysconfig/Dockerfile"); !strings.Contains(content, "ARG CONFAPPLY=unitstamp/confapply:") {
		t.Error("the system configuration is not made from unitstamp/confapply")
	}
}

// TestVersions compares the versions that stand in the orb, the examples and the pages.
func TestVersions(t *testing.T) {
	version := regexp.MustCompile(`(?:unitstamp@|VERSION: |rev: v|default: |unitstamp/\w+:)(\d+\.\d+\.\d+)\b`)
	found := 0
	for _, folder := range []string{".circleci/orb", "examples", "docs"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			for _, m := range version.FindAllStringSubmatch(string(data), -1) {
				found++
				if m[1] != circleci.Version {
					t.Errorf("%s has %s, and the release is %s", path, m[0], circleci.Version)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 15 {
		t.Errorf("%d versions were found", found)
	}
	if content := read(t, ".ci/run"); !strings.Contains(content, "\ngoreleaser=v2.14.3\n") || !strings.Contains(read(t, ".goreleaser.yaml"), "goreleaser 2.14.") || !strings.Contains(read(t, "CONTRIBUTING.md"), "goreleaser/v2@v2.14.3") {
		t.Error("the version of goreleaser is not the same everywhere")
	}
}

// TestPackages makes the pages and completions, and looks for each in the packages.
func TestPackages(t *testing.T) {
	c := load(t)
	if !slices.Equal(c.Before.Hooks, []string{".release/extras", ".release/roots"}) {
		t.Fatalf("before a release runs %q", c.Before.Hooks)
	}
	out := t.TempDir()
	command := exec.Command("sh", filepath.Join(root, ".release", "extras"), out)
	if words, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, words)
	}
	var packaged []string
	for _, p := range c.Packages {
		packaged = append(packaged, p.Name)
		if !slices.Equal(p.IDs, []string{p.Name}) || !slices.Equal(p.Formats, []string{"deb", "rpm", "apk"}) || p.License != "Apache-2.0" || p.Mtime == "" {
			t.Errorf("%+v", p)
		}
		to := map[string]string{}
		for _, content := range p.Contents {
			to[content.Dst] = content.Src
		}
		for dst, want := range map[string]string{
			"/usr/share/man/man1/%s.1.gz":                  ".TH %s 1",
			"/usr/share/bash-completion/completions/%s":    "%s",
			"/usr/share/zsh/vendor-completions/_%s":        "%s",
			"/usr/share/fish/vendor_completions.d/%s.fish": "%s",
			"/usr/share/doc/%s/copyright":                  "",
		} {
			dst = fmt.Sprintf(dst, p.Name)
			src, inOut := strings.CutPrefix(to[dst], ".release/out/")
			path := filepath.Join(root, to[dst])
			if inOut {
				path = filepath.Join(out, src)
			}
			data, err := os.ReadFile(path)
			if err != nil || len(data) == 0 {
				t.Errorf("%s: nothing for %s: %v", p.Name, dst, err)
				continue
			}
			if strings.HasSuffix(dst, ".gz") {
				data = gunzip(t, data)
			}
			if want != "" && !strings.Contains(string(data), fmt.Sprintf(want, p.Name)) {
				t.Errorf("%s is not of %s", dst, p.Name)
			}
		}
	}
	slices.Sort(packaged)
	if want := programs(t); !slices.Equal(packaged, want) {
		t.Errorf("packaged are %q, want %q", packaged, want)
	}
}

func gunzip(t *testing.T, data []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}
