package httpkit

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCompress: a large JSON answer is packed for who takes it, and comes out
// as it went in; nothing else is touched.
func TestCompress(t *testing.T) {
	t.Parallel()
	large := strings.Repeat(`{"id":"trun_0123456789","status":"completed"},`, 1000)
	answer := func(kind, body string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	tests := []struct {
		name, method, accept string
		handler              http.HandlerFunc
		packed               bool
		status               int
		body                 string
	}{
		{"large JSON", "GET", "gzip", answer("application/json", large, 200), true, 200, large},
		{"a large refusal", "POST", "br, gzip", answer("application/json", large, 409), true, 409, large},
		{"not asked for", "GET", "", answer("application/json", large, 200), false, 200, large},
		{"refused", "GET", "gzip;q=0, *", answer("application/json", large, 200), false, 200, large},
		{"small JSON", "GET", "gzip", answer("application/json", `{}`, 200), false, 200, `{}`},
		{"a file", "GET", "gzip", answer("application/octet-stream", large, 200), false, 200, large},
		{"packed already", "GET", "gzip", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			answer("application/json", large, 200)(w, r)
		}, false, 200, large},
		{"no body", "GET", "gzip", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, false, http.StatusNoContent, ""},
		{"nothing at all", "GET", "gzip", func(http.ResponseWriter, *http.Request) {}, false, 200, ""},
		{"a copied file", "GET", "gzip", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, strings.NewReader(large))
		}, false, 200, large},
		{"head", "HEAD", "gzip", answer("application/json", large, 200), false, 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(Compress(tt.handler))
			defer server.Close()
			req, err := http.NewRequestWithContext(t.Context(), tt.method, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Encoding", tt.accept)
			res, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var body io.Reader = res.Body
			if got := res.Header.Get("Content-Encoding") == "gzip"; got != tt.packed {
				t.Fatalf("packed: got %v, want %v", got, tt.packed)
			}
			if tt.packed {
				if body, err = gzip.NewReader(res.Body); err != nil {
					t.Fatal(err)
				}
				if res.Header.Get("Vary") != "Accept-Encoding" {
					t.Error("a cache is not told that the answer varies")
				}
			}
			text, err := io.ReadAll(body)
			if err != nil || string(text) != tt.body || res.StatusCode != tt.status {
				t.Errorf("status %d, %d bytes, %v; want %d and %d bytes", res.StatusCode, len(text), err, tt.status, len(tt.body))
			}
		})
	}
}

// TestCompress_streams: an event stream is on its way before its first event,
// and each event as soon as it is sent.
func TestCompress_streams(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	server := httptest.NewServer(Compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		out, err := SSE(w)
		if err != nil {
			t.Error(err)
			return
		}
		<-next
		_ = out.Send(1, "run", map[string]string{"text": strings.Repeat("x", 2*packFrom)})
		<-next
	})))
	defer server.Close()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := server.Client().Do(req) // returns with the header
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.Header.Get("Content-Encoding") != "" {
		t.Error("the stream is packed")
	}
	next <- struct{}{}
	begin := make([]byte, 5)
	if _, err := io.ReadFull(res.Body, begin); err != nil || string(begin) != "id: 1" {
		t.Errorf("got %q, %v", begin, err)
	}
	close(next)
}

// TestCompress_panic: half an answer does not look whole.
func TestCompress_panic(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(Compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "["+strings.Repeat("1,", packFrom))
		panic(http.ErrAbortHandler)
	})))
	defer server.Close()
	res, err := server.Client().Get(server.URL)
	if err != nil {
		return // the header was not out yet
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%d bytes read as if they were all", len(text))
	}
}
