package fleettest

import (
	"errors"
	"net"
	"net/http"
	"testing"
)

// Listen makes the cluster answer on a network of package net, "unix" or "tcp",
// and an address, until stop is called. It returns the endpoint.
func (c *Cluster) Listen(network, address string) (endpoint string, stop func() error, err error) {
	listener, err := net.Listen(network, address)
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: c}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	stop = func() error {
		err := server.Close()
		if ended := <-done; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		return err
	}
	if network == "unix" {
		return "unix://" + address, stop, nil
	}
	return "http://" + listener.Addr().String(), stop, nil
}

// Serve is Listen for a test, until it ends.
func (c *Cluster) Serve(t testing.TB, network, address string) string {
	t.Helper()
	endpoint, stop, err := c.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return endpoint
}
