package confrepo

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"
)

// Target is one branch of one repository.
type Target struct {
	// URL is an http, https, ssh or file URL, the short ssh form
	// user@host:path, or a local path. A user part with a password is used but
	// never shown.
	URL string
	// Branch is the short name of the branch; empty means the one that the
	// remote's HEAD names.
	Branch string
}

// SSHHost returns the host that a repository's URL reaches over ssh, and the port
// if the URL names one. It reports false for every other kind of URL.
func SSHHost(raw string) (host, port string, ok bool) {
	a, err := parseAddress(raw)
	if err != nil || a.scheme != "ssh" {
		return "", "", false
	}
	if host, port, err = net.SplitHostPort(a.host); err != nil {
		host, port = strings.Trim(a.host, "[]"), ""
	}
	return host, port, true
}

// address is a parsed Target.URL.
type address struct {
	scheme string // "http", "https", "ssh", "file"
	user   string
	secret string
	host   string // with the port, if one was given
	path   string
	// shown is the address without user and password, for people to read.
	shown string
}

// Redact returns raw without its user part, so that it can be printed; text
// that cannot be parsed as an address comes back as "(unreadable URL)".
func Redact(raw string) string {
	a, err := parseAddress(raw)
	if err != nil {
		return "(unreadable URL)"
	}
	return a.shown
}

// RedactText returns a URL as it may be shown or stored: without user part. Text
// that is no URL comes back as it is.
func RedactText(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	host, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	if strings.Contains(rest, "/") {
		path = "/" + path
	}
	return scheme + "://" + host + path
}

// parseAddress follows git's rules (git-fetch, "GIT URLS"): what has a scheme
// is a URL; host:path without a slash before the colon is ssh; all else is a
// local path.
func parseAddress(raw string) (address, error) {
	if raw == "" {
		return address{}, usage("the repository's URL is empty")
	}
	if strings.ContainsAny(raw, "\x00\r\n") {
		return address{}, usage("the repository's URL holds a control character")
	}
	if strings.Contains(raw, "://") {
		return parseURL(raw)
	}
	host, path, found := strings.Cut(raw, ":")
	if found && !strings.Contains(host, "/") && !filepath.IsAbs(raw) {
		return parseShort(host, path)
	}
	full, err := filepath.Abs(raw)
	if err != nil {
		return address{}, usage("the repository's path %q cannot be made absolute", raw)
	}
	return address{scheme: "file", path: full, shown: raw}, nil
}

func parseURL(raw string) (address, error) {
	scheme, rest, _ := strings.Cut(raw, "://")
	if !strings.HasPrefix(strings.ToLower(scheme), "http") {
		// outside of http, # and ? are characters of the path like any other
		rest = strings.NewReplacer("#", "%23", "?", "%3F").Replace(rest)
	}
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil {
		// the error of url.Parse quotes the whole URL, its password included
		return address{}, usage("the repository's URL cannot be parsed")
	}
	a := address{scheme: strings.ToLower(u.Scheme), host: u.Host, path: u.Path}
	if u.User != nil {
		a.user = u.User.Username()
		a.secret, _ = u.User.Password()
	}
	switch a.scheme {
	case "git+ssh", "ssh+git":
		a.scheme = "ssh"
	}
	switch a.scheme {
	case "http", "https":
		if u.RawQuery != "" || u.Fragment != "" {
			return address{}, usage("the repository's URL has a query or a fragment")
		}
		a.path = u.EscapedPath()
	case "ssh":
		// "/~user/x" means a path in that user's home
		if strings.HasPrefix(a.path, "/~") {
			a.path = a.path[1:]
		}
	case "file":
		if a.host != "" && a.host != "localhost" {
			return address{}, usage("a file URL names the host %q; write file:///path", a.host)
		}
		a.shown = "file://" + a.path
		return a, checkWords(a)
	default:
		return address{}, usage("the repository's URL has the scheme %q; allowed are https, http, ssh, file, user@host:path and a local path", a.scheme)
	}
	if u.Hostname() == "" || a.path == "" || a.path == "/" {
		return address{}, usage("the repository's URL needs a host and a path")
	}
	a.shown = a.scheme + "://" + a.host + u.EscapedPath()
	return a, checkWords(a)
}

func parseShort(host, path string) (address, error) {
	a := address{scheme: "ssh", host: host, path: path}
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		a.user, a.host = host[:at], host[at+1:]
	}
	if a.host == "" || path == "" {
		return address{}, usage("the repository's address needs a host and a path, as in git@host:path")
	}
	a.shown = a.host + ":" + path
	return a, checkWords(a)
}

// checkWords refuses parts that a program could take for an option.
func checkWords(a address) error {
	for _, word := range []string{a.user, a.host, a.path} {
		if strings.HasPrefix(word, "-") {
			return usage("a part of the repository's URL begins with a dash")
		}
	}
	return nil
}

// isLoopback reports whether a host, with or without port, is this machine.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
