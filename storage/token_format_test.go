package storage

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Every format is read as it was written, and by nobody with another secret.
func TestTokenWriter_formats(t *testing.T) {
	t.Parallel()
	var w TokenWriter
	now := time.Now()
	for _, format := range []Format{FormatA, FormatB, FormatJWE} {
		token, err := w.Seal(format, vectorSecret, vectorConfig, now, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		var r TokenReader
		got, err := r.Unseal(vectorSecret, token)
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if diff := cmp.Diff(vectorConfig, got); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
		if _, err := r.Unseal("another secret", token); !errors.Is(err, ErrBadToken) {
			t.Errorf("%s, another secret: got %v, want ErrBadToken", format, err)
		}
		flipped := "A"
		if token[len(token)-3] == 'A' {
			flipped = "B"
		}
		if _, err := r.Unseal(vectorSecret, token[:len(token)-3]+flipped+token[len(token)-2:]); !errors.Is(err, ErrBadToken) {
			t.Errorf("%s, altered: got %v, want ErrBadToken", format, err)
		}
		if _, err := r.unsealAt(vectorSecret, token, now.Add(time.Hour+2*time.Second)); !errors.Is(err, ErrTokenExpired) {
			t.Errorf("%s, after its end: got %v, want ErrTokenExpired", format, err)
		}
	}
	if _, err := w.Seal("C", vectorSecret, vectorConfig, now, time.Hour); err == nil {
		t.Error("sealed in a format that does not exist")
	}
}

func TestSealB_vector(t *testing.T) {
	t.Parallel()
	bytesOf := func(text string) []byte {
		raw, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	salt := bytesOf("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	key := bytesOf("504334d290ec4462750be9a138f7ac0161b69536630f69ba5b8adac0f795eb82")
	got, err := sealBWith(key, salt, salt[:ivSizeB], []byte(vectorPlain))
	if err != nil || got != vector3 {
		t.Errorf("got %s, %v\nwant %s", got, err, vector3)
	}
}

// A token of format B costs a key once, not each time.
func TestTokenWriter_derivesAKeyOnce(t *testing.T) {
	t.Parallel()
	var w TokenWriter
	for range 5 {
		if _, err := w.Seal(FormatB, vectorSecret, vectorConfig, time.Now(), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.keys.keys) != 1 {
		t.Errorf("%d keys were derived, want 1", len(w.keys.keys))
	}
}

// The JWE says how it is sealed, and nothing else is taken.
func TestJWE_header(t *testing.T) {
	t.Parallel()
	var w TokenWriter
	token, err := w.Seal(FormatJWE, "s", vectorConfig, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(token, ".")
	header, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || !strings.Contains(string(header), `"alg":"dir"`) || !strings.Contains(string(header), `"enc":"A256GCM"`) {
		t.Errorf("header %s, %v", header, err)
	}
	for _, other := range []string{`{"alg":"none"}`, `{"alg":"dir","enc":"A128GCM"}`, `{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":100000000}`} {
		forged := base64.RawURLEncoding.EncodeToString([]byte(other)) + "." + rest
		if _, err := Unseal("s", forged); !errors.Is(err, ErrBadToken) {
			t.Errorf("%s: got %v, want ErrBadToken", other, err)
		}
	}
}
