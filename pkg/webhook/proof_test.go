package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"
)

// header makes headers of name, value, name, value, …
func header(pairs ...string) map[string][]string {
	h := map[string][]string{}
	for i := 0; i < len(pairs); i += 2 {
		h[pairs[i]] = append(h[pairs[i]], pairs[i+1])
	}
	return h
}

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// The vectors that the senders publish.
const (
	circle1 = "734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a" // hello world, secret
	circle2 = "daa220016c8f29a8b214fbfc3671aeec2145cfb1e6790184ffb38b6d0425fa00" // lalala, another-secret
	circle3 = "9be2242094a9a8c00c64306f382a7f9d691de910b4a266f67bd314ef18ac49fa" // an-important-request-payload, hunter123
	circle4 = "773ba44693c7553d6ee20f61ea5d2757a9a4f4a44d2841ae4e95b52e4cd62db4" // foo, secret
	gitHub1 = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" // Hello, World!, It's a Secret to Everybody

	standardKey  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	standardID   = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	standardTime = "1614265330"
	standardBody = `{"test": 2432232314}`
	standardMAC  = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func standard(pairs ...string) map[string][]string {
	return header(append([]string{"Webhook-Id", standardID, "Webhook-Timestamp", standardTime}, pairs...)...)
}

func TestProof(t *testing.T) {
	then := time.Unix(1614265330, 0)
	const wrong = "the signature does not match"
	for _, test := range []struct {
		name, sender string
		header       map[string][]string
		token, body  string
		secrets      []string
		want         string // the refusal, "" for none
	}{
		{"circleci 1", "circleci", header("Circleci-Signature", "v1="+circle1), "", "hello world", []string{"secret"}, ""},
		{"circleci 2", "circleci", header("Circleci-Signature", "v1="+circle2), "", "lalala", []string{"another-secret"}, ""},
		{"circleci 3", "circleci", header("Circleci-Signature", "v1="+circle3), "", "an-important-request-payload", []string{"hunter123"}, ""},
		{"circleci 4", "circleci", header("Circleci-Signature", "v1="+circle4), "", "foo", []string{"secret"}, ""},
		{"circleci, with a version to come", "circleci", header("Circleci-Signature", "v1="+circle4+", v2=ab"), "", "foo", []string{"secret"}, ""},
		{"circleci, only a version to come", "circleci", header("Circleci-Signature", "v2="+circle4), "", "foo", []string{"secret"}, "circleci-signature has not exactly one v1="},
		{"circleci, two of one version", "circleci", header("Circleci-Signature", "v1="+circle4+",v1="+circle4), "", "foo", []string{"secret"}, "circleci-signature has not exactly one v1="},
		{"circleci, twice", "circleci", header("Circleci-Signature", "v1="+circle4, "Circleci-Signature", "v1="+circle4), "", "foo", []string{"secret"}, "there is no circleci-signature"},
		{"circleci, another body", "circleci", header("Circleci-Signature", "v1="+circle4), "", "fop", []string{"secret"}, wrong},
		{"circleci, another secret", "circleci", header("Circleci-Signature", "v1="+circle4), "", "foo", []string{"secreT"}, wrong},
		{"circleci, the first of two secrets", "circleci", header("Circleci-Signature", "v1="+circle4), "", "foo", []string{"secret", "old"}, ""},
		{"circleci, the second of two secrets", "circleci", header("Circleci-Signature", "v1="+circle4), "", "foo", []string{"new", "secret"}, ""},
		{"circleci, cut", "circleci", header("Circleci-Signature", "v1="+circle4[:62]), "", "foo", []string{"secret"}, "the signature is malformed"},
		{"circleci, empty", "circleci", header("Circleci-Signature", "v1="), "", "foo", []string{"secret"}, "the signature is malformed"},
		{"circleci, unsigned", "circleci", header(), "secret", "foo", []string{"secret"}, "there is no circleci-signature"},
		{"no secret", "circleci", header("Circleci-Signature", "v1="+sign("", "foo")), "", "foo", nil, "there is no secret to prove it by"},
		{"an empty secret", "circleci", header("Circleci-Signature", "v1="+sign("", "foo")), "", "foo", []string{""}, "there is no secret to prove it by"},

		{"github", "github", header("X-Hub-Signature-256", "sha256="+gitHub1), "", "Hello, World!", []string{"It's a Secret to Everybody"}, ""},
		{"github, without the algorithm", "github", header("X-Hub-Signature-256", gitHub1), "", "Hello, World!", []string{"It's a Secret to Everybody"}, "the signature is malformed"},
		{"github, by SHA-1 only", "github", header("X-Hub-Signature", "sha1=ab"), "", "foo", []string{"secret"}, "there is no X-Hub-Signature-256"},

		{"gitea", "gitea", header("X-Gitea-Signature", circle4), "", "foo", []string{"secret"}, ""},
		{"forgejo", "forgejo", header("X-Forgejo-Signature", circle4, "X-Gitea-Signature", circle4), "", "foo", []string{"secret"}, ""},
		{"forgejo's own counts", "gitea", header("X-Forgejo-Signature", circle1, "X-Gitea-Signature", circle4), "", "foo", []string{"secret"}, wrong},

		{"gitlab, token", "gitlab", header("X-Gitlab-Token", "secret"), "", "foo", []string{"old", "secret"}, ""},
		{"gitlab, wrong token", "gitlab", header("X-Gitlab-Token", "Secret"), "", "foo", []string{"secret"}, "the token does not match"},
		{"gitlab, no token", "gitlab", header(), "secret", "foo", []string{"secret"}, "there is no X-Gitlab-Token"},
		{"gitlab, signed", "gitlab", standard("Webhook-Signature", standardMAC, "X-Gitlab-Token", ""), "", standardBody, []string{standardKey}, ""},
		{"gitlab, the key shown as a token", "gitlab", header("X-Gitlab-Token", standardKey), "", standardBody, []string{standardKey}, "the token does not match"},
		{"gitlab, signed badly and with a token", "gitlab", standard("Webhook-Signature", "v1,AAAA", "X-Gitlab-Token", "secret"), "", standardBody, []string{standardKey, "secret"}, wrong},

		{"standard", "generic", standard("Webhook-Signature", standardMAC), "", standardBody, []string{standardKey}, ""},
		{"standard, one of several signatures", "generic", standard("Webhook-Signature", "v1a,xx v1,AAAA "+standardMAC), "", standardBody, []string{standardKey}, ""},
		{"standard, another body", "generic", standard("Webhook-Signature", standardMAC), "", standardBody + " ", []string{standardKey}, wrong},
		{"standard, another name", "generic", header("Webhook-Id", "msg", "Webhook-Timestamp", standardTime, "Webhook-Signature", standardMAC), "", standardBody, []string{standardKey}, wrong},
		{"standard, another time", "generic", header("Webhook-Id", standardID, "Webhook-Timestamp", "1614265331", "Webhook-Signature", standardMAC), "", standardBody, []string{standardKey}, wrong},
		{"standard, without a name", "generic", header("Webhook-Timestamp", standardTime, "Webhook-Signature", standardMAC), "", standardBody, []string{standardKey}, "webhook-id, webhook-timestamp and webhook-signature are not all there once"},
		{"standard, a time that is none", "generic", header("Webhook-Id", "a", "Webhook-Timestamp", "now", "Webhook-Signature", standardMAC), "", standardBody, []string{standardKey}, "webhook-timestamp is no number"},
		{"standard, for a plain secret", "generic", standard("Webhook-Signature", standardMAC), "", standardBody, []string{"secret"}, wrong},

		{"generic, signed", "generic", header("X-Hub-Signature-256", "sha256="+circle4), "", "foo", []string{"secret"}, ""},
		{"generic, bearer", "generic", header("Authorization", "bearer secret"), "", "foo", []string{"secret"}, ""},
		{"generic, signed badly and with a token", "generic", header("X-Hub-Signature-256", "sha256="+circle1, "Authorization", "Bearer secret"), "", "foo", []string{"secret"}, wrong},
		{"generic, nothing", "generic", header(), "", "foo", []string{"secret"}, "there is no token"},

		{"token in the URL", "dockerhub", header(), "secret", "foo", []string{"secret"}, ""},
		{"wrong token in the URL", "dockerhub", header(), "secre", "foo", []string{"secret"}, "the token does not match"},
		{"a header goes before the URL", "quay", header("Authorization", "Bearer other"), "secret", "foo", []string{"secret"}, "the token does not match"},
		{"header as it stands", "harbor", header("Authorization", "secret"), "", "foo", []string{"secret"}, ""},
		{"header, twice", "distribution", header("Authorization", "Bearer secret", "Authorization", "Bearer other"), "", "foo", []string{"secret"}, "there is more than one Authorization"},
		{"bearer without a token", "acr", header("Authorization", "Bearer "), "", "foo", []string{"secret"}, "the token does not match"},
		{"no token", "acr", header(), "", "foo", []string{"secret"}, "there is no token"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, ok := Lookup(test.sender)
			if !ok {
				t.Fatal("unknown sender")
			}
			test.header["Content-Type"] = []string{"application/json"}
			_, err := s.Read(Request{Header: test.header, Token: test.token, Body: []byte(test.body), At: then}, test.secrets)
			var refusal *Refusal
			errors.As(err, &refusal)
			switch {
			case test.want == "" && refusal != nil && refusal.Reason != Malformed: // most bodies of vectors are no JSON
				t.Errorf("refused: %v", err)
			case test.want != "" && (refusal == nil || refusal.Reason != Unproven || refusal.Message != test.want):
				t.Errorf("refused: %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret ") && !strings.Contains(err.Error(), "no secret") {
				t.Errorf("%v tells a secret", err)
			}
		})
	}
}

func TestWindow(t *testing.T) {
	s, _ := Lookup("gitlab")
	for _, test := range []struct {
		apart time.Duration
		stale bool
	}{{0, false}, {Window, false}, {-Window, false}, {Window + time.Second, true}, {-Window - time.Second, true}, {1e9 * time.Second, true}} {
		h := standard("Webhook-Signature", standardMAC, "Content-Type", "application/json")
		_, err := s.Read(Request{Header: h, Body: []byte(standardBody), At: time.Unix(1614265330, 0).Add(test.apart)}, []string{standardKey})
		var refusal *Refusal
		if stale := errors.As(err, &refusal) && refusal.Reason == Stale; stale != test.stale {
			t.Errorf("%v away: %v", test.apart, err)
		}
	}
}

// TestKeys: what is signed in the body alone is known again by its body, whatever name
// of the delivery comes with it.
func TestKeys(t *testing.T) {
	at := time.Unix(1614265330, 0)
	body := `{"id":"1"}`
	for _, test := range []struct {
		sender string
		header map[string][]string
		want   string
	}{
		{"circleci", header("Circleci-Signature", "v1="+sign("secret", body)), "circleci id 1, circleci body " + digest([]byte(body))},
		{"github", header("X-Hub-Signature-256", "sha256="+sign("secret", body), "X-Github-Delivery", "7"), "github id 7, github body " + digest([]byte(body))},
		{"gitlab", header("X-Gitlab-Token", "secret", "Idempotency-Key", "7"), "gitlab id 7"},
		{"generic", header("Authorization", "Bearer secret"), "generic id 1"},
		{"quay", header("Authorization", "Bearer secret"), ""},
	} {
		s, _ := Lookup(test.sender)
		test.header["Content-Type"] = []string{"application/json"}
		e, err := s.Read(Request{Header: test.header, Body: []byte(body), At: at}, []string{"secret"})
		if got := strings.Join(e.Keys, ", "); err != nil || got != test.want {
			t.Errorf("%s: %q, %v", test.sender, got, err)
		}
	}
	s, _ := Lookup("generic")
	h := standard("Webhook-Signature", standardMAC, "Content-Type", "application/json")
	e, err := s.Read(Request{Header: h, Body: []byte(standardBody), At: at}, []string{standardKey})
	if err != nil || len(e.Keys) != 1 || e.Keys[0] != "generic id "+standardID {
		t.Errorf("%q, %v", e.Keys, err)
	}
}

func TestSigningKey(t *testing.T) {
	key := base64.StdEncoding.EncodeToString([]byte("0123456789abcdef"))
	for _, test := range []struct {
		secret string
		ok     bool
	}{{"whsec_" + key, true}, {key, false}, {"whsec_", false}, {"whsec_!", false}} {
		if _, ok := SigningKey(test.secret); ok != test.ok {
			t.Errorf("%q: %v", test.secret, ok)
		}
	}
}
