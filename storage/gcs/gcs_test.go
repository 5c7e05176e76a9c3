package gcs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"pipedai/internal/testkit"
	"pipedai/storage"
	"pipedai/storage/gcs"
	"pipedai/storage/storagetest"
)

// server is a GCS server, and beside it one that gives out tokens.
type server struct {
	url, tokens string
	key         string
	issued      atomic.Int64
	buckets     atomic.Int64
}

func start(t testing.TB) *server {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{url: testkit.StartGCS(t), key: string(pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private),
	}))}
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.issued.Add(1)
		if r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || strings.Count(r.FormValue("assertion"), ".") != 2 {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"t","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(tokens.Close)
	s.tokens = tokens.URL
	return s
}

// config is a new bucket.
func (s *server) config(t testing.TB) storage.Config {
	t.Helper()
	name := fmt.Sprintf("bucket-%d", s.buckets.Add(1))
	testkit.MakeGCSBucket(t, s.url, name)
	return storage.Config{ID: "g", Provider: "gcs", Endpoint: s.url, Bucket: name, Credentials: storage.Credentials{
		"projectId": "p", "clientEmail": "robot@test", "privateKey": s.key, "tokenUri": s.tokens,
	}}
}

func open(t testing.TB, cfg storage.Config, transport http.RoundTripper) storage.Bucket {
	t.Helper()
	b, err := gcs.Open(cfg, transport)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestGCS(t *testing.T) {
	t.Parallel()
	s := start(t)
	storagetest.Run(t, func(t testing.TB) storage.Bucket { return open(t, s.config(t), nil) })
	t.Cleanup(func() {
		if s.issued.Load() == 0 {
			t.Error("no request asked for a token")
		}
	})
}
