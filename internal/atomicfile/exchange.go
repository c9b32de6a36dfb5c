package atomicfile

import "os"

// exchangeByLink swaps two files with a third name for a while: b is replaced in
// one step, and its old bytes end up under a.
func exchangeByLink(a, b string) error {
	old := a + ".old"
	if err := os.Link(b, old); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		os.Remove(old)
		return err
	}
	return os.Rename(old, a)
}
