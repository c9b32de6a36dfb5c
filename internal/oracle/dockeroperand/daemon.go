//go:build linux

package dockeroperand

import (
	"encoding/json"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// daemon answers just enough of the engine's interface for a client to say
// which image it wants, writes that down, and refuses the rest.
type daemon struct {
	server *http.Server

	mu       sync.Mutex
	requests []Request
}

// Request is one thing that the client asked of the engine.
type Request struct {
	Verb  string // `create` (of a container) or `pull`
	Image string // as sent; for a pull the name and tag or digest joined again
	Cmd   []string
}

// apiVersion is newer than any client that is expected: a client lowers its
// own version to the engine's, never the other way.
const apiVersion = "1.51"

// libpodVersion satisfies the clients of podman 4 and 5, which ask for an
// engine that is not older than their own minimum.
const libpodVersion = "5.0.0"

func serve(listener net.Listener) *daemon {
	d := &daemon{}
	d.server = &http.Server{Handler: http.HandlerFunc(d.answer), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = d.server.Serve(listener) }() // ends with Close
	return d
}

func (d *daemon) Close() error { return d.server.Close() }

// take returns what was asked since the last call.
func (d *daemon) take() []Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	requests := d.requests
	d.requests = nil
	return requests
}

func (d *daemon) note(r Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests = append(d.requests, r)
}

func (d *daemon) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", apiVersion)
	w.Header().Set("Ostype", "linux")
	w.Header().Set("Content-Type", "application/json")
	switch path := withoutVersion(r.URL.Path); {
	case path == "/_ping", path == "/libpod/_ping":
		w.Header().Set("Libpod-Api-Version", libpodVersion)
		w.WriteHeader(http.StatusOK)
	case path == "/info":
		refuse(w, http.StatusOK, map[string]string{"IndexServerAddress": "https://index.docker.io/v1/"})
	case r.Method == http.MethodPost && (path == "/containers/create" || path == "/libpod/containers/create"):
		var config struct {
			Image string
			Cmd   []string
		}
		if err := json.NewDecoder(r.Body).Decode(&config); err != nil {
			refuse(w, http.StatusBadRequest, map[string]string{"message": err.Error()})
			return
		}
		d.note(Request{Verb: "create", Image: config.Image, Cmd: config.Cmd})
		refuse(w, http.StatusInternalServerError, map[string]string{"message": recorded, "cause": recorded})
	case r.Method == http.MethodPost && path == "/images/create":
		query := r.URL.Query()
		d.note(Request{Verb: "pull", Image: joinReference(query.Get("fromImage"), query.Get("tag"))})
		w.WriteHeader(http.StatusOK)
	case r.Method == http.MethodPost && path == "/libpod/images/pull":
		d.note(Request{Verb: "pull", Image: r.URL.Query().Get("reference")})
		refuse(w, http.StatusInternalServerError, map[string]string{"message": recorded, "cause": recorded})
	default:
		refuse(w, http.StatusNotImplemented, map[string]string{"message": "not answered: " + r.Method + " " + path})
	}
}

const recorded = "request recorded, nothing done"

func refuse(w http.ResponseWriter, code int, body map[string]string) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}

// withoutVersion cuts the `/v1.50` or `/v4.3.1` that clients put in front of a path.
func withoutVersion(path string) string {
	if !versioned.MatchString(path) {
		return path
	}
	if end := strings.IndexByte(path[1:], '/'); end >= 0 {
		return path[1+end:]
	}
	return path
}

var versioned = regexp.MustCompile(`^/v[0-9]`)

func joinReference(name, tag string) string {
	switch {
	case tag == "":
		return name
	case strings.Contains(tag, ":"):
		return name + "@" + tag
	default:
		return name + ":" + tag
	}
}
