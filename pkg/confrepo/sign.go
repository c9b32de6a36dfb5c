package confrepo

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"golang.org/x/crypto/ssh"
)

// Signer makes a function for [Options.Sign] of a private key: an OpenPGP key
// in armour, or an SSH key in PEM or OpenSSH form. The error is of kind
// [Usage].
func Signer(key, passphrase []byte) (func(payload []byte) (string, error), error) {
	if bytes.Contains(key, []byte("BEGIN PGP PRIVATE KEY")) {
		return openPGPSigner(key, passphrase)
	}
	signer, err := (Auth{SSHKey: key, SSHPassphrase: passphrase}).signer()
	if err != nil {
		text := strings.ReplaceAll(err.Error(), "the ssh key", "the signing key")
		return nil, &Error{Kind: Usage, Text: text, Hint: "name an SSH or an armoured OpenPGP private key"}
	}
	return func(payload []byte) (string, error) { return sshSignature(signer, payload) }, nil
}

// sshSignature makes an armoured signature in the namespace "git" (OpenSSH's
// PROTOCOL.sshsig).
func sshSignature(signer ssh.Signer, payload []byte) (string, error) {
	const namespace = "git"
	signature, err := sshSign(signer, sshsigMessage(namespace, payload))
	if err != nil {
		return "", errors.New("the ssh key does not sign")
	}
	blob := append([]byte("SSHSIG"), ssh.Marshal(struct {
		Version                   uint32
		Key                       []byte
		Namespace, Reserved, Hash string
		Signature                 []byte
	}{1, signer.PublicKey().Marshal(), namespace, "", sshsigHash, ssh.Marshal(signature)})...)
	var out strings.Builder
	out.WriteString("-----BEGIN SSH SIGNATURE-----\n")
	text := base64.StdEncoding.EncodeToString(blob)
	for len(text) > 70 {
		out.WriteString(text[:70] + "\n")
		text = text[70:]
	}
	out.WriteString(text + "\n-----END SSH SIGNATURE-----\n")
	return out.String(), nil
}

const sshsigHash = "sha512"

// sshsigMessage is what is signed for a payload in a namespace.
func sshsigMessage(namespace string, payload []byte) []byte {
	digest := sha512.Sum512(payload)
	return append([]byte("SSHSIG"), ssh.Marshal(struct {
		Namespace, Reserved, Hash string
		Digest                    []byte
	}{namespace, "", sshsigHash, digest[:]})...)
}

// sshSign signs with the better of an RSA key's algorithms.
func sshSign(signer ssh.Signer, message []byte) (*ssh.Signature, error) {
	if rsa, ok := signer.(ssh.AlgorithmSigner); ok && signer.PublicKey().Type() == ssh.KeyAlgoRSA {
		return rsa.SignWithAlgorithm(rand.Reader, message, ssh.KeyAlgoRSASHA512) // SHA-1 is not allowed here
	}
	return signer.Sign(rand.Reader, message)
}

func openPGPSigner(key, passphrase []byte) (func([]byte) (string, error), error) {
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(key))
	if err != nil || len(ring) == 0 || ring[0].PrivateKey == nil {
		return nil, usage("the OpenPGP key cannot be read: it is not an armoured private key")
	}
	entity := ring[0]
	if entity.PrivateKey.Encrypted {
		if len(passphrase) == 0 {
			return nil, &Error{Kind: Usage, Text: "the OpenPGP key is locked with a passphrase", Hint: "name a file that holds the passphrase"}
		}
		if entity.DecryptPrivateKeys(passphrase) != nil {
			return nil, usage("the passphrase does not open the OpenPGP key")
		}
	}
	return func(payload []byte) (string, error) {
		var out bytes.Buffer
		if err := openpgp.ArmoredDetachSign(&out, entity, bytes.NewReader(payload), nil); err != nil {
			return "", errors.New("the OpenPGP key does not sign")
		}
		return out.String(), nil
	}, nil
}
