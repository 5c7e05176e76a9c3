package storage

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
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
// to a worker. There are two formats on the wire; both are read, and the first
// one is written because every worker in the field reads it:
//
//	A  base64(iv) ":" base64(tag) ":" base64(ciphertext); the key is the
//	   secret's bytes, repeated or cut to 32
//	B  base64url(salt ‖ iv ‖ tag ‖ ciphertext); the key is
//	   PBKDF2-HMAC-SHA256(secret, salt, 100000 rounds)
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

// Seal writes cfg into a token of format A that is good for ttl from now on.
// A ttl of zero or less makes one that does not expire.
func Seal(secret string, cfg Config, now time.Time, ttl time.Duration) (string, error) {
	c := claims{Config: cfg.normalized(), IssuedAt: now.Unix()}
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
	iv := make([]byte, ivSizeA)
	rand.Read(iv) // never fails, by its contract
	return sealA(secret, iv, plain)
}

// Unseal reads a token of either format and honours its expiry. A caller that
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

// Unseal reads a token of either format and honours its expiry.
func (r *TokenReader) Unseal(secret, token string) (Config, error) {
	return r.unsealAt(secret, token, time.Now())
}

func (r *TokenReader) unsealAt(secret, token string, now time.Time) (Config, error) {
	if len(token) > maxTokenLen {
		return Config{}, fmt.Errorf("%w: too long", ErrBadToken)
	}
	open := r.openB
	if strings.Contains(token, ":") {
		open = openA
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
	return c.normalized(), nil
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

// normalized gives S3 credentials their proper names: published samples also
// use those of MinIO.
func (c Config) normalized() Config {
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
