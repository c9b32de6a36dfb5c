package confrepo

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// treeDelta describes data (made from raw by edits) as copies from raw and
// literal bytes, in the format of git's deltified packfile entries
// (gitformat-pack).
func treeDelta(raw, data []byte, edits []treeEdit) []byte {
	d := binary.AppendUvarint(nil, uint64(len(raw)))
	d = binary.AppendUvarint(d, uint64(len(data)))
	at := 0
	for _, e := range edits {
		d = appendCopy(d, at, e.start)
		for lit := e.insert; len(lit) > 0; {
			n := min(len(lit), 127)
			d = append(append(d, byte(n)), lit[:n]...)
			lit = lit[n:]
		}
		at = e.end
	}
	return appendCopy(d, at, len(raw))
}

// appendCopy copies [start,end) of the base, at most 64 KiB per instruction as
// old readers expect.
func appendCopy(d []byte, start, end int) []byte {
	for start < end {
		size := min(end-start, 0x10000)
		op := len(d)
		d = append(d, 0x80)
		for i := range 4 {
			if b := byte(start >> (8 * i)); b != 0 {
				d[op] |= 1 << i
				d = append(d, b)
			}
		}
		if size != 0x10000 {
			for i := range 2 {
				if b := byte(size >> (8 * i)); b != 0 {
					d[op] |= 0x10 << i
					d = append(d, b)
				}
			}
		}
		start += size
	}
	return d
}

// link is one commit of a chain: the raw commit, and the trees and blobs that
// it adds to its parent's.
type link struct {
	id     plumbing.Hash
	commit []byte
	built
}

// encodePack writes the objects of new commits. With thin set, trees are sent as
// deltas against trees that the server has or that come before them, which makes
// the pack a few hundred bytes for each commit, whatever the size of the folders.
func encodePack(chain []link, thin bool) []byte {
	var body bytes.Buffer
	count, seen := uint32(0), map[plumbing.Hash]bool{}
	for _, l := range chain {
		writeEntry(&body, plumbing.CommitObject, nil, l.commit)
		count++
		for _, t := range l.trees {
			seen[t.base] = true // known already: nothing may become its own base
			if seen[t.id] {
				continue
			}
			seen[t.id] = true
			count++
			if thin && len(t.delta) > 0 {
				writeEntry(&body, plumbing.REFDeltaObject, t.base[:], t.delta)
			} else {
				writeEntry(&body, plumbing.TreeObject, nil, t.data)
			}
		}
		for _, id := range slices.SortedFunc(maps.Keys(l.blobs), func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) }) {
			if !seen[id] {
				seen[id] = true
				count++
				writeEntry(&body, plumbing.BlobObject, nil, l.blobs[id])
			}
		}
	}
	out := []byte("PACK")
	out = binary.BigEndian.AppendUint32(out, 2)
	out = binary.BigEndian.AppendUint32(out, count)
	out = append(out, body.Bytes()...)
	sum := sha1.Sum(out)
	return append(out, sum[:]...)
}

func writeEntry(out *bytes.Buffer, kind plumbing.ObjectType, base, data []byte) {
	size := len(data)
	head := byte(kind)<<4 | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		out.WriteByte(head | 0x80)
		head = byte(size & 0x7f)
	}
	out.WriteByte(head)
	out.Write(base)
	z := zlib.NewWriter(out) // writing to memory: no error can occur
	z.Write(data)
	z.Close()
}
