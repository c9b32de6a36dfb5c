package confrepo_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/pkg/confrepo"
)

// credentials are ways to a repository, each with what another job could hold
// instead.
var credentials = []struct {
	name string
	open func(t testing.TB, bare string) (url string, own, other confrepo.Options)
}{
	{"token", func(t testing.TB, bare string) (string, confrepo.Options, confrepo.Options) {
		url, own := overHTTP(t, bare)
		other := own
		own.Auth.Token, other.Auth.Token = "a-token", "another-token"
		return url, own, other
	}},
	{"key", func(t testing.TB, bare string) (string, confrepo.Options, confrepo.Options) {
		url, own := overSSH(true)(t, bare)
		return url, own, confrepo.Options{} // the server knows one key
	}},
	{"agent", func(t testing.TB, bare string) (string, confrepo.Options, confrepo.Options) {
		url, own := overSSH(true)(t, bare)
		key, err := ssh.ParseRawPrivateKey(own.Auth.SSHKey)
		if err != nil {
			t.Fatal(err)
		}
		_, wrong, _ := ed25519.GenerateKey(rand.Reader)
		own.Auth.AgentSocket, own.Auth.SSHKey = serveAgent(t, &wrong, key), nil
		return url, own, confrepo.Options{}
	}},
}

// putRequest stores a request of a job that was just interrupted. change, if not nil,
// is made after it was sealed.
func putRequest(t testing.TB, bare, url, text string, o confrepo.Options, change func(ref, commit string) (string, string)) (ref string) {
	t.Helper()
	o.Queue = queueFor(text)
	o.Queue.Open = false
	o.Now = func() time.Time { return time.Now().Add(soon) } // behind the job under test
	ref, commit, err := confrepo.RequestFor(limited(t, time.Minute), url, "main", o)
	if err != nil {
		t.Fatal(err)
	}
	body := string(commit)
	if change != nil {
		ref, body = change(ref, body)
	}
	gittest.GitInput(t, bare, "", "mktree")
	id := gittest.GitInput(t, bare, body, "hash-object", "-t", "commit", "-w", "--stdin")
	gittest.Git(t, bare, "update-ref", ref, id)
	return ref
}

// TestOnlyTheCircleIsCarried: a job carries out what was sealed with its own
// credential, and nothing else.
func TestOnlyTheCircleIsCarried(t *testing.T) {
	for _, c := range credentials {
		t.Run(c.name, func(t *testing.T) {
			bare := seeded(t)
			url, own, other := c.open(t, bare)
			putRequest(t, bare, url, "units/mate.service=1", own, nil)
			putRequest(t, bare, url, "units/forged.service=1", own, func(ref, commit string) (string, string) {
				return ref, strings.Replace(commit, "units/forged.service=1", "units/forged.service=2", 1)
			})
			putRequest(t, bare, url, "units/unsealed.service=1", own, func(ref, commit string) (string, string) {
				head, _, _ := strings.Cut(commit, "\n\nSeal: ")
				return ref, head + "\n"
			})
			putRequest(t, bare, url, "units/longer.service=1", own, func(ref, commit string) (string, string) {
				dir, name := ref[:strings.LastIndex(ref, "/")+1], ref[strings.LastIndex(ref, "/")+1:]
				return dir + name[:13] + "fffffffff" + name[22:], commit // to wait for ever
			})
			putRequest(t, bare, url, "units/named.service=1", own, func(ref, commit string) (string, string) {
				return ref, strings.Replace(commit, "author "+someone.Name, "author Somebody", 1)
			})
			stranger := leave(t, bare, "units/open.service=1", soon, time.Hour)
			stay := []string{stranger}
			if other.Auth.Token != "" {
				stay = append(stay, putRequest(t, bare, url, "units/other.service=1", other, nil))
			}
			o := own
			o.Queue = queueFor("units/a.service=2")
			o.Queue.Open = false
			res, err := confrepo.Publish(limited(t, time.Minute), confrepo.Target{URL: url, Branch: "main"}, deciding("units/a.service=2"), o)
			if err != nil || res.Carrying != 1 {
				t.Fatalf("%+v %v", res, err)
			}
			wantFiles(t, bare, 2, "units/a.service=2", "units/mate.service=1")
			for _, name := range []string{"forged", "unsealed", "longer", "named", "open", "other"} {
				if _, err := gittest.Try(bare, "", "cat-file", "-e", "main:units/"+name+".service"); err == nil {
					t.Errorf("the %s request was carried out", name)
				}
			}
			left := strings.Join(queued(t, bare), " ")
			for _, ref := range stay {
				if !strings.Contains(left, ref) {
					t.Errorf("a request of others is gone: %s", ref)
				}
			}
			if got := len(strings.Fields(left)); got != len(stay) {
				t.Errorf("left: %s", left)
			}
		})
	}
}
