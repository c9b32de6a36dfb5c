//go:build lab

package lab

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/oracle/imageplaces"
	"github.com/unitstamp/unitstamp/internal/programs"
)

// imageDifferences names the real units of which `unitstamp images` and the real
// programs see different images, with the reason.
var imageDifferences = map[string]string{
	"cogfor__coreos-services/redis-docker-reg.service": "docker of today takes the value of the old option -link for the image; we refuse to choose",
	"cogfor__coreos-services/redis-dyn-amb.service":    "docker of today takes the value of the old option -link for the image; we refuse to choose",
}

// listedImages runs `unitstamp images --json` and returns the images that it
// knows in full.
func listedImages(t *testing.T, program string, file realUnit) []string {
	t.Helper()
	// The instance is given as the oracle gets it.
	name := strings.Replace(file.name, "@.", "@7.", 1)
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, file.source, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "images", "--json", path).Output()
	if err != nil {
		t.Fatalf("%s: %v", file.file, err)
	}
	var entries []struct{ Resolved, Kind string }
	if err := json.Unmarshal(out, &entries); err != nil {
		t.Fatalf("%s: %v in %q", file.file, err, out)
	}
	var images []string
	for _, entry := range entries {
		if entry.Kind != "unresolved" {
			images = append(images, fullReference(entry.Resolved))
		}
	}
	return sortedUnique(images)
}

// fullReference gives a reference Docker Hub's defaults, as a pull does.
func fullReference(reference string) string {
	repository, suffix := imageplaces.Split(reference)
	if suffix == "" {
		suffix = ":latest"
	}
	return imageplaces.Normal(repository) + suffix
}

func sortedUnique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

func TestOracleImagesRealUnits(t *testing.T) {
	program := filepath.Join(programs.For(t, "unitstamp"), "unitstamp")
	files, _, _, verdicts := realImages(t)
	units, images := 0, 0
	for i, verdict := range verdicts {
		if verdict.Refused != "" {
			continue
		}
		var theirs []string
		unknown := false
		for _, image := range verdict.Images {
			if image.Operand == "" {
				unknown = true
				continue
			}
			theirs = append(theirs, fullReference(image.Operand))
		}
		theirs = sortedUnique(theirs)
		ours := listedImages(t, program, files[i])
		units++
		images += len(theirs)
		missing := slices.DeleteFunc(slices.Clone(theirs), func(image string) bool { return slices.Contains(ours, image) })
		extra := slices.DeleteFunc(slices.Clone(ours), func(image string) bool { return slices.Contains(theirs, image) })
		reason, expected := imageDifferences[files[i].file]
		switch differs := len(missing) > 0 || len(extra) > 0; {
		case differs && expected:
			t.Logf("%s differs: %s", files[i].file, reason)
		case differs:
			t.Errorf("%s: we miss %q, the real programs do not see %q (something unknown to them: %v)", files[i].file, missing, extra, unknown)
		case expected:
			t.Errorf("%s agrees, but the table says: %s", files[i].file, reason)
		}
	}
	t.Logf("%d units, %d images", units, images)
}
