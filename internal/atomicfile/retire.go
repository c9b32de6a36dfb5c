package atomicfile

import "sync"

// A retirement lets go of files that were replaced. The file system frees what such
// a file took up once nobody holds it any more, and whoever lets go last may have
// to wait for the disk. So that the next file need not wait as well, the old file
// is held while its name is taken over, and let go of beside that.
type retirement struct {
	held  chan int // nil if there is nothing to let go of
	group sync.WaitGroup
}

const (
	retiring = 256 // old files may be held at a time
	partings = 4   // may be under way at a time: a disk frees several as quickly as one
)

// release lets go of what hold returned.
func (r *retirement) release(file int) {
	if file < 0 {
		return
	}
	if r.held == nil {
		held := make(chan int, retiring)
		r.held = held
		for range partings {
			r.group.Go(func() {
				for file := range held {
					letGo(file)
				}
			})
		}
	}
	r.held <- file
}

// wait returns when nothing is held any more.
func (r *retirement) wait() {
	if r.held != nil {
		close(r.held)
		r.group.Wait()
		r.held = nil
	}
}
