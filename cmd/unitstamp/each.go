package main

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/unitstamp/unitstamp/internal/cli"
)

// each calls work for the numbers below count, several at a time, each of those with
// a reader of its own, and returns the first error in their order.
func each(ctx context.Context, count int, work func(r *reader, i int) error) error {
	errs := make([]error, count)
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), count) {
		group.Go(func() {
			var own reader
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				errs[i] = work(&own, i)
			}
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return cli.Errorf(cli.World, "stopped: nothing is written")
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
