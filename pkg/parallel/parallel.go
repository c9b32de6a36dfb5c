// Package parallel does the same work for many things on all cores, so that
// nobody can tell from the outcome that it was not done one after the other.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Each calls work for the numbers from 0 below n. Each worker has a T of its own,
// at first the zero value, for what it wants to use again. The error is that of
// the lowest number that has one; work may then have been left out for numbers
// above it.
func Each[T any](n int, work func(own *T, i int) error) error {
	var next, bad atomic.Int64
	bad.Store(int64(n))
	var mu sync.Mutex
	var first error
	worker := func() {
		var own T
		for {
			i := next.Add(1) - 1
			if i >= bad.Load() {
				return
			}
			if err := work(&own, int(i)); err != nil {
				mu.Lock()
				if i < bad.Load() {
					bad.Store(i)
					first = err
				}
				mu.Unlock()
			}
		}
	}
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) - 1 {
		workers.Go(worker)
	}
	worker()
	workers.Wait()
	return first
}
