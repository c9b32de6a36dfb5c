// Package imageref reads container image references and says where their parts
// stand, so that a tag can be replaced and everything else kept as written.
//
// What is valid and what a short name means is left to distribution/reference,
// which docker and podman use themselves.
package imageref

import (
	_ "crypto/sha256" // digests are only recognised when their hash is linked in
	_ "crypto/sha512"
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/unitstamp/unitstamp/pkg/source"
)

// A Reference is an image reference as somebody wrote it. The spans are offsets
// in Text; an absent part is an empty span where it would stand.
type Reference struct {
	Text string
	// Name is the repository as written, without transport, tag and digest.
	Name source.Span
	// Tag is without its ':'.
	Tag source.Span
	// Digest is without its '@'.
	Digest source.Span
	// Repository is the full name, such as docker.io/library/redis for redis. Two
	// references with the same Repository name the same repository. It is empty
	// for what Split returns.
	Repository string
}

// transports are the prefixes that podman and nerdctl accept in front of a
// reference to a registry. Other transports name no registry.
var transports = []string{"docker://", "ipfs://", "ipns://"}

// Split finds the parts without judging them, also where parts are variables: the
// tag begins at the first ':' after the last '/', the digest at the '@'. A ':'
// inside ${…} or {{…}} does not count.
func Split(text string) Reference {
	start := 0
	for _, transport := range transports {
		if strings.HasPrefix(text, transport) {
			start = len(transport)
		}
	}
	nameEnd, digestAt, depth := len(text), len(text), 0
scan:
	for i := start; i < len(text); i++ {
		switch text[i] {
		case '{':
			depth++
		case '}':
			depth = max(0, depth-1)
		case '/':
			if depth == 0 {
				nameEnd = len(text)
			}
		case ':':
			if depth == 0 && nameEnd == len(text) {
				nameEnd = i
			}
		case '@':
			if depth == 0 {
				digestAt = i
				break scan
			}
		}
	}
	nameEnd = min(nameEnd, digestAt)
	r := Reference{Text: text, Name: source.Span{Start: start, End: nameEnd}}
	r.Tag = source.Span{Start: min(nameEnd+1, digestAt), End: digestAt}
	r.Digest = source.Span{Start: min(digestAt+1, len(text)), End: len(text)}
	return r
}

// Parse reads a reference that holds no variables. The error says what a
// reference may look like.
func Parse(text string) (Reference, error) {
	r := Split(text)
	if full, ok := plainRepository(r.NameText()); ok && !r.HasDigest() && r.HasTag() == ValidTag(r.TagText()) {
		r.Repository = full
		return r, nil
	}
	if hopeless(text) {
		return Reference{}, fmt.Errorf("%q is no image reference: invalid reference format", text)
	}
	named, err := reference.ParseNormalizedNamed(text[r.Name.Start:])
	if err != nil {
		return Reference{}, fmt.Errorf("%q is no image reference: %s", text, strings.TrimPrefix(err.Error(), "invalid reference format: "))
	}
	r.Repository = named.Name()
	return r, nil
}

// ParseRepository reads a repository: a reference without tag and digest.
func ParseRepository(text string) (Reference, error) {
	r, err := Parse(text)
	if err != nil {
		return Reference{}, err
	}
	if r.HasTag() || r.HasDigest() {
		return Reference{}, fmt.Errorf("%q names a tag or digest, where only a repository belongs", text)
	}
	return r, nil
}

// NameText is the repository as written.
func (r Reference) NameText() string { return r.Text[r.Name.Start:r.Name.End] }

// TagText is the tag, or "".
func (r Reference) TagText() string { return r.Text[r.Tag.Start:r.Tag.End] }

// DigestText is the digest, such as sha256:…, or "".
func (r Reference) DigestText() string { return r.Text[r.Digest.Start:r.Digest.End] }

// HasTag reports whether a tag is written, be it an empty one.
func (r Reference) HasTag() bool { return r.Tag.Start > r.Name.End }

// HasDigest reports whether a digest is written.
func (r Reference) HasDigest() bool { return r.Digest.Start > r.Tag.End }

// Suffix is where tag and digest stand with their ':' and '@', or would stand: what
// has to be replaced to give the reference another tag.
func (r Reference) Suffix() source.Span {
	return source.Span{Start: r.Name.End, End: len(r.Text)}
}

// FormatSuffix is what follows the repository: ":tag" or ":tag@digest".
func FormatSuffix(tag, digest string) string {
	if digest == "" {
		return ":" + tag
	}
	return ":" + tag + "@" + digest
}

// Familiar is the short form that docker itself prints: redis for
// docker.io/library/redis.
func Familiar(repository string) string {
	named, err := reference.WithName(repository)
	if err != nil {
		return repository
	}
	return reference.FamiliarName(named)
}

// ValidTag reports whether a registry takes a text for a tag: at most 128 letters,
// digits, '_', '.' and '-', the first being none of the last two.
func ValidTag(tag string) bool {
	if tag == "" || len(tag) > MaxTag || tag[0] == '.' || tag[0] == '-' {
		return false
	}
	for i := range len(tag) {
		if !TagByte(tag[i]) {
			return false
		}
	}
	return true
}

// MaxTag is the greatest length of a tag in bytes.
const MaxTag = 128

// TagByte reports whether a tag can hold a byte (not as its first, for '.' and '-').
func TagByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-'
}

// ValidDigest checks a digest such as sha256:….
func ValidDigest(text string) error {
	if err := digest.Digest(text).Validate(); err != nil {
		if errors.Is(err, digest.ErrDigestUnsupported) {
			return fmt.Errorf("digest %q uses an unknown algorithm; known are sha256, sha384 and sha512", text)
		}
		return fmt.Errorf("%q is no digest; one looks like sha256: and 64 hexadecimal digits", text)
	}
	return nil
}
