package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/minio/minio-go/v7"

	"pipedai/storage"
	"pipedai/storage/s3"
)

// faulty stands between us and the server. fault may answer a request itself
// and then returns true; n counts requests.
func faulty(t testing.TB, s *server, fault func(n int64, w http.ResponseWriter, r *http.Request) bool) http.RoundTripper {
	t.Helper()
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = s.transport
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	var n atomic.Int64
	front := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fault(n.Add(1), w, r) {
			proxy.ServeHTTP(w, r)
		}
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = front.Serve(listener) }()
	t.Cleanup(func() { _ = front.Close() })
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, listener.Addr().String())
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func refuse(w http.ResponseWriter, status int, code string) bool {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>%s, said the test</Message></Error>`, code, code)
	return true
}

// Row S9: a server that is overloaded or hangs up is asked again, and nothing
// is doubled, skipped or altered by that.
func TestS9_slowDownAndReset(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	cfg := s.config(t)
	b := open(t, cfg, faulty(t, s, func(n int64, w http.ResponseWriter, _ *http.Request) bool {
		switch n % 3 {
		case 0:
			return refuse(w, http.StatusServiceUnavailable, "SlowDown")
		case 1:
			panic(http.ErrAbortHandler) // the connection is reset
		}
		return false
	}))
	data := bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16)
	for name, size := range map[string]int{"small": 100, "parts": len(data)} {
		stored, err := b.PutNew(t.Context(), "k/"+name, io.MultiReader(bytes.NewReader(data[:size])), -1, "")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, _, err := storage.Open(t.Context(), b, storage.Ref{Path: "k/" + name, Size: int64(size), SHA256: stored.SHA256})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := io.ReadAll(body)
		_ = body.Close()
		if err != nil || !bytes.Equal(got, data[:size]) {
			t.Errorf("%s: %d bytes came, %v", name, len(got), err)
		}
	}
	if objects, err := b.List(t.Context(), "", "", 10); err != nil || len(objects) != 2 {
		t.Errorf("listed %v, %v", objects, err)
	}
}

// Row S9: a download that breaks goes on where it was.
func TestS9_brokenDownload(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	var gets atomic.Int64
	b := open(t, s.config(t), faulty(t, s, func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || gets.Add(1) > 3 {
			return false
		}
		// The answer of the server, cut off in the middle.
		r.RequestURI, r.URL.Scheme, r.URL.Host = "", "http", strings.TrimPrefix(s.URL, "http://")
		resp, err := s.transport.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return false
		}
		defer resp.Body.Close()
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.CopyN(w, resp.Body, resp.ContentLength/2)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	data := bytes.Repeat([]byte("0123456789"), 400_000)
	stored, err := b.Put(t.Context(), "k", bytes.NewReader(data), int64(len(data)), "")
	if err != nil {
		t.Fatal(err)
	}
	body, _, err := storage.Open(t.Context(), b, storage.Ref{Path: "k", Size: stored.Size, SHA256: stored.SHA256})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes came, %v", len(got), len(data), err)
	}
	if gets.Load() != 4 {
		t.Errorf("asked %d times, want 4", gets.Load())
	}
}

// Row S9: a list comes in pages; none is skipped or doubled, also when one is
// asked for again.
func TestS9_listPages(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	var pages atomic.Int64
	b := open(t, s.config(t), faulty(t, s, func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		query := r.URL.Query()
		if !query.Has("list-type") {
			return false
		}
		if pages.Add(1)%2 == 0 {
			return refuse(w, http.StatusServiceUnavailable, "SlowDown")
		}
		return false
	}))
	want := []string{}
	for i := range 25 {
		want = append(want, fmt.Sprintf("p/%03d", i))
		if _, err := b.Put(t.Context(), want[i], strings.NewReader("x"), 1, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{1, 7, 25, 100} {
		got := []string{}
		for after := ""; ; {
			objects, err := b.List(t.Context(), "p/", after, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range objects {
				got = append(got, object.Path)
			}
			if len(objects) < limit {
				break
			}
			after = got[len(got)-1]
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%d at a time: %v", limit, got)
		}
	}
}

// Row S9: a clock that is wrong is said to be, and retrying does not help it.
func TestS9_clockSkew(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	b := open(t, s.config(t), faulty(t, s, func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		return refuse(w, http.StatusForbidden, "RequestTimeTooSkewed")
	}))
	_, _, err := b.Get(t.Context(), "k")
	if !errors.Is(err, storage.ErrDenied) || !strings.Contains(err.Error(), "clock") {
		t.Errorf("got %v, want one that names the clock", err)
	}
}

// Row S10: what other clients wrote in parts is read byte for byte: over plain
// HTTP, where they sign each chunk, and over TLS, where they send checksums in
// trailers. (Trailers over plain HTTP this server takes for corrupt. Our own
// parts carry neither, see the suite over both.)
func TestS10_trailers(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		s := start(t, secure)
		cfg := s.config(t)
		b := open(t, cfg, s.transport)
		data := bytes.Repeat([]byte("trailers\n"), 12<<20/9)
		kinds := map[string]minio.ChecksumType{"none": minio.ChecksumNone, "crc32c": minio.ChecksumFullObjectCRC32C, "sha256": minio.ChecksumSHA256}
		if !secure {
			kinds = map[string]minio.ChecksumType{"chunks": minio.ChecksumNone}
		}
		for name, checksum := range kinds {
			_, err := s.admin.PutObject(t.Context(), cfg.Bucket, name, bytes.NewReader(data), int64(len(data)),
				minio.PutObjectOptions{PartSize: 5 << 20, Checksum: checksum})
			if err != nil {
				t.Errorf("TLS %v, %s: %v", secure, name, err)
				continue
			}
			body, object, err := b.Get(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			_ = body.Close()
			if err != nil || !bytes.Equal(got, data) || object.Size != int64(len(data)) {
				t.Errorf("TLS %v, %s: %d bytes came of %d stored, %v", secure, name, len(got), len(data), err)
			}
		}
	}
}

// Row S11: credentials that are taken away are told clearly, and never shown.
func TestS11_revoked(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	s.Admin(t, "create-user", "--access", "worker-account", "--secret", "worker-secret-0123456789", "--role", "admin")
	cfg := s.config(t)
	cfg.Credentials = storage.Credentials{"accessKey": "worker-account", "secretKey": "worker-secret-0123456789"}
	b := open(t, cfg, s.transport)
	if _, err := b.Put(t.Context(), "k", strings.NewReader("x"), 1, ""); err != nil {
		t.Fatal(err)
	}
	s.Admin(t, "delete-user", "--access", "worker-account")
	_, _, getErr := b.Get(t.Context(), "k")
	_, putErr := b.Put(t.Context(), "k", strings.NewReader("y"), 1, "")
	for _, err := range []error{getErr, putErr} {
		if !errors.Is(err, storage.ErrDenied) || strings.Contains(err.Error(), "worker-secret") {
			t.Errorf("got %v, want ErrDenied without a secret", err)
		}
	}
}

// Row S3: parts of an upload that was given up are not left on the server.
func TestS3_abortedUploads(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	cfg := s.config(t)
	b := open(t, cfg, s.transport)
	ctx, cancel := context.WithCancel(t.Context())
	endless := readerFunc(func(p []byte) (int, error) { return len(p), nil })
	var sent int64
	_, err := b.Put(ctx, "k", readerFunc(func(p []byte) (int, error) {
		if sent += int64(len(p)); sent > 40<<20 {
			cancel()
		}
		return endless(p)
	}), -1, "")
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	for upload := range s.admin.ListIncompleteUploads(t.Context(), cfg.Bucket, "", true) {
		t.Errorf("left behind: %+v", upload)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestOpen_problems(t *testing.T) {
	t.Parallel()
	good := storage.Config{
		ID: "x", Provider: "aws-s3", Endpoint: "https://s3.amazonaws.com", Bucket: "b",
		Credentials: storage.Credentials{"accessKeyId": "AKIA-SHOWN-NEVER", "secretAccessKey": "SECRET-SHOWN-NEVER"},
	}
	for want, change := range map[string]func(*storage.Config){
		"accessKeyId is missing":     func(c *storage.Config) { c.Credentials = storage.Credentials{"secretAccessKey": "SECRET-SHOWN-NEVER"} },
		"secretAccessKey is missing": func(c *storage.Config) { c.Credentials = storage.Credentials{"accessKeyId": "AKIA-SHOWN-NEVER"} },
		"not an http or https URL":   func(c *storage.Config) { c.Endpoint = "s3.example.org" },
		"more than a scheme":         func(c *storage.Config) { c.Endpoint = "https://s3.example.org/prefix" },
		"bucket is missing":          func(c *storage.Config) { c.Bucket = "" },
	} {
		cfg := good
		change(&cfg)
		_, err := s3.Open(cfg, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SHOWN-NEVER") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
