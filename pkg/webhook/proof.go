package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Window is how far the time that a Standard Webhook is signed for may lie from the
// time at which it comes (https://www.standardwebhooks.com).
const Window = 5 * time.Minute

// signingPrefix begins a secret of Standard Webhooks.
const signingPrefix = "whsec_"

// proof is what else a request proved, besides who sent it.
type proof struct {
	id   string // a name of the delivery that is signed
	body bool   // the body is signed, and neither name nor time
}

var errSignature = refuse(Unproven, "the signature does not match")

// hexSignature checks an HMAC-SHA256 of the body in hexadecimal digits.
func hexSignature(r Request, secrets []string, signature string) (proof, error) {
	given, err := hex.DecodeString(signature)
	if err != nil || len(given) != sha256.Size {
		return proof{}, refuse(Unproven, "the signature is malformed")
	}
	var macs [][]byte
	for _, secret := range secrets {
		macs = append(macs, authenticate([]byte(secret), r.Body))
	}
	if !isOneOf(given, macs) {
		return proof{}, errSignature
	}
	return proof{body: true}, nil
}

// authenticate is the HMAC-SHA256 of the parts.
func authenticate(key []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write(part)
	}
	return mac.Sum(nil)
}

// isOneOf compares with all of them, so that the time that it takes tells nothing.
func isOneOf(given []byte, macs [][]byte) bool {
	matches := 0
	for _, mac := range macs {
		matches |= subtle.ConstantTimeCompare(mac, given)
	}
	return matches == 1
}

// equalsOne compares a token with every secret, by digests, so that the time tells
// neither content nor length.
func equalsOne(token string, secrets []string) bool {
	given := sha256.Sum256([]byte(token))
	matches := 0
	for _, secret := range secrets {
		want := sha256.Sum256([]byte(secret))
		matches |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	return matches == 1
}

// byCircleCI: circleci-signature: v1=HEX[,v2=…]. Only the newest version that is known
// counts, which is v1; versions to come are left aside
// (https://circleci.com/docs/outbound-webhooks).
func byCircleCI(r Request, secrets []string) (proof, error) {
	header, ok := single(r, "Circleci-Signature")
	if !ok {
		return proof{}, refuse(Unproven, "there is no circleci-signature")
	}
	signature, found := "", 0
	for part := range strings.SplitSeq(header, ",") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(part), "v1="); ok {
			signature = value
			found++
		}
	}
	if found != 1 {
		return proof{}, refuse(Unproven, "circleci-signature has not exactly one v1=")
	}
	return hexSignature(r, secrets, signature)
}

// byGitHub: X-Hub-Signature-256: sha256=HEX. The older X-Hub-Signature is by SHA-1 and
// is not looked at.
func byGitHub(r Request, secrets []string) (proof, error) {
	header, ok := single(r, "X-Hub-Signature-256")
	if !ok {
		return proof{}, refuse(Unproven, "there is no X-Hub-Signature-256")
	}
	signature, ok := strings.CutPrefix(header, "sha256=")
	if !ok {
		return proof{}, refuse(Unproven, "the signature is malformed")
	}
	return hexSignature(r, secrets, signature)
}

// byGitea: X-Gitea-Signature: HEX. Forgejo sends both, and then only its own counts.
func byGitea(r Request, secrets []string) (proof, error) {
	name := "X-Gitea-Signature"
	if len(r.Header["X-Forgejo-Signature"]) > 0 {
		name = "X-Forgejo-Signature"
	}
	header, ok := single(r, name)
	if !ok {
		return proof{}, refuse(Unproven, "there is no X-Gitea-Signature or X-Forgejo-Signature")
	}
	return hexSignature(r, secrets, header)
}

// byGitLab: a signing token (whsec_…) signs as Standard Webhooks have it; any other
// secret is shown as X-Gitlab-Token. A signature decides where there is one.
func byGitLab(r Request, secrets []string) (proof, error) {
	signing, plain := splitSecrets(secrets)
	if len(r.Header["Webhook-Signature"]) > 0 && len(signing) > 0 {
		return byStandard(r, signing)
	}
	token, ok := single(r, "X-Gitlab-Token")
	switch {
	case !ok:
		return proof{}, refuse(Unproven, "there is no X-Gitlab-Token")
	case !equalsOne(token, plain):
		return proof{}, refuse(Unproven, "the token does not match")
	}
	return proof{}, nil
}

// byGeneric: what most tools can do. In this order: Standard Webhooks, a signature as
// GitHub has it, a bearer token.
func byGeneric(r Request, secrets []string) (proof, error) {
	signing, plain := splitSecrets(secrets)
	switch {
	case len(r.Header["Webhook-Signature"]) > 0:
		return byStandard(r, signing)
	case len(r.Header["X-Hub-Signature-256"]) > 0:
		return byGitHub(r, plain)
	}
	return byToken(r, plain)
}

// byToken: a secret that the sender was told, as Authorization: Bearer TOKEN, or TOKEN
// alone, or in the URL.
func byToken(r Request, secrets []string) (proof, error) {
	token := r.Token
	if values := r.Header["Authorization"]; len(values) > 0 {
		var ok bool
		if token, ok = single(r, "Authorization"); !ok {
			return proof{}, refuse(Unproven, "there is more than one Authorization")
		}
		const scheme = "Bearer "
		if len(token) > len(scheme) && strings.EqualFold(token[:len(scheme)], scheme) {
			token = token[len(scheme):]
		}
	}
	switch {
	case token == "":
		return proof{}, refuse(Unproven, "there is no token")
	case !equalsOne(token, secrets):
		return proof{}, refuse(Unproven, "the token does not match")
	}
	return proof{}, nil
}

// splitSecrets tells keys of Standard Webhooks from plain secrets.
func splitSecrets(secrets []string) (signing, plain []string) {
	for _, secret := range secrets {
		if strings.HasPrefix(secret, signingPrefix) {
			signing = append(signing, secret)
		} else {
			plain = append(plain, secret)
		}
	}
	return signing, plain
}

// SigningKey decodes a secret of Standard Webhooks: whsec_ and the key in base64.
func SigningKey(secret string) (key []byte, ok bool) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, signingPrefix))
	return key, err == nil && len(key) > 0 && strings.HasPrefix(secret, signingPrefix)
}

// byStandard: webhook-signature: v1,BASE64 [v1,BASE64 …] over "ID.TIMESTAMP.BODY"
// (https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md).
func byStandard(r Request, secrets []string) (proof, error) {
	id, okID := single(r, "Webhook-Id")
	stamp, okStamp := single(r, "Webhook-Timestamp")
	signatures, ok := single(r, "Webhook-Signature")
	if !okID || !okStamp || !ok || id == "" || strings.Contains(id, ".") {
		return proof{}, refuse(Unproven, "webhook-id, webhook-timestamp and webhook-signature are not all there once")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return proof{}, refuse(Unproven, "webhook-timestamp is no number")
	}
	var macs [][]byte // once for each key, however many signatures there are
	for _, secret := range secrets {
		if key, ok := SigningKey(secret); ok {
			macs = append(macs, authenticate(key, []byte(id+"."+stamp+"."), r.Body))
		}
	}
	signed := false
	for part := range strings.FieldsSeq(signatures) {
		encoded, v1 := strings.CutPrefix(part, "v1,")
		given, err := base64.StdEncoding.DecodeString(encoded)
		if v1 && err == nil && isOneOf(given, macs) {
			signed = true
		}
	}
	if !signed {
		return proof{}, errSignature
	}
	if apart := r.At.Sub(time.Unix(seconds, 0)); apart > Window || apart < -Window {
		return proof{}, refuse(Stale, "it is signed for another time: more than "+Window.String()+" away")
	}
	return proof{id: id}, nil
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
