package s3_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"pipedai/internal/testkit"
	"pipedai/storage"
	"pipedai/storage/s3"
	"pipedai/storage/storagetest"
)

// server is a real S3 server with ways to look behind our back.
type server struct {
	testkit.S3Server
	admin     *minio.Client
	transport *http.Transport
	buckets   atomic.Int64
}

func start(t testing.TB, secure bool) *server {
	t.Helper()
	cert, key := "", ""
	if secure {
		cert, key = certificate(t)
	}
	s := &server{S3Server: testkit.StartS3(t, cert, key)}
	addr := strings.TrimPrefix(strings.TrimPrefix(s.URL, "http://"), "https://")
	s.transport = &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // a certificate of this test
		// Whatever the host is called, this is it.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		},
	}
	t.Cleanup(s.transport.CloseIdleConnections)
	var err error
	s.admin, err = minio.New(addr, &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Secure: secure, Transport: s.transport,
		Region: "us-east-1", BucketLookup: minio.BucketLookupPath, TrailingHeaders: secure,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// config is a new bucket, as a minio backend.
func (s *server) config(t testing.TB) storage.Config {
	t.Helper()
	name := fmt.Sprintf("bucket-%d", s.buckets.Add(1))
	if err := s.admin.MakeBucket(t.Context(), name, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	return storage.Config{
		ID: "m", Provider: "minio", Endpoint: s.URL, Bucket: name,
		Credentials: storage.Credentials{"accessKey": s.AccessKey, "secretKey": s.SecretKey},
	}
}

func open(t testing.TB, cfg storage.Config, transport http.RoundTripper) storage.Bucket {
	t.Helper()
	b, err := s3.Open(cfg, transport)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// The suite over plain HTTP and path-style addresses.
func TestS3_minio(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	storagetest.Run(t, func(t testing.TB) storage.Bucket { return open(t, s.config(t), s.transport) })
}

// The suite over TLS and virtual-hosted addresses.
func TestS3_aws(t *testing.T) {
	t.Parallel()
	s := start(t, true)
	storagetest.Run(t, func(t testing.TB) storage.Bucket {
		cfg := s.config(t)
		cfg.Provider, cfg.Endpoint = "aws-s3", "https://s3.test"
		cfg.Credentials = storage.Credentials{"accessKeyId": s.AccessKey, "secretAccessKey": s.SecretKey}
		return open(t, cfg, s.transport)
	})
}
