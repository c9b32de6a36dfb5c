package confrepo

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// httpWire is the smart HTTP protocol (gitprotocol-http). Requests go out on
// one connection that is kept open.
type httpWire struct {
	client *http.Client
	base   string // the repository's URL without credentials
	agent  string
	header string // Authorization, or ""
	now    func() time.Time

	offered []string // what git-receive-pack said it can do; nil if not asked
	sealed  seal     // nil if not asked
}

func newHTTPWire(a address, o Options) (*httpWire, error) {
	header, err := o.Auth.header(a)
	if err != nil {
		return nil, err
	}
	if header != "" && a.scheme == "http" && !isLoopback(a.host) && !o.Auth.AllowInsecure {
		return nil, &Error{Kind: Usage, Text: fmt.Sprintf("a token must not go over http to %q", a.host),
			Hint: "use https, or allow it on purpose"}
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 20 * time.Second}).DialContext,
		TLSHandshakeTimeout:   20 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   2,
		ResponseHeaderTimeout: 0, // the attempt's own limit holds
		DisableCompression:    true,
		WriteBufferSize:       64 << 10,
	}
	if len(o.Auth.CACertificates) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(o.Auth.CACertificates) {
			return nil, usage("the CA file holds no certificate in PEM form")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	w := &httpWire{
		base:   a.scheme + "://" + a.host + strings.TrimRight(a.path, "/"),
		agent:  o.agent(),
		header: header,
		now:    o.now,
	}
	w.client = &http.Client{Transport: transport, CheckRedirect: checkRedirect}
	return w, nil
}

// checkRedirect follows redirects of the first GET only, never to a less safe
// scheme. net/http itself leaves the credentials out for another host.
func checkRedirect(next *http.Request, via []*http.Request) error {
	switch {
	case next.Method != http.MethodGet || via[0].Method != http.MethodGet:
		return http.ErrUseLastResponse
	case len(via) > 5:
		return errors.New("too many redirects")
	case via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https":
		return errors.New("redirect from https to http refused")
	}
	return nil
}

func (w *httpWire) seal() (_ seal, err error) {
	switch {
	case w.header == "":
		return openCircle{}, nil
	case w.sealed == nil:
		host := strings.SplitN(w.base, "/", 4)[2]
		w.sealed, err = newSecretCircle(host, w.header)
	}
	return w.sealed, err
}

func (w *httpWire) keepsState() bool        { return false }
func (w *httpWire) prepare(context.Context) {}
func (w *httpWire) close()                  { w.client.CloseIdleConnections() }

func (w *httpWire) greet(ctx context.Context, _ bool) (*answer, error) {
	return w.advertisement(ctx, "git-upload-pack", "read")
}

func (w *httpWire) ask(ctx context.Context, request []byte) (*answer, error) {
	return w.post(ctx, "git-upload-pack", "read", request)
}

// push posts the update straight away. Only after an odd answer is the
// server's advertisement read first, to learn which capabilities it has.
func (w *httpWire) push(ctx context.Context, u update) (*answer, error) {
	offered := w.offered
	if u.wary || u.atomic && offered == nil {
		a, err := w.advertisement(ctx, "git-receive-pack", "push")
		if err != nil {
			return nil, err
		}
		r := &remote{}
		_, err = r.readGreeting(a.r)
		if err = a.finish(err); err != nil {
			return nil, err
		}
		offered, w.offered = r.offered, r.offered
	}
	if err := u.allows(offered); err != nil {
		return nil, err
	}
	a, err := w.post(ctx, "git-receive-pack", "push", u.request(offered))
	if e := (*Error)(nil); errors.As(err, &e) {
		// a refusal by status came before git saw the update
		e.unknownOutcome = e.status == 0 && !e.unreached || e.status >= 500
		e.wary = !u.wary && (e.status >= 500 || e.status == 400 || e.status >= 404 && e.status != 429)
		e.again = e.again || e.wary
	}
	return a, err
}

func (w *httpWire) advertisement(ctx context.Context, service, step string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+"/info/refs?service="+service, nil)
	if err != nil {
		return nil, usage("the repository's URL cannot be used")
	}
	if service == "git-upload-pack" {
		req.Header.Set("Git-Protocol", "version=2")
	}
	a, resp, err := w.do(req, step, "application/x-"+service+"-advertisement")
	if err != nil {
		return nil, err
	}
	final := *resp.Request.URL
	final.RawQuery, final.User = "", nil
	if base, ok := strings.CutSuffix(final.String(), "/info/refs"); ok && base != w.base {
		if old, err := url.Parse(w.base); err != nil || old.Host != final.Host {
			w.header = "" // credentials belong to the host that they were given for
		}
		w.base = base
	}
	return a, nil
}

func (w *httpWire) post(ctx context.Context, service, step string, body []byte) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.base+"/"+service, bytes.NewReader(body))
	if err != nil {
		return nil, usage("the repository's URL cannot be used")
	}
	req.GetBody = nil // never send twice behind our back
	req.Header.Set("Content-Type", "application/x-"+service+"-request")
	req.Header.Set("Accept", "application/x-"+service+"-result")
	if service == "git-upload-pack" {
		req.Header.Set("Git-Protocol", "version=2")
	}
	a, _, err := w.do(req, step, "application/x-"+service+"-result")
	return a, err
}

func (w *httpWire) do(req *http.Request, step, contentType string) (*answer, *http.Response, error) {
	req.Header.Set("User-Agent", w.agent)
	req.Header.Set("Cache-Control", "no-cache")
	if w.header != "" {
		req.Header.Set("Authorization", w.header)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, nil, transportError(step, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, nil, w.statusError(step, resp)
	}
	if got := resp.Header.Get("Content-Type"); got != contentType {
		resp.Body.Close()
		return nil, nil, failure(Unsupported, step, "the answer is %q, not git's %q", oneLine(got), contentType)
	}
	finish := func(err error) error {
		// read to the end, so that the connection can be used again
		_, drain := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
		resp.Body.Close()
		if err == nil {
			return nil
		}
		if drain != nil && isCut(err) {
			return passing(step, fmt.Errorf("the connection was cut in the middle of the answer"))
		}
		return err
	}
	return &answer{r: bufio.NewReaderSize(resp.Body, 32<<10), finish: finish}, resp, nil
}

// statusError is the table of HTTP statuses.
func (w *httpWire) statusError(step string, resp *http.Response) *Error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	said := ""
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		said = oneLine(string(body))
	}
	e := failure(Unsupported, step, "the server answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	if said != "" {
		e.Text += ": " + said
	}
	e.status = resp.StatusCode
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), w.now())
	switch status := resp.StatusCode; {
	case status == 401:
		e.Kind = Denied
		e.Hint = "the token was not accepted"
		if w.header == "" {
			e.Hint = "give a token: a token file, the environment or a netrc entry"
		}
	case status == 403 && e.RetryAfter > 0, status == 408, status == 425, status == 429, status >= 500:
		e.Kind, e.again = Unavailable, true
	case status == 403:
		e.Kind = Denied
		e.Hint = "the token is known but may not do this"
		if step == "push" {
			e.Hint = "the token may read this repository but not write to it"
		}
	case status == 404 || status == 410:
		e.Kind = NotFound
		e.Hint = "check the URL; some servers also answer this to a token that may not see the repository"
	case status >= 300 && status < 400:
		e.Hint = "use the address that the server redirects to"
	}
	return e
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
		return max(0, time.Duration(min(n, 1<<20))*time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// transportError classifies what net/http reports. The text of a *url.Error
// holds the URL, so only its cause is shown.
func transportError(step string, err error) *Error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var (
		unknownCA *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		dns       *net.DNSError
		op        *net.OpError
	)
	e := passing(step, err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		e.Text = "no answer in time"
	case errors.As(err, &unknownCA):
		e.Kind, e.again, e.unreached = Denied, false, true
		e.Hint = "if the server has a certificate of your own authority, name its CA file"
	case errors.As(err, &record):
		e.Kind, e.again, e.unreached = Unsupported, false, true
		e.Hint = "the server does not speak TLS on this port"
	case errors.As(err, &dns):
		e.unreached = true
		e.again = !dns.IsNotFound
	case errors.As(err, &op) && op.Op == "dial":
		e.unreached = true
	case strings.Contains(err.Error(), "redirect"):
		e.Kind, e.again = Unsupported, false
	}
	return e
}
