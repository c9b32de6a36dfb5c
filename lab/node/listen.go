//go:build lab

package node

import (
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Listen listens on the node's own loopback, for a server that runs outside of it. The
// address is as for [net.Listen]; the listener ends with the test.
func (n *Node) Listen(address string) net.Listener {
	n.t.Helper()
	type result struct {
		listener net.Listener
		err      error
	}
	got := make(chan result)
	go func() {
		// The thread is in the node's network from here on, and ends with the
		// goroutine.
		runtime.LockOSThread()
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", n.pid))
		if err != nil {
			got <- result{nil, err}
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			got <- result{nil, err}
			return
		}
		listener, err := net.Listen("tcp4", address)
		got <- result{listener, err}
	}()
	r := <-got
	if r.err != nil {
		n.t.Fatal(r.err)
	}
	n.t.Cleanup(func() { _ = r.listener.Close() }) // its server may have closed it
	return r.listener
}

// Network are the words that start a program of this machine in the node's network.
func (n *Node) Network() []string {
	return []string{"nsenter", "--target", fmt.Sprint(n.pid), "--net", "--"}
}
