//go:build lab

package release

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestImagesTwice builds each image from both releases, with nothing shared, for both
// platforms: the same image, to the digest of its manifest. It is podman that builds,
// which can be told a time as docker's buildx can, and docker's own builder cannot.
func TestImagesTwice(t *testing.T) {
	r := releases(t)
	for _, image := range images {
		for _, arch := range arches {
			t.Run(image.name+" for "+arch, func(t *testing.T) {
				first := podmanBuild(t, layout(t, r.first, image.name, arch), arch, r.date)
				time.Sleep(1100 * time.Millisecond) // a clock in an image would show
				second := podmanBuild(t, layout(t, r.second, image.name, arch), arch, r.date)
				if first != second {
					t.Errorf("first\n%+v, second\n%+v", first, second)
				}
				if first.Architecture != arch || !first.Created.Equal(r.date) || first.ID == "" || !strings.HasPrefix(first.Digest, "sha256:") {
					t.Errorf("the image is %+v", first)
				}
			})
		}
	}
}

// picture is what two images have to share: the sums of its configuration and history, of
// its manifest, and of its layers.
type picture struct {
	ID, Digest, Architecture string
	Created                  time.Time
	Layers                   string
}

func podmanBuild(t *testing.T, dir, arch string, date time.Time) picture {
	t.Helper()
	store, err := os.MkdirTemp("", "podman") // podman takes short paths only
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(store); err != nil {
			t.Error(err)
		}
	})
	podman := []string{"podman", "--root", filepath.Join(store, "root"), "--runroot", filepath.Join(store, "run"), "--tmpdir", filepath.Join(store, "tmp"),
		"--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none"}
	run(t, append(podman, "build", "--quiet", "--platform", "linux/"+arch, "--timestamp", strconv.FormatInt(date.Unix(), 10), "--tag", "image", dir)...)
	var found []struct {
		picture
		RootFS struct{ Layers []string }
	}
	out := run(t, append(podman, "image", "inspect", "image")...)
	if err := json.Unmarshal([]byte(out), &found); err != nil || len(found) != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	p := found[0].picture
	p.Layers = fmt.Sprint(found[0].RootFS.Layers)
	return p
}
