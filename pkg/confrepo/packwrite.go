package confrepo

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
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

// encodePack writes the objects of a new commit. With thin set, trees are sent
// as deltas against trees that the server has, which makes the pack a few
// hundred bytes whatever the size of the folders.
func encodePack(commit []byte, b built, thin bool) []byte {
	var out bytes.Buffer
	out.WriteString("PACK")
	binary.Write(&out, binary.BigEndian, [2]uint32{2, uint32(1 + len(b.trees) + len(b.blobs))})
	writeEntry(&out, plumbing.CommitObject, nil, commit)
	for _, t := range b.trees {
		if thin && len(t.delta) > 0 {
			writeEntry(&out, plumbing.REFDeltaObject, t.base[:], t.delta)
		} else {
			writeEntry(&out, plumbing.TreeObject, nil, t.data)
		}
	}
	ids := make([]plumbing.Hash, 0, len(b.blobs))
	for id := range b.blobs {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		writeEntry(&out, plumbing.BlobObject, nil, b.blobs[id])
	}
	sum := sha1.Sum(out.Bytes())
	out.Write(sum[:])
	return out.Bytes()
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
