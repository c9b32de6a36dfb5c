package fleettest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
)

// answer is what a request gets; status 0 is a connection that is cut.
type answer struct {
	status int
	body   any // nil is an empty body
}

// text is a body that is not JSON.
type text string

// fail is an answer with the server's kind of error; nil has an empty text.
func fail(status int, err error) answer {
	type detail struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	d := detail{Code: status}
	if err != nil {
		d.Message = err.Error()
	}
	return answer{status, map[string]detail{"error": d}}
}

// ServeHTTP answers as fleetd does.
func (c *Cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := c.serve(r)
	if a.status == 0 {
		panic(http.ErrAbortHandler)
	}
	if c.server == nil {
		w.Header().Set("Server", "fleetd/"+c.opts.Version)
	} else if *c.server != "" {
		w.Header().Set("Server", *c.server)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	if t, plain := a.body.(text); plain {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, string(t)) // a client that is gone is no concern
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) // a client that is gone is no concern
}

// RoundTrip answers without a network in between.
func (c *Cluster) RoundTrip(r *http.Request) (response *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	defer func() {
		if recover() != nil {
			response, err = nil, io.EOF
		}
	}()
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w.Result(), nil
}

func (c *Cluster) serve(r *http.Request) answer {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body) // what is cut off does not decode
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	entry := Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Body: string(body)}
	a, spoiled := answer{}, false
	for i, f := range c.failing {
		if f.method == r.Method && f.path == r.URL.Path {
			c.failing = slices.Delete(c.failing, i, i+1)
			if f.carriedOut {
				c.route(r, body)
			}
			a, spoiled = fail(f.status, nil), true
			if f.status == 0 {
				a.status = 0
			}
			break
		}
	}
	if !spoiled {
		a = c.route(r, body)
	}
	for i, h := range c.hooks {
		if h.method == r.Method && h.path == r.URL.Path {
			c.hooks = slices.Delete(c.hooks, i, i+1)
			h.do()
			break
		}
	}
	entry.Status = a.status
	c.log = append(c.log, entry)
	return a
}

var (
	errOnlyGet = errors.New("only GET supported against this resource")
	errMethods = errors.New("only GET, PUT and DELETE supported against this resource")
)

// route finds the resource.
func (c *Cluster) route(r *http.Request, body []byte) answer {
	path, ok := strings.CutPrefix(r.URL.Path, "/fleet/v1")
	if !ok {
		path, ok = strings.CutPrefix(r.URL.Path, "/v1-alpha")
	}
	switch {
	case r.URL.Path == "/" || ok && path == "":
		return fail(http.StatusMethodNotAllowed, nil)
	case r.URL.Path == "/metrics":
		return answer{http.StatusOK, text("# TYPE fleet_server_up gauge\nfleet_server_up 1\n")}
	case !ok:
		return fail(http.StatusNotFound, nil)
	case path == "/discovery":
		return answer{http.StatusOK, map[string]string{"kind": "discovery#restDescription", "name": "schema", "version": "v1"}}
	}
	if !c.etcdDown.IsZero() && c.etcdUp.IsZero() {
		if c.since(c.etcdDown) >= 20 {
			return fail(http.StatusServiceUnavailable, errors.New("fleet server unable to communicate with etcd"))
		}
		return fail(http.StatusInternalServerError, nil)
	}
	switch path {
	case "/units":
		return c.collection(r, func() (any, string, error) {
			t, err := c.token(r.URL.Query())
			units, next := page(c.list(), t)
			return pageOf("units", units, next), next, err
		})
	case "/state":
		return c.collection(r, func() (any, string, error) {
			t, err := c.token(r.URL.Query())
			states, next := page(c.filtered(r.URL.Query().Get("unitName"), r.URL.Query().Get("machineID")), t)
			return pageOf("states", states, next), next, err
		})
	case "/machines":
		if r.Method == http.MethodPatch {
			return c.patch(body)
		}
		return c.collection(r, func() (any, string, error) {
			t, err := c.token(r.URL.Query())
			var all []Machine
			for _, m := range c.machines {
				if !m.gone {
					all = append(all, m.Machine)
				}
			}
			machines, next := page(all, t)
			return pageOf("machines", machines, next), next, err
		})
	}
	if name, ok := strings.CutPrefix(path, "/units/"); ok && name != "" && !strings.Contains(name, "/") {
		return c.item(r, name, body)
	}
	if name, ok := strings.CutPrefix(path, "/state/"); ok && name != "" && !strings.Contains(name, "/") {
		return c.state(r, name)
	}
	return fail(http.StatusNotFound, nil)
}

// pageOf is a page of a list; one that is empty has no key at all.
func pageOf[E any](key string, list []E, next string) map[string]any {
	m := map[string]any{}
	if len(list) > 0 {
		m[key] = list
	}
	if next != "" {
		m["nextPageToken"] = next
	}
	return m
}

func (c *Cluster) collection(r *http.Request, list func() (any, string, error)) answer {
	if r.Method != http.MethodGet {
		return fail(http.StatusMethodNotAllowed, errOnlyGet)
	}
	body, _, err := list()
	if err != nil {
		return fail(http.StatusBadRequest, err)
	}
	return answer{http.StatusOK, body}
}

func (c *Cluster) filtered(unit, machine string) []UnitState {
	return slices.DeleteFunc(c.states(), func(s UnitState) bool {
		return unit != "" && s.Name != unit || machine != "" && s.MachineID != machine
	})
}

// state is the resource that clients must not use: a new server dies of a unit
// that it does not know.
func (c *Cluster) state(r *http.Request, name string) answer {
	c.faults = append(c.faults, r.Method+" "+r.URL.Path+": a resource that ends the server")
	list := c.filtered(name, "")
	switch {
	case c.opts.Version == Old:
		return fail(http.StatusNotFound, nil)
	case len(list) == 0:
		return answer{}
	}
	return answer{http.StatusOK, list[0]}
}

// patch changes the metadata of machines.
func (c *Cluster) patch(body []byte) answer {
	var operations []struct {
		Operation string `json:"op"`
		Path      string `json:"path"`
		Value     struct {
			Value string `json:"value"`
		} `json:"value"`
	}
	if err := json.Unmarshal(body, &operations); err != nil {
		return fail(http.StatusBadRequest, err)
	}
	for _, o := range operations {
		parts := strings.Split(strings.TrimPrefix(o.Path, "/"), "/")
		if len(parts) != 3 || parts[1] != "metadata" || c.node(parts[0]) == nil {
			return fail(http.StatusBadRequest, errors.New("invalid path"))
		}
		m := c.node(parts[0])
		if o.Operation == "remove" {
			delete(m.Metadata, parts[2])
		} else {
			m.Metadata[parts[2]] = o.Value.Value
		}
	}
	return answer{http.StatusNoContent, nil}
}

func (c *Cluster) item(r *http.Request, name string, body []byte) answer {
	switch r.Method {
	case http.MethodGet:
		switch {
		case c.poisoned[name]:
			return fail(http.StatusInternalServerError, nil)
		case c.units[name] == nil:
			return fail(http.StatusNotFound, errors.New("unit does not exist"))
		}
		return answer{http.StatusOK, c.api(c.units[name])}
	case http.MethodDelete:
		switch {
		case c.poisoned[name]:
			return fail(http.StatusInternalServerError, nil)
		case c.units[name] == nil:
			return fail(http.StatusNotFound, errors.New("unit does not exist"))
		}
		c.destroy(name)
		return answer{http.StatusNoContent, nil}
	case http.MethodPut:
		return c.put(r, name, body)
	}
	return fail(http.StatusMethodNotAllowed, errMethods)
}

// put is the whole matrix of what a PUT may come to.
func (c *Cluster) put(r *http.Request, name string, body []byte) answer {
	if list := r.Header.Values("Content-Type"); len(list) != 1 {
		return fail(http.StatusUnsupportedMediaType, fmt.Errorf("expected 1 Content-Type, got %d", len(list)))
	} else if kind, _, err := mime.ParseMediaType(list[0]); err != nil || kind != "application/json" {
		return fail(http.StatusUnsupportedMediaType, errors.New("only acceptable Content-Type is application/json"))
	}
	var sent Unit
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&sent); err != nil {
		return fail(http.StatusBadRequest, fmt.Errorf("unable to decode body: %w", err))
	}
	if sent.Name != "" && sent.Name != name {
		return fail(http.StatusBadRequest, fmt.Errorf("name in URL %q differs from unit name in request body %q", name, sent.Name))
	}
	if err := c.validName(name); err != nil {
		return fail(http.StatusBadRequest, err)
	}
	if c.poisoned[name] {
		return fail(http.StatusInternalServerError, nil)
	}
	u := c.units[name]
	if u == nil && len(sent.Options) == 0 {
		return fail(http.StatusConflict, errors.New("unit does not exist and options field empty"))
	}
	known := slices.Contains([]string{"inactive", "loaded", "launched"}, sent.DesiredState)
	if len(sent.Options) > 0 {
		stored, err := c.stored(sent.Options)
		// what is sent is compared with what was stored: options that are stored
		// otherwise than they are sent differ each time
		differs := u == nil || u.hash != hash(sent.Options)
		if why := careless(name, sent.Options, stored, sent.DesiredState); why != "" {
			c.fault(name, why)
		} else if !differs && u.desired == sent.DesiredState {
			c.fault(name, "nothing that is to be changed")
		}
		if u == nil || differs && c.opts.Version != Old {
			if err := c.validOptions(name, sent.Options); err != nil {
				return fail(http.StatusBadRequest, err)
			}
			if err != nil {
				return fail(http.StatusBadRequest, err)
			}
			switch {
			case sent.DesiredState == "":
				sent.DesiredState = "inactive"
				if u != nil {
					c.fault(name, "options without a state: the unit stops")
				}
			case !known:
				c.fault(name, "a state that there is not")
				return fail(http.StatusInternalServerError, nil)
			}
			c.replace(name, stored, sent.DesiredState)
			return answer{http.StatusCreated, nil}
		}
	}
	switch {
	case sent.DesiredState == "":
		return fail(http.StatusConflict, errors.New("must provide DesiredState to update existing unit"))
	case c.opts.Version != Old && isTemplate(name) && sent.DesiredState != "inactive" && known:
		c.fault(name, "a template that is to run")
		return fail(http.StatusBadRequest, fmt.Errorf("cannot activate template %q", name))
	case !known:
		c.fault(name, "a state that there is not")
		c.poisoned[name] = true
		return answer{http.StatusNoContent, nil}
	}
	u.desired = sent.DesiredState
	c.settle(u)
	return answer{http.StatusNoContent, nil}
}

func (c *Cluster) fault(name, why string) {
	c.faults = append(c.faults, "PUT "+name+": "+why)
}
