package confrepo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Which folders of the tip are read.
//
// "blob:none" brings every tree of a commit, which in a repository of many
// folders is nearly all of the traffic, and most of the work on both sides. A
// server that takes the filter "tree:N" sends the upper N levels only, the root
// being the first. Of a path with two folders or more those above the last one
// are read at first, and then the last folder by its id together with the files
// in it: as many round trips as with all trees, where a file is asked for by
// itself. Folders that are found to be needed later are asked for in the same way.
//
// The price is paid where thousands of files lie in one folder that far down: the
// server prepares all of them, which nothing foretells, before the folder is asked
// for once more without them.
//
// A server may take "blob:none" alone (GitHub and Azure DevOps do), or no filter,
// or no ids of trees (protocol version 0). There all trees are read at once.

// largeFile bounds the files that come along with their folder. One that is
// larger and is wanted is asked for by itself.
const largeFile = 64 << 10

// withFiles is the filter for a folder by its id: the files directly in it, and
// nothing below the folders in it.
var withFiles = fmt.Sprintf("combine:tree:1+blob:limit=%d", largeFile)

// manyFolders: so many are not asked for one by one.
const manyFolders = 64

// levels is how many levels of trees the first request brings for these paths; 0
// for all. The last folder of a path is among them if it is the root, or directly
// in the root, where few stand beside it.
func levels(paths []string) int {
	most := 0
	for _, p := range paths {
		folders := strings.Count(p, "/")
		most = max(most, 1+min(folders, 1), folders)
	}
	return most
}

// givesAllTrees knows the hosts that take no depth of trees, which saves asking them.
func givesAllTrees(host string) bool {
	name, _, _ := strings.Cut(strings.ToLower(host), ":")
	for _, known := range []string{"github.com", "dev.azure.com", "visualstudio.com"} {
		if name == known || strings.HasSuffix(name, "."+known) {
			return true
		}
	}
	return false
}

// tipFilter is the filter of the first request.
func (p *publisher) tipFilter() string {
	n := levels(p.o.Paths)
	if n == 0 || p.remote.version != 2 || p.remote.wholeTrees {
		return allTrees
	}
	return fmt.Sprintf("tree:%d", n)
}

const allTrees = "blob:none"

// asksDepth reports whether a filter names a depth of trees, which not every
// server that knows filters allows.
func asksDepth(filter string) bool {
	return filter != "tree:0" && strings.Contains(filter, "tree:")
}

// loadFolders fetches trees by their ids, at first with the files in them, since
// one of these is mostly what is looked for; later with all that is below them.
// Where the server does not give trees by id, all of the tip's are read.
func (p *publisher) loadFolders(ctx context.Context, tip *Tip, n needs) error {
	alone := fetchRequest{wants: n.folders, filter: allTrees, blobs: noBlobs}
	q := fetchRequest{wants: n.folders, filter: withFiles, blobs: fewBlobs}
	if tip.folderRounds++; tip.folderRounds > 1 {
		q = alone
	}
	if len(n.folders) <= manyFolders && !p.remote.wholeTrees && !p.remote.noFilter {
		err := p.remote.fetchOnce(ctx, q, p.store)
		if errors.Is(err, errManyObjects) {
			err = p.remote.fetchOnce(ctx, alone, p.store)
		}
		if err == nil && p.holds(n.folders) {
			return nil
		}
		if err != nil && (passes(err) || ctx.Err() != nil) {
			return explain(asError("read", err))
		}
		p.remote.wholeTrees = true
	}
	p.store.partial = false
	depth := max(firstDepth, n.history, n.trees)
	q = fetchRequest{wants: []plumbing.Hash{tip.base}, depth: depth, filter: allTrees, blobs: p.blobs()}
	if err := p.remote.fetch(ctx, q, p.store); err != nil {
		return explain(asError("read", err))
	}
	tip.history = max(tip.history, depth)
	return nil
}

// passes reports whether an error is a fault that may be gone at the next attempt,
// and says nothing about the request.
func passes(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.again && !refusedRequest(err)
}

func (p *publisher) holds(ids []plumbing.Hash) bool {
	return !slices.ContainsFunc(ids, func(id plumbing.Hash) bool { _, ok := p.store.objects[id]; return !ok })
}

// absent is the error for a tree that is not held. Where only some of the tip's
// folders were read it is asked for.
func (t *Tip) absent(id plumbing.Hash) error {
	if !t.store.partial {
		return missing(id)
	}
	if !slices.Contains(t.needs.folders, id) {
		t.needs.folders = append(t.needs.folders, id)
	}
	return ErrLoading
}

// expect asks for the folders that changes will be written into.
func (t *Tip) expect(changes []Change) {
	for _, c := range changes {
		t.lookUp(t.commit.tree, c.Path)
	}
}
