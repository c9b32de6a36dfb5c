package confrepo

import (
	"bytes"
	"errors"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// entry is one entry of a raw tree object: "mode name\0id". The mode is kept
// in the digits that stand there, since old repositories hold modes (100664)
// that git no longer writes. Mode and name are parts of the tree's own bytes, so
// that looking through a large folder costs no memory.
type entry struct {
	mode  []byte
	name  []byte
	id    plumbing.Hash
	start int // offset of the entry in the tree
	end   int
}

func (e entry) isTree() bool { return string(e.mode) == "40000" || string(e.mode) == "040000" }
func (e entry) isFile() bool { return bytes.HasPrefix(e.mode, []byte("100")) }

// isLink: a submodule, whose id names a commit of another repository.
func (e entry) isLink() bool { return string(e.mode) == "160000" }

func (e entry) what() string {
	switch {
	case e.isTree():
		return "a folder"
	case e.isLink():
		return "a submodule"
	case string(e.mode) == "120000":
		return "a symbolic link"
	}
	return "a file"
}

var errBadTree = errors.New("malformed tree object")

// treeEntries walks a raw tree in the order in which it is written.
func treeEntries(raw []byte) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		for at := 0; at < len(raw); {
			space := bytes.IndexByte(raw[at:], ' ')
			if space < 0 {
				yield(entry{}, errBadTree)
				return
			}
			nul := bytes.IndexByte(raw[at+space:], 0)
			if nul < 0 || at+space+nul+21 > len(raw) {
				yield(entry{}, errBadTree)
				return
			}
			end := at + space + nul + 21
			e := entry{mode: raw[at : at+space], name: raw[at+space+1 : at+space+nul], start: at, end: end}
			copy(e.id[:], raw[end-20:end])
			if !yield(e, nil) {
				return
			}
			at = end
		}
	}
}

// findEntry looks a name up. If it is absent, at is where an entry of that
// name and kind has to be inserted.
func findEntry(raw []byte, name string, asTree bool) (found entry, ok bool, at int, err error) {
	at = len(raw)
	placed := false
	for e, err := range treeEntries(raw) {
		if err != nil {
			return entry{}, false, 0, err
		}
		if string(e.name) == name {
			return e, true, e.start, nil
		}
		if !placed && comesAfter(e, name, asTree) {
			at, placed = e.start, true
		}
	}
	return entry{}, false, at, nil
}

// comesAfter compares as [sortKey] does, without making the keys.
func comesAfter(e entry, name string, asTree bool) bool {
	n := min(len(e.name), len(name))
	if c := strings.Compare(string(e.name[:n]), name[:n]); c != 0 {
		return c > 0
	}
	next := func(rest int, isTree bool, at byte) byte {
		switch {
		case rest > n:
			return at
		case isTree:
			return '/'
		}
		return 0
	}
	var a, b byte
	if len(e.name) > n {
		a = e.name[n]
	}
	if len(name) > n {
		b = name[n]
	}
	return next(len(e.name), e.isTree(), a) > next(len(name), asTree, b)
}

// sortKey gives git's order of tree entries: folders compare as if their name
// ended with a slash (git's base_name_compare).
func sortKey(name string, isTree bool) string {
	if isTree {
		return name + "/"
	}
	return name
}

// treeEdit replaces the bytes [start,end) of a raw tree.
type treeEdit struct {
	start, end int
	insert     []byte
	key        string
}

// writtenTree is a tree made from an older one.
type writtenTree struct {
	id   plumbing.Hash
	data []byte
	base plumbing.Hash // the tree it was made from, or zero
	// delta makes data from base; empty if there is no base.
	delta []byte
}

// built is the outcome of applying changes to a tree.
type built struct {
	root  plumbing.Hash
	trees []writtenTree
	blobs map[plumbing.Hash][]byte
}

// node is a folder in the set of changes.
type node struct {
	folders map[string]*node
	files   map[string]Change
}

func newNode() *node { return &node{folders: map[string]*node{}, files: map[string]Change{}} }

// buildTree applies changes to the tree with the given root (zero: no tree at
// all) by splicing the entries concerned into the raw bytes; every other byte
// stays. An entry that is already as wanted is not written. The paths must
// have passed [CheckPath].
func buildTree(s *store, root plumbing.Hash, changes []Change) (built, error) {
	top := newNode()
	for _, c := range changes {
		dir, base := path.Split(c.Path)
		n := top
		for _, part := range strings.Split(strings.Trim(dir, "/"), "/") {
			if part == "" {
				continue
			}
			next := n.folders[part]
			if next == nil {
				next = newNode()
				n.folders[part] = next
			}
			n = next
		}
		if _, twice := n.files[base]; twice {
			return built{}, usage("path %q is changed twice", c.Path)
		}
		n.files[base] = c
	}
	b := &treeBuilder{store: s, out: built{blobs: map[plumbing.Hash][]byte{}}}
	id, empty, err := b.folder(root, top, "")
	if err != nil {
		return built{}, err
	}
	if empty && id.IsZero() {
		id = plumbing.ComputeHash(plumbing.TreeObject, nil)
		if root != id {
			b.out.trees = append(b.out.trees, writtenTree{id: id})
		}
	}
	b.out.root = id
	return b.out, nil
}

type treeBuilder struct {
	store *store
	out   built
}

// folder rewrites one folder and those below it. empty says that nothing is
// left in it, in which case id is zero and no tree was written.
func (b *treeBuilder) folder(old plumbing.Hash, n *node, where string) (id plumbing.Hash, empty bool, err error) {
	var raw []byte
	if !old.IsZero() {
		var ok bool
		if raw, ok = b.store.get(old, plumbing.TreeObject); !ok {
			return old, false, missing(old)
		}
	}
	var edits []treeEdit
	for name, sub := range n.folders {
		full := path.Join(where, name)
		e, ok, at, err := findEntry(raw, name, true)
		switch {
		case err != nil:
			return old, false, err
		case ok && !e.isTree():
			return old, false, failure(Obstructed, "decide", "%q is %s, so nothing can be put below it", full, e.what())
		}
		if _, both := n.files[name]; both {
			return old, false, usage("path %q is both a file and a folder", full)
		}
		newID, gone, err := b.folder(e.id, sub, full)
		if err != nil {
			return old, false, err
		}
		if edit, needed := editFor(e, ok, at, "40000", name, newID, gone); needed {
			edit.key = sortKey(name, true)
			edits = append(edits, edit)
		}
	}
	for name, c := range n.files {
		e, ok, at, err := findEntry(raw, name, false)
		switch {
		case err != nil:
			return old, false, err
		case ok && !e.isFile():
			return old, false, failure(Obstructed, "decide", "%q is %s, not a file", c.Path, e.what())
		}
		blob := plumbing.ComputeHash(plumbing.BlobObject, c.Content)
		if c.Remove {
			blob = plumbing.ZeroHash
		}
		edit, needed := editFor(e, ok, at, "100644", name, blob, c.Remove)
		if !needed {
			continue
		}
		if !c.Remove {
			b.out.blobs[blob] = c.Content
		}
		edit.key = sortKey(name, false)
		edits = append(edits, edit)
	}
	if len(edits) == 0 {
		return old, len(raw) == 0, nil
	}
	slices.SortFunc(edits, func(a, b treeEdit) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return strings.Compare(a.key, b.key)
	})
	data := applyTreeEdits(raw, edits)
	if len(data) == 0 {
		return plumbing.ZeroHash, true, nil
	}
	w := writtenTree{id: plumbing.ComputeHash(plumbing.TreeObject, data), data: data, base: old}
	if !old.IsZero() && len(raw) > 0 {
		w.delta = treeDelta(raw, data, edits)
	}
	b.out.trees = append(b.out.trees, w)
	return w.id, false, nil
}

// editFor turns "this name shall have this id" into an edit of the raw tree,
// or says that none is needed. An entry that exists keeps its mode.
func editFor(e entry, exists bool, at int, mode, name string, id plumbing.Hash, remove bool) (treeEdit, bool) {
	switch {
	case remove && !exists, exists && !remove && e.id == id:
		return treeEdit{}, false
	case remove:
		return treeEdit{start: e.start, end: e.end}, true
	case exists:
		return treeEdit{start: e.end - 20, end: e.end, insert: id[:]}, true
	}
	fresh := append([]byte(mode+" "+name+"\x00"), id[:]...)
	return treeEdit{start: at, end: at, insert: fresh}, true
}

func applyTreeEdits(raw []byte, edits []treeEdit) []byte {
	size := len(raw)
	for _, e := range edits {
		size += len(e.insert) - (e.end - e.start)
	}
	out := make([]byte, 0, size)
	at := 0
	for _, e := range edits {
		out = append(out, raw[at:e.start]...)
		out = append(out, e.insert...)
		at = e.end
	}
	return append(out, raw[at:]...)
}

func missing(id plumbing.Hash) error {
	return &Error{Kind: Unavailable, Step: "read", Text: "the server did not send object " + id.String(), again: true, incomplete: true}
}
