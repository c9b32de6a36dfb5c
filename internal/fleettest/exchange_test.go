package fleettest_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/internal/fleettest"
)

// clock is a time that tests move.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// cluster is one of a version whose time stands still.
func cluster(version string) (*fleettest.Cluster, *clock) {
	c := &clock{time.Unix(1e9, 0)}
	return fleettest.NewCluster(fleettest.Options{Version: version, Now: c.Now}), c
}

const (
	sleep  = `[{"section":"Service","name":"ExecStart","value":"/usr/bin/sleep 3000"}]`
	longer = `[{"section":"Service","name":"ExecStart","value":"/usr/bin/sleep 4000"}]`
)

const everywhere = `[{"section":"Service","name":"ExecStart","value":"/usr/bin/sleep 3000"},{"section":"X-Fleet","name":"Global","value":"true"}]`

func body(state, options string) string {
	var parts []string
	if state != "" {
		parts = append(parts, fmt.Sprintf("%q:%q", "desiredState", state))
	}
	if options != "" {
		parts = append(parts, fmt.Sprintf("%q:%s", "options", options))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func failure(code int, message string) string {
	return fmt.Sprintf(`{"error":{"code":%d,"message":%q}}`, code, message)
}

// ask makes a request and returns status and body; status 0 is no answer.
func ask(c *fleettest.Cluster, method, target, body string, header ...string) (int, string) {
	request := httptest.NewRequest(method, target, strings.NewReader(body))
	if method == http.MethodPut && len(header) == 0 {
		header = []string{"Content-Type: application/json"}
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Add(name, value)
	}
	response, err := c.RoundTrip(request)
	if err != nil {
		return 0, ""
	}
	data, err := io.ReadAll(bufio.NewReader(response.Body))
	if err != nil {
		return 0, ""
	}
	return response.StatusCode, strings.TrimSuffix(string(data), "\n")
}

// TestExchanges repeats what was recorded: requests in a row on one cluster, with
// what they got.
func TestExchanges(t *testing.T) {
	type exchange struct {
		method, target, body string
		status               int
		want                 string
	}
	put := func(name, body string, status int, want string) exchange {
		return exchange{"PUT", "/fleet/v1/units/" + name, body, status, want}
	}
	get := func(target string, status int, want string) exchange {
		return exchange{"GET", "/fleet/v1" + target, "", status, want}
	}
	const gone = `{"error":{"code":404,"message":"unit does not exist"}}`
	for _, tt := range []struct {
		name, version string
		row           []exchange
	}{
		{"nothing is there", fleettest.New, []exchange{
			get("/units", 200, `{}`), get("/state", 200, `{}`), get("/units/a.service", 404, gone),
			{"DELETE", "/fleet/v1/units/a.service", "", 404, gone},
			get("/state?unitName=a.service", 200, `{}`),
			get("/state?unitName=a.service&machineID=1", 200, `{}`),
			get("/state/a.service", 0, ``),
			get("/machines", 200, `{"machines":[{"id":"11111111111111111111111111111111","primaryIP":"10.88.0.1","metadata":{"node":"n1"}},{"id":"22222222222222222222222222222222","primaryIP":"10.88.0.2","metadata":{"node":"n2"}}]}`),
			{"GET", "/v1-alpha/units", "", 200, `{}`},
		}},
		{"one state, old", fleettest.Old, []exchange{get("/state/a.service", 404, failure(404, ""))}},
		{"methods and paths", fleettest.New, []exchange{
			{"POST", "/fleet/v1/units", "", 405, failure(405, "only GET supported against this resource")},
			{"HEAD", "/fleet/v1/units", "", 405, failure(405, "only GET supported against this resource")},
			{"POST", "/fleet/v1/units/a.service", "", 405, failure(405, "only GET, PUT and DELETE supported against this resource")},
			{"PUT", "/fleet/v1/state", "", 405, failure(405, "only GET supported against this resource")},
			{"DELETE", "/fleet/v1/machines", "", 405, failure(405, "only GET supported against this resource")},
			{"HEAD", "/fleet/v1/units/a.service", "", 405, failure(405, "only GET, PUT and DELETE supported against this resource")},
			{"PATCH", "/fleet/v1/units/a.service", "", 405, failure(405, "only GET, PUT and DELETE supported against this resource")},
			{"GET", "/", "", 405, failure(405, "")}, {"GET", "/fleet/v1", "", 405, failure(405, "")},
			get("/units/", 404, failure(404, "")), get("/nothing", 404, failure(404, "")), get("/state/", 404, failure(404, "")), get("/machines/", 404, failure(404, "")),
			get("/discovery", 200, `*`), {"GET", "/metrics", "", 200, `*`},
		}},
		{"global", fleettest.New, []exchange{
			put("g.service", body("launched", everywhere), 201, ``),
			get("/units/g.service", 200, `{"name":"g.service","options":`+everywhere+`,"desiredState":"launched"}`),
			get("/units", 200, `{"units":[{"name":"g.service","options":`+everywhere+`,"desiredState":"launched","currentState":"inactive"}]}`),
		}},
		{"machines", fleettest.New, []exchange{
			{"PATCH", "/fleet/v1/machines", `[{"op":"add","path":"/11111111111111111111111111111111/metadata/x","value":{"value":"v"}}]`, 204, ``},
			{"PATCH", "/fleet/v1/machines", `[{"op":"add","path":"/11111111111111111111111111111111/metadata/x","value":"v"}]`, 400, `*`},
		}},
		{"first", fleettest.New, []exchange{
			put("a.service", body("launched", sleep), 201, ``),
			get("/units/a.service", 200, `{"name":"a.service","options":[{"section":"Service","name":"ExecStart","value":"/usr/bin/sleep 3000"}],"desiredState":"launched","currentState":"inactive"}`),
		}},
		{"no state", fleettest.New, []exchange{
			put("a.service", body("", sleep), 201, ``),
			get("/units/a.service", 200, `{"name":"a.service","options":[{"section":"Service","name":"ExecStart","value":"/usr/bin/sleep 3000"}],"desiredState":"inactive","currentState":"inactive"}`),
		}},
		{"no options", fleettest.New, []exchange{
			put("a.service", body("launched", ""), 409, failure(409, "unit does not exist and options field empty")),
			put("a.service", body("launched", "[]"), 409, failure(409, "unit does not exist and options field empty")),
		}},
		{"a state that there is not", fleettest.New, []exchange{
			put("a.service", body("running", sleep), 500, failure(500, "")), get("/units/a.service", 404, gone),
		}},
		{"there already", fleettest.New, []exchange{
			put("a.service", body("inactive", sleep), 201, ``),
			put("a.service", body("loaded", ""), 204, ``),
			put("a.service", body("launched", sleep), 204, ``),
			put("a.service", body("", sleep), 409, failure(409, "must provide DesiredState to update existing unit")),
			put("a.service", body("launched", longer), 201, ``),
			put("a.service", body("", sleep), 201, ``),
			get("/units/a.service", 200, `{"name":"a.service","options":[{"section":"Service","name":"ExecStart","value":"/usr/bin/sleep 3000"}],"desiredState":"inactive","currentState":"inactive"}`),
			{"DELETE", "/fleet/v1/units/a.service", "", 204, ``}, get("/units/a.service", 404, gone),
		}},
		{"poisoned", fleettest.New, []exchange{
			put("a.service", body("launched", sleep), 201, ``), put("a.service", body("running", ""), 204, ``),
			get("/units", 200, `{}`), get("/units/a.service", 500, failure(500, "")),
			put("a.service", body("launched", sleep), 500, failure(500, "")), {"DELETE", "/fleet/v1/units/a.service", "", 500, failure(500, "")},
		}},
		{"template", fleettest.New, []exchange{
			put("t@.service", body("inactive", sleep), 201, ``),
			put("t@.service", body("launched", ""), 400, failure(400, `cannot activate template "t@.service"`)),
			put("t@.service", body("loaded", sleep), 400, failure(400, `cannot activate template "t@.service"`)),
			put("t@.service", body("launched", longer), 201, ``),
			put("u@.service", body("launched", sleep), 201, ``),
			put("u@.mount", body("inactive", sleep), 400, failure(400, `invalid unit type for template: "mount"`)),
		}},
		{"template, old", fleettest.Old, []exchange{put("u@.mount", body("inactive", sleep), 201, ``)}},
		{"old", fleettest.Old, []exchange{
			put("a.service", body("launched", sleep), 201, ``),
			put("a.service", body("launched", longer), 204, ``),
			put("a.service", body("", longer), 409, failure(409, "must provide DesiredState to update existing unit")),
			get("/units/a.service", 200, `{"name":"a.service","options":[{"section":"Service","name":"ExecStart","value":"/usr/bin/sleep 3000"}],"desiredState":"launched","currentState":"inactive"}`),
		}},
		{"bodies", fleettest.New, []exchange{
			put("b.service", `{"desiredState":`, 400, failure(400, "unable to decode body: unexpected EOF")),
			put("b.service", `{"name":"c.service"}`, 400, failure(400, `name in URL "b.service" differs from unit name in request body "c.service"`)),
			put("b.service", `{"machineID":"x","currentState":"launched","nonsense":1,"desiredState":"inactive","options":`+sleep+`}`, 201, ``),
			get("/units/b.service", 200, `{"name":"b.service","options":`+sleep+`,"desiredState":"inactive","currentState":"inactive"}`),
		}},
		{"names", fleettest.New, []exchange{
			put("foo", body("", sleep), 400, failure(400, `unit name must contain "."`)),
			put("a.foo", body("", sleep), 400, failure(400, `invalid unit type: "foo"`)),
			put("@.service", body("", sleep), 400, failure(400, `unit name cannot start in "@"`)),
			put("a%20b.service", body("", sleep), 400, failure(400, `invalid character ' ' in unit name`)),
			put(strings.Repeat("a", 250)+".service", body("", sleep), 400, failure(400, "unit name exceeds maximum length (256)")),
			put("a%40b%5Cx2d.service", body("inactive", sleep), 201, ``),
			get(`/units/a@b%5Cx2d.service`, 200, `{"name":"a@b\\x2d.service","options":[{"section":"Service","name":"ExecStart","value":"/usr/bin/sleep 3000"}],"desiredState":"inactive","currentState":"inactive"}`),
		}},
		{"long lines", fleettest.New, []exchange{
			put("a.service", body("inactive", `[{"section":"Service","name":"X","value":"`+strings.Repeat("x", 2100)+`"}]`), 400, failure(400, "line too long (max 2048 bytes)")),
			put("a.service", body("inactive", `[{"section":"Service","name":"X","value":"`+strings.Repeat("x", 2045)+`"}]`), 201, ``),
		}},
		{"long lines, old", fleettest.Old, []exchange{
			put("a.service", body("inactive", `[{"section":"Service","name":"X","value":"`+strings.Repeat("x", 2100)+`"}]`), 201, ``),
		}},
		{"requirements", fleettest.New, []exchange{
			put("a.service", body("inactive", `[{"section":"X-Fleet","name":"MachineID","value":"1"},{"section":"X-Fleet","name":"Conflicts","value":"b*"}]`), 400, failure(400, "MachineID cannot be used with Conflicts")),
			put("a.service", body("inactive", `[{"section":"X-Fleet","name":"MachineID","value":"1"},{"section":"X-Fleet","name":"MachineOf","value":"b.service"}]`), 400, failure(400, "MachineID cannot be used with Peers")),
			put("a.service", body("inactive", `[{"section":"X-Fleet","name":"Global","value":"true"},{"section":"X-Fleet","name":"MachineOf","value":"b.service"}]`), 400, failure(400, "Global cannot be used with Peers")),
			put("a.service", body("inactive", `[{"section":"X-Fleet","name":"Conflicts","value":"b*"},{"section":"X-Fleet","name":"MachineOf","value":"b.service"}]`), 400, `*`),
			put("a.service", body("inactive", `[{"section":"X-Fleet","name":"MachineID","value":"1"},{"section":"X-Fleet","name":"Global","value":"true"}]`), 400, failure(400, "MachineID cannot be used with Global")),
			put("a.service", body("inactive", `[{"section":"X-Fleet","name":"MachineID","value":"1"},{"section":"X-Fleet","name":"Replaces","value":"b.service"}]`), 400, failure(400, "MachineID cannot be used with Replaces")),
			put("a.service", body("inactive", `[{"section":"X-Fleet","name":"Global","value":"true"},{"section":"X-Fleet","name":"Replaces","value":"b.service"}]`), 400, failure(400, "Global cannot be used with Replaces")),
			put("a.service", body("inactive", `[{"section":"X-Fleet","name":"Global","value":"true"},{"section":"X-Fleet","name":"Conflicts","value":"b*"}]`), 201, ``),
			put("a.service", body("inactive", `[{"section":"X-Fleet","name":"Conflicts","value":"b*"},{"section":"X-Fleet","name":"Replaces","value":"b.service"}]`), 400, failure(400, "Conflicts cannot be used with Replaces")),
			put("a.service", body("inactive", `[{"section":"X-Fleet","name":"Nonsense","value":"b"}]`), 201, ``),
		}},
		{"requirements, old", fleettest.Old, []exchange{
			put("a.service", body("inactive", `[{"section":"X-Fleet","name":"Global","value":"true"},{"section":"X-Fleet","name":"Conflicts","value":"b*"}]`), 400, failure(400, "Global cannot be used with Conflicts")),
		}},
		{"not looked at", fleettest.New, []exchange{
			put("a.service", body("inactive", `[{"section":"","name":"X","value":"1"}]`), 201, ``),
			put("a.service", body("inactive", `[{"section":"Nonsense","name":"X","value":"1"}]`), 201, ``),
			put("a.service", body("inactive", `[{"section":"Service","name":"ExecStart","value":"sleep 1"}]`), 201, ``),
			put("a.service", body("inactive", `[{"section":"Install","name":"WantedBy","value":"nonsense"}]`), 201, ``),
		}},
		{"what is stored", fleettest.New, []exchange{
			put("a.service", body("inactive", `[{"section":"A","name":"X","value":" 1 "},{"section":"B","name":"Y","value":"2"},{"section":"A","name":"Z","value":"3 \\\n 4"},{"section":"A","name":"E"},{"section":"A","name":"V","value":"5\nW=6"}]`), 201, ``),
			get("/units/a.service", 200, `{"name":"a.service","options":[{"section":"A","name":"X","value":"1"},{"section":"A","name":"Z","value":"3 \\\n 4"},{"section":"A","name":"E"},{"section":"A","name":"V","value":"5"},{"section":"A","name":"W","value":"6"},{"section":"B","name":"Y","value":"2"}],"desiredState":"inactive","currentState":"inactive"}`),
			put("a.service", body("inactive", `[{"section":"A","name":"X","value":" 1 "},{"section":"B","name":"Y","value":"2"}]`), 201, ``),
			put("a.service", body("inactive", `[{"section":"A","name":"X","value":" 1 "},{"section":"B","name":"Y","value":"2"}]`), 201, ``), // never the same
			put("a.service", body("inactive", `[{"section":"A","name":"X","value":"1"},{"section":"B","name":"Y","value":"2"}]`), 204, ``),
			put("a.service", body("inactive", `[{"section":"B","name":"Y","value":"2"},{"section":"A","name":"X","value":"1"}]`), 201, ``),
		}},
		{"what is stored, old", fleettest.Old, []exchange{
			put("a.service", body("inactive", `[{"section":"A","name":"X","value":"1"},{"section":"B","name":"Y","value":"2 \\\n 3"},{"section":"A","name":"Z","value":"4"}]`), 201, ``),
			get("/units/a.service", 200, `{"name":"a.service","options":[{"section":"A","name":"X","value":"1"},{"section":"B","name":"Y","value":"2   3"},{"section":"A","name":"Z","value":"4"}],"desiredState":"inactive","currentState":"inactive"}`),
		}},
		{"tokens", fleettest.New, []exchange{
			get("/units?nextPageToken=ZAABAA==", 200, `{}`), get("/units?nextPageToken=ZAAJAA==", 200, `{}`),
			get("/units?nextPageToken=*", 400, failure(400, "illegal base64 data at input byte 0")),
			get("/units?nextPageToken=ZAAB", 400, failure(400, "unexpected EOF")),
			get("/units?nextPageToken=", 400, failure(400, "EOF")),
			get("/units?nextPageToken=ZQABAA==", 400, failure(400, "token limit must be 100")),
			get("/units?nextPageToken=ZAAAAA==", 400, failure(400, "token page must be greater than zero")),
			get("/units?nextPageToken=ZAABAA==&nextPageToken=ZAABAA==", 400, failure(400, "too many values for page token")),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := cluster(tt.version)
			for _, e := range tt.row {
				status, got := ask(c, e.method, e.target, e.body)
				if status != e.status || got != e.want && e.want != "*" {
					t.Errorf("%s %s %s:\ngot  %d %s\nwant %d %s", e.method, e.target, e.body, status, got, e.status, e.want)
				}
			}
		})
	}
}

func TestContentTypes(t *testing.T) {
	c, _ := cluster(fleettest.New)
	for _, tt := range []struct {
		headers []string
		status  int
		want    string
	}{
		{[]string{"X: y"}, 415, failure(415, "expected 1 Content-Type, got 0")},
		{[]string{"Content-Type: text/plain"}, 415, failure(415, "only acceptable Content-Type is application/json")},
		{[]string{"Content-Type: application/json; charset=utf-8"}, 201, ""},
	} {
		if status, got := ask(c, "PUT", "/fleet/v1/units/a.service", body("inactive", sleep), tt.headers...); status != tt.status || got != tt.want {
			t.Errorf("%v: %d %s", tt.headers, status, got)
		}
	}
}

// TestNoAnswer: over a real connection the server that dies says nothing at all.
func TestNoAnswer(t *testing.T) {
	c, _ := cluster(fleettest.New)
	endpoint := c.Serve(t, "tcp", "127.0.0.1:0")
	if response, err := http.Get(endpoint + "/fleet/v1/state/a.service"); err == nil {
		t.Errorf("status %d", response.StatusCode)
	}
}

// TestHeaders: every answer says who gives it, and one without a body says that.
func TestHeaders(t *testing.T) {
	for _, version := range []string{fleettest.New, fleettest.Old} {
		c, _ := cluster(version)
		endpoint := c.Serve(t, "tcp", "127.0.0.1:0")
		for _, tt := range []struct {
			method, path, body string
			status             int
			kind               string
		}{
			{"GET", "/fleet/v1/machines", "", 200, "application/json"},
			{"GET", "/v1-alpha/machines", "", 200, "application/json"},
			{"GET", "/fleet/v1/discovery", "", 200, "application/json"},
			{"GET", "/metrics", "", 200, "text/plain; version=0.0.4"},
			{"GET", "/fleet/v1/units/a.service", "", 404, "application/json"},
			{"POST", "/fleet/v1/units", "", 405, "application/json"},
			{"PUT", "/fleet/v1/units/a.service", body("inactive", sleep), 201, ""},
			{"PUT", "/fleet/v1/units/a.service", body("loaded", ""), 204, ""},
			{"PUT", "/fleet/v1/units/b.service", body("loaded", ""), 409, "application/json"},
			{"DELETE", "/fleet/v1/units/a.service", "", 204, ""},
		} {
			request, err := http.NewRequestWithContext(t.Context(), tt.method, endpoint+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if got := response.Header.Get("Server"); response.StatusCode != tt.status || got != "fleetd/"+version || response.Header.Get("Content-Type") != tt.kind {
				t.Errorf("%s %s: %d from %q, %q", tt.method, tt.path, response.StatusCode, got, response.Header.Get("Content-Type"))
			}
			if tt.status == 201 && response.ContentLength != 0 {
				t.Errorf("%s %s: a body of %d bytes", tt.method, tt.path, response.ContentLength)
			}
		}
	}
}

// TestOneState: the resource of a single unit's state gives one record of it, and in
// the old version nothing ever.
func TestOneState(t *testing.T) {
	for version, want := range map[string]string{
		fleettest.New: `200 {"name":"g.service","hash":"c94da4f451db8c87ed07cfcfc4263a5f17c24862","machineID":"11111111111111111111111111111111","systemdLoadState":"loaded","systemdActiveState":"active","systemdSubState":"running"}`,
		fleettest.Old: "404 " + failure(404, ""),
	} {
		c, at := cluster(version)
		ask(c, "PUT", "/fleet/v1/units/g.service", body("launched", everywhere))
		at.now = at.now.Add(10 * time.Second)
		if status, got := ask(c, "GET", "/fleet/v1/state/g.service", ""); fmt.Sprint(status, " ", got) != want {
			t.Errorf("%s: %d %s", version, status, got)
		}
	}
}

// TestFirstSeconds is the exchange that was recorded of one unit: it is there at once,
// and some seconds later it has a machine and is launched; and that of a global one.
func TestFirstSeconds(t *testing.T) {
	c, at := cluster(fleettest.New)
	ask(c, "PUT", "/fleet/v1/units/foo.service", body("launched", sleep))
	ask(c, "PUT", "/fleet/v1/units/glob.service", body("launched", everywhere))
	at.now = at.now.Add(5 * time.Second)
	record := func(machine string) string {
		return `{"name":"glob.service","hash":"c94da4f451db8c87ed07cfcfc4263a5f17c24862","machineID":"` + machine + `","systemdLoadState":"loaded","systemdActiveState":"active","systemdSubState":"running"}`
	}
	for target, want := range map[string]string{
		"/units/foo.service":                              `{"name":"foo.service","options":` + sleep + `,"desiredState":"launched","currentState":"launched","machineID":"11111111111111111111111111111111"}`,
		"/units/glob.service":                             `{"name":"glob.service","options":` + everywhere + `,"desiredState":"launched"}`,
		"/state?unitName=glob.service":                    `{"states":[` + record(node1) + "," + record(node2) + `]}`,
		"/state?unitName=glob.service&machineID=" + node2: `{"states":[` + record(node2) + `]}`,
		"/state?machineID=3":                              `{}`,
	} {
		if status, got := ask(c, "GET", "/fleet/v1"+target, ""); status != 200 || got != want {
			t.Errorf("%s: %d\ngot  %s\nwant %s", target, status, got, want)
		}
	}
}

// TestSuffixes: which kinds of unit are stored, as plain units and as instances.
func TestSuffixes(t *testing.T) {
	for _, kind := range strings.Fields("automount busname device mount path scope service slice snapshot socket swap target timer") {
		for _, name := range []string{"a." + kind, "a@." + kind, "a@1." + kind} {
			c, _ := cluster(fleettest.New)
			want := 201
			if strings.Contains(name, "@") && !slices.Contains([]string{"path", "service", "socket", "target", "timer"}, kind) {
				want = 400
			}
			if status, got := ask(c, "PUT", "/fleet/v1/units/"+name, body("inactive", sleep)); status != want {
				t.Errorf("%s: %d %s", name, status, got)
			}
		}
	}
}

// TestUnseenKinds: fleetd does not see units of some kinds in its own folder, so that
// one is started and never stopped again.
func TestUnseenKinds(t *testing.T) {
	for _, tt := range []struct {
		unit, after string
	}{{"a.socket", ""}, {"a.target", "loaded/active/active"}} {
		s := simulate(t, fleettest.New, 1)
		s.put(tt.unit, "launched", `[{"section":"Unit","name":"Description","value":"a"}]`)
		s.rest(10)
		ask(s.Cluster, "DELETE", "/fleet/v1/units/"+tt.unit, "")
		s.rest(30)
		if got := s.state(tt.unit); got != tt.after {
			t.Errorf("%s after it was deleted: %q", tt.unit, got)
		}
	}
}

// TestTwoWriters: nothing keeps them apart, each overwrites the other, and the store
// keeps what both ever wrote.
func TestTwoWriters(t *testing.T) {
	c, _ := cluster(fleettest.New)
	for i := range 50 {
		for _, options := range []string{sleep, longer} {
			if status, got := ask(c, "PUT", "/fleet/v1/units/a.service", body("launched", options)); status != 201 {
				t.Fatalf("%d-th: %d %s", i, status, got)
			}
		}
	}
	if _, got := ask(c, "GET", "/fleet/v1/units/a.service", ""); !strings.Contains(got, "sleep 4000") {
		t.Error(got)
	}
	ask(c, "DELETE", "/fleet/v1/units/a.service", "")
	if n := c.Contents(); n != 2 {
		t.Errorf("%d contents", n)
	}
}

// TestSnapshot: each page is a look of its own, so that a unit can come twice.
func TestSnapshot(t *testing.T) {
	c, _ := cluster(fleettest.New)
	for i := range 150 {
		c.Put(fmt.Sprintf("u%03d.service", i), "[Service]\nExecStart=/bin/sleep 1\n", "inactive")
	}
	_, one := ask(c, "GET", "/fleet/v1/units", "")
	c.Put("a.service", "[Service]\nExecStart=/bin/sleep 1\n", "inactive")
	_, two := ask(c, "GET", "/fleet/v1/units?nextPageToken=ZAACAA==", "")
	if name := `"name":"u099.service"`; !strings.Contains(one, name) || !strings.Contains(two, name) {
		t.Error("the last of the first page does not come again")
	}
}

// TestSendBack: options as they are read are the same when they are sent.
func TestSendBack(t *testing.T) {
	for _, version := range []string{fleettest.New, fleettest.Old} {
		c, _ := cluster(version)
		loose := `[{"section":"A","name":"X","value":" 1 "},{"section":"B","name":"Y","value":"2 \\\n  3"},{"section":"A","name":"Z","value":"4\nW=5"}]`
		ask(c, "PUT", "/fleet/v1/units/a.service", body("inactive", loose))
		before, _ := c.File("a.service")
		_, got := ask(c, "GET", "/fleet/v1/units/a.service", "")
		status, answer := ask(c, "PUT", "/fleet/v1/units/a.service", got)
		if after, _ := c.File("a.service"); status != 204 || after != before {
			t.Errorf("%s: %d %s\nsent back %s", version, status, answer, got)
		}
	}
}

func TestPages(t *testing.T) {
	for n, want := range map[int]string{0: "0", 99: "99", 100: "100 0", 101: "100 1", 250: "100 100 50", 200: "100 100 0"} {
		c, _ := cluster(fleettest.New)
		for i := range n {
			c.Put(fmt.Sprintf("u%03d.service", i), "[Service]\nExecStart=/bin/sleep 1\n", "inactive")
		}
		var sizes []string
		query := ""
		for {
			_, got := ask(c, "GET", "/fleet/v1/units"+query, "")
			sizes = append(sizes, fmt.Sprint(strings.Count(got, `"name":"u`)))
			_, token, more := strings.Cut(got, `"nextPageToken":"`)
			if !more {
				break
			}
			query = "?nextPageToken=" + strings.TrimSuffix(token[:strings.IndexByte(token, '"')], `"`)
			if len(sizes) == 1 && query != "?nextPageToken=ZAACAA==" {
				t.Errorf("first token %s", query)
			}
		}
		if got := strings.Join(sizes, " "); got != want {
			t.Errorf("%d units: pages of %s, want %s", n, got, want)
		}
	}
}

func TestHash(t *testing.T) {
	c, at := cluster(fleettest.New)
	ask(c, "PUT", "/fleet/v1/units/a.service", body("launched", sleep))
	at.now = at.now.Add(10 * time.Second)
	want := `{"states":[{"name":"a.service","hash":"248b997d6becee1b835b7ec7d9c8e68d7dd24623","machineID":"11111111111111111111111111111111","systemdLoadState":"loaded","systemdActiveState":"active","systemdSubState":"running"}]}`
	if _, got := ask(c, "GET", "/fleet/v1/state?unitName=a.service", ""); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
