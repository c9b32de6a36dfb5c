package containerclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// answerTime is how long an engine may take for an answer that needs no work.
	answerTime = 10 * time.Second
	// most is how long the description of a container, or a line about a pull, may be.
	most = 1 << 20
)

// An engine is asked over its socket, by the HTTP API of docker's engine, which podman
// speaks as well: https://docs.docker.com/reference/api/engine.
type engine struct {
	kind   string // docker or podman
	socket string
	config string // docker's configuration, with the passwords of registries
}

// look asks how a container is.
func (e *engine) look(ctx context.Context, name string) (State, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, e.silent())
	defer cancel()
	body, err := e.ask(ctx, http.MethodGet, "/containers/"+url.PathEscape(name)+"/json", nil, nil)
	if answer := (*answerError)(nil); errors.As(err, &answer) && answer.noContainer() {
		return State{}, nil
	}
	if err != nil {
		return State{}, err
	}
	defer body.Close()
	var found inspected
	err = json.NewDecoder(io.LimitReader(body, most)).Decode(&found)
	switch {
	case ctx.Err() != nil:
		return State{}, context.Cause(ctx)
	case err == nil && found.State == nil:
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return State{}, fmt.Errorf("what the client says of a container: %w", err)
	}
	return found.state(), nil
}

// silent is the cause of the end when an engine has not answered in its time.
func (e *engine) silent() error {
	return fmt.Errorf("the engine at %s did not answer within %v", e.socket, answerTime)
}

// answerError is what an engine answers instead of what it was asked for.
type answerError struct {
	status  int
	message string
}

func (e *answerError) Error() string { return e.message }

// noContainer tells that there is no such container, and not that there is no such
// question.
func (e *answerError) noContainer() bool {
	return e.status == http.StatusNotFound && strings.Contains(strings.ToLower(e.message), "no such container")
}

// ask puts a question to the engine, in the version of the API that it names as its
// own: without one is not going to work for ever, and no version works with all
// engines. The body of a good answer is to be closed.
func (e *engine) ask(ctx context.Context, method, path string, query url.Values, header http.Header) (io.ReadCloser, error) {
	// one connection each time: engines are restarted, and asked seldom
	transport := &http.Transport{
		DisableKeepAlives: true, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: answerTime}).DialContext(ctx, "unix", e.socket)
		},
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	version, err := e.version(ctx, client)
	if err != nil {
		return nil, err
	}
	response, err := send(ctx, client, method, version+path, query, header)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer response.Body.Close()
	var answer struct{ Message string }
	text, _ := io.ReadAll(io.LimitReader(response.Body, most)) // whatever of it came
	if json.Unmarshal(text, &answer) != nil || answer.Message == "" {
		answer.Message = fmt.Sprintf("the engine at %s answers %d", e.socket, response.StatusCode)
	}
	return nil, &answerError{response.StatusCode, last(answer.Message)}
}

// version is the beginning of paths, as in "/v1.41", "" where the engine names none.
func (e *engine) version(ctx context.Context, client *http.Client) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, e.silent())
	defer cancel()
	response, err := send(ctx, client, http.MethodGet, "/_ping", nil, nil)
	if err != nil {
		return "", err
	}
	response.Body.Close()
	version := response.Header.Get("Api-Version")
	if version == "" || strings.Trim(version, "0123456789.") != "" {
		return "", nil
	}
	return "/v" + version, nil
}

// send makes one request. The URL is left out of errors.
func send(ctx context.Context, client *http.Client, method, path string, query url.Values, header http.Header) (*http.Response, error) {
	address := "http://engine" + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := client.Do(request)
	var outer *url.Error
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(err, &outer):
		return nil, outer.Err
	}
	return response, err
}
