package imageref

import "strings"

// plainRepository knows the full name of a repository that is written the usual
// way, lower-case letters and digits with single separators, and so nearly always
// saves the library's regular expressions. A test compares the two.
func plainRepository(name string) (full string, ok bool) {
	if len(name) > 200 {
		return "", false
	}
	start, slashes, digits := 0, 0, 0
	host := strings.IndexByte(name, '/')
	if host > 0 && plainPort(name[:host]) {
		start, slashes = host+1, 1
	}
	for i := start; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			if c := name[i]; c >= '0' && c <= '9' || c >= 'a' && c <= 'f' {
				digits++
			}
			continue
		}
		if !plainComponent(name[start:i]) {
			return "", false
		}
		if i < len(name) {
			slashes++
		}
		start = i + 1
	}
	switch first, _, _ := strings.Cut(name, "/"); {
	case slashes == 0 && digits == 64: // may be the id of an image
		return "", false
	case slashes == 0:
		return "docker.io/library/" + name, true
	case first == "docker.io" || first == "index.docker.io":
		return "", false
	case first == "localhost" || strings.Contains(first, ".") || strings.Contains(first, ":"):
		return name, true
	}
	return "docker.io/" + name, true
}

// plainComponent reports whether a part of a path is letters and digits with
// single '.', '_' or '-' between them.
func plainComponent(part string) bool {
	separator := true
	for i := range len(part) {
		c := part[i]
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			separator = false
		case (c == '.' || c == '_' || c == '-') && !separator:
			separator = true
		default:
			return false
		}
	}
	return !separator
}

// plainPort reports whether the first part of a name is a host with a port.
func plainPort(host string) bool {
	name, port, found := strings.Cut(host, ":")
	if !found || port == "" || strings.ContainsAny(name, "_") || !plainComponent(name) {
		return false
	}
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
	}
	return true
}

// hopeless reports whether a text holds a byte that no reference can hold.
func hopeless(text string) bool {
	for i := range len(text) {
		if c := text[i]; !TagByte(c) && c != '/' && c != ':' && c != '@' && c != '[' && c != ']' && c != '+' {
			return true
		}
	}
	return false
}
