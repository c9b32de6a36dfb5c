// Package wholefile reads many small files, with as few system calls and as
// little memory as that takes.
package wholefile

import (
	"errors"
	"io"
	"os"
)

// A Reader reads one file after the other into the same memory. The zero value is
// ready.
type Reader struct{ buffer []byte }

// Read reads a file of a folder whole, or if it is longer than most bytes, some
// more than that. The bytes are good until the next call.
func (r *Reader) Read(folder *os.Root, name string, most int) (data []byte, err error) {
	file, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if r.buffer == nil {
		r.buffer = make([]byte, 1<<14)
	}
	for n := 0; ; {
		more, err := file.Read(r.buffer[n:])
		n += more
		switch {
		case errors.Is(err, io.EOF), err == nil && n > most:
			return r.buffer[:n], nil
		case err != nil:
			return nil, err
		case n == len(r.buffer):
			r.buffer = append(r.buffer, make([]byte, n)...)
		}
	}
}
