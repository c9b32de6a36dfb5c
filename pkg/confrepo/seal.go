package confrepo

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"

	"golang.org/x/crypto/ssh"
)

// A seal proves that a request was left by a job with the same credential as one's
// own, which may therefore do the same. Without it, whoever may create any
// reference in a repository, but not write to a branch, could have a job that may
// do so write there.
type seal interface {
	// circle names those who share the credential. It is part of the references,
	// so that a list tells whose requests they are.
	circle() (string, error)
	// make seals a text, check tells whether it was sealed by one of the circle.
	make(text []byte) ([]byte, error)
	check(text, proof []byte) bool
}

// openCircle is for repositories that take pushes without a credential, and for
// those who want it so.
type openCircle struct{}

func (openCircle) circle() (string, error)     { return "open", nil }
func (openCircle) make([]byte) ([]byte, error) { return nil, nil }
func (openCircle) check(_, proof []byte) bool  { return len(proof) == 0 }

// secretCircle are those who know the same token or password.
type secretCircle struct{ key []byte }

// strength slows down whoever tries passwords on what can be read in a
// repository; a random token needs no such help. It costs some 20 ms, and only
// where others are waiting.
const strength = 50_000

func newSecretCircle(host, secret string) (seal, error) {
	key, err := pbkdf2.Key(sha256.New, secret, []byte("confpush queue "+strings.ToLower(host)), strength, sha256.Size)
	return secretCircle{key}, err
}

func (c secretCircle) code(purpose string, text []byte) []byte {
	mac := hmac.New(sha256.New, c.key)
	mac.Write([]byte(purpose + "\x00"))
	mac.Write(text)
	return mac.Sum(nil)
}

func (c secretCircle) circle() (string, error) {
	return hex.EncodeToString(c.code("circle", nil)[:8]), nil
}
func (c secretCircle) make(text []byte) ([]byte, error) { return c.code("request", text), nil }
func (c secretCircle) check(text, proof []byte) bool {
	return hmac.Equal(c.code("request", text), proof)
}

// keyCircle are those who hold the same ssh key.
type keyCircle struct {
	auth Auth
	key  ssh.PublicKey // that the server accepted
}

// sealNamespace keeps these signatures apart from all others of the key.
const sealNamespace = "confpush-queue"

func (c keyCircle) circle() (string, error) {
	sum := sha256.Sum256(c.key.Marshal())
	return hex.EncodeToString(sum[:8]), nil
}

func (c keyCircle) make(text []byte) (proof []byte, err error) {
	err = errors.New("the key is not there any more")
	trouble := c.auth.eachSigner(func(s ssh.Signer) bool {
		if string(s.PublicKey().Marshal()) != string(c.key.Marshal()) {
			return true
		}
		var signature *ssh.Signature
		if signature, err = sshSign(s, sshsigMessage(sealNamespace, text)); err == nil {
			proof = ssh.Marshal(signature)
		}
		return false
	})
	return proof, errors.Join(trouble, err)
}

func (c keyCircle) check(text, proof []byte) bool {
	var signature ssh.Signature
	if ssh.Unmarshal(proof, &signature) != nil || signature.Format == ssh.KeyAlgoRSA { // which is SHA-1
		return false
	}
	return c.key.Verify(sshsigMessage(sealNamespace, text), &signature) == nil
}

// witness remembers with which key it was signed last: with the one that the
// server accepted.
type witness struct {
	ssh.AlgorithmSigner
	used *ssh.PublicKey
}

func (w witness) Sign(r io.Reader, data []byte) (*ssh.Signature, error) {
	*w.used = w.PublicKey()
	return w.AlgorithmSigner.Sign(r, data)
}

func (w witness) SignWithAlgorithm(r io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	*w.used = w.PublicKey()
	return w.AlgorithmSigner.SignWithAlgorithm(r, data, algorithm)
}
