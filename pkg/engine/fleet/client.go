package fleet

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Unit is a unit in fleet's API.
type apiUnit struct {
	Name         string      `json:"name,omitempty"`
	Options      []apiOption `json:"options,omitempty"`
	DesiredState string      `json:"desiredState,omitempty"`
	CurrentState string      `json:"currentState,omitempty"`
	MachineID    string      `json:"machineID,omitempty"`
}

type apiOption struct {
	Section string `json:"section"`
	Name    string `json:"name"`
	Value   string `json:"value,omitempty"`
}

// unitState is a unit on a machine in the API: systemd's words.
type unitState struct {
	Name      string `json:"name"`
	Hash      string `json:"hash"`
	MachineID string `json:"machineID"`
	Load      string `json:"systemdLoadState"`
	Active    string `json:"systemdActiveState"`
	Sub       string `json:"systemdSubState"`
}

type machine struct {
	ID       string            `json:"id"`
	IP       string            `json:"primaryIP"`
	Metadata map[string]string `json:"metadata"`
}

// The states that a unit can be wanted in. Any other poisons it for ever, so no
// other is ever sent.
const (
	inactive = "inactive"
	loaded   = "loaded"
	launched = "launched"
)

// ErrEndpoint tells that an endpoint is not one.
var ErrEndpoint = errors.New("neither unix:///PATH nor http://HOST:PORT")

const (
	// answerTime is how long one answer may take.
	answerTime = 30 * time.Second
	// maxAnswer is the most that is read of one, in bytes.
	maxAnswer = 64 << 20
)

// A refusal is an answer of fleet that says no: nothing was changed.
type refusal struct {
	status  int
	message string
}

func (e *refusal) Error() string {
	return fmt.Sprintf("fleet answers %d: %s", e.status, cmp.Or(e.message, http.StatusText(e.status)))
}

// A lost request is one that got no answer, or that fleet could not deal with: it
// may have been carried out or not.
type lost struct {
	err    error
	status int  // 0 is no answer
	dial   bool // it was never sent
}

func (e *lost) Error() string {
	if e.status > 0 {
		return fmt.Sprintf("fleet answers %d: %s", e.status, cmp.Or(strings.TrimSpace(e.err.Error()), "it cannot reach its store, etcd"))
	}
	return e.err.Error()
}

func (e *lost) Unwrap() error { return e.err }

// client speaks fleet's API, version 1.
type client struct {
	base string // URL up to the resources
	http *http.Client

	mu     sync.Mutex
	server string    // what the server last said it is: fleetd/1.0.0
	outage time.Time // when it last could not answer for its store, etcd
}

// newClient makes a client for unix:///PATH or http://HOST:PORT. It connects to
// nothing yet.
func newClient(endpoint string) (*client, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, ErrEndpoint
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: answerTime}
	c := &client{http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	switch {
	case u.Scheme == "unix" && u.Host == "" && len(u.Path) > 1:
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: answerTime}).DialContext(ctx, "unix", u.Path)
		}
		c.base = "http://fleet/fleet/v1"
	case u.Scheme == "http" && u.Host != "":
		transport.DialContext = (&net.Dialer{Timeout: answerTime}).DialContext
		c.base = "http://" + u.Host + strings.TrimSuffix(u.EscapedPath(), "/") + "/fleet/v1"
	default:
		return nil, ErrEndpoint
	}
	return c, nil
}

// do makes one request and reads the answer into result, unless that is nil. It
// returns the status of an answer that says yes; errors are *refusal, *lost, or
// the context's.
func (c *client) do(ctx context.Context, method, resource string, body, result any) (int, error) {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		content = bytes.NewReader(data)
	}
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, method, c.base+resource, content)
	if err != nil {
		return 0, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		var network *net.OpError
		return 0, &lost{err: reason(err), dial: errors.As(err, &network) && network.Op == "dial"}
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, &lost{err: reason(err)}
	}
	c.mu.Lock()
	c.server = response.Header.Get("Server")
	if response.StatusCode >= http.StatusInternalServerError {
		c.outage = time.Now()
	}
	c.mu.Unlock()
	switch status := response.StatusCode; {
	case status >= 500:
		return 0, &lost{err: errors.New(message(data)), status: status}
	case status >= 300:
		return 0, &refusal{status, message(data)}
	case result == nil:
		return status, nil
	default:
		if err := json.Unmarshal(data, result); err != nil {
			return 0, &lost{err: fmt.Errorf("%s %s: not an answer of fleet's: %w", method, resource, err)}
		}
		return status, nil
	}
}

// reason takes method and URL off a client's error.
func reason(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("fleet closed the connection without an answer")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("fleet did not answer within %v", answerTime)
	}
	return err
}

// message is the text of an error of fleet's, "" if there is none.
func message(data []byte) string {
	var body struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(data, &body) != nil {
		return ""
	}
	return body.Error.Message
}

func unitResource(name string) string { return "/units/" + url.PathEscape(name) }

// unit reads one unit, nil if there is none.
func (c *client) unit(ctx context.Context, name string) (*apiUnit, error) {
	var u apiUnit
	_, err := c.do(ctx, http.MethodGet, unitResource(name), nil, &u)
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// put sends a unit; the status is 201 if the options are new to fleet, and 204 if
// only the state was set.
func (c *client) put(ctx context.Context, u apiUnit) (int, error) {
	return c.do(ctx, http.MethodPut, unitResource(u.Name), u, nil)
}

// destroy deletes a unit; one that is not there is as good as deleted.
func (c *client) destroy(ctx context.Context, name string) error {
	_, err := c.do(ctx, http.MethodDelete, unitResource(name), nil, nil)
	if isGone(err) {
		return nil
	}
	return err
}

func isGone(err error) bool {
	var no *refusal
	return errors.As(err, &no) && no.status == http.StatusNotFound
}

// page is one page of any list.
type page struct {
	Units    []apiUnit   `json:"units"`
	States   []unitState `json:"states"`
	Machines []machine   `json:"machines"`
	Next     string      `json:"nextPageToken"`
}

// pages reads all pages of a list. Each page is a look of its own at a list that
// may change meanwhile, so callers take each name once.
func (c *client) pages(ctx context.Context, resource string, query url.Values, take func(page)) error {
	if query == nil {
		query = url.Values{}
	}
	seen := map[string]bool{}
	for {
		target := resource
		if len(query) > 0 {
			target += "?" + query.Encode()
		}
		var p page
		if _, err := c.do(ctx, http.MethodGet, target, nil, &p); err != nil {
			return err
		}
		take(p)
		if p.Next == "" {
			return nil
		}
		if seen[p.Next] {
			return fmt.Errorf("the list %s goes in a circle", resource)
		}
		seen[p.Next] = true
		query.Set("nextPageToken", p.Next)
	}
}

func (c *client) units(ctx context.Context) (map[string]apiUnit, error) {
	units := map[string]apiUnit{}
	err := c.pages(ctx, "/units", nil, func(p page) {
		for _, u := range p.Units {
			units[u.Name] = u
		}
	})
	return units, err
}

// place is a unit on a machine.
type place struct{ unit, machine string }

// states reads the states of one unit, or with "" of all.
func (c *client) states(ctx context.Context, unit string) (map[place]unitState, error) {
	query := url.Values{}
	if unit != "" {
		query.Set("unitName", unit)
	}
	states := map[place]unitState{}
	err := c.pages(ctx, "/state", query, func(p page) {
		for _, s := range p.States {
			if unit == "" || s.Name == unit {
				states[place{s.Name, s.MachineID}] = s
			}
		}
	})
	return states, err
}

func (c *client) machines(ctx context.Context) (map[string]machine, error) {
	machines := map[string]machine{}
	err := c.pages(ctx, "/machines", nil, func(p page) {
		for _, m := range p.Machines {
			machines[m.ID] = m
		}
	})
	return machines, err
}

// blind reports whether fleet may know of no states because etcd was away: for some
// seconds after that it lists its units and nothing of what became of them.
func (c *client) blind() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.outage.IsZero() && time.Since(c.outage) < lease/2
}

// replaces reports whether the server is known to replace a unit's options, which
// it does from 0.13 on; one that does not say what it is may.
func (c *client) replaces() bool { return c.atLeast(0, 13) }

// keepsFiles reports whether the server keeps the file of a unit that systemd could not
// load when the unit is deleted: 1.0 does, 0.11 does not.
func (c *client) keepsFiles() bool { return c.atLeast(1, 0) }

// atLeast compares the version that the server says it is; one that it does not say is
// taken for new.
func (c *client) atLeast(major, minor int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	version, _ := strings.CutPrefix(c.server, "fleetd/")
	var is struct{ major, minor int }
	if n, err := fmt.Sscanf(version, "%d.%d", &is.major, &is.minor); err != nil || n != 2 {
		return true
	}
	return is.major > major || is.major == major && is.minor >= minor
}

// How long to bear with a fleet that cannot answer: a look can be taken again by
// the next run, what was begun should be ended.
const (
	lookPatience = 15 * time.Second
	workPatience = 90 * time.Second
)

// patient repeats a look while fleet cannot answer, first soon, then less often.
// A server that is not there at all is waited for only where work was begun.
func patient[T any](ctx context.Context, patience time.Duration, look func(context.Context) (T, error)) (T, error) {
	began := time.Now()
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 8*time.Second) {
		result, err := look(ctx)
		var miss *lost
		if !errors.As(err, &miss) || miss.dial && patience == lookPatience || time.Since(began)+pause > patience {
			return result, err
		}
		if err := sleep(ctx, pause); err != nil {
			return result, err
		}
	}
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
