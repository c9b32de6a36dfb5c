package confrepo_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/pkg/confrepo"
)

// TestSilence: servers that take a connection and never say a word.
func TestSilence(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, conn)
		}
	}()
	_, key := gittest.NewSSHKey(t)
	for _, scheme := range []string{"ssh", "http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := confrepo.Publish(limited(t, time.Second), confrepo.Target{URL: scheme + "://" + listener.Addr().String() + "/x.git", Branch: "main"},
				put("a", "1\n"), confrepo.Options{Auth: confrepo.Auth{SSHKey: key}})
			wantKind(t, err, confrepo.Unavailable)
			if over := time.Since(began) - time.Second; over > 2*time.Second {
				t.Errorf("ended %s after the deadline", over)
			}
		})
	}
}

// TestSSHProgramHangs: the programs start and are silent, or stop in the push.
func TestSSHProgramHangs(t *testing.T) {
	for _, service := range []string{"git-upload-pack", "git-receive-pack"} {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			bare := seeded(t)
			release := make(chan struct{})
			s := gittest.ServeSSH(t, gittest.SSHOptions{Refuse: func(started string, _ io.Writer) bool {
				if started == service {
					<-release
					return true
				}
				return false
			}})
			t.Cleanup(func() { close(release) })
			began := time.Now()
			_, err := confrepo.Publish(limited(t, time.Second), confrepo.Target{URL: s.URL(bare), Branch: "main"}, put("units/a.service", "2\n"),
				confrepo.Options{Auth: confrepo.Auth{SSHKey: s.ClientKey, KnownHosts: []string{s.KnownHosts(t)}}})
			wantKind(t, err, confrepo.Unavailable)
			if over := time.Since(began) - time.Second; over > 2500*time.Millisecond {
				t.Errorf("ended %s after the deadline", over)
			}
		})
	}
}

func TestOpenPGPSignature(t *testing.T) {
	entity, err := openpgp.NewEntity("Build", "", "build@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	var private bytes.Buffer
	w, err := armor.Encode(&private, openpgp.PrivateKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := entity.SerializePrivate(w, nil); err != nil {
		t.Fatal(err)
	}
	w.Close()
	sign, err := confrepo.Signer(private.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	bare := seeded(t)
	res, err := confrepo.Publish(limited(t, 20*time.Second), confrepo.Target{URL: bare, Branch: "main"}, put("units/a.service", "2\n"), confrepo.Options{Sign: sign})
	if err != nil {
		t.Fatal(err)
	}
	raw := gittest.Git(t, bare, "cat-file", "commit", res.Commit) + "\n"
	before, rest, _ := strings.Cut(raw, "gpgsig ")
	signature, after, _ := strings.Cut(rest, "-----END PGP SIGNATURE-----\n")
	signature = strings.ReplaceAll(signature, "\n ", "\n") + "-----END PGP SIGNATURE-----\n"
	if _, err := openpgp.CheckArmoredDetachedSignature(openpgp.EntityList{entity}, strings.NewReader(before+after), strings.NewReader(signature), nil); err != nil {
		t.Errorf("%v\n%s", err, raw)
	}
	gittest.Fsck(t, bare)
}
