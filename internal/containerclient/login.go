package containerclient

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
)

// A login is what an engine is to show to a registry; the zero login is nothing.
type login struct {
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	RegistryToken string `json:"registrytoken,omitempty"`
	ServerAddress string `json:"serveraddress,omitempty"`

	secrets []string
}

// header is how the engine wants it.
func (l login) header() http.Header {
	if len(l.secrets) == 0 {
		return nil
	}
	return http.Header{"X-Registry-Auth": {l.encoded()}}
}

func (l login) encoded() string {
	text, _ := json.Marshal(l) // strings always can be
	return base64.URLEncoding.EncodeToString(text)
}

// hide takes the secrets out of an error, whoever has put them there.
func (l login) hide(err error) error {
	text := err.Error()
	for _, secret := range l.secrets {
		text = strings.ReplaceAll(strings.ReplaceAll(text, secret, "***"), l.encoded(), "***")
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// dockerConfig is what of docker's config.json is about registries. See
// https://docs.docker.com/reference/cli/docker/login.
type dockerConfig struct {
	Auths map[string]struct {
		Auth, IdentityToken, RegistryToken string
	}
	CredsStore  string
	CredHelpers map[string]string
}

// hub are the names of Docker Hub in that file: docker's own first.
var hub = []string{"https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"}

// findLogin looks for the login to the registry of a repository in a configuration,
// which need not be there. If there is no login, missing may tell why.
func findLogin(path, repository string) (found login, missing error) {
	config, err := readConfig(path)
	if err != nil {
		return login{}, fmt.Errorf("the logins of %s cannot be read: %w", path, err)
	}
	registry, _, _ := strings.Cut(repository, "/")
	names := []string{registry}
	if registry == "docker.io" {
		names = hub
	}
	for _, name := range names {
		for _, key := range slices.Sorted(maps.Keys(config.Auths)) {
			if key != name && hostOf(key) != name {
				continue
			}
			entry := config.Auths[key]
			pair, err := base64.StdEncoding.DecodeString(entry.Auth)
			if err != nil {
				return login{}, fmt.Errorf("the login for %q in %s cannot be read: no base64", registry, path)
			}
			user, password, _ := strings.Cut(string(pair), ":")
			l := login{Username: user, Password: strings.TrimRight(password, "\x00"),
				IdentityToken: entry.IdentityToken, RegistryToken: entry.RegistryToken, ServerAddress: names[0]}
			for _, secret := range []string{entry.Auth, l.Password, l.IdentityToken, l.RegistryToken} {
				if secret != "" {
					l.secrets = append(l.secrets, secret)
				}
			}
			if len(l.secrets) > 0 {
				return l, nil
			}
		}
	}
	helper := config.CredsStore
	for _, name := range names {
		if config.CredHelpers[name] != "" {
			helper = config.CredHelpers[name]
		}
	}
	if helper != "" {
		return login{}, fmt.Errorf("%s leaves the login for %q to docker-credential-%s, which only the docker client asks", path, registry, helper)
	}
	return login{}, nil
}

func readConfig(path string) (config dockerConfig, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return config, nil
	}
	if err != nil {
		return config, withoutPath(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, most))
	switch {
	case err != nil:
		return config, withoutPath(err)
	case json.Unmarshal(text, &config) != nil:
		return dockerConfig{}, errors.New("no JSON as docker writes it") // whose own error may quote from it
	}
	return config, nil
}

// withoutPath is the reason alone, where the path is told already.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// hostOf is the host and port of a key, which older clients wrote as a URL.
func hostOf(key string) string {
	_, rest, isURL := strings.Cut(key, "://")
	if !isURL {
		rest = key
	}
	host, _, _ := strings.Cut(rest, "/")
	return host
}
