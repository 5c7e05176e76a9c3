package release

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"pipedai/internal/secret"
)

// keyPrefix begins the text form of a public key.
const keyPrefix = "prk_"

// Key is the public half of a release key.
type Key struct{ point ed25519.PublicKey }

// ParseKey reads the text form: "prk_" and the 32 bytes in base64url.
func ParseKey(text string) (Key, error) {
	body, ok := strings.CutPrefix(strings.TrimSpace(text), keyPrefix)
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if !ok || err != nil || len(raw) != ed25519.PublicKeySize {
		return Key{}, fmt.Errorf("not a release key: it begins with %s and has %d characters", keyPrefix, len(keyPrefix)+43)
	}
	return Key{raw}, nil
}

// String is the text form.
func (k Key) String() string { return keyPrefix + base64.RawURLEncoding.EncodeToString(k.point) }

// ID names the key where people and signatures do: the first 16 hex digits of
// its SHA-256.
func (k Key) ID() string {
	sum := sha256.Sum256(k.point)
	return hex.EncodeToString(sum[:8])
}

// Equal reports whether both are the same key.
func (k Key) Equal(other Key) bool { return k.point.Equal(other.point) }

// IsZero reports whether k is no key at all.
func (k Key) IsZero() bool { return len(k.point) == 0 }

// PrivateKey signs releases. It belongs on the machine of whoever publishes
// them, never on a server.
type PrivateKey struct{ seed ed25519.PrivateKey }

// NewKey makes a key pair.
func NewKey() PrivateKey {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return PrivateKey{private}
}

// ParsePrivateKey reads what PEM wrote: PKCS #8 in PEM, as other tools write
// Ed25519 keys, too.
func ParsePrivateKey(text secret.Text) (PrivateKey, error) {
	block, _ := pem.Decode([]byte(text.Reveal()))
	if block == nil || block.Type != "PRIVATE KEY" {
		return PrivateKey{}, errors.New("not a private release key: it is a PEM block that begins with -----BEGIN PRIVATE KEY-----")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return PrivateKey{}, errors.New("the private release key is damaged") // err may quote it
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return PrivateKey{}, errors.New("the private key is not an Ed25519 key")
	}
	return PrivateKey{key}, nil
}

// PEM is the form in which it is kept in a file.
func (k PrivateKey) PEM() secret.Text {
	der, err := x509.MarshalPKCS8PrivateKey(k.seed)
	if err != nil {
		panic(err) // an Ed25519 key always encodes
	}
	return secret.Text(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// Public is the half that hosts know.
func (k PrivateKey) Public() Key { return Key{k.seed.Public().(ed25519.PublicKey)} }

// String hides the key.
func (PrivateKey) String() string { return "***" }

// GoString hides the key.
func (PrivateKey) GoString() string { return "***" }
