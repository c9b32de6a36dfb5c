package fleettest

import (
	"net"
	"net/http"
	"testing"
)

// Serve makes the cluster answer on a network of package net, "unix" or "tcp", and
// address, until the test ends. It returns the endpoint.
func (c *Cluster) Serve(t testing.TB, network, address string) string {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: c}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends when it is closed
	}()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	if network == "unix" {
		return "unix://" + address
	}
	return "http://" + listener.Addr().String()
}
