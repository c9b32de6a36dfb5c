package containerclient

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/imageref"
)

// ErrShort tells that an image's name has no registry, which podman alone completes,
// by a configuration of its own. Over its socket another one would be pulled.
var ErrShort = errors.New("a name without a registry")

// pull has the engine pull an image. Where that fails although, or because, no password
// was found, the error tells why there was none.
func (e *engine) pull(ctx context.Context, reference string) error {
	ref, err := imageref.Parse(reference)
	if err != nil {
		return err
	}
	if e.kind == "podman" && !hasRegistry(ref.NameText()) {
		return ErrShort
	}
	query := url.Values{"fromImage": {ref.Repository}}
	switch {
	case ref.HasDigest():
		query.Set("tag", ref.DigestText())
	case ref.HasTag():
		query.Set("tag", ref.TagText())
	default:
		query.Set("tag", "latest") // none would be every tag
	}
	login, missing := findLogin(e.config, ref.Repository)
	err = e.create(ctx, query, login.header())
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && missing != nil:
		return login.hide(fmt.Errorf("%w; %w", err, missing))
	case err != nil:
		return login.hide(err)
	}
	return nil
}

// hasRegistry tells that a name begins with a host, by distribution/reference's rule.
func hasRegistry(name string) bool {
	first, _, more := strings.Cut(name, "/")
	return more && (strings.ContainsAny(first, ".:") || first == "localhost")
}

// create asks for an image, and reads how it comes until it is there.
func (e *engine) create(ctx context.Context, query url.Values, header http.Header) error {
	body, err := e.ask(ctx, http.MethodPost, "/images/create", query, header)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, most)
	for lines.Scan() {
		var line struct {
			Error       string
			ErrorDetail struct{ Message string }
		}
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("not an answer of an engine's: %w", err)
		}
		if line.ErrorDetail.Message != "" {
			line.Error = line.ErrorDetail.Message
		}
		if line.Error != "" {
			return errors.New(last(line.Error))
		}
	}
	if errors.Is(lines.Err(), io.ErrUnexpectedEOF) {
		return fmt.Errorf("the engine at %s broke off in the middle of the pull", e.socket)
	}
	return lines.Err()
}
