// Package buildtag knows the tags that builds carry: `build_num-branch`, such as
// 58-develop, and release tags, such as v1.2.3.
//
// Build tags are ordered by number within one branch, never as text and never
// across branches. Semantic versioning is right for release tags only: it takes
// 58-develop for a prerelease of 58.0.0, so that ">=58" does not match it and
// 58-feature-10 sorts before 58-feature-9.
package buildtag

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/unitstamp/unitstamp/pkg/imageref"
)

// A Tag is an image tag, understood as far as it can be. The zero Tag is no tag.
type Tag struct {
	text    string
	kind    Kind
	number  uint64
	branch  string
	release *semver.Version
}

// A Kind tells what a tag says.
type Kind uint8

// The kinds of tags.
const (
	// None is the absence of a tag.
	None Kind = iota
	// Build is build_num-branch: 58-develop.
	Build
	// Release is a semantic version: v1.2.3, 9.4.
	Release
	// Moving is any other tag, such as latest or develop: it says nothing about
	// the build behind it.
	Moving
)

// Parse understands a tag. Every text is one; what is no build and no release is
// Moving. Numbers that do not fit 64 bits are not builds.
func Parse(text string) Tag {
	if text == "" {
		return Tag{}
	}
	if digits, branch, found := strings.Cut(text, "-"); found && branch != "" {
		if number, err := strconv.ParseUint(digits, 10, 64); err == nil && isDigit(digits[0]) {
			return Tag{text: text, kind: Build, number: number, branch: branch}
		}
	}
	if isDigit(text[0]) || text[0] == 'v' {
		if release, err := semver.NewVersion(text); err == nil {
			return Tag{text: text, kind: Release, release: release}
		}
	}
	return Tag{text: text, kind: Moving}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// String is the tag as it was written.
func (t Tag) String() string { return t.text }

// Kind tells what the tag says.
func (t Tag) Kind() Kind { return t.kind }

// Number is the build number of a Build tag.
func (t Tag) Number() uint64 { return t.number }

// Branch is the branch of a Build tag in its sanitised form.
func (t Tag) Branch() string { return t.branch }

// Release is the version of a Release tag, or nil.
func (t Tag) Release() *semver.Version { return t.release }

// Compare orders two tags of one stream: builds of the same branch by number,
// releases by semantic version. Two tags of different streams, and tags that
// move, are not comparable. Cutting keeps branches comparable: see ForBuild.
func (t Tag) Compare(u Tag) (order int, comparable bool) {
	switch {
	case t.kind != u.kind:
		return 0, false
	case t.kind == Build && t.branch == u.branch:
		return cmp.Compare(t.number, u.number), true
	case t.kind == Release:
		return t.release.Compare(u.release), true
	}
	return 0, false
}

// Options say how a branch becomes part of a tag.
type Options struct {
	// BranchHash appends a hash of the branch whenever a character was replaced, so
	// that feature/x and feature-x give two tags.
	BranchHash bool
}

// ForBuild makes the tag of a build, <number>-<branch>. What a tag cannot hold is
// replaced as in Sanitize. A tag that would be longer than 128 bytes is cut and
// ends in a hash of the branch; it is then cut so far that every number fits, and
// all later builds of the branch carry the same branch text.
func ForBuild(number uint64, branch string, options Options) (Tag, error) {
	if branch == "" {
		return Tag{}, fmt.Errorf("a build tag needs a branch")
	}
	digits := strconv.FormatUint(number, 10)
	name := sanitize(branch, options)
	if len(digits)+1+len(name) > imageref.MaxTag {
		const longest = len("18446744073709551615-")
		name = cut(name, branch, imageref.MaxTag-longest)
	}
	return Parse(digits + "-" + name), nil
}

// ForBranch makes the moving tag of a branch.
func ForBranch(branch string, options Options) string { return Sanitize(branch, options) }

// ForRelease makes the tag of a git tag.
func ForRelease(gitTag string, options Options) Tag { return Parse(Sanitize(gitTag, options)) }

// Sanitize makes a valid tag of a git branch or tag name: each run of characters
// that a tag cannot hold becomes one '-', a '.' or '-' at the start gets a '_' in
// front, and what is longer than 128 bytes is cut and ends in a hash of the name.
//
// Several names may give one tag: feature/x and feature-x do, unless
// Options.BranchHash is set.
func Sanitize(name string, options Options) string {
	out := sanitize(name, options)
	if out == "" || out[0] == '.' || out[0] == '-' {
		out = "_" + out
	}
	if len(out) > imageref.MaxTag {
		out = cut(out, name, imageref.MaxTag)
	}
	return out
}

func sanitize(name string, options Options) string {
	var out strings.Builder
	replaced, inRun := false, false
	for i := range len(name) {
		if imageref.TagByte(name[i]) {
			out.WriteByte(name[i])
			inRun = false
			continue
		}
		if !inRun {
			out.WriteByte('-')
		}
		replaced, inRun = true, true
	}
	if replaced && options.BranchHash {
		return out.String() + "-" + shortHash(name)
	}
	return out.String()
}

// cut shortens a sanitised name to a length, ending in the hash of the original.
func cut(sanitised, original string, length int) string {
	hash := shortHash(original)
	return strings.TrimSuffix(sanitised[:length-1-len(hash)], "-") + "-" + hash
}

func shortHash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:4])
}
