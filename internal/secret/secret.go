// Package secret holds text that must not be printed.
package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
)

// Text is a credential. However it is formatted, logged or encoded it reads
// "***"; only Reveal gives it away, so every place that does can be found.
type Text string

const hidden = "***"

// String hides the text.
func (Text) String() string { return hidden }

// GoString hides the text.
func (Text) GoString() string { return hidden }

// MarshalText hides the text.
func (Text) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue hides the text.
func (Text) LogValue() slog.Value { return slog.StringValue(hidden) }

// Reveal returns the credential itself.
func (t Text) Reveal() string { return string(t) }

// Empty reports whether there is no credential.
func (t Text) Empty() bool { return t == "" }

// Equal compares in constant time.
func (t Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare([]byte(t), []byte(other)) == 1
}

// Hash returns the SHA-256 of the text in hex: the only form in which an
// issuer keeps a token.
func (t Text) Hash() string {
	sum := sha256.Sum256([]byte(t))
	return hex.EncodeToString(sum[:])
}

// New makes a token: the prefix, "_", and 32 random bytes in base64url.
func New(prefix string) Text {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand aborts the program instead
	return Text(prefix + "_" + base64.RawURLEncoding.EncodeToString(raw[:]))
}
