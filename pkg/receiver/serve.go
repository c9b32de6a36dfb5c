package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
)

// Listeners are the sockets that systemd hands to this process; none if it hands over
// none.
func Listeners() ([]net.Listener, error) {
	all, err := activation.Listeners()
	if err != nil {
		return nil, err
	}
	for i, l := range all {
		if l == nil {
			return nil, fmt.Errorf("socket %d that systemd hands over is none to listen on", i+1)
		}
	}
	return all, nil
}

// Listen opens HOST:PORT, or unix:PATH. A socket that a killed process left behind is
// replaced.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	path, unix := strings.CutPrefix(address, "unix:")
	if !unix {
		return config.Listen(ctx, "tcp", address)
	}
	l, err := config.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && isDead(ctx, path) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		return config.Listen(ctx, "unix", path)
	}
	return l, err
}

// isDead tells that a file is a socket that nobody listens on.
func isDead(ctx context.Context, path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return false
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// Encryption is TLS, 1.2 or newer, with a certificate from files.
func Encryption(certificate, key string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}

// answering is how long requests that are at work may take when the end has come.
const answering = 3 * time.Second

// Serve answers on all listeners until the context ends. Then nothing new is taken, and
// the run at work and one that waits are finished: for at most grace, or until cut ends;
// after that the run is cut off. The error is that of a listener.
func (r *Receiver) Serve(ctx, cut context.Context, grace time.Duration, listeners []net.Listener) error {
	server := &http.Server{
		Handler:           r,
		ReadHeaderTimeout: r.Limits.Header, ReadTimeout: r.Limits.Whole, WriteTimeout: 2 * r.Limits.Whole, IdleTimeout: r.Limits.Idle,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       log.New(io.Discard, "", 0), // what clients do wrong is theirs
	}
	runs, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()
	closed := make(chan struct{})
	go r.worker.work(runs, closed)

	failed := make(chan error, len(listeners))
	var all sync.WaitGroup
	for _, l := range listeners {
		l = limit(l, r.Limits.Conns)
		if r.TLS != nil {
			l = tls.NewListener(l, r.TLS)
		}
		all.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	soon, stop := context.WithTimeout(context.WithoutCancel(ctx), answering)
	if server.Shutdown(soon) != nil {
		err = errors.Join(err, server.Close())
	}
	stop()
	all.Wait()
	close(closed)
	select {
	case <-r.worker.done:
		return err
	case <-time.After(grace):
	case <-cut.Done():
	}
	cutOff()
	<-r.worker.done
	return err
}
