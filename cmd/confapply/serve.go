package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/urfave/cli/v2"

	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/receiver"
	"github.com/unitstamp/unitstamp/pkg/webhook"
)

const defaultListen = "127.0.0.1:9114"

func serveCommand() *door.Command {
	return &door.Command{
		Name: "serve", Usage: "listen for webhooks, and apply when one says that there is something new",
		Description: "Senders have a URL each, http://ADDRESS/hook/SENDER, and prove themselves by a secret. What they send is a\n" +
			"hint and nothing more: an event that concerns us starts the unit that --start names, or applies the\n" +
			"folder --units in this process, as the command apply does with the same flags. Events that come\n" +
			"meanwhile lead to one more run together.\n\n" +
			"Senders: " + strings.Join(webhook.SenderNames(), ", ") + ".",
		Flags: flags(serveFlags(), applyHereFlags()),
		Run:   runServe,
	}
}

func serveFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "start", Usage: "start `UNIT`, a oneshot service, over D-Bus, and apply nothing in this process", EnvVars: env("START")},
		&cli.StringFlag{Name: "listen", Usage: "`ADDRESS`: HOST:PORT or unix:PATH; sockets that systemd hands over go before it", EnvVars: env("LISTEN"), Value: defaultListen},
		&cli.StringFlag{Name: "tls-cert", Usage: "`FILE` with the certificate chain", EnvVars: env("TLS_CERT")},
		&cli.StringFlag{Name: "tls-key", Usage: "`FILE` with its key", EnvVars: env("TLS_KEY")},
		&cli.StringSliceFlag{Name: "secret-file", Usage: "`SENDER=FILE` with a secret on each line (repeatable) [$CONFAPPLY_SECRET_SENDER holds the secrets themselves]"},
		&cli.StringSliceFlag{Name: "insecure-no-secret", Usage: "believe whoever says to be `SENDER` (repeatable)"},
		&cli.StringSliceFlag{Name: "accept-repository", Usage: "heed events of repositories of sources or images like `PATTERN` only (repeatable)", EnvVars: env("ACCEPT_REPOSITORY")},
		&cli.StringSliceFlag{Name: "accept-branch", Usage: "heed events of branches like `PATTERN` only (repeatable)", EnvVars: env("ACCEPT_BRANCH")},
		&cli.StringSliceFlag{Name: "accept-tag", Usage: "heed events of tags like `PATTERN` only (repeatable)", EnvVars: env("ACCEPT_TAG")},
		&cli.StringFlag{Name: "state-dir", Usage: "`DIR` that remembers events across restarts", EnvVars: append(env("STATE_DIR"), "STATE_DIRECTORY")},
		&cli.StringSliceFlag{Name: "trusted-proxy", Usage: "believe X-Forwarded-For from `ADDRESS`, a network, or unix (repeatable)", EnvVars: env("TRUSTED_PROXY")},
		&cli.IntFlag{Name: "max-failures", Usage: "do not listen for a while to an address with `N` refused requests in a minute", EnvVars: env("MAX_FAILURES"), Value: 60},
		&cli.DurationFlag{Name: "grace", Usage: "how `LONG` a run may go on when this process is to end", EnvVars: env("GRACE"), Value: time.Minute},
	}
}

// applyHereFlags are those of apply that make sense for a run without anybody watching.
// Another run at work is waited for.
func applyHereFlags() []cli.Flag {
	all := slices.DeleteFunc(flags(selectFlags(), targetFlags(), planFlags(), applyFlags()), func(f cli.Flag) bool {
		return slices.Contains([]string{"json", "wait"}, f.Names()[0])
	})
	return append(all, &cli.BoolFlag{Name: "wait", Value: true, Hidden: true})
}

func runServe(ctx context.Context, call *door.Call) error {
	if len(call.Files) > 0 {
		return door.Errorf(door.Usage, "serve takes no argument, not %q", call.Files[0])
	}
	options, err := serveOptions(call)
	if err != nil {
		return err
	}
	run, done, err := follow(ctx, call)
	if err != nil {
		return err
	}
	defer done()
	options.Run = run
	if options.Seen, err = openLedger(call); err != nil {
		return err
	}
	listeners, err := listen(ctx, call)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		call.Note("listening on %s", l.Addr())
	}
	if options.TLS == nil && slices.ContainsFunc(listeners, isOpen) {
		call.Note("without TLS, and not on this machine only: whoever is in between can read and change what comes")
		call.Hint("--tls-cert and --tls-key, or a proxy that has them")
	}

	// A second signal does not wait for the run.
	again := make(chan os.Signal, 1)
	cut, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	told := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(told)
		notify(call, daemon.SdNotifyStopping)
		call.Note("ending")
		signal.Notify(again, os.Interrupt, syscall.SIGTERM)
		go func() {
			select {
			case <-again:
				stop()
			case <-cut.Done():
			}
		}()
	})
	defer signal.Stop(again)
	notify(call, daemon.SdNotifyReady)
	err = receiver.New(options).Serve(ctx, cut, call.Duration("grace"), listeners)
	if ctx.Err() != nil {
		<-told
	}
	if err != nil {
		return door.Errorf(door.World, "serve: %w", err)
	}
	return nil
}

// notify tells systemd, if it wants to know.
func notify(call *door.Call, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		call.Note("cannot tell systemd: %v", err)
	}
}

// serveOptions are the flags about what is listened to, understood.
func serveOptions(call *door.Call) (receiver.Options, error) {
	o := receiver.Options{
		Filter: webhook.Filter{
			Repositories: call.StringSlice("accept-repository"), Branches: call.StringSlice("accept-branch"), Tags: call.StringSlice("accept-tag"),
		},
		Failures: call.Int("max-failures"), Now: time.Now,
		Log: func(e receiver.Entry) { call.Note("%s", logLine(e)) },
	}
	var err error
	if o.Secrets, err = secrets(call); err != nil {
		return o, err
	}
	if err := o.Filter.Check(); err != nil {
		return o, door.Errorf(door.Usage, "--accept-…: %w", err)
	}
	for _, name := range sortedKeys(o.Secrets) {
		if s, _ := webhook.Lookup(name); !s.Signs && len(o.Filter.Repositories) == 0 {
			return o, door.Errorf(door.Usage, "%s cannot sign what it sends, and events of every repository would be heeded", name).
				WithHint("--accept-repository names ours; --accept-tag and --accept-branch narrow it further")
		}
	}
	for _, word := range call.StringSlice("trusted-proxy") {
		if word == "unix" {
			o.ProxyUnix = true
			continue
		}
		prefix, err := netip.ParsePrefix(word)
		if address, alone := netip.ParseAddr(word); alone == nil {
			prefix, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			return o, door.Errorf(door.Usage, "--trusted-proxy: %q is neither an address nor a network nor unix", word)
		}
		o.Proxies = append(o.Proxies, prefix.Masked())
	}
	if o.Failures < 1 {
		return o, door.Errorf(door.Usage, "--max-failures must be at least 1")
	}
	if call.Duration("grace") < 0 {
		return o, door.Errorf(door.Usage, "--grace cannot be negative")
	}
	certificate, key := call.String("tls-cert"), call.String("tls-key")
	switch {
	case (certificate == "") != (key == ""):
		return o, door.Errorf(door.Usage, "--tls-cert and --tls-key go together")
	case certificate != "":
		if o.TLS, err = receiver.Encryption(certificate, key); err != nil {
			return o, door.Errorf(door.Usage, "--tls-cert, --tls-key: %w", err)
		}
	}
	return o, nil
}

// minSecret is the least length of a secret: 128 bits in hexadecimal digits would be 32.
const minSecret = 16

// secrets finds those of each sender: in a file, else in the environment.
func secrets(call *door.Call) (map[string][]string, error) {
	all := map[string][]string{}
	for _, word := range call.StringSlice("secret-file") {
		name, file, ok := strings.Cut(word, "=")
		if !ok {
			return nil, door.Errorf(door.Usage, "--secret-file takes SENDER=FILE, not %q", name)
		}
		if _, known := webhook.Lookup(name); !known {
			return nil, unknownSender("--secret-file", name)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, door.Errorf(door.Usage, "--secret-file %s: %w", name, err)
		}
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
			call.Note("everybody on this machine can read the secret of %s", name)
			call.Hint("chmod 600 " + file)
		}
		if all[name], err = lines(string(data), all[name]); err != nil {
			return nil, door.Errorf(door.Usage, "--secret-file %s: %w", name, err)
		}
	}
	for _, name := range webhook.SenderNames() {
		variable := "CONFAPPLY_SECRET_" + strings.ToUpper(name)
		if value := call.Env.Getenv(variable); value != "" && all[name] == nil {
			var err error
			if all[name], err = lines(value, nil); err != nil {
				return nil, door.Errorf(door.Usage, "%s: %w", variable, err)
			}
		}
	}
	for _, name := range call.StringSlice("insecure-no-secret") {
		if _, known := webhook.Lookup(name); !known {
			return nil, unknownSender("--insecure-no-secret", name)
		}
		if len(all[name]) > 0 {
			return nil, door.Errorf(door.Usage, "%s has a secret, and --insecure-no-secret says that it has none", name)
		}
		all[name] = nil
	}
	if len(all) == 0 {
		return nil, door.Errorf(door.Usage, "no sender has a secret").
			WithHint("--secret-file SENDER=FILE, and openssl rand -hex 32 makes one; senders are %s", strings.Join(webhook.SenderNames(), ", "))
	}
	return all, nil
}

func unknownSender(flag, name string) error {
	return door.Errorf(door.Usage, "%s: unknown sender %q", flag, name).WithHint("one of: %s", strings.Join(webhook.SenderNames(), ", "))
}

// lines are the secrets of a text, one on each line, behind earlier ones.
func lines(text string, list []string) ([]string, error) {
	for line := range strings.Lines(text) {
		secret := strings.TrimRight(line, "\r\n")
		switch {
		case secret == "":
			continue
		case len(secret) < minSecret:
			return nil, fmt.Errorf("a secret is shorter than %d bytes", minSecret)
		case strings.HasPrefix(secret, "whsec_"):
			if _, ok := webhook.SigningKey(secret); !ok {
				return nil, errors.New("a secret that begins with whsec_ does not go on in base64")
			}
		}
		list = append(list, secret)
	}
	if len(list) == 0 {
		return nil, errors.New("there is no secret in it")
	}
	return list, nil
}

func openLedger(call *door.Call) (*receiver.Ledger, error) {
	folder := call.String("state-dir")
	if folder == "" {
		return receiver.NewLedger(), nil
	}
	folder, _, _ = strings.Cut(folder, ":") // systemd names all of them
	ledger, err := receiver.OpenLedger(filepath.Clean(folder))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, door.Errorf(door.Usage, "--state-dir: %w", err)
	case err != nil:
		return nil, door.Errorf(door.World, "--state-dir: %w", err)
	}
	return ledger, nil
}

func listen(ctx context.Context, call *door.Call) ([]net.Listener, error) {
	listeners, err := receiver.Listeners()
	if err != nil {
		return nil, door.Errorf(door.World, "%w", err)
	}
	if len(listeners) > 0 {
		return listeners, nil
	}
	l, err := receiver.Listen(ctx, call.String("listen"))
	var address *net.AddrError
	var name *net.DNSError
	switch {
	case errors.As(err, &address), errors.As(err, &name):
		return nil, door.Errorf(door.Usage, "--listen: %w", err).WithHint("HOST:PORT, or unix:PATH")
	case err != nil:
		return nil, door.Errorf(door.World, "--listen: %w", err)
	}
	return []net.Listener{l}, nil
}

// isOpen tells that others than this machine reach a listener.
func isOpen(l net.Listener) bool {
	at, ok := l.Addr().(*net.TCPAddr)
	return ok && !at.IP.IsLoopback()
}
