package confrepo

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// TestTreeDelta: what is written is read by our own reader and by go-git's.
func TestTreeDelta(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 20, 127, 128, 65535, 65536, 65537, 300000} {
		raw := make([]byte, size)
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		for range 20 {
			a, b := random.IntN(size+1), random.IntN(size+1)
			edits := []treeEdit{{start: min(a, b), end: max(a, b), insert: bytes.Repeat([]byte("x"), random.IntN(400))}}
			want := applyTreeEdits(raw, edits)
			delta := treeDelta(raw, want, edits)
			if got, err := patch(raw, delta); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("size %d, edit %d-%d: %v", size, edits[0].start, edits[0].end, err)
			}
			if got, err := packfile.PatchDelta(raw, delta); len(want) > 0 && (err != nil || !bytes.Equal(got, want)) {
				t.Fatalf("go-git: size %d: %v", size, err)
			}
		}
	}
}

func FuzzPatch(f *testing.F) {
	base := []byte(strings.Repeat("0123456789", 30))
	edits := []treeEdit{{start: 5, end: 9, insert: []byte("abc")}}
	f.Add(treeDelta(base, applyTreeEdits(base, edits), edits))
	f.Add([]byte{})
	f.Add([]byte{0xac, 0x02, 0x05, 0x91, 0x00, 0x05})
	f.Fuzz(func(t *testing.T, delta []byte) {
		ours, err := patch(base, delta)
		theirs, theirErr := packfile.PatchDelta(base, delta)
		if err == nil && (theirErr != nil && len(ours) > 0 || theirErr == nil && !bytes.Equal(ours, theirs)) {
			t.Errorf("%x: %q, go-git %q %v", delta, ours, theirs, theirErr)
		}
	})
}

func FuzzPackfile(f *testing.F) {
	b := built{blobs: map[plumbing.Hash][]byte{plumbing.ComputeHash(plumbing.BlobObject, []byte("x")): []byte("x")}}
	f.Add(encodePack([]link{{commit: []byte("tree 0\n"), built: b}}, true))
	f.Add([]byte("PACK"))
	f.Fuzz(func(t *testing.T, pack []byte) {
		for _, policy := range []blobPolicy{noBlobs, allBlobs} {
			s := newStore()
			if s.receive(bytes.NewReader(pack), policy) != nil {
				continue
			}
			for id, o := range s.objects {
				if plumbing.ComputeHash(o.kind, o.data) != id {
					t.Errorf("object %s is not what its name says", id)
				}
			}
		}
	})
}

func FuzzTree(f *testing.F) {
	f.Add([]byte("100644 a\x0001234567890123456789"), "b", true)
	f.Add([]byte("40000 a\x0001234567890123456789100644 a.b\x0001234567890123456789"), "a-", false)
	f.Fuzz(func(t *testing.T, raw []byte, name string, asTree bool) {
		if name == "" || strings.ContainsAny(name, "/\x00") {
			return
		}
		e, ok, at, err := findEntry(raw, name, asTree)
		if err != nil {
			return
		}
		mode := "100644"
		if asTree {
			mode = "40000"
		}
		var id plumbing.Hash
		id[3] = 7
		edit, needed := editFor(e, ok, at, mode, name, id, false)
		if !needed {
			return
		}
		data := applyTreeEdits(raw, []treeEdit{edit})
		again, ok, _, err := findEntry(data, name, asTree)
		if err != nil || !ok || again.id != id {
			t.Errorf("%q is not found after it was put into %q: %v", name, raw, err)
		}
	})
}

// TestOrderOfEntries compares with the plain definition.
func TestOrderOfEntries(t *testing.T) {
	names := []string{"a", "a-", "a.b", "a/", "a0", "ab", "b/", "a-/", "a.b/", "ab/"}
	for _, x := range names {
		for _, y := range names {
			xn, xt := strings.CutSuffix(x, "/")
			yn, yt := strings.CutSuffix(y, "/")
			e := entry{mode: []byte("100644"), name: []byte(xn)}
			if xt {
				e.mode = []byte("40000")
			}
			if got, want := comesAfter(e, yn, yt), sortKey(xn, xt) > sortKey(yn, yt); got != want && xn != yn {
				t.Errorf("%q after %q: %v, want %v", x, y, got, want)
			}
		}
	}
}

func TestPackOfSeveralBlobsIsStable(t *testing.T) {
	b := built{blobs: map[plumbing.Hash][]byte{}}
	for i := range 20 {
		data := []byte(strings.Repeat("x", i))
		b.blobs[plumbing.ComputeHash(plumbing.BlobObject, data)] = data
	}
	first := encodePack([]link{{commit: []byte("c"), built: b}}, true)
	for range 5 {
		if !slices.Equal(first, encodePack([]link{{commit: []byte("c"), built: b}}, true)) {
			t.Fatal("the order of objects changes")
		}
	}
}
