package controlplane

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Ranges, conditions and HEAD of what is read from storage.
func TestStorage_ranges(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.bucket.Put(t.Context(), "runs/x/digits.bin", strings.NewReader("0123456789"), 10, ""); err != nil {
		t.Fatal(err)
	}
	ask := func(method string, header ...string) *httptest.ResponseRecorder {
		return b.do(method, "/api/storage/runs/x/digits.bin?raw=1", "", header...)
	}
	tag := ask(http.MethodGet).Header().Get("ETag")
	if len(tag) < 3 {
		t.Fatalf("no tag: %q", tag)
	}
	for _, tt := range []struct {
		name, method string
		header       []string
		status       int
		body, ranged string
	}{
		{"whole", "GET", nil, 200, "0123456789", ""},
		{"head", "HEAD", nil, 200, "", ""},
		{"part", "GET", []string{"Range", "bytes=2-4"}, 206, "234", "bytes 2-4/10"},
		{"end", "GET", []string{"Range", "bytes=-3"}, 206, "789", "bytes 7-9/10"},
		{"rest", "GET", []string{"Range", "bytes=8-"}, 206, "89", "bytes 8-9/10"},
		{"behind the end", "GET", []string{"Range", "bytes=10-"}, 416, "", "bytes */10"},
		{"several", "GET", []string{"Range", "bytes=0-1,4-5"}, 200, "0123456789", ""},
		{"still the same", "GET", []string{"Range", "bytes=0-0", "If-Range", tag}, 206, "0", "bytes 0-0/10"},
		{"another by now", "GET", []string{"Range", "bytes=0-0", "If-Range", `"other"`}, 200, "0123456789", ""},
		{"known", "GET", []string{"If-None-Match", tag}, 304, "", ""},
	} {
		got := ask(tt.method, tt.header...)
		if got.Code != tt.status || tt.status < 300 && got.Body.String() != tt.body || got.Header().Get("Content-Range") != tt.ranged {
			t.Errorf("%s: got %d %q %q, want %d %q %q", tt.name, got.Code, got.Body, got.Header().Get("Content-Range"), tt.status, tt.body, tt.ranged)
		}
		// Row S8, also for parts.
		if tt.status < 300 && (!strings.HasPrefix(got.Header().Get("Content-Disposition"), "attachment") ||
			got.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(got.Header().Get("Content-Security-Policy"), "sandbox")) {
			t.Errorf("%s: headers %v", tt.name, got.Header())
		}
	}
}

func TestStorage_list(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, name := range []string{"p/a", "p/b", "p/c", "q", "f/1/x", "f/1/y", "f/1/z/deep", "f/2", "f/3/x"} {
		if _, err := b.bucket.Put(t.Context(), name, strings.NewReader("x"), 1, ""); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"?prefix=p/":                     `"path":"p/a"`,
		"?prefix=p/&limit=2":             `"next":"p/b"`,
		"?prefix=p/&limit=2&after=p%2Fb": `"objects":[{"path":"p/c"`,
		"?prefix=none":                   `"objects":[]`,
		"?prefix=../":                    `"error":"Invalid storage path"`,
		"?prefix=&backend=none":          `"error":"Storage backend not found"`,
		"?prefix=&folders=1":             `"objects":[{"path":"q"`,
		"?prefix=f/&folders=1":           `"folders":["f/1/","f/3/"]`,
		"?prefix=f/1/&folders=1":         `"folders":["f/1/z/"]`,
		"?prefix=f/&folders=1&limit=2":   `"folders":["f/1/"],"next":"f/2"`,
		"":                               `"error":"Missing storage path"`,
	} {
		if got := b.do("GET", "/api/storage"+path, "").Body.String(); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}
