package circleci

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Version is the release that the orb and the pipelines of examples/ install.
const Version = "0.1.0"

// Release builds the programs of the module at root, and lays a release of them into a
// folder as it is downloaded: v0.1.0 with an archive for each architecture, all of this
// machine's programs, and checksums.txt. The programs themselves are in programs.
func Release(root, dir string, architectures ...string) error {
	programs, release := filepath.Join(dir, "programs"), filepath.Join(dir, "v"+Version)
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", programs+string(filepath.Separator), "./cmd/...")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	if err := os.MkdirAll(release, 0o755); err != nil {
		return err
	}
	sums := fmt.Sprintf("%x  another.deb\n", sha256.Sum256(nil))
	for _, architecture := range architectures {
		name := "unitstamp_" + Version + "_linux_" + architecture + ".tar.gz"
		sum := sha256.New()
		if err := archive(filepath.Join(release, name), programs, sum); err != nil {
			return err
		}
		sums += fmt.Sprintf("%x  %s\n", sum.Sum(nil), name)
	}
	return os.WriteFile(filepath.Join(release, "checksums.txt"), []byte(sums), 0o644)
}

// archive packs a folder, and gives the bytes to a second writer as well.
func archive(path, dir string, also io.Writer) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	zip, err := gzip.NewWriterLevel(io.MultiWriter(file, also), gzip.BestSpeed)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	tarball := tar.NewWriter(zip)
	return errors.Join(tarball.AddFS(os.DirFS(dir)), tarball.Close(), zip.Close(), file.Close())
}
