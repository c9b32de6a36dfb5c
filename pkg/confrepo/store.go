package confrepo

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// Bounds on what a server may make us hold.
const (
	maxObject = 256 << 20
	maxStore  = 1 << 30
)

type object struct {
	kind plumbing.ObjectType
	data []byte
}

// store holds the objects of a conversation, each under the id of its content:
// what is found here was checked against its name when it was put in.
type store struct {
	objects map[plumbing.Hash]object
	size    int
	limit   int // of size; 0 for maxStore
	// partial: the server has folders of the tip that were not asked for yet.
	partial bool
}

func (s *store) bound() int {
	if s.limit > 0 {
		return s.limit
	}
	return maxStore
}

func newStore() *store { return &store{objects: map[plumbing.Hash]object{}} }

func (s *store) put(kind plumbing.ObjectType, data []byte) plumbing.Hash {
	id := plumbing.ComputeHash(kind, data)
	if _, known := s.objects[id]; !known {
		s.objects[id] = object{kind, data}
		s.size += len(data)
	}
	return id
}

func (s *store) get(id plumbing.Hash, kind plumbing.ObjectType) ([]byte, bool) {
	o, ok := s.objects[id]
	return o.data, ok && o.kind == kind
}

// blobPolicy says what becomes of the blobs in a packfile that was asked for
// without a filter.
type blobPolicy int

const (
	noBlobs blobPolicy = iota
	// someBlobs keeps them if there are few, which saves asking for one later.
	someBlobs
	allBlobs
	// fewBlobs keeps them, and reads nothing of a packfile with many objects.
	fewBlobs
)

var errManyObjects = &Error{Kind: Unavailable, Step: "read", Text: "more objects than are worth reading", again: true}

// fewObjects bounds the packfiles whose blobs are kept under someBlobs and fewBlobs.
const fewObjects = 5000

// receive reads a packfile as a stream. Commits, trees and tags are kept;
// blobs as the policy says. A blob that is not kept costs no memory.
//
// A delta whose base was a dropped blob is itself a blob and is dropped, too.
func (s *store) receive(r io.Reader, policy blobPolicy) error {
	scanner := packfile.NewScanner(r)
	_, count, err := scanner.Header()
	if err != nil {
		return fmt.Errorf("packfile: %w", err)
	}
	if policy == fewBlobs && count > fewObjects {
		return errManyObjects
	}
	keepBlobs := policy == allBlobs || policy != noBlobs && count <= fewObjects
	type delta struct {
		base         plumbing.Hash
		at           int64
		instructions []byte
	}
	var (
		ids     = map[int64]plumbing.Hash{} // offset -> id of a kept object
		dropped = map[int64]bool{}          // offset of a dropped blob
		waiting []delta                     // deltas whose base has not been seen yet
	)
	resolve := func(base plumbing.Hash, at int64, instructions []byte) (bool, error) {
		o, ok := s.objects[base]
		if !ok {
			return false, nil
		}
		data, err := patch(o.data, instructions)
		if err != nil {
			return false, fmt.Errorf("packfile: delta against %s: %w", base, err)
		}
		ids[at] = s.put(o.kind, data)
		return true, nil
	}
	for range count {
		head, err := scanner.NextObjectHeader()
		if err != nil {
			return fmt.Errorf("packfile: %w", err)
		}
		if head.Length > min(maxObject, int64(s.bound())) || s.size > s.bound() {
			return &Error{Kind: Unsupported, Step: "read", Text: "the repository's tip is too large to be held in memory"}
		}
		at := head.Offset
		drop := head.Type == plumbing.BlobObject && !keepBlobs ||
			head.Type == plumbing.OFSDeltaObject && dropped[head.OffsetReference]
		if drop {
			if _, _, err := scanner.NextObject(io.Discard); err != nil {
				return fmt.Errorf("packfile: %w", err)
			}
			dropped[at] = true
			continue
		}
		content := bytes.NewBuffer(make([]byte, 0, min(head.Length, 8<<20)+bytes.MinRead))
		if _, _, err := scanner.NextObject(content); err != nil {
			return fmt.Errorf("packfile: %w", err)
		}
		data := content.Bytes()
		switch head.Type {
		case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
			ids[at] = s.put(head.Type, data)
		case plumbing.OFSDeltaObject, plumbing.REFDeltaObject:
			base := head.Reference
			if head.Type == plumbing.OFSDeltaObject {
				id, ok := ids[head.OffsetReference]
				if !ok {
					if keepBlobs {
						return fmt.Errorf("packfile: delta at %d has no base", at)
					}
					dropped[at] = true // a delta upon a delta upon an absent blob
					continue
				}
				base = id
			}
			ok, err := resolve(base, at, data)
			if err != nil {
				return err
			}
			if !ok {
				waiting = append(waiting, delta{base, at, data})
			}
		default:
			return fmt.Errorf("packfile: object of unknown type %d", head.Type)
		}
	}
	for progress := true; progress && len(waiting) > 0; {
		progress = false
		rest := waiting[:0]
		for _, d := range waiting {
			ok, err := resolve(d.base, d.at, d.instructions)
			if err != nil {
				return err
			}
			if ok {
				progress = true
			} else {
				rest = append(rest, d)
			}
		}
		waiting = rest
	}
	if len(waiting) > 0 && keepBlobs {
		return fmt.Errorf("packfile: %d deltas have no base", len(waiting))
	}
	return nil
}

// prune forgets everything but the commit, its parents and what their trees
// lead to, as far as it is held.
func (s *store) prune(commit plumbing.Hash) {
	kept := &store{objects: map[plumbing.Hash]object{}, limit: s.limit, partial: s.partial}
	var walk func(id plumbing.Hash)
	walk = func(id plumbing.Hash) {
		o, ok := s.objects[id]
		if _, seen := kept.objects[id]; !ok || seen {
			return
		}
		kept.objects[id] = o
		kept.size += len(o.data)
		switch o.kind {
		case plumbing.CommitObject:
			if c, err := parseCommit(id, o.data); err == nil {
				walk(c.tree)
			}
		case plumbing.TreeObject:
			for e, err := range treeEntries(o.data) {
				if err != nil {
					return
				}
				if !e.isLink() {
					walk(e.id)
				}
			}
		}
	}
	walk(commit)
	if raw, ok := s.get(commit, plumbing.CommitObject); ok {
		if c, err := parseCommit(commit, raw); err == nil {
			for _, p := range c.Parents {
				walk(plumbing.NewHash(p))
			}
		}
	}
	*s = *kept
}
