package webhook

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// FuzzRead gives every sender whatever comes. Nothing may panic, whatever is refused is
// a Refusal, and without knowledge of the secret nothing is believed.
func FuzzRead(f *testing.F) {
	const secret = "a secret that no input can hold: \x00\xff\x01\xfe"
	signing := "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	for i := range senders {
		f.Add(byte(i), "", "push", `{"ref":"refs/heads/x"}`)
	}
	f.Fuzz(func(t *testing.T, which byte, proof, kind, body string) {
		s := senders[int(which)%len(senders)]
		h := map[string][]string{"Content-Type": {"application/json"}}
		for _, name := range []string{"Circleci-Signature", "X-Hub-Signature-256", "X-Gitea-Signature", "X-Forgejo-Signature", "X-Gitlab-Token",
			"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature", "Authorization"} {
			if proof != "" {
				h[name] = strings.Split(proof, "\n")
			}
		}
		for _, name := range []string{"Circleci-Event-Type", "X-Github-Event", "X-Gitea-Event", "X-Gitlab-Event"} {
			h[name] = []string{kind}
		}
		r := Request{Header: h, Token: proof, Body: []byte(body), At: time.Unix(1614265330, 0)}
		e, err := s.Read(r, []string{secret, signing})
		if err == nil && !strings.Contains(proof, secret) {
			t.Fatalf("%s believes %q", s.Name, proof)
		}
		check(t, e, err)
		e, err = s.ReadUnproven(r)
		check(t, e, err)
		if err == nil {
			Filter{Branches: []string{"*"}}.Accepts(e)
		}
	})
}

func check(t *testing.T, e Event, err error) {
	var refusal *Refusal
	switch {
	case err != nil && !errors.As(err, &refusal):
		t.Fatalf("%v is no refusal", err)
	case err != nil && len(e.Subjects)+len(e.Keys) > 0:
		t.Fatalf("half an event comes with %v", err)
	}
}
