package receiver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/pkg/webhook"
)

const secret = "geheim-geheim-geheim"

// A rig is a receiver that listens on this machine.
type rig struct {
	t      *testing.T
	url    string
	client *http.Client
	runs   atomic.Int32
	mu     sync.Mutex
	log    []Entry
	end    func() error // what SIGTERM does
}

// start has a receiver listen; the test's end ends it. A nil run counts.
func start(t *testing.T, o Options, run func(context.Context)) *rig {
	t.Helper()
	r := &rig{t: t, client: &http.Client{Timeout: 20 * time.Second}}
	o.Run = func(ctx context.Context) {
		r.runs.Add(1)
		if run != nil {
			run(ctx)
		}
	}
	o.Log = func(e Entry) { r.mu.Lock(); defer r.mu.Unlock(); r.log = append(r.log, e) }
	if o.Secrets == nil {
		o.Secrets = map[string][]string{"github": {secret}, "dockerhub": {secret}, "generic": {secret}}
	}
	if o.Seen == nil {
		o.Seen = NewLedger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.url = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- New(o).Serve(ctx, context.Background(), 10*time.Second, []net.Listener{l}) }()
	r.end = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(15 * time.Second):
			return fmt.Errorf("it does not end")
		}
	})
	t.Cleanup(func() {
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// post sends a request; headers are name, value, name, value, …
func (r *rig) post(path, body string, headers ...string) (status int, answer string) {
	r.t.Helper()
	status, answer, err := r.try(http.MethodPost, path, strings.NewReader(body), headers...)
	if err != nil {
		r.t.Fatal(err)
	}
	return status, answer
}

func (r *rig) try(method, path string, body io.Reader, headers ...string) (status int, answer string, err error) {
	q, err := http.NewRequest(method, r.url+path, body)
	if err != nil {
		return 0, "", err
	}
	q.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	response, err := r.client.Do(q)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// push sends GitHub's event about a branch, signed.
func (r *rig) push(branch, id string) (status int, answer string) {
	r.t.Helper()
	body := pushBody(branch, id)
	return r.post("/hook/github", body, "X-GitHub-Event", "push", "X-GitHub-Delivery", id, "X-Hub-Signature-256", "sha256="+sign(secret, body))
}

func pushBody(branch, id string) string {
	return fmt.Sprintf(`{"ref":"refs/heads/%s","after":"4a%s","repository":{"full_name":"myrepo/mysysconfig"}}`, branch, id)
}

func sign(key, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

func (r *rig) eventually(what string, condition func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not seen: %s", what)
		}
	}
}

// lines are the log so far.
func (r *rig) lines() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.log {
		fmt.Fprintf(&b, "%s %q %s %s\n", e.Sender, e.ID, e.Decision, e.Why)
	}
	return b.String()
}

func TestAnswers(t *testing.T) {
	r := start(t, Options{Filter: webhook.Filter{Branches: []string{"develop"}, Tags: []string{"develop"}}}, nil)
	hub := `{"push_data":{"tag":"develop"},"repository":{"repo_name":"myrepo/mysysconfig"}}`
	for _, test := range []struct {
		name                 string
		method, path, body   string
		headers              []string
		status               int
		answer, log, comment string
	}{
		{name: "health", method: "GET", path: "/healthz", status: 200, answer: "ok\n"},
		{name: "health, posted", method: "POST", path: "/healthz", status: 405},
		{name: "root", method: "GET", path: "/", status: 404},
		{name: "elsewhere", method: "POST", path: "/hooks/github", status: 404},
		{name: "nobody", method: "POST", path: "/hook/nobody", status: 404},
		{name: "dots", method: "POST", path: "/hook/../hook/nobody/x", status: 404},
		{name: "not served", method: "POST", path: "/hook/quay", status: 404, log: `quay "" refused it is not served`},
		{name: "get", method: "GET", path: "/hook/github", status: 405},
		{name: "put", method: "PUT", path: "/hook/github", status: 405},
		{name: "unsigned", method: "POST", path: "/hook/github", body: pushBody("develop", "1"), headers: []string{"X-GitHub-Event", "push"}, status: 403, log: `github "" refused there is no X-Hub-Signature-256`},
		{name: "signed by another", method: "POST", path: "/hook/github", body: pushBody("develop", "1"), headers: []string{"X-Hub-Signature-256", "sha256=" + sign("other", pushBody("develop", "1"))},
			status: 403, log: `github "" refused the signature does not match`},
		{name: "ping", method: "POST", path: "/hook/github", body: "{}", headers: []string{"X-GitHub-Event", "ping", "X-GitHub-Delivery", "7", "X-Hub-Signature-256", "sha256=" + sign(secret, "{}")},
			status: 202, answer: "ignored\n", log: `github "7" ignored ping`},
		{name: "no JSON", method: "POST", path: "/hook/github", body: "x", headers: []string{"X-Hub-Signature-256", "sha256=" + sign(secret, "x")}, status: 400, log: `github "" refused the body is no JSON object`},
		{name: "form", method: "POST", path: "/hook/github", body: "x", headers: []string{"Content-Type", "application/x-www-form-urlencoded", "X-Hub-Signature-256", "sha256=" + sign(secret, "x")},
			status: 415, log: `github "" refused the content type is not JSON`},
		{name: "token in the path", method: "POST", path: "/hook/dockerhub/" + secret, body: hub, status: 202, answer: "accepted\n", log: `dockerhub "" accepted push myrepo/mysysconfig develop`},
		{name: "token in the query", method: "POST", path: "/hook/dockerhub?token=" + secret, body: hub, status: 202, answer: "accepted\n", log: `dockerhub "" accepted push myrepo/mysysconfig develop`},
		{name: "wrong token", method: "POST", path: "/hook/dockerhub/x", body: hub, status: 403, log: `dockerhub "" refused the token does not match`},
		{name: "empty token", method: "POST", path: "/hook/dockerhub/", body: hub, status: 404, log: `dockerhub "" refused it is not served`},
		{name: "token and more", method: "POST", path: "/hook/dockerhub/" + secret + "/x", body: hub, status: 404, log: `dockerhub "" refused it is not served`},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := len(r.lines())
			status, answer, err := r.try(test.method, test.path, strings.NewReader(test.body), test.headers...)
			if err != nil || status != test.status || answer != test.answer {
				t.Errorf("%d %q %v, want %d %q", status, answer, err, test.status, test.answer)
			}
			if log := strings.TrimSpace(r.lines()[before:]); log != test.log {
				t.Errorf("log %q, want %q", log, test.log)
			}
		})
	}
	if strings.Contains(r.lines(), secret) {
		t.Error("the log tells the secret")
	}
}

func TestReplay(t *testing.T) {
	folder := t.TempDir()
	ledger, err := OpenLedger(folder)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, Options{Seen: ledger}, nil)
	for i, want := range []string{"accepted\n", "duplicate\n", "duplicate\n"} {
		if status, answer := r.push("develop", "1"); status != 202 || answer != want {
			t.Errorf("%d: %d %q", i, status, answer)
		}
	}
	// the same body with the name of another delivery, as a thief would send it
	body := pushBody("develop", "1")
	if _, answer := r.post("/hook/github", body, "X-GitHub-Event", "push", "X-GitHub-Delivery", "2", "X-Hub-Signature-256", "sha256="+sign(secret, body)); answer != "duplicate\n" {
		t.Errorf("%q", answer)
	}
	if _, answer := r.push("develop", "2"); answer != "accepted\n" {
		t.Errorf("the next one: %q", answer)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	if ledger, err = OpenLedger(folder); err != nil {
		t.Fatal(err)
	}
	again := start(t, Options{Seen: ledger}, nil)
	if _, answer := again.push("develop", "1"); answer != "duplicate\n" {
		t.Errorf("after a restart: %q", answer)
	}
	if runs := again.runs.Load(); runs != 0 {
		t.Errorf("%d runs", runs)
	}
}

func TestRotation(t *testing.T) {
	r := start(t, Options{Secrets: map[string][]string{"github": {"new-new-new-new-new", secret}}}, nil)
	for i, key := range []string{secret, "new-new-new-new-new"} {
		body := pushBody("develop", fmt.Sprint(i))
		if status, _ := r.post("/hook/github", body, "X-GitHub-Event", "push", "X-Hub-Signature-256", "sha256="+sign(key, body)); status != 202 {
			t.Errorf("secret %d: %d", i, status)
		}
	}
}

func TestNoSecret(t *testing.T) {
	r := start(t, Options{Secrets: map[string][]string{"generic": nil}}, nil)
	if status, answer := r.post("/hook/generic", ""); status != 202 || answer != "accepted\n" {
		t.Errorf("%d %q", status, answer)
	}
}

// TestBurst: a hundred hooks at once, while the first run is at work, lead to one more.
func TestBurst(t *testing.T) {
	var atWork, most atomic.Int32
	release := make(chan struct{})
	r := start(t, Options{}, func(context.Context) {
		most.Store(max(most.Load(), atWork.Add(1)))
		<-release
		atWork.Add(-1)
	})
	if _, answer := r.push("develop", "first"); answer != "accepted\n" {
		t.Fatal(answer)
	}
	r.eventually("the first run", func() bool { return r.runs.Load() == 1 })
	var all sync.WaitGroup
	var accepted atomic.Int32
	for i := range 100 {
		all.Go(func() {
			body := pushBody("develop", fmt.Sprint(i))
			for { // more than the receiver takes at once are told to come again
				status, answer, err := r.try(http.MethodPost, "/hook/github", strings.NewReader(body), "X-GitHub-Event", "push", "X-Hub-Signature-256", "sha256="+sign(secret, body))
				if err != nil || status != 503 {
					if err == nil && answer == "accepted\n" {
						accepted.Add(1)
					} else {
						t.Errorf("%d: %d %q %v", i, status, answer, err)
					}
					return
				}
			}
		})
	}
	all.Wait()
	if n := accepted.Load(); n != 100 {
		t.Errorf("%d of 100 were accepted", n)
	}
	close(release)
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	if runs := r.runs.Load(); runs != 2 || most.Load() != 1 {
		t.Errorf("%d runs, %d at once", runs, most.Load())
	}
}

// TestEnd: what runs and what waits is finished, nothing new is taken.
func TestEnd(t *testing.T) {
	release, ended := make(chan struct{}), make(chan error, 1)
	r := start(t, Options{}, func(ctx context.Context) {
		select {
		case <-release:
		case <-ctx.Done():
			t.Error("the run was cut off")
		}
	})
	r.push("develop", "1")
	r.eventually("the first run", func() bool { return r.runs.Load() == 1 })
	r.push("develop", "2")
	go func() { ended <- r.end() }()
	r.eventually("no more answers", func() bool {
		_, _, err := r.try(http.MethodGet, "/healthz", nil)
		return err != nil
	})
	select {
	case <-ended:
		t.Fatal("it ended in the middle of a run")
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	if err := <-ended; err != nil || r.runs.Load() != 2 {
		t.Errorf("%v, %d runs", err, r.runs.Load())
	}
}

// TestCutOff: a run that takes longer than the grace, or than a second signal, is cut
// off, and what waits is not begun.
func TestCutOff(t *testing.T) {
	for _, how := range []string{"grace", "signal"} {
		t.Run(how, func(t *testing.T) {
			began, cutOff, runs := make(chan struct{}, 2), atomic.Bool{}, atomic.Int32{}
			receiver := New(Options{Now: time.Now, Seen: NewLedger(), Log: func(Entry) {}, Run: func(ctx context.Context) {
				runs.Add(1)
				began <- struct{}{}
				<-ctx.Done()
				cutOff.Store(true)
			}})
			l, err := Listen(t.Context(), "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, end := context.WithCancel(t.Context())
			cut, again := context.WithCancel(t.Context())
			defer again()
			grace := 50 * time.Millisecond
			if how == "signal" {
				grace = time.Hour
			}
			receiver.worker.wake()
			ended := make(chan error, 1)
			go func() { ended <- receiver.Serve(ctx, cut, grace, []net.Listener{l}) }()
			<-began
			receiver.worker.wake()
			end()
			if how == "signal" {
				again()
			}
			if err := <-ended; err != nil || !cutOff.Load() || runs.Load() != 1 {
				t.Errorf("%v, cut off %v, %d runs", err, cutOff.Load(), runs.Load())
			}
		})
	}
}

func TestLargeBody(t *testing.T) {
	r := start(t, Options{}, nil)
	body := `{"id":"` + strings.Repeat("x", webhook.MaxBody) + `"}`
	status, _, err := r.try(http.MethodPost, "/hook/generic", strings.NewReader(body), "Authorization", "Bearer "+secret)
	if err == nil && status != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", status)
	}
	r.eventually("the refusal", func() bool { return strings.Contains(r.lines(), "the body is too large") })
	body = body[:webhook.MaxBody-2] + `"}`
	if status, answer := r.post("/hook/generic", body, "Authorization", "Bearer "+secret); answer != "accepted\n" {
		t.Errorf("just not too large: %d %q", status, answer)
	}
}

// TestSlow: whoever sends byte by byte, or nothing at all, is let go.
func TestSlow(t *testing.T) {
	r := start(t, Options{Limits: Limits{Header: 100 * time.Millisecond, Whole: 200 * time.Millisecond, Idle: 100 * time.Millisecond}}, nil)
	address := strings.TrimPrefix(r.url, "http://")
	for name, drops := range map[string][]string{
		"nothing": nil,
		"headers": {"POST /hook/generic HTTP/1.1\r\n", "Host: x\r\n", "A: b\r\n", "A: b\r\n", "A: b\r\n"},
		"body":    {"POST /hook/generic HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n", "{", " ", " ", " ", " "},
		"idle":    {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go func() {
				for _, drop := range drops {
					if _, err := io.WriteString(conn, drop); err != nil {
						return
					}
					time.Sleep(60 * time.Millisecond)
				}
			}()
			if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			answer, err := io.ReadAll(conn)
			var timeout net.Error
			if ok := asTimeout(err, &timeout); ok {
				t.Fatalf("the connection is still there after %v", time.Since(began))
			}
			if bytes.Contains(answer, []byte(" 202 ")) {
				t.Errorf("%s", answer)
			}
		})
	}
}

func asTimeout(err error, timeout *net.Error) bool {
	e, ok := err.(net.Error)
	if ok {
		*timeout = e
	}
	return ok && e.Timeout()
}

func TestConnections(t *testing.T) {
	r := start(t, Options{Limits: Limits{Conns: 2, Header: 300 * time.Millisecond}}, nil)
	address := strings.TrimPrefix(r.url, "http://")
	for range 2 { // open, and silent
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	if status, _, err := r.try(http.MethodGet, "/healthz", nil); err != nil || status != 200 {
		t.Fatal(status, err)
	}
	if waited := time.Since(began); waited < 100*time.Millisecond {
		t.Errorf("a third connection had not to wait: %v", waited)
	}
}

func TestFailures(t *testing.T) {
	var now atomic.Int64
	now.Store(1e9)
	r := start(t, Options{Failures: 5, Now: func() time.Time { return time.Unix(now.Load(), 0) }}, nil)
	for range 5 {
		if status, _ := r.post("/hook/github", "{}"); status != 403 {
			t.Fatal(status)
		}
	}
	for _, path := range []string{"/hook/github", "/"} {
		if status, answer := r.post(path, "{}"); status != 429 || answer != "" {
			t.Errorf("%s: %d %q", path, status, answer)
		}
	}
	if status, _ := r.push("develop", "1"); status != 429 {
		t.Errorf("a proven one from there: %d", status)
	}
	if status, _, err := r.try("GET", "/healthz", nil); status != 200 {
		t.Error(status, err)
	}
	if log := r.lines(); strings.Count(log, "\n") != 6 || !strings.HasSuffix(log, "refused it has failed too often, and is not listened to for a while\n") {
		t.Errorf("log\n%s", log)
	}
	now.Add(30) // half of them are forgotten
	for i := range 20 {
		if status, _ := r.push("develop", fmt.Sprint("after", i)); status != 202 {
			t.Errorf("%d: %d", i, status)
		}
	}
}

func TestFailuresAreBounded(t *testing.T) {
	f, now := newFailures(10), time.Unix(1e9, 0)
	worst := netip.MustParseAddr("192.0.2.1")
	for range 10 {
		f.add(worst, now)
	}
	for i := range 3 * maxFailing {
		f.add(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if len(f.counts) > maxFailing {
		t.Errorf("%d addresses", len(f.counts))
	}
	if !f.exhausted(worst, now) {
		t.Error("who failed most was forgotten")
	}
	f.add(netip.MustParseAddr("2001:db8::1"), now)
	if n := f.left(network(netip.MustParseAddr("2001:db8::ffff:0:0:1")), now); n != 1 {
		t.Errorf("another address of the same network: %v", n)
	}
	f.add(netip.MustParseAddr("10.0.0.1"), now.Add(time.Hour))
	if len(f.counts) > maxFailing {
		t.Errorf("%d addresses", len(f.counts))
	}
}

func TestClient(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	for _, test := range []struct {
		remote, forwarded string
		unix              bool
		want              string // "" for a local socket
	}{
		{"192.0.2.1:9", "", false, "192.0.2.1"},
		{"192.0.2.1:9", "198.51.100.7", false, "192.0.2.1"}, // anybody may say so
		{"127.0.0.1:9", "198.51.100.7", false, "198.51.100.7"},
		{"127.0.0.1:9", "203.0.113.5, 198.51.100.7, 10.1.2.3", false, "198.51.100.7"},
		{"127.0.0.1:9", "nonsense", false, "127.0.0.1"},
		{"127.0.0.1:9", "203.0.113.5, nonsense", false, "127.0.0.1"},
		{"[::ffff:127.0.0.1]:9", "198.51.100.7", false, "198.51.100.7"},
		{"@", "198.51.100.7", false, ""},
		{"@", "198.51.100.7", true, "198.51.100.7"},
		{"@", "", true, ""},
	} {
		r := New(Options{Proxies: proxies, ProxyUnix: test.unix})
		q := &http.Request{RemoteAddr: test.remote, Header: http.Header{}}
		if test.forwarded != "" {
			q.Header.Set("X-Forwarded-For", test.forwarded)
		}
		from, known := r.client(q)
		if known != (test.want != "") || known && from.String() != test.want {
			t.Errorf("%+v: %v %v", test, from, known)
		}
	}
}
