package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"pipedai/internal/secret"
	"pipedai/storage"
)

// Dispatches share a token for a minute, never across secrets, and every one
// of them gets one that is good for as long as it needs.
func TestSeals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s seals
		cfg := storage.Config{ID: "local", Provider: "local", Credentials: storage.Credentials{"basePath": "/x"}}
		get := func(key secret.Text, life time.Duration) string {
			t.Helper()
			token, err := s.token(storage.FormatA, key, cfg, life)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		first := get("one", time.Hour)
		time.Sleep(sealEvery - time.Second)
		if get("one", time.Hour) != first {
			t.Error("sealed again within a minute")
		}
		if get("two", time.Hour) == first || get("one", 2*time.Hour) == first {
			t.Error("shared by what must differ")
		}
		if _, err := storage.Unseal("two", get("two", time.Hour)); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if _, err := storage.Unseal("one", first); err != nil {
			t.Errorf("a token given a minute after it was sealed lives too short: %v", err)
		}
		if get("one", time.Hour) == first {
			t.Error("an old token was given")
		}
		time.Sleep(time.Minute)
		if _, err := storage.Unseal("one", first); err == nil {
			t.Error("lives much longer than asked for")
		}
	})
}
