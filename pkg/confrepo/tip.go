package confrepo

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// ErrLoading is returned by the reading methods of [Tip] for what has not been
// fetched yet. A [Decide] function that meets it returns it (or anything
// else: its answer is not used); it is called again once everything that it
// asked for is there. Asking for all that is needed before giving up saves
// round trips.
var ErrLoading = errors.New("content of the tip is still to be fetched")

// Tip is a read-only view of the commit that is about to become the parent.
type Tip struct {
	// ID is the id of the tip in hex, or "" if the repository is empty.
	ID string
	// Branch is the branch that will be updated.
	Branch string
	// New says that the branch does not exist yet: it will be created on top
	// of this tip, which belongs to the branch that the remote's HEAD names.
	New bool
	// Request is the name of the request that is decided about; "" for a job that
	// pushes by itself. See [Queue].
	Request string

	commit  Commit
	base    plumbing.Hash // the tip on the server
	made    int           // commits that were made upon base and are not there yet
	store   *store
	history int // commits from the tip on that have been asked for
	needs   needs
	// folderRounds counts how often folders had to be fetched.
	folderRounds int

	ancestors []Commit                // as last returned
	changes   map[string][]Difference // since an ancestor, as once found
}

// needs is what a decision asked for and did not find.
type needs struct {
	blobs   []plumbing.Hash
	folders []plumbing.Hash
	history int // commits from the tip on
	trees   int // commits from the tip on whose trees are wanted
}

func (n needs) empty() bool {
	return len(n.blobs) == 0 && len(n.folders) == 0 && n.history == 0 && n.trees == 0
}

// File is a regular file of a commit.
type File struct {
	// Mode is the mode's octal digits as they stand in the tree, such as "100644".
	Mode string
	// ID is the id of the content in hex.
	ID string
	// Content is the file's bytes; they must not be changed.
	Content []byte
}

// Commit returns the tip commit; its ID is "" in an empty repository.
func (t *Tip) Commit() Commit { return t.commit }

// File reads a file of the tip. It reports false if there is nothing at that
// path, and an [Error] of kind [Obstructed] if something else than a file is,
// or if a part of the path is not a folder.
func (t *Tip) File(path string) (File, bool, error) { return t.fileAt(t.commit.tree, path) }

func (t *Tip) fileAt(root plumbing.Hash, path string) (File, bool, error) {
	e, ok, err := t.lookUp(root, path)
	if err != nil || !ok {
		return File{}, false, err
	}
	if !e.isFile() {
		return File{}, false, failure(Obstructed, "decide", "%q is %s, not a file", path, e.what())
	}
	content, ok := t.store.get(e.id, plumbing.BlobObject)
	if !ok {
		t.needBlob(e.id)
		return File{}, false, ErrLoading
	}
	return File{Mode: string(e.mode), ID: e.id.String(), Content: content}, true, nil
}

// Blob reads content by its id, as found in a [Difference].
func (t *Tip) Blob(id string) ([]byte, error) {
	hash := plumbing.NewHash(id)
	content, ok := t.store.get(hash, plumbing.BlobObject)
	if !ok {
		t.needBlob(hash)
		return nil, ErrLoading
	}
	return content, nil
}

func (t *Tip) needBlob(id plumbing.Hash) {
	if !slices.Contains(t.needs.blobs, id) {
		t.needs.blobs = append(t.needs.blobs, id)
	}
}

// List names the regular files directly in a folder ("" is the root), in the
// tree's order.
func (t *Tip) List(dir string) ([]string, error) {
	root := t.commit.tree
	if dir != "" {
		e, ok, err := t.lookUp(root, dir)
		if err != nil || !ok {
			return nil, err
		}
		if !e.isTree() {
			return nil, failure(Obstructed, "decide", "%q is %s, not a folder", dir, e.what())
		}
		root = e.id
	}
	if root.IsZero() {
		return nil, nil
	}
	raw, ok := t.store.get(root, plumbing.TreeObject)
	if !ok {
		return nil, t.absent(root)
	}
	var names []string
	for e, err := range treeEntries(raw) {
		if err != nil {
			return nil, err
		}
		if e.isFile() {
			names = append(names, string(e.name))
		}
	}
	return names, nil
}

func (t *Tip) lookUp(root plumbing.Hash, full string) (entry, bool, error) {
	at := entry{mode: []byte("40000"), id: root}
	where := ""
	for part := range strings.SplitSeq(full, "/") {
		if !at.isTree() {
			return entry{}, false, failure(Obstructed, "decide", "%q is %s, so nothing can be put below it", where, at.what())
		}
		if at.id.IsZero() {
			return entry{}, false, nil
		}
		raw, ok := t.store.get(at.id, plumbing.TreeObject)
		if !ok {
			return entry{}, false, t.absent(at.id)
		}
		e, ok, _, err := findEntry(raw, part, false)
		if err != nil || !ok {
			return entry{}, false, err
		}
		at, where = e, path.Join(where, part)
	}
	return at, true, nil
}

// Ancestors returns the tip and its ancestors over all parents, each commit
// once, nearest first, at most limit generations deep.
func (t *Tip) Ancestors(limit int) ([]Commit, error) {
	if t.commit.id.IsZero() {
		return nil, nil
	}
	if t.history < limit {
		t.needs.history = max(t.needs.history, limit)
		return nil, ErrLoading
	}
	seen := map[plumbing.Hash]bool{t.commit.id: true}
	all := []Commit{t.commit}
	level := all
	for depth := 1; depth < limit && len(level) > 0; depth++ {
		var next []Commit
		for _, c := range level {
			for _, p := range c.Parents {
				id := plumbing.NewHash(p)
				if seen[id] {
					continue
				}
				seen[id] = true
				raw, ok := t.store.get(id, plumbing.CommitObject)
				if !ok {
					continue // the end of what the server has (a shallow repository)
				}
				parent, err := parseCommit(id, raw)
				if err != nil {
					return nil, err
				}
				parent.Distance = depth
				next = append(next, parent)
			}
		}
		all = append(all, next...)
		level = next
	}
	t.ancestors = all
	return all, nil
}

// Difference is a file that is not the same in an ancestor and in the tip.
type Difference struct {
	Path string
	// Old and New are ids of content in hex; "" where there is no regular file.
	Old, New string
}

// ChangedSince compares an ancestor (the id of a commit that [Tip.Ancestors]
// returned) with the tip.
// It lists regular files only, sorted by path.
func (t *Tip) ChangedSince(ancestor string) ([]Difference, error) {
	if found, known := t.changes[ancestor]; known {
		return found, nil
	}
	at := slices.IndexFunc(t.ancestors, func(c Commit) bool { return c.ID == ancestor })
	if at < 0 {
		return nil, fmt.Errorf("%s is no ancestor that was looked up", ancestor)
	}
	d := differ{t: t}
	d.trees(t.ancestors[at].tree, t.commit.tree, "")
	if d.loading {
		return nil, ErrLoading
	}
	if d.incomplete {
		t.needs.trees = max(t.needs.trees, t.ancestors[at].Distance+1)
		return nil, ErrLoading
	}
	slices.SortFunc(d.found, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
	if d.err != nil {
		return nil, d.err
	}
	if t.changes == nil {
		t.changes = map[string][]Difference{}
	}
	t.changes[ancestor] = d.found
	return d.found, nil
}

type differ struct {
	t          *Tip
	found      []Difference
	incomplete bool
	loading    bool // folders were asked for
	err        error
}

func (d *differ) trees(old, new plumbing.Hash, where string) {
	if old == new || d.err != nil {
		return
	}
	was, now := d.entries(old), d.entries(new)
	names := make([]string, 0, len(was)+len(now))
	for name := range was {
		names = append(names, name)
	}
	for name := range now {
		if _, both := was[name]; !both {
			names = append(names, name)
		}
	}
	for _, name := range names {
		a, b := was[name], now[name]
		if a.id == b.id && string(a.mode) == string(b.mode) {
			continue
		}
		full := path.Join(where, name)
		var subA, subB plumbing.Hash
		diff := Difference{Path: full}
		if a.isTree() {
			subA = a.id
		} else if a.isFile() {
			diff.Old = a.id.String()
		}
		if b.isTree() {
			subB = b.id
		} else if b.isFile() {
			diff.New = b.id.String()
		}
		if diff.Old != diff.New {
			d.found = append(d.found, diff)
		}
		d.trees(subA, subB, full)
	}
}

func (d *differ) entries(id plumbing.Hash) map[string]entry {
	entries := map[string]entry{}
	if id.IsZero() {
		return entries
	}
	raw, ok := d.t.store.get(id, plumbing.TreeObject)
	if !ok && id != plumbing.ComputeHash(plumbing.TreeObject, nil) {
		if d.t.store.partial {
			d.loading = d.t.absent(id) != nil
		} else {
			d.incomplete = true
		}
		return entries
	}
	for e, err := range treeEntries(raw) {
		if err != nil {
			d.err = fmt.Errorf("tree %s: %w", id, err)
			break
		}
		entries[string(e.name)] = e
	}
	return entries
}
