package gittest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"path/filepath"
	"testing"
)

// ServeHTTP serves the folder that holds a bare repository through git
// http-backend and returns the repository's URL. Each wrap may watch or disturb
// what goes by.
func ServeHTTP(t testing.TB, bare string, wraps ...func(http.Handler) http.Handler) string {
	t.Helper()
	return ServeHTTPBackend(t, bare, wraps...).URL + "/" + filepath.Base(bare)
}

// ServeHTTPBackend is [ServeHTTP] for callers that want the server.
func ServeHTTPBackend(t testing.TB, bare string, wraps ...func(http.Handler) http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(Backend(t, bare, wraps...))
	t.Cleanup(server.Close)
	return server
}

// Backend is the handler that [ServeHTTP] serves.
func Backend(t testing.TB, bare string, wraps ...func(http.Handler) http.Handler) http.Handler {
	t.Helper()
	var handler http.Handler = &cgi.Handler{
		Path:   filepath.Join(Git(t, ".", "--exec-path"), "git-http-backend"),
		Root:   "/",
		Env:    append(Env(), "GIT_PROJECT_ROOT="+filepath.Dir(bare), "GIT_HTTP_EXPORT_ALL=1"),
		Stderr: discard{},
	}
	handler = whole(handler)
	for _, wrap := range wraps {
		handler = wrap(handler)
	}
	return handler
}

// whole hands on requests that have come in whole, as front servers do. CGI cannot
// take a body without a length, and git-http-backend 2.39 spins for ever on one
// that ends before its length.
func whole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		next.ServeHTTP(w, r)
	})
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
