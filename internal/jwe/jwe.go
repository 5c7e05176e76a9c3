// Package jwe seals bytes into a JSON Web Encryption with one shared key: alg
// "dir", enc "A256GCM", compact form (RFC 7516). Nothing else is read.
package jwe

import (
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// ErrBad says that a token is malformed, altered or sealed with another key.
var ErrBad = errors.New("not a token of this key")

// Seal encrypts plain with a key of 32 bytes.
func Seal(key, plain []byte) (string, error) {
	to := jose.Recipient{Algorithm: jose.DIRECT, Key: key}
	encrypter, err := jose.NewEncrypter(jose.A256GCM, to, nil)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	sealed, err := encrypter.Encrypt(plain)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	return sealed.CompactSerialize()
}

// Open decrypts what Seal made with the same key.
func Open(key []byte, token string) ([]byte, error) {
	sealed, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return nil, ErrBad
	}
	plain, err := sealed.Decrypt(key)
	if err != nil {
		return nil, ErrBad
	}
	return plain, nil
}
