package confrepo

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// Signature names the author or the committer of a commit.
type Signature struct {
	Name  string
	Email string
	// When is the moment of the deed; zero means the time of the attempt.
	When time.Time
}

// String is the form that stands in a commit object. Characters that would
// break it (angle brackets, line ends) are left out, as git does.
func (s Signature) String() string {
	clean := func(t string) string {
		t = strings.Map(func(r rune) rune {
			if r < ' ' || r == '<' || r == '>' {
				return -1
			}
			return r
		}, t)
		return strings.Trim(t, " .,:;\"'\\")
	}
	return fmt.Sprintf("%s <%s> %d %s", clean(s.Name), clean(s.Email), s.When.Unix(), s.When.Format("-0700"))
}

// Commit is a commit as far as a decision needs it.
type Commit struct {
	// ID is the commit's id in hex.
	ID string
	// Parents are the ids of its parents, the first parent first.
	Parents []string
	// Message is the commit message.
	Message string
	// Distance is the number of generations from the tip, 0 for the tip itself.
	Distance int

	id   plumbing.Hash
	tree plumbing.Hash
}

// parseCommit reads a raw commit object.
func parseCommit(id plumbing.Hash, raw []byte) (Commit, error) {
	c := Commit{ID: id.String(), id: id}
	head, message, _ := bytes.Cut(raw, []byte("\n\n"))
	for line := range strings.Lines(string(head)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "tree":
			c.tree = plumbing.NewHash(value)
		case "parent":
			c.Parents = append(c.Parents, value)
		}
	}
	if c.tree.IsZero() {
		return Commit{}, fmt.Errorf("malformed commit %s", id)
	}
	c.Message = string(message)
	return c, nil
}

// encodeCommit writes a commit object; sign, if not nil, is given the bytes to
// be signed and returns an armoured signature.
func encodeCommit(tree, parent plumbing.Hash, d Decision, sign func([]byte) (string, error)) ([]byte, error) {
	var head strings.Builder
	fmt.Fprintf(&head, "tree %s\n", tree)
	if !parent.IsZero() {
		fmt.Fprintf(&head, "parent %s\n", parent)
	}
	fmt.Fprintf(&head, "author %s\ncommitter %s\n", d.Author, d.Committer)
	message := "\n" + strings.TrimRight(strings.ReplaceAll(d.Message, "\x00", ""), "\n") + "\n"
	if sign == nil {
		return []byte(head.String() + message), nil
	}
	signature, err := sign([]byte(head.String() + message))
	if err != nil {
		return nil, &Error{Kind: Usage, Step: "sign", Text: oneLine(err.Error()), Err: err}
	}
	folded := strings.ReplaceAll(strings.TrimRight(signature, "\n"), "\n", "\n ")
	return []byte(head.String() + "gpgsig " + folded + "\n" + message), nil
}
