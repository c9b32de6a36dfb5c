// Demo shows the whole road on this machine: two services whose CI builds finish
// at the same time and in the wrong order, one system-configuration repository,
// and the units of that repository applied to a folder. It runs the three
// programs themselves, checks every step, and leaves nothing behind.
//
//	go run ./demo
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

//go:embed services
var services embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "unitstamp-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &stage{dir: dir, bin: filepath.Join(dir, "bin")}
	fmt.Println("building the three programs …")
	if err := s.build(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	begin := time.Now()
	if err := s.play(ctx); err != nil {
		return err
	}
	fmt.Printf("\nall steps were as they should be; %.1f s\n", time.Since(begin).Seconds())
	return nil
}

// build compiles the programs from the module that the demo itself is in.
func (s *stage) build(ctx context.Context) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("go list: %w: run the demo inside the project", err)
	}
	command := exec.CommandContext(ctx, "go", "build", "-o", s.bin+string(filepath.Separator), "./cmd/unitstamp", "./cmd/confpush", "./cmd/confapply")
	command.Dir = strings.TrimSpace(string(root))
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}

// unpack writes the two service repositories.
func (s *stage) unpack() error {
	return fs.WalkDir(services, "services", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(s.dir, strings.TrimPrefix(path, "services"))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := services.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
}
