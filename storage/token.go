package storage

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"pipedai/internal/jwe"
)

// Errors of storage tokens.
var (
	// ErrBadToken says that a token is malformed, altered or sealed with
	// another secret.
	ErrBadToken = errors.New("invalid storage token")
	// ErrTokenExpired says that a token was good and no longer is.
	ErrTokenExpired = errors.New("storage token has expired")
)

// A storage token carries one Config, sealed with AES-256-GCM, from the engine
// to a worker. There are three formats on the wire; all are read, and the first
// one is written unless a worker asked for another, because every worker in the
// field reads it:
//
//	A  base64(iv) ":" base64(tag) ":" base64(ciphertext); the key is the
//	   secret's bytes, repeated or cut to 32
//	B  base64url(salt ‖ iv ‖ tag ‖ ciphertext); the key is
//	   PBKDF2-HMAC-SHA256(secret, salt, 100000 rounds)
//	JWE  compact, alg "dir", enc "A256GCM"; the key is
//	   HKDF-SHA256(secret, no salt, "pipedai storage token")
const (
	tagSize     = 16
	ivSizeA     = 12
	ivSizeB     = 16
	saltSizeB   = 32
	roundsB     = 100_000
	maxCacheB   = 64
	maxTokenLen = 64 << 10
)

// claims is the sealed document.
type claims struct {
	Config
	IssuedAt  int64 `json:"iat,omitempty"` // unix seconds
	ExpiresAt int64 `json:"exp,omitempty"`
}

// Format is how a storage token is written. A worker says at registration
// which one it reads.
type Format string

// The formats.
const (
	FormatA   Format = "A" // the default
	FormatB   Format = "B"
	FormatJWE Format = "JWE"
)

// Valid reports whether f is one of the formats.
func (f Format) Valid() bool { return f == FormatA || f == FormatB || f == FormatJWE }

// Seal writes cfg into a token of format A that is good for ttl from now on.
// A ttl of zero or less makes one that does not expire.
func Seal(secret string, cfg Config, now time.Time, ttl time.Duration) (string, error) {
	var w TokenWriter
	return w.Seal(FormatA, secret, cfg, now, ttl)
}

// TokenWriter seals storage tokens and remembers the keys it derived, so that
// a token of format B does not cost 100000 hash rounds each time. The zero
// value is ready; it is safe for concurrent use.
type TokenWriter struct {
	mu   sync.Mutex
	salt []byte // one for all tokens of format B that it writes
	keys TokenReader
}

// Seal writes cfg into a token of that format that is good for ttl from now on.
// A ttl of zero or less makes one that does not expire.
func (w *TokenWriter) Seal(format Format, secret string, cfg Config, now time.Time, ttl time.Duration) (string, error) {
	c := claims{Config: cfg.Normalized(), IssuedAt: now.Unix()}
	if ttl > 0 {
		c.ExpiresAt = now.Add(ttl).Unix()
	}
	if c.Credentials == nil {
		c.Credentials = Credentials{}
	}
	plain, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("seal storage token: %w", err)
	}
	switch format {
	case FormatA:
		iv := make([]byte, ivSizeA)
		rand.Read(iv) // never fails, by its contract
		return sealA(secret, iv, plain)
	case FormatB:
		return w.sealB(secret, plain)
	case FormatJWE:
		key, err := keyJWE(secret)
		if err != nil {
			return "", err
		}
		return jwe.Seal(key, plain)
	}
	return "", fmt.Errorf("seal storage token: there is no format %q", format)
}

// Unseal reads a token of any format and honours its expiry. A caller that
// reads many keeps a TokenReader instead, which remembers derived keys.
func Unseal(secret, token string) (Config, error) {
	var r TokenReader
	return r.Unseal(secret, token)
}

// TokenReader reads storage tokens and remembers the keys it derived, so that
// a token of format B does not cost 100000 hash rounds each time. The zero
// value is ready; it is safe for concurrent use.
type TokenReader struct {
	mu   sync.Mutex
	keys map[[sha256.Size]byte][]byte // by hash of secret and salt
}

// Unseal reads a token of any format and honours its expiry.
func (r *TokenReader) Unseal(secret, token string) (Config, error) {
	return r.unsealAt(secret, token, time.Now())
}

func (r *TokenReader) unsealAt(secret, token string, now time.Time) (Config, error) {
	if len(token) > maxTokenLen {
		return Config{}, fmt.Errorf("%w: too long", ErrBadToken)
	}
	open := r.openB
	switch {
	case strings.Contains(token, ":"):
		open = openA
	case strings.Count(token, ".") == 4:
		open = openJWE
	}
	plain, err := open(secret, token)
	if err != nil {
		return Config{}, err
	}
	var c claims
	if err := json.Unmarshal(plain, &c); err != nil {
		return Config{}, fmt.Errorf("%w: its content is not a storage backend", ErrBadToken)
	}
	if c.ExpiresAt != 0 && now.Unix() > c.ExpiresAt {
		return Config{}, fmt.Errorf("%w at %s", ErrTokenExpired, time.Unix(c.ExpiresAt, 0).UTC().Format(time.RFC3339))
	}
	return c.Normalized(), nil
}

// keyA is the secret's UTF-8 bytes, repeated or cut to 32. An empty secret
// gives zeros. This is what the workers in the field do.
func keyA(secret string) []byte {
	key := make([]byte, 32)
	if secret == "" {
		return key
	}
	for i := range key {
		key[i] = secret[i%len(secret)]
	}
	return key
}

func sealA(secret string, iv, plain []byte) (string, error) {
	gcm, err := newGCM(keyA(secret), len(iv))
	if err != nil {
		return "", err
	}
	sealed := gcm.Seal(nil, iv, plain, nil)
	body, tag := sealed[:len(sealed)-tagSize], sealed[len(sealed)-tagSize:]
	text := base64.StdEncoding.EncodeToString
	return text(iv) + ":" + text(tag) + ":" + text(body), nil
}

func openA(secret, token string) ([]byte, error) {
	parts := strings.Split(token, ":")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%w: not three parts", ErrBadToken)
	}
	var raw [3][]byte
	for i, part := range parts {
		decoded, err := decodeBase64(part)
		if err != nil || len(decoded) == 0 {
			return nil, fmt.Errorf("%w: part %d is not base64", ErrBadToken, i+1)
		}
		raw[i] = decoded
	}
	if len(raw[0]) != ivSizeA || len(raw[1]) != tagSize {
		return nil, fmt.Errorf("%w: wrong size of nonce or tag", ErrBadToken)
	}
	return openGCM(keyA(secret), raw[0], raw[1], raw[2])
}

// keyJWE derives the key of a JWE. The secret is random by recommendation, so
// it needs spreading over the key, not slowing down; and a key of its own for
// this purpose.
func keyJWE(secret string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "pipedai storage token", 32)
	if err != nil {
		return nil, fmt.Errorf("derive key of storage token: %w", err)
	}
	return key, nil
}

func openJWE(secret, token string) ([]byte, error) {
	key, err := keyJWE(secret)
	if err != nil {
		return nil, err
	}
	plain, err := jwe.Open(key, token)
	if err != nil {
		return nil, fmt.Errorf("%w: it was altered or sealed with another secret", ErrBadToken)
	}
	return plain, nil
}

func (w *TokenWriter) sealB(secret string, plain []byte) (string, error) {
	w.mu.Lock()
	if w.salt == nil {
		w.salt = make([]byte, saltSizeB)
		rand.Read(w.salt) // never fails, by its contract
	}
	salt := w.salt
	w.mu.Unlock()
	key, err := w.keys.keyB(secret, salt)
	if err != nil {
		return "", err
	}
	iv := make([]byte, ivSizeB)
	rand.Read(iv) // never fails, by its contract
	return sealBWith(key, salt, iv, plain)
}

func sealBWith(key, salt, iv, plain []byte) (string, error) {
	gcm, err := newGCM(key, len(iv))
	if err != nil {
		return "", err
	}
	sealed := gcm.Seal(nil, iv, plain, nil)
	body, tag := sealed[:len(sealed)-tagSize], sealed[len(sealed)-tagSize:]
	return base64.RawURLEncoding.EncodeToString(slices.Concat(salt, iv, tag, body)), nil
}

func (r *TokenReader) openB(secret, token string) ([]byte, error) {
	raw, err := decodeBase64(token)
	if err != nil {
		return nil, fmt.Errorf("%w: not base64", ErrBadToken)
	}
	if len(raw) < saltSizeB+ivSizeB+tagSize+1 {
		return nil, fmt.Errorf("%w: too short", ErrBadToken)
	}
	salt, raw := raw[:saltSizeB], raw[saltSizeB:]
	iv, raw := raw[:ivSizeB], raw[ivSizeB:]
	tag, body := raw[:tagSize], raw[tagSize:]
	key, err := r.keyB(secret, salt)
	if err != nil {
		return nil, err
	}
	return openGCM(key, iv, tag, body)
}

func (r *TokenReader) keyB(secret string, salt []byte) ([]byte, error) {
	id := sha256.Sum256(append(bytes.Clone(salt), secret...))
	r.mu.Lock()
	key, ok := r.keys[id]
	r.mu.Unlock()
	if ok {
		return key, nil
	}
	key, err := pbkdf2.Key(sha256.New, secret, salt, roundsB, 32)
	if err != nil {
		return nil, fmt.Errorf("derive key of storage token: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// An engine reuses one salt; a flood of others must not grow the cache.
	if r.keys == nil || len(r.keys) >= maxCacheB {
		r.keys = map[[sha256.Size]byte][]byte{}
	}
	r.keys[id] = key
	return key, nil
}

func newGCM(key []byte, nonceSize int) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithNonceSize(block, nonceSize)
}

func openGCM(key, iv, tag, body []byte) ([]byte, error) {
	gcm, err := newGCM(key, len(iv))
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, iv, append(bytes.Clone(body), tag...), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: it was altered or sealed with another secret", ErrBadToken)
	}
	return plain, nil
}

// decodeBase64 takes either alphabet, with or without padding.
func decodeBase64(text string) ([]byte, error) {
	text = strings.TrimRight(text, "=")
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	return base64.RawStdEncoding.DecodeString(text)
}

// Normalized gives S3 credentials their proper names: published samples also
// use those of MinIO.
func (c Config) Normalized() Config {
	if c.Provider != "aws-s3" {
		return c
	}
	proper := map[string]string{"accessKey": "accessKeyId", "secretKey": "secretAccessKey"}
	fixed := Credentials{}
	for name, value := range c.Credentials {
		if name, ok := proper[name]; ok {
			if _, taken := c.Credentials[name]; !taken {
				fixed[name] = value
			}
			continue
		}
		fixed[name] = value
	}
	c.Credentials = fixed
	return c
}
