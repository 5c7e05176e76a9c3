package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// sample is a build of one page.
func sample(t testing.TB) fs.FS {
	t.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write([]byte("let answer = 42")); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{
		".gitkeep":              {},
		"console.html":          {Data: []byte("<!doctype html><title>console</title>")},
		"assets/main-abc.js":    {Data: []byte("let answer = 42")},
		"assets/main-abc.js.gz": {Data: packed.Bytes()},
		"assets/main-abc.css":   {Data: []byte("body{}")},
	}
}

func get(t testing.TB, h http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestHandler_Paths(t *testing.T) {
	t.Parallel()
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	tests := []struct {
		name, method, path, accept string
		pages                      []string
		status                     int
		contentType, cache         string
	}{
		{"root", "GET", "/", browser, nil, 200, "text/html", "no-store"},
		{"history route", "GET", "/runs/prun_1", browser, []string{"runs"}, 200, "text/html", "no-store"},
		{"history route with a dot in its id", "GET", "/pipelines/pdf.v2", browser, []string{"pipelines"}, 200, "text/html", "no-store"},
		{"unknown page is shown by the page", "GET", "/nowhere", browser, []string{"runs"}, 200, "text/html", "no-store"},
		{"no page but the root without pages", "GET", "/runs", browser, nil, 404, "application/json", "no-store"},
		{"asset", "GET", "/assets/main-abc.js", "*/*", nil, 200, "text/javascript", "immutable"},
		{"style", "GET", "/assets/main-abc.css", "text/css,*/*", nil, 200, "text/css", "immutable"},
		{"unknown asset", "GET", "/assets/gone-abc.js", "*/*", []string{"runs"}, 404, "application/json", "no-store"},
		{"unknown asset opened as a page", "GET", "/assets/gone", browser, []string{"runs"}, 404, "application/json", "no-store"},
		{"unknown file", "GET", "/favicon.ico", browser, []string{"runs"}, 404, "application/json", "no-store"},
		{"page path asked for by a script", "GET", "/runs/x.js", "*/*", []string{"runs"}, 404, "application/json", "no-store"},
		{"api is never the page", "GET", "/api/unknown", browser, []string{"runs"}, 404, "application/json", "no-store"},
		{"a JSON client gets no page", "GET", "/runs/prun_1", "application/json", []string{"runs"}, 404, "application/json", "no-store"},
		{"climbing out", "GET", "/assets/../console.html", "*/*", nil, 404, "application/json", "no-store"},
		{"a folder", "GET", "/assets/", "*/*", nil, 404, "application/json", "no-store"},
		{"the placeholder", "GET", "/.gitkeep", "*/*", nil, 404, "application/json", "no-store"},
		{"transit form is no asset", "GET", "/assets/main-abc.js.gz", "*/*", nil, 404, "application/json", "no-store"},
		{"post", "POST", "/", browser, nil, 405, "application/json", "no-store"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(sample(t), "console.html", tt.pages)
			res := get(t, h, tt.method, tt.path, "Accept", tt.accept)
			if res.StatusCode != tt.status {
				t.Errorf("status: got %d, want %d", res.StatusCode, tt.status)
			}
			if got := res.Header.Get("Content-Type"); !strings.HasPrefix(got, tt.contentType) {
				t.Errorf("content type: got %q, want %q", got, tt.contentType)
			}
			if got := res.Header.Get("Cache-Control"); !strings.Contains(got, tt.cache) {
				t.Errorf("cache: got %q, want %q", got, tt.cache)
			}
			if got := res.Header.Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("nosniff: got %q", got)
			}
			policy := res.Header.Get("Content-Security-Policy")
			if !strings.Contains(policy, "default-src 'self'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("policy: got %q", policy)
			}
		})
	}
}

func TestHandler_Gzip(t *testing.T) {
	t.Parallel()
	h := newHandler(sample(t), "console.html", nil)
	tests := []struct {
		accept string
		packed bool
	}{
		{"gzip, deflate, br", true},
		{"br, GZIP;q=0.5", true},
		{"*", true},
		{"", false},
		{"br", false},
		{"gzip;q=0", false},
		{"gzip;q=0, *", false},
		{"identity, *;q=0", false},
	}
	for _, tt := range tests {
		t.Run(tt.accept, func(t *testing.T) {
			t.Parallel()
			res := get(t, h, "GET", "/assets/main-abc.js", "Accept-Encoding", tt.accept)
			if got := res.Header.Get("Content-Encoding") == "gzip"; got != tt.packed {
				t.Fatalf("compressed: got %v, want %v", got, tt.packed)
			}
			if got := res.Header.Get("Vary"); got != "Accept-Encoding" {
				t.Errorf("vary: got %q", got)
			}
			var body io.Reader = res.Body
			if tt.packed {
				unzip, err := gzip.NewReader(res.Body)
				if err != nil {
					t.Fatal(err)
				}
				body = unzip
			}
			text, err := io.ReadAll(body)
			if err != nil || string(text) != "let answer = 42" {
				t.Errorf("body: got %q, %v", text, err)
			}
		})
	}
}

func TestHandler_Head(t *testing.T) {
	t.Parallel()
	res := get(t, newHandler(sample(t), "console.html", nil), "HEAD", "/assets/main-abc.js")
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK || len(body) != 0 || res.Header.Get("Content-Length") != "15" {
		t.Errorf("got %d, %d bytes, length %q", res.StatusCode, len(body), res.Header.Get("Content-Length"))
	}
}

func TestHandler_NotBuilt(t *testing.T) {
	t.Parallel()
	empty := fstest.MapFS{".gitkeep": {}}
	res := get(t, newHandler(empty, "dashboard.html", nil), "GET", "/")
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "make web") {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
	if res.Header.Get("Content-Security-Policy") == "" {
		t.Error("the fallback carries no policy")
	}
	if res := get(t, newHandler(empty, "dashboard.html", nil), "GET", "/assets/x.js"); res.StatusCode != http.StatusNotFound {
		t.Errorf("asset: got %d", res.StatusCode)
	}
}

// The addresses that the console has are those that its router knows: a link to
// a new page must open it, whatever is in its id.
func TestConsole_everyRouteIsAPage(t *testing.T) {
	t.Parallel()
	route := regexp.MustCompile(`\bpath: "/([^"/]*)`)
	files, err := filepath.Glob("src/console/routes/*.ts")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range route.FindAllSubmatch(text, -1) {
			known[string(found[1])] = true
		}
	}
	delete(known, "") // the home page is the root
	if diff := cmp.Diff(slices.Sorted(maps.Keys(known)), consolePages); diff != "" {
		t.Errorf("pages (-the router's +Console's):\n%s", diff)
	}
}

// TestEmbedded holds of what is embedded right now, build or not: each page
// answers, and where it is built it brings every asset it names, and no inline
// script that the policy would refuse.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`(?:src|href)="(/[^"]+)"`)
	inline := regexp.MustCompile(`<script(?:[^>]*)>[^<]|<style|\sstyle=|\son[a-z]+=`)
	for name, h := range map[string]http.Handler{"dashboard": Dashboard(), "console": Console()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := get(t, h, "GET", "/", "Accept", "text/html")
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fs.Stat(built(), name+".html"); err != nil {
				if res.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("without a build: got %d", res.StatusCode)
				}
				return
			}
			if res.StatusCode != http.StatusOK {
				t.Fatalf("got %d", res.StatusCode)
			}
			if found := inline.Find(body); found != nil {
				t.Errorf("inline code in the page: %s", found)
			}
			links := link.FindAllSubmatch(body, -1)
			if len(links) < 2 {
				t.Errorf("the page names %d assets", len(links))
			}
			for _, l := range links {
				if res := get(t, h, "GET", string(l[1])); res.StatusCode != http.StatusOK {
					t.Errorf("%s: got %d", l[1], res.StatusCode)
				}
			}
		})
	}
}
