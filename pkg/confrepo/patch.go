package confrepo

import (
	"encoding/binary"
	"errors"
)

var errBadDelta = errors.New("malformed delta")

// patch applies a delta (gitformat-pack, "Deltified representation") and
// allocates exactly what comes out, which matters for folders of megabytes.
func patch(base, delta []byte) ([]byte, error) {
	from, n := binary.Uvarint(delta)
	if n <= 0 || from != uint64(len(base)) {
		return nil, errBadDelta
	}
	delta = delta[n:]
	to, n := binary.Uvarint(delta)
	if n <= 0 || to > maxObject {
		return nil, errBadDelta
	}
	delta = delta[n:]
	out := make([]byte, 0, to)
	for len(delta) > 0 {
		op := delta[0]
		delta = delta[1:]
		part := delta
		switch {
		case op&0x80 != 0:
			var fields [7]int // four bytes of the offset, three of the size
			for i := range fields {
				if op&(1<<i) == 0 {
					continue
				}
				if len(delta) == 0 {
					return nil, errBadDelta
				}
				fields[i], delta = int(delta[0]), delta[1:]
			}
			start := fields[0] | fields[1]<<8 | fields[2]<<16 | fields[3]<<24
			size := fields[4] | fields[5]<<8 | fields[6]<<16
			if size == 0 {
				size = 0x10000
			}
			if start > len(base) || size > len(base)-start {
				return nil, errBadDelta
			}
			part = base[start : start+size]
		case op == 0 || int(op) > len(delta):
			return nil, errBadDelta
		default:
			part, delta = delta[:op], delta[op:]
		}
		if len(part) > cap(out)-len(out) {
			return nil, errBadDelta
		}
		out = append(out, part...)
	}
	if len(out) != int(to) {
		return nil, errBadDelta
	}
	return out, nil
}
