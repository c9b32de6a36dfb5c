package main

import (
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/cienv"
	"github.com/unitstamp/unitstamp/pkg/confrepo"
	"github.com/unitstamp/unitstamp/pkg/guard"
)

// order is what the command line and the environment ask for.
type order struct {
	target  confrepo.Target
	request guard.Request
	options confrepo.Options
	author  confrepo.Signature
	commit  confrepo.Signature
	// detached tells that the build has no branch, so the remote's HEAD is used.
	detached bool
}

func readOrder(call *door.Call) (*order, error) {
	o := &order{}
	env := func(name string) string { return cienv.Lookup(call.Env.Getenv, name) }
	o.target.URL = first(call.String("repo"), env("CONFPUSH_REPO"))
	if o.target.URL == "" {
		return o, door.Errorf(door.Usage, "no repository given").WithHint("name it with --repo or CONFPUSH_REPO")
	}
	o.request.Build = buildOf(call.Env.Getenv)
	o.target.Branch = first(cienv.Lookup(call.String, "branch"), env("CONFPUSH_BRANCH"), o.request.Build.Branch)
	o.detached = o.target.Branch == ""
	o.request.Template = call.String("message")
	if o.request.Template != "" {
		if err := guard.CheckTemplate(o.request.Template); err != nil {
			return o, door.Errorf(door.Usage, "%w", err)
		}
	}
	o.request.AllowDowngrade = call.Bool("allow-downgrade")
	o.request.AllowBranchChange = call.Bool("allow-branch-change")
	o.request.AllowRewrite = call.Bool("allow-rewrite")
	if call.Duration("deadline") <= 0 || call.Duration("attempt-timeout") <= 0 {
		return o, door.Errorf(door.Usage, "--deadline and --attempt-timeout must be greater than zero")
	}
	if err := o.readFiles(call); err != nil {
		return o, err
	}
	if err := o.readPeople(call, env); err != nil {
		return o, err
	}
	return o, o.readOptions(call, env)
}

// buildOf asks the environment what is being built. Files that are stamped
// already can be pushed without knowing.
func buildOf(getenv func(string) string) guard.Build {
	stamp, err := cienv.Resolve(cienv.Request{AllowPullRequest: true}, getenv)
	if err != nil {
		ci := cienv.Detect(getenv)
		return guard.Build{Branch: first(cienv.Lookup(getenv, "UNITSTAMP_BRANCH"), ci.Branch), Source: ci.Commit, URL: confrepo.RedactText(ci.URL)}
	}
	return guard.Build{Tag: stamp.Tag, Branch: stamp.Branch, Source: stamp.Build.Commit, URL: confrepo.RedactText(stamp.Build.URL)}
}

func (o *order) readFiles(call *door.Call) error {
	dir := strings.Trim(path.Clean("/"+call.String("dir")), "/")
	if raw := call.String("dir"); strings.HasPrefix(raw, "/") || strings.Contains("/"+raw+"/", "/../") {
		return door.Errorf(door.Usage, "--dir %q is no folder of the repository", raw).WithHint("give it relative to the repository's root, without ..")
	}
	as, removals := call.String("as"), call.StringSlice("remove")
	switch {
	case len(call.Files) == 0 && len(removals) == 0:
		return door.Errorf(door.Usage, "no files given").WithHint("name the unit files to push, or --remove NAME")
	case as != "" && len(call.Files) != 1:
		return door.Errorf(door.Usage, "--as goes with one file, and %d are given", len(call.Files))
	}
	from := map[string]string{}
	add := func(f guard.File, said string) error {
		if err := confrepo.CheckPath(f.Path); err != nil {
			return door.Errorf(door.Usage, "%w", err)
		}
		if other, twice := from[f.Path]; twice {
			return door.Errorf(door.Usage, "%q and %q would both be %q in the repository", other, said, f.Path)
		}
		from[f.Path] = said
		o.request.Files = append(o.request.Files, f)
		return nil
	}
	for _, name := range call.Files {
		if name == "-" && as == "" {
			return door.Errorf(door.Usage, "standard input has no name").WithHint("name it with --as PATH")
		}
		to := path.Join(dir, filepath.Base(name))
		if as != "" {
			to = as
		}
		content, err := readFile(name, call.Env.Stdin)
		if err != nil {
			return err
		}
		if err := add(guard.File{Path: to, Content: content}, name); err != nil {
			return err
		}
	}
	for _, name := range removals {
		to := name
		if dir != "" {
			to = dir + "/" + name
		}
		if err := add(guard.File{Path: to, Remove: true}, name); err != nil {
			return err
		}
	}
	return nil
}

func readFile(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		content, err := io.ReadAll(stdin)
		if err != nil {
			return nil, door.Errorf(door.Usage, "standard input cannot be read: %w", err)
		}
		return content, nil
	}
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		return nil, door.Errorf(door.Usage, "%q is no regular file", name)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, door.Errorf(door.Usage, "%w", err)
	}
	return content, nil
}

// readPeople fills in author and committer.
func (o *order) readPeople(call *door.Call, env func(string) string) error {
	person := func(flag, text string, name, mail string, fallback confrepo.Signature) (confrepo.Signature, error) {
		if text == "" {
			return confrepo.Signature{Name: first(name, fallback.Name), Email: first(mail, fallback.Email)}, nil
		}
		n, rest, ok := strings.Cut(text, "<")
		m, tail, closed := strings.Cut(rest, ">")
		n, m = strings.TrimSpace(n), strings.TrimSpace(m)
		if !ok || !closed || n == "" || m == "" || strings.TrimSpace(tail) != "" || strings.ContainsAny(text, "\n\x00") {
			return confrepo.Signature{}, door.Errorf(door.Usage, "%s %q is not of the form NAME <MAIL>", flag, text)
		}
		return confrepo.Signature{Name: n, Email: m}, nil
	}
	var err error
	nobody := confrepo.Signature{Name: "confpush", Email: "confpush@localhost"}
	if o.author, err = person("--author", call.String("author"), env("GIT_AUTHOR_NAME"), env("GIT_AUTHOR_EMAIL"), nobody); err != nil {
		return err
	}
	o.commit, err = person("--committer", call.String("committer"), env("GIT_COMMITTER_NAME"), env("GIT_COMMITTER_EMAIL"), o.author)
	return err
}

// readOptions gathers keys, tokens and host keys. What cannot be read is found
// before the network is touched.
func (o *order) readOptions(call *door.Call, env func(string) string) error {
	secret := func(what, file string) ([]byte, error) {
		if file == "" {
			return nil, nil
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, door.Errorf(door.Usage, "the %s cannot be read: %w", what, err)
		}
		if len(strings.TrimSpace(string(content))) == 0 {
			return nil, door.Errorf(door.Usage, "the %s %q is empty", what, file)
		}
		return content, nil
	}
	line := func(b []byte) string { return strings.TrimRight(string(b), "\r\n") }
	auth := &o.options.Auth
	token, err := secret("token file", call.String("token-file"))
	if err != nil {
		return err
	}
	auth.Token = first(strings.TrimSpace(line(token)), env("CONFPUSH_TOKEN"))
	auth.Username, auth.Bearer, auth.AllowInsecure = env("CONFPUSH_USERNAME"), call.Bool("bearer"), call.Bool("allow-insecure")
	if auth.CACertificates, err = secret("CA file", call.String("ca-file")); err != nil {
		return err
	}
	if auth.SSHKey, err = secret("ssh key", first(call.String("ssh-key"), env("CONFPUSH_SSH_KEY"))); err != nil {
		return err
	}
	passphrase, err := secret("ssh key's passphrase file", call.String("ssh-passphrase-file"))
	if err != nil {
		return err
	}
	auth.SSHPassphrase = []byte(line(passphrase))
	auth.AgentSocket = env("SSH_AUTH_SOCK")
	home := env("HOME")
	if auth.Netrc, err = netrc(env("NETRC"), home); err != nil {
		return err
	}
	if auth.KnownHosts, err = knownHosts(call.StringSlice("known-hosts"), env("SSH_KNOWN_HOSTS"), home); err != nil {
		return err
	}
	key, err := secret("signing key", call.String("sign-key"))
	if err != nil {
		return err
	}
	unlock, err := secret("signing key's passphrase file", call.String("sign-passphrase-file"))
	if err != nil {
		return err
	}
	if key != nil {
		if o.options.Sign, err = confrepo.Signer(key, []byte(line(unlock))); err != nil {
			return doorError(err)
		}
	}
	o.options.AttemptTimeout = call.Duration("attempt-timeout")
	o.options.DryRun = call.Bool("dry-run")
	o.options.Agent = "confpush/" + door.Version()
	return nil
}

// netrc reads the file that NETRC names, or ~/.netrc if there is one.
func netrc(named, home string) (string, error) {
	file := named
	if file == "" && home != "" {
		file = filepath.Join(home, ".netrc")
	}
	if file == "" {
		return "", nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		if named == "" {
			return "", nil
		}
		return "", door.Errorf(door.Usage, "the netrc file cannot be read: %w", err)
	}
	return string(content), nil
}

// knownHosts lists the files that hold the host keys: those that are named must
// be readable, of the usual places those that are there count.
func knownHosts(named []string, list, home string) ([]string, error) {
	if len(named) == 0 && list != "" {
		named = filepath.SplitList(list)
	}
	for _, f := range named {
		file, err := os.Open(f)
		if err != nil {
			return nil, door.Errorf(door.Usage, "the known_hosts file cannot be read: %w", err)
		}
		file.Close()
	}
	if len(named) > 0 {
		return named, nil
	}
	var found []string
	for _, f := range []string{filepath.Join(home, ".ssh/known_hosts"), "/etc/ssh/ssh_known_hosts"} {
		if _, err := os.Stat(f); err == nil {
			found = append(found, f)
		}
	}
	return found, nil
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// doorError gives an error of the rooms below its exit code and hint.
func doorError(err error) error {
	var refusal *guard.Refusal
	if errors.As(err, &refusal) {
		return (&door.Error{Code: door.Refused, Err: refusal}).WithHint("%s", refusal.Hint)
	}
	var e *confrepo.Error
	if !errors.As(err, &e) {
		return err
	}
	code := door.World
	switch e.Kind {
	case confrepo.Usage:
		code = door.Usage
	case confrepo.Obstructed:
		code = door.Refused
	}
	return &door.Error{Code: code, Err: e, Hint: e.Hint}
}
