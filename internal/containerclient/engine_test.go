package containerclient

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve starts an engine that names the version 1.41 and answers what is asked in it.
func serve(t *testing.T, answer http.HandlerFunc) *engine {
	t.Helper()
	folder, err := os.MkdirTemp("", "engine") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	e := &engine{kind: "docker", socket: filepath.Join(folder, "s"), config: filepath.Join(folder, "config.json")}
	listener, err := net.Listen("unix", e.socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_ping", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		fmt.Fprint(w, "OK")
	})
	mux.HandleFunc("/", answer)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux}}
	server.Start()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return e
}

func TestEngineLook(t *testing.T) {
	started := time.Date(2026, 5, 4, 3, 2, 1, 500, time.UTC)
	for _, tt := range []struct {
		name, body string
		status     int
		want       State
		err        string
	}{
		{"running", `{"Id":"x","State":{"Status":"running","Running":true,"Restarting":false,"Pid":42,"StartedAt":"2026-05-04T03:02:01.0000005Z"},"Config":{}}`,
			200, State{true, 42, started}, ""},
		{"created", `{"State":{"Status":"created","Running":false,"Pid":0,"StartedAt":"0001-01-01T00:00:00Z"}}`, 200, State{}, ""},
		{"none of docker's", `{"message":"No such container: web"}`, 404, State{}, ""},
		{"none of podman's", `{"cause":"no such container","message":"no container with name or ID \"web\" found: no such container","response":404}`, 404, State{}, ""},
		{"no such question", `{"message":"page not found"}`, 404, State{}, "page not found"},
		{"no text", "\n", 404, State{}, "answers 404"},
		{"out of order", `{"message":"layer does not exist"}`, 500, State{}, "layer does not exist"},
		{"redirected", ``, 301, State{}, "answers 301"},
		{"something else", `{"status":"x"}`, 200, State{}, "says of a container"},
		{"nonsense", `hello`, 200, State{}, "says of a container"},
		{"endless", `{"State":{"Running":true},"Id":"` + strings.Repeat("x", 2*most) + `"}`, 200, State{}, "says of a container"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if got := r.Method + " " + r.URL.Path; got != "GET /v1.41/containers/web/json" {
					t.Errorf("asked %q", got)
				}
				if tt.status == 301 {
					w.Header().Set("Location", "/elsewhere")
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			})
			got, err := e.look(t.Context(), "web")
			if got.Started.Equal(tt.want.Started) {
				got.Started = tt.want.Started
			}
			switch {
			case tt.err == "" && (err != nil || got != tt.want):
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// TestEngineGone: a socket that nobody listens at is no engine that knows of no
// container.
func TestEngineGone(t *testing.T) {
	e := &engine{kind: "docker", socket: filepath.Join(t.TempDir(), "s")}
	if _, err := e.look(t.Context(), "web"); err == nil || !strings.Contains(err.Error(), e.socket) || strings.Contains(err.Error(), "http://") {
		t.Errorf("error %v", err)
	}
}

// TestEngineIsBounded: an engine that does not answer, or not to the end, keeps nobody.
func TestEngineIsBounded(t *testing.T) {
	for name, begin := range map[string]string{"silent": "", "slow": `{"status":"Pulling fs`} {
		t.Run(name, func(t *testing.T) {
			left := make(chan struct{}, 2)
			e := serve(t, func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, begin)
				w.(http.Flusher).Flush()
				<-r.Context().Done() // the connection is closed: docker's engine ends the pull
				left <- struct{}{}
			})
			cause := errors.New("not done within 50ms")
			for _, ask := range []func(context.Context) error{
				func(ctx context.Context) error { return e.pull(ctx, "myrepo/web:58") },
				func(ctx context.Context) error { _, err := e.look(ctx, "web"); return err },
			} {
				ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, cause)
				began := time.Now()
				if err := ask(ctx); !errors.Is(err, cause) || time.Since(began) > 5*time.Second {
					t.Errorf("error %v after %v", err, time.Since(began))
				}
				cancel()
				select {
				case <-left:
				case <-time.After(5 * time.Second):
					t.Fatal("the engine was not told")
				}
			}
		})
	}
}

func TestEnginePull(t *testing.T) {
	const progress = `{"status":"Pulling from myrepo/web","id":"58"}` + "\r\n" +
		`{"status":"Downloading","progressDetail":{"current":1,"total":2},"progress":"[=>  ]","id":"a1"}` + "\r\n"
	for _, tt := range []struct {
		name, reference, query, body string
		status                       int
		err                          string
	}{
		{"tag", "myrepo/web:58", "fromImage=docker.io%2Fmyrepo%2Fweb&tag=58", progress + `{"status":"Status: Downloaded newer image"}`, 200, ""},
		{"no tag", "redis", "fromImage=docker.io%2Flibrary%2Fredis&tag=latest", progress, 200, ""},
		{"digest", "127.0.0.1:5000/web:58@sha256:" + strings.Repeat("a", 64), "fromImage=127.0.0.1%3A5000%2Fweb&tag=sha256%3A" + strings.Repeat("a", 64), progress, 200, ""},
		{"unknown", "myrepo/web:59", "fromImage=docker.io%2Fmyrepo%2Fweb&tag=59", `{"message":"manifest for myrepo/web:59 not found"}`, 404, "manifest for myrepo/web:59 not found"},
		{"fails on the way", "myrepo/web:58", "fromImage=docker.io%2Fmyrepo%2Fweb&tag=58",
			progress + `{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}` + "\r\n", 200, "no space left on device"},
		{"fails in podman's words", "quay.io/web:58", "fromImage=quay.io%2Fweb&tag=58", progress + `{"error":"initializing source"}`, 200, "initializing source"},
		{"nonsense", "myrepo/web:58", "fromImage=docker.io%2Fmyrepo%2Fweb&tag=58", "hello", 200, "not an answer of an engine's"},
		{"endless line", "myrepo/web:58", "fromImage=docker.io%2Fmyrepo%2Fweb&tag=58", strings.Repeat("x", 2*most), 200, "token too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if got := r.Method + " " + r.URL.Path + " " + r.URL.RawQuery; got != "POST /v1.41/images/create "+tt.query {
					t.Errorf("asked %q", got)
				}
				if r.Header.Get("X-Registry-Auth") != "" {
					t.Error("a login from nowhere")
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			})
			err := e.pull(t.Context(), tt.reference)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// TestEnginePullCut: a pull that ends without its end has not brought the image.
func TestEnginePullCut(t *testing.T) {
	e := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, `{"status":"Downloading"}`)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	if err := e.pull(t.Context(), "myrepo/web:58"); err == nil || !strings.Contains(err.Error(), "broke off in the middle of the pull") {
		t.Errorf("error %v", err)
	}
}

// TestEnginePullShort: podman's socket takes a short name for Docker Hub's, podman itself for what it is told.
func TestEnginePullShort(t *testing.T) {
	asked := 0
	e := serve(t, func(http.ResponseWriter, *http.Request) { asked++ })
	e.kind = "podman"
	for reference, short := range map[string]bool{
		"web": true, "myrepo/web:58": true, "docker.io/redis:7": false, "quay.io/x/web:58": false, "localhost/web": false, "host:5000/web": false,
	} {
		if err := e.pull(t.Context(), reference); errors.Is(err, ErrShort) != short || !short && err != nil {
			t.Errorf("%s: error %v", reference, err)
		}
	}
	if asked != 4 {
		t.Errorf("asked %d times", asked)
	}
}

func TestEnginePullShowsLogin(t *testing.T) {
	const secret = "marker-5c1f"
	pair := base64.StdEncoding.EncodeToString([]byte("ci:" + secret))
	for _, tt := range []struct {
		name, config, reference string
		want                    login
		err                     string // where the registry wants a login and has none
	}{
		{"by host and port", `{"auths":{"127.0.0.1:5000":{"auth":"` + pair + `"}}}`, "127.0.0.1:5000/web:58",
			login{Username: "ci", Password: secret, ServerAddress: "127.0.0.1:5000"}, ""},
		{"written as a URL", `{"auths":{"https://r.example/v1/":{"auth":"` + pair + `"}}}`, "r.example/web:58",
			login{Username: "ci", Password: secret, ServerAddress: "r.example"}, ""},
		{"Docker Hub", `{"auths":{"https://index.docker.io/v1/":{"auth":"` + pair + `"}}}`, "myrepo/web:58",
			login{Username: "ci", Password: secret, ServerAddress: "https://index.docker.io/v1/"}, ""},
		{"identity token", `{"auths":{"r.example":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("00000000:")) + `","identitytoken":"` + secret + `"}}}`, "r.example/web:58",
			login{Username: "00000000", IdentityToken: secret, ServerAddress: "r.example"}, ""},
		{"another registry's", `{"auths":{"r.example":{"auth":"` + pair + `"}}}`, "r.example:5000/web:58", login{}, "unauthorized"},
		{"no file", "", "r.example/web:58", login{}, "unauthorized"},
		{"store", `{"auths":{"r.example":{}},"credsStore":"secretservice"}`, "r.example/web:58", login{}, `leaves the login for "r.example" to docker-credential-secretservice`},
		{"helper", `{"credsStore":"pass","credHelpers":{"r.example":"ecr-login"}}`, "r.example/web:58", login{}, "to docker-credential-ecr-login, which only the docker client asks"},
		{"helper of another", `{"credHelpers":{"r.example":"ecr-login"}}`, "myrepo/web:58", login{}, "unauthorized"},
		{"no JSON", `{"auths":{"r.example":{"auth":` + secret + `}}}`, "r.example/web:58", login{}, "cannot be read: no JSON as docker writes it"},
		{"no base64", `{"auths":{"r.example":{"auth":"` + secret + `"}}}`, "r.example/web:58", login{}, `the login for "r.example" in`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var shown login
			e := serve(t, func(w http.ResponseWriter, r *http.Request) {
				header := r.Header.Get("X-Registry-Auth")
				if header == "" {
					w.WriteHeader(http.StatusUnauthorized)
					fmt.Fprint(w, `{"message":"unauthorized"}`)
					return
				}
				text, err := base64.URLEncoding.DecodeString(header)
				if err != nil || json.Unmarshal(text, &shown) != nil {
					t.Errorf("%v in %q", err, header)
				}
				// an engine that talks too much
				said := secret
				if strings.Contains(tt.config, pair) {
					said += ", " + pair
				}
				fmt.Fprintf(w, `{"error":"denied to %s with %s, %s"}`, shown.Username, said, header)
			})
			if tt.config != "" {
				if err := os.WriteFile(e.config, []byte(tt.config), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := e.pull(t.Context(), tt.reference)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), pair) || strings.Contains(err.Error(), "eyJ") {
				t.Errorf("tells a secret: %v", err)
			}
			if shown.secrets = nil; fmt.Sprint(shown) != fmt.Sprint(tt.want) {
				t.Errorf("showed %+v, want %+v", shown, tt.want)
			}
			if tt.err != "" && (!strings.Contains(err.Error(), tt.err) || !strings.HasPrefix(err.Error(), "unauthorized")) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// TestFind prefers the program, and takes nothing but a socket for one.
func TestFind(t *testing.T) {
	client(t, "true")
	found, err := Find("docker", noEnv)
	if err != nil || found.engine != nil {
		t.Errorf("%+v, %v", found, err)
	}
	e := serve(t, http.NotFound)
	t.Setenv("PATH", t.TempDir())
	folder := t.TempDir() // docker makes one where a socket to mount is missing
	for _, tt := range []struct {
		paths []string
		want  string
	}{{[]string{folder, e.socket}, e.socket}, {[]string{folder}, ""}, {nil, ""}} {
		found, err := find("docker", tt.paths, func(name string) string { return map[string]string{"HOME": "/root"}[name] })
		switch {
		case tt.want == "" && !errors.Is(err, ErrNoClient):
			t.Errorf("%v: error %v", tt.paths, err)
		case tt.want != "" && (err != nil || found.engine == nil || found.engine.socket != tt.want || found.engine.config != "/root/.docker/config.json"):
			t.Errorf("%v: %+v, %v", tt.paths, found.engine, err)
		}
	}
	found, err = find("podman", []string{e.socket}, func(name string) string { return map[string]string{"HOME": "/root", "DOCKER_CONFIG": "/conf"}[name] })
	if err != nil || found.engine.config != "/conf/config.json" || found.engine.kind != "podman" {
		t.Errorf("%+v, %v", found.engine, err)
	}
}
