package confrepo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// pktKind is the meaning of one pkt-line (gitprotocol-common, gitprotocol-v2).
type pktKind int

const (
	pktData      pktKind = iota
	pktFlush             // 0000: end of a message
	pktDelimiter         // 0001: end of a section
	pktEnd               // 0002: end of a stateless answer
)

// maxPkt is the largest length field of a pkt-line, the four digits included.
const maxPkt = 65520

// remoteError is an "ERR" packet: the server's explanation of why it stops.
type remoteError struct{ text string }

func (e *remoteError) Error() string { return e.text }

// readPkt reads one pkt-line. A stream that ends before the first digit gives
// io.EOF, later io.ErrUnexpectedEOF.
func readPkt(r *bufio.Reader) (pktKind, []byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := 0
	for _, c := range head {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 || c < '0' {
			return 0, nil, fmt.Errorf("expected a packet length, got %q", head[:])
		}
		size = size<<4 | digit
	}
	switch {
	case size < 3:
		return pktKind(size + 1), nil, nil
	case size < 4 || size > maxPkt:
		return 0, nil, fmt.Errorf("packet length %q is out of range", head[:])
	}
	payload := make([]byte, size-4)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	if text, ok := strings.CutPrefix(string(payload), "ERR "); ok {
		return 0, nil, &remoteError{text: oneLine(text)}
	}
	return pktData, payload, nil
}

// pktBuffer collects a request.
type pktBuffer struct{ bytes []byte }

func (b *pktBuffer) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.bytes = fmt.Appendf(b.bytes, "%04x%s", len(text)+4, text)
}

func (b *pktBuffer) flush()     { b.bytes = append(b.bytes, "0000"...) }
func (b *pktBuffer) delimiter() { b.bytes = append(b.bytes, "0001"...) }

// isCut reports whether a stream ended before its message was complete.
func isCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
