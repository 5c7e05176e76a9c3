package storage

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	vectorSecret = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	vectorPlain  = `{"id":"b1","provider":"local","endpoint":"file://","bucket":"data","credentials":{"basePath":"/srv/pw"}}`
	vector1      = "AAECAwQFBgcICQoL:QjBqU25kcBZ/eZrslKo71g==:lWTRPwZ+kOYtxPUWChoLu+mZomS49FuJYRbsWdoe2nb1GVzDTdzFWXfWfpvR+IaGOGcwWAiwDBRZKLy80R7F8DuWPDLycy7FAtFw5ETaCPz0z2q858ruhEVdpPeOriLe/40bV2TFzrs="
	vector2      = "AAECAwQFBgcICQoL:HiwAAGEj4NlRPd4FBq+MOg==:O2Perv6/rMW3b2oZxbk2Y01PE43Jm3VnYfwTenWpaq5O1+QzWhgUiL8pPbzDcTZx2Wu4LWzFklPICzWzb2qky2yaFcnqm+T9p+ofT4MSuYWBBOMOqtkHTVserLyQHxfRoPPIfxnevfI="
	vector3      = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AAQIDBAUGBwgJCgsMDQ4PNDPSGi144hN6kEEOByWyGcRlcnA1Z0orRKGqcMn8vC5hlYH6q_Dc2tbogWavCB118FM_8AloB740j8OGU6lckCgmM54PsptBsgI2tCb_do3DnMN1YRdkytFIAZbfzOTb30I6kymiMhoDGJ0De6Zi3GQXd8X8WcZ0"
)

var vectorConfig = Config{
	ID: "b1", Provider: "local", Endpoint: "file://", Bucket: "data",
	Credentials: Credentials{"basePath": "/srv/pw"},
}

func TestUnseal_vectors(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, secret, token string }{
		{"format A, long secret", vectorSecret, vector1},
		{"format A, short secret repeats", "abc", vector2},
		{"format A, URL alphabet without padding", vectorSecret, strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(vector1)},
		{"format B", vectorSecret, vector3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Unseal(tt.secret, tt.token)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(vectorConfig, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSeal_vectors(t *testing.T) {
	t.Parallel()
	iv, _ := hex.DecodeString("000102030405060708090a0b")
	for _, tt := range []struct{ secret, key, want string }{
		{vectorSecret, "3030313132323333343435353636373738383939616162626363646465656666", vector1},
		{"abc", "6162636162636162636162636162636162636162636162636162636162636162", vector2},
	} {
		if got := hex.EncodeToString(keyA(tt.secret)); got != tt.key {
			t.Errorf("key of %q: got %s, want %s", tt.secret, got, tt.key)
		}
		got, err := sealA(tt.secret, iv, []byte(vectorPlain))
		if err != nil {
			t.Fatal(err)
		}
		if got != tt.want {
			t.Errorf("sealed with %q:\ngot  %s\nwant %s", tt.secret, got, tt.want)
		}
	}
	if got := keyA(""); string(got) != strings.Repeat("\x00", 32) {
		t.Errorf("key of the empty secret: got %x", got)
	}
}

func TestTokenReader_derivesAKeyOnce(t *testing.T) {
	t.Parallel()
	var r TokenReader
	for range 2 {
		if _, err := r.Unseal(vectorSecret, vector3); err != nil {
			t.Fatal(err)
		}
	}
	want := "504334d290ec4462750be9a138f7ac0161b69536630f69ba5b8adac0f795eb82"
	if len(r.keys) != 1 {
		t.Fatalf("%d keys cached, want 1", len(r.keys))
	}
	for _, key := range r.keys {
		if got := hex.EncodeToString(key); got != want {
			t.Errorf("derived key: got %s, want %s", got, want)
		}
	}
	if _, err := r.Unseal("another", vector3); !errors.Is(err, ErrBadToken) {
		t.Errorf("another secret with the same salt: got %v, want ErrBadToken", err)
	}
}

func TestSeal_expiry(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	token, err := Seal("s", vectorConfig, now, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var r TokenReader
	if _, err := r.unsealAt("s", token, now.Add(time.Minute)); err != nil {
		t.Errorf("at its expiry: %v", err)
	}
	if _, err := r.unsealAt("s", token, now.Add(61*time.Second)); !errors.Is(err, ErrTokenExpired) {
		t.Errorf("after its expiry: got %v, want ErrTokenExpired", err)
	}
	if token, err = Seal("s", vectorConfig, now, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := r.unsealAt("s", token, now.AddDate(10, 0, 0)); err != nil {
		t.Errorf("without expiry, ten years on: %v", err)
	}
}

func TestUnseal_refuses(t *testing.T) {
	t.Parallel()
	altered := vector1[:len(vector1)-8] + "AAAAAAA="
	for name, token := range map[string]string{
		"empty": "", "one part": "abcd", "two parts": "a:b", "four parts": vector1 + ":x",
		"empty part": "::", "not base64": "!:!:!", "altered": altered, "short B": "AAAA", "long": strings.Repeat("A", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Unseal(vectorSecret, token); !errors.Is(err, ErrBadToken) {
				t.Errorf("got %v, want ErrBadToken", err)
			}
		})
	}
}

func TestSeal_properS3Names(t *testing.T) {
	t.Parallel()
	cfg := Config{ID: "s", Provider: "aws-s3", Credentials: Credentials{"accessKey": "a", "secretKey": "b"}}
	token, err := Seal("s", cfg, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Unseal("s", token)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"accessKeyId": "a", "secretAccessKey": "b"}
	if diff := cmp.Diff(want, map[string]string(got.Credentials)); diff != "" {
		t.Error(diff)
	}
	if cfg.Credentials["accessKey"] != "a" {
		t.Error("the caller's credentials were changed")
	}
}

func TestCredentials_neverPrint(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, vectorConfig); strings.Contains(text, "/srv/pw") {
			t.Errorf("%s prints the credentials: %s", format, text)
		}
	}
}

func FuzzUnseal(f *testing.F) {
	f.Add(vector1)
	f.Add("::")
	f.Fuzz(func(t *testing.T, token string) {
		if strings.Contains(token, ":") { // format B costs too much to fuzz
			_, _ = Unseal("abc", token)
		}
	})
}
