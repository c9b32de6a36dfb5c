package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// play is the road, step by step.
func (s *stage) play(ctx context.Context) error {
	if err := s.repositories(ctx); err != nil {
		return err
	}
	old, fresh, front := s.job("myservice", 57), s.job("myservice", 58), s.job("front", 12)

	s.scene("Build 57 of myservice stamps its unit, with the tag that its image was pushed with. Then its tests take long.")
	if err := s.inOrder(
		s.later(old, 0, "57-develop", "unitstamp", "tag", "--image", "myrepo/myservice"),
		s.later(old, 0, "57-develop written into 2 references of 1 file", "unitstamp", "stamp", "-w", "myservice.service"),
	); err != nil {
		return err
	}

	s.scene("Build 58 of myservice and build 12 of front push at the same time. Both land.")
	if err := s.inOrder(
		s.later(fresh, 0, "+ExecStart=/usr/bin/docker run --name myservice -p 3000:3000 myrepo/myservice:58-develop", "unitstamp", "stamp", "-d", "myservice.service"),
		s.later(fresh, 0, "", "unitstamp", "stamp", "-w", "myservice.service"),
		s.later(front, 0, "", "unitstamp", "stamp", "-w", "front.service"),
	); err != nil {
		return err
	}
	if err := s.together(
		s.later(fresh, 0, "", "confpush", "--repo", s.bare(), "--dir", "units", "myservice.service"),
		s.later(front, 0, "", "confpush", "--repo", s.bare(), "--dir", "units", "front.service"),
	); err != nil {
		return err
	}

	s.scene("Build 57 comes late. It would take the service back, and is refused with exit code 4.")
	if err := s.check(old, 4, "58-develop", "confpush", "--repo", s.bare(), "--dir", "units", "myservice.service"); err != nil {
		return err
	}
	if err := s.history(ctx); err != nil {
		return err
	}

	s.scene("In the cluster: the captured units are planned and applied. Here the target is a folder.")
	if err := s.capture(ctx); err != nil {
		return err
	}
	plan := []string{"confapply", "plan", "--units", "sysconfig/units", "--engine", "dir", "--target", "host"}
	apply := append([]string{"confapply", "apply"}, plan[2:]...)
	if err := s.inOrder(
		s.later(s.host(), 0, "create", plan...),
		s.later(s.host(), 0, "create", apply...),
		s.later(s.host(), 0, "", append(append([]string{}, plan...), "--check")...),
	); err != nil {
		return err
	}

	s.scene("Build 59 goes the same way.")
	next := s.job("myservice", 59)
	if err := s.inOrder(
		s.later(next, 0, "", "unitstamp", "stamp", "-w", "--image", "myrepo/myservice", "myservice.service"),
		s.later(next, 0, "", "confpush", "--repo", s.bare(), "--dir", "units", "myservice.service"),
	); err != nil {
		return err
	}
	if err := s.capture(ctx); err != nil {
		return err
	}
	if err := s.inOrder(
		s.later(s.host(), 1, "update", append(append([]string{}, plan...), "--check")...),
		s.later(s.host(), 0, "update", apply...),
	); err != nil {
		return err
	}
	return s.compare()
}

// repositories makes the services' repositories and the bare one that all share.
func (s *stage) repositories(ctx context.Context) error {
	if err := s.unpack(); err != nil {
		return err
	}
	for _, service := range []string{"myservice", "front"} {
		if err := s.git(ctx, service, "init", "-q", "-b", "develop", "."); err != nil {
			return err
		}
		if err := s.commitAll(ctx, service, "Add the unit"); err != nil {
			return err
		}
	}
	if err := s.git(ctx, ".", "init", "-q", "--bare", "-b", "develop", "sysconfig.git"); err != nil {
		return err
	}
	if err := s.git(ctx, ".", "clone", "-q", "sysconfig.git", "sysconfig"); err != nil {
		return err
	}
	if err := s.git(ctx, "sysconfig", "checkout", "-q", "-B", "develop"); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "sysconfig", "README"), []byte("units of the shop\n"), 0o644); err != nil {
		return err
	}
	if err := s.commitAll(ctx, "sysconfig", "Begin the system configuration"); err != nil {
		return err
	}
	return s.git(ctx, "sysconfig", "push", "-q", "origin", "develop")
}

func (s *stage) commitAll(ctx context.Context, repository, message string) error {
	if err := s.git(ctx, repository, "add", "-A"); err != nil {
		return err
	}
	return s.git(ctx, repository, "commit", "-q", "-m", message)
}

// history shows what landed, and that the late build did not.
func (s *stage) history(ctx context.Context) error {
	log, err := s.gitOutput(ctx, "sysconfig.git", "log", "--reverse", "--format=%s", "develop")
	if err != nil {
		return err
	}
	s.show("git -C sysconfig.git log --reverse --format=%s develop", log)
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for _, want := range []string{"Updating myservice tag to '58-develop'", "Updating front tag to '12-develop'"} {
		if strings.Count(log, want) != 1 {
			return fmt.Errorf("the history should hold %q once", want)
		}
	}
	if len(lines) != 3 {
		return fmt.Errorf("the history has %d commits, not 3", len(lines))
	}
	return nil
}

// capture is what the system-configuration repository's own CI does: take the
// units of its branch.
func (s *stage) capture(ctx context.Context) error {
	return s.git(ctx, "sysconfig", "pull", "-q", "--ff-only", "origin", "develop")
}

// compare sees that the target holds what was stamped, byte for byte, and that the
// only bytes changed on the whole road are the tags.
func (s *stage) compare() error {
	for service, tags := range map[string]*strings.Replacer{
		"myservice": strings.NewReplacer("myrepo/myservice:59-develop", "myrepo/myservice"),
		"front":     strings.NewReplacer("shop/front:12-develop", "shop/front"),
	} {
		applied, err := os.ReadFile(filepath.Join(s.dir, "host", service+".service"))
		if err != nil {
			return err
		}
		original, err := services.ReadFile("services/" + service + "/" + service + ".service")
		if err != nil {
			return err
		}
		if tags.Replace(string(applied)) != string(original) || string(applied) == string(original) {
			return fmt.Errorf("the applied %s.service is not the original with its tags:\n%s", service, applied)
		}
	}
	return nil
}

// inOrder runs steps one after the other, up to the first that fails.
func (s *stage) inOrder(steps ...func() (string, error)) error {
	for _, step := range steps {
		output, err := step()
		fmt.Print(output)
		if err != nil {
			return err
		}
	}
	return nil
}

// together runs steps at the same time and shows them one after the other.
func (s *stage) together(steps ...func() (string, error)) error {
	outputs, errs := make([]string, len(steps)), make([]error, len(steps))
	var group sync.WaitGroup
	for i, step := range steps {
		group.Go(func() { outputs[i], errs[i] = step() })
	}
	group.Wait()
	for i := range steps {
		fmt.Print(outputs[i])
		if errs[i] != nil {
			return errs[i]
		}
	}
	return nil
}
