package parallel

import (
	"fmt"
	"sync/atomic"
	"testing"
)

func TestEach(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		done := make([]int, n)
		if err := Each(n, func(own *int, i int) error {
			*own++
			done[i]++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for i, times := range done {
			if times != 1 {
				t.Fatalf("n %d: %d was done %d times", n, i, times)
			}
		}
	}
}

// TestEachFails: the error is the one that would come first, and all before it is
// done.
func TestEachFails(t *testing.T) {
	for range 100 {
		var done [1000]atomic.Bool
		err := Each(len(done), func(_ *struct{}, i int) error {
			done[i].Store(true)
			if i%7 == 6 {
				return fmt.Errorf("bad %d", i)
			}
			return nil
		})
		if err == nil || err.Error() != "bad 6" {
			t.Fatal(err)
		}
		for i := range 7 {
			if !done[i].Load() {
				t.Fatalf("%d was left out", i)
			}
		}
	}
}
