//go:build lab

// Naive is what one writes with go-git after an afternoon: clone without a work
// tree on disk, add, commit, push. It is the measure for confpush, not a model.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/memfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/go-git/go-git/v5/storage/memory"
)

func main() {
	if err := push(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func push(url, file, target string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var auth transport.AuthMethod
	if key := os.Getenv("CONFPUSH_SSH_KEY"); strings.HasPrefix(url, "ssh:") {
		if auth, err = ssh.NewPublicKeysFromFile("git", key, ""); err != nil {
			return err
		}
	}
	files := memfs.New()
	repo, err := git.Clone(memory.NewStorage(), files, &git.CloneOptions{URL: url, Auth: auth, Depth: 1, SingleBranch: true, ReferenceName: "refs/heads/main"})
	if err != nil {
		return err
	}
	f, err := files.Create(target)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	tree, err := repo.Worktree()
	if err != nil {
		return err
	}
	if _, err := tree.Add(target); err != nil {
		return err
	}
	me := &object.Signature{Name: "naive", Email: "naive@example.com", When: time.Now()}
	if _, err := tree.Commit("Updating", &git.CommitOptions{Author: me}); err != nil {
		return err
	}
	return repo.Push(&git.PushOptions{Auth: auth})
}
