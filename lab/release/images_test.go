//go:build lab

package release

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/lab/engine"
	"github.com/unitstamp/unitstamp/lab/node"
)

const (
	bundle = "etc/ssl/certs/ca-certificates.crt"
	mega   = 1_000_000
)

// images are what is expected of each: its user, and how many bytes it may have.
var images = []struct {
	name, user string
	limit      int
	more       []string // files besides the program
}{
	{"unitstamp", "65534:65534", 8 * mega, nil},
	{"confpush", "65534:65534", 20*mega + mega/2, []string{bundle}},
	{"confapply", "", 12 * mega, nil},
}

// TestImages builds the three images of the release in a docker engine without a network,
// and looks at all that is in them. Then it runs the commands of their page.
func TestImages(t *testing.T) {
	r := releases(t)
	authority := newAuthority(t)
	n := node.Boot(t)
	engine.Start(t, n, "docker")
	for _, image := range images {
		t.Run(image.name, func(t *testing.T) {
			n := n.For(t)
			tag := "unitstamp/" + image.name + ":" + version
			dir := layout(t, r.first, image.name, runtime.GOARCH)
			if slices.Contains(image.more, bundle) {
				// Git servers of the lab are signed for by an authority of its own.
				add(t, filepath.Join(dir, ".release", "out", "ca-certificates.crt"), authority.pem)
			}
			dockerBuild(t, n, dir, tag)

			want := map[string]string{image.name: r.binary(image.name, runtime.GOARCH)}
			for _, path := range image.more {
				want[path] = filepath.Join(dir, ".release", "out", filepath.Base(path))
			}
			size := compareFiles(t, n, tag, want)
			t.Logf("%s has %.1f MB", tag, float64(size)/mega)
			if size > image.limit {
				t.Errorf("at most %d are wanted", image.limit)
			}
			if got := strings.TrimSpace(n.Must("docker", "inspect", "--format", "{{.Config.User}} {{.Config.Entrypoint}}", tag)); got != strings.TrimSpace(image.user+" [/"+image.name+"]") {
				t.Errorf("user and entrypoint are %q", got)
			}
			var says struct{ Program, Version, Platform string }
			out := n.Must("docker", "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", tag, "version", "--json")
			if err := json.Unmarshal([]byte(out), &says); err != nil || says.Program != image.name || says.Version != version || says.Platform != "linux/"+runtime.GOARCH {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	if !t.Failed() {
		page(t, n, r, authority)
	}
}

// layout makes the folder that goreleaser hands to docker, from a release's folder: the
// Dockerfile, the program below its platform, and further files under the paths that they
// have there.
func layout(t *testing.T, release, name, arch string) string {
	t.Helper()
	dir := t.TempDir()
	for from, to := range map[string]string{
		filepath.Join(".release", name+".Dockerfile"):           "Dockerfile",
		binary(name, arch):                                      filepath.Join("linux", arch, name),
		filepath.Join(".release", "out", "ca-certificates.crt"): filepath.Join(".release", "out", "ca-certificates.crt"),
	} {
		run(t, "install", "-D", "-m", "0755", filepath.Join(release, from), filepath.Join(dir, to))
	}
	return dir
}

func add(t *testing.T, path string, more []byte) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(old) < 100_000 {
		t.Errorf("%s has %d bytes: that is not the world's authorities", path, len(old))
	}
	if err := os.WriteFile(path, append(old, more...), 0o644); err != nil {
		t.Fatal(err)
	}
}

func dockerBuild(t *testing.T, n *node.Node, dir, tag string) {
	t.Helper()
	files := exec.Command("tar", "-C", dir, "-c", ".")
	var input bytes.Buffer
	files.Stdout = &input
	if err := files.Run(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := n.Command(ctx, "docker", "build", "--quiet", "--build-arg", "TARGETPLATFORM=linux/"+runtime.GOARCH, "--tag", tag, "-")
	command.Stdin = &input
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// compareFiles compares all files of an image's layers with those on this machine, and
// returns their size.
func compareFiles(t *testing.T, n *node.Node, tag string, want map[string]string) int {
	t.Helper()
	size := 0
	var got []string
	for _, layer := range layers(t, n, tag) {
		reader := tar.NewReader(bytes.NewReader(layer))
		for {
			header, err := reader.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if header.Typeflag == tar.TypeDir {
				continue
			}
			data, err := io.ReadAll(reader)
			if err != nil {
				t.Fatal(err)
			}
			size += len(data)
			got = append(got, header.Name)
			if header.Typeflag != tar.TypeReg || header.Uid != 0 || header.Mode&0o022 != 0 {
				t.Errorf("%s is of type %q, user %d, mode %o", header.Name, header.Typeflag, header.Uid, header.Mode)
			}
			if same, err := os.ReadFile(want[header.Name]); err != nil || !bytes.Equal(same, data) {
				t.Errorf("%s is not what was built: %v", header.Name, err)
			}
		}
	}
	if len(got) != len(want) {
		t.Errorf("the image holds %q, and %d files are wanted", got, len(want))
	}
	return size
}

// layers are the archives within the archive that docker saves.
func layers(t *testing.T, n *node.Node, tag string) [][]byte {
	t.Helper()
	reader := tar.NewReader(strings.NewReader(n.Must("docker", "save", tag)))
	files := map[string][]byte{}
	for {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
	var manifest []struct{ Layers []string }
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil || len(manifest) != 1 {
		t.Fatalf("%v\n%s", err, files["manifest.json"])
	}
	var list [][]byte
	for _, name := range manifest[0].Layers {
		if files[name] == nil {
			t.Fatal(fmt.Errorf("no layer %s", name))
		}
		list = append(list, files[name])
	}
	return list
}
