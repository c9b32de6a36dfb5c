// Package guard decides whether a build may replace what the tip of the
// configuration repository holds, and what the commit that does so says.
//
// # Never back
//
// Builds of one stream are ordered by their number. A stream is a unit's path,
// an image repository and the branch in the image's tag: 57-develop never
// replaces 58-develop in the same unit, while 12-master is another stream and
// needs a deliberate word. Equal builds with other bytes are a conflict, not an
// update. Tags that say nothing of their build (latest, a digest) never block.
//
// # The high-water mark
//
// The tip alone is not enough. If a person takes a unit back from 58 to 55, a
// late job of build 57 looks newer than the tip and would undo the roll-back.
// The mark that prevents this must survive a plain "git revert", so it cannot
// lie in the tree, which a revert restores whole. It lies in the history:
//
//   - Every commit made here carries the trailer Unitstamp-Parent with the id of
//     its parent. If it names the parent that the commit has, the commit is
//     sealed: it was made here, upon that tip, and nobody has rebased,
//     cherry-picked or reverted it since, all of which change the parent or the
//     message.
//   - A sealed commit accounts for everything before it. Streams whose tip is
//     below their highest build are listed in its Unitstamp-Mark trailers, and
//     are copied from commit to commit until the stream has passed its mark or
//     was lowered on purpose. Mostly there are none.
//   - If the tip is sealed, its own message holds all marks, at no cost. If it is
//     not, somebody else committed since. Then the nearest sealed ancestors are
//     looked up and their trees compared with the tip's; every unit that holds a
//     lower build now, or none, or is gone, gets a mark. The commit that is about
//     to be made carries these marks on.
//
// The look back goes Memory generations deep. It mostly costs no round trip of
// its own: the tip's parents come with the tip, older commits together with the
// unit that is to be compared. Only two or more commits by others on top of a
// sealed one cost one or two more, once. A
// history that was rewritten by force is outside of this: what is no longer in
// it is forgotten.
package guard

import (
	"github.com/unitstamp/unitstamp/pkg/buildtag"
)

// Memory is how many generations of other people's commits on top of the last
// sealed one are looked through.
const Memory = 50

// maxMarks bounds the marks that a commit carries; the newest stay.
const maxMarks = 64

// maxCompared bounds the changed files whose contents are compared.
const maxCompared = 500

// Commit is a commit of the configuration repository.
type Commit struct {
	ID       string
	Parents  []string
	Message  string
	Distance int // generations from the tip
}

// Difference is a file that is not the same in an ancestor and in the tip. Old
// and New name the contents, "" where there is no file.
type Difference struct {
	Path     string
	Old, New string
}

// View is what a decision reads of the tip. An error of its methods ends the
// decision and is returned; reading goes on a little after it, so that a view
// which loads on demand learns of more than one wish at a time.
type View interface {
	// Tip is the tip commit; its ID is "" in an empty repository.
	Tip() Commit
	// NewBranch tells that the branch is created on this tip.
	NewBranch() bool
	// File reads a file of the tip.
	File(path string) (content []byte, exists bool, err error)
	// Ancestors returns the tip and its ancestors over all parents, nearest first.
	Ancestors(generations int) ([]Commit, error)
	// ChangedSince compares one of the ancestors with the tip, sorted by path.
	ChangedSince(ancestor Commit) ([]Difference, error)
	// Blob reads a content that a Difference names.
	Blob(id string) ([]byte, error)
}

// File is a file that shall be written or removed.
type File struct {
	Path    string
	Content []byte
	Remove  bool
}

// Request is what shall be committed, by which build and with which permissions.
type Request struct {
	// ID names the request where it waits in a queue with others, so that its
	// commit can be found whoever made it; "" for a job that pushes by itself.
	ID    string
	Files []File
	Build Build
	// Template of the message; "" means the usual one. See Message.
	Template string
	// AllowDowngrade lets a lower build replace a higher one.
	AllowDowngrade bool
	// AllowBranchChange lets a build replace one of another branch.
	AllowBranchChange bool
	// AllowRewrite lets the same build bring other bytes.
	AllowRewrite bool
}

// Build is what is known of the build that asks; the zero value is nothing.
type Build struct {
	// Tag is the build's tag as it is stamped.
	Tag buildtag.Tag
	// Branch is the raw branch name.
	Branch string
	// Source is the id of the commit that was built.
	Source string
	// URL leads to the build's page.
	URL string
}

// Action is what becomes of a file.
type Action string

// The actions, in the words of the programs' output.
const (
	Created   Action = "created"
	Updated   Action = "updated"
	Removed   Action = "removed"
	Unchanged Action = "unchanged"
)

// FileOutcome is the decision about one file.
type FileOutcome struct {
	Path   string
	Action Action
	// Old and New are the tags before and after; "" where there is none.
	Old, New string
	// Before and After are the contents; nil where there is no file.
	Before, After []byte
}

// Outcome is a decision in favour of the build.
type Outcome struct {
	// Files are in the order of the request.
	Files []FileOutcome
	// Message is the commit message with its trailers; "" if nothing changes.
	Message string
	// Notes are worth a line to the person who asked.
	Notes []string
}

// Refusal is a decision against the build.
type Refusal struct {
	Path   string
	Reason string
	Hint   string
}

func (r *Refusal) Error() string { return r.Path + ": " + r.Reason }
