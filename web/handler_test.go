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
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// sample is a build of one page, as it is embedded.
func sample(t testing.TB) fs.FS {
	t.Helper()
	return fstest.MapFS{
		".gitkeep":               {},
		"console.html.gz":        packed(t, "<!doctype html><title>console</title>"),
		"assets/main-abc.js.gz":  packed(t, script),
		"assets/main-abc.css.gz": packed(t, "body{}"),
		"assets/sign-abc.png":    {Data: []byte("not really")},
	}
}

const script = "let answer = 42"

func packed(t testing.TB, text string) *fstest.MapFile {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	if _, err := zip.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: out.Bytes()}
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
		{"picture", "GET", "/assets/sign-abc.png", "image/*", nil, 200, "image/png", "immutable"},
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
			if err != nil || string(text) != script {
				t.Errorf("body: got %q, %v", text, err)
			}
		})
	}
}

// HEAD, parts, and questions whether something changed, of both forms.
func TestHandler_Conditions(t *testing.T) {
	t.Parallel()
	files := sample(t)
	h := newHandler(files, "console.html", nil)
	zip, err := fs.ReadFile(files, "assets/main-abc.js.gz")
	if err != nil {
		t.Fatal(err)
	}
	for form, whole := range map[string]string{"gzip": string(zip), "": script} {
		length := strconv.Itoa(len(whole))
		first := get(t, h, "GET", "/assets/main-abc.js", "Accept-Encoding", form)
		tag := first.Header.Get("ETag")
		for _, tt := range []struct {
			name, method, header, value string
			status                      int
			body, length                string
		}{
			{"all", "GET", "", "", 200, whole, length},
			{"head", "HEAD", "", "", 200, "", length},
			{"a part", "GET", "Range", "bytes=2-5", 206, whole[2:6], "4"},
			{"the end", "GET", "Range", "bytes=-3", 206, whole[len(whole)-3:], "3"},
			{"beyond it", "GET", "Range", "bytes=5000-", 416, "", ""},
			{"unchanged", "GET", "If-None-Match", tag, 304, "", ""},
			{"changed", "GET", "If-None-Match", `"main-old.js"`, 200, whole, length},
		} {
			res := get(t, h, tt.method, "/assets/main-abc.js", "Accept-Encoding", form, tt.header, tt.value)
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != tt.status || tt.status < 400 && string(body) != tt.body {
				t.Errorf("%q, %s: got %d %q, %v; want %d %q", form, tt.name, res.StatusCode, body, err, tt.status, tt.body)
			}
			if tt.status < 300 && (res.Header.Get("Content-Length") != tt.length || res.Header.Get("Content-Encoding") != form || res.Header.Get("ETag") != tag) {
				t.Errorf("%q, %s: headers %v", form, tt.name, res.Header)
			}
		}
	}
	gzipped, plain := get(t, h, "GET", "/assets/main-abc.js", "Accept-Encoding", "gzip"), get(t, h, "GET", "/assets/main-abc.js")
	if a, b := gzipped.Header.Get("ETag"), plain.Header.Get("ETag"); a == "" || a == b {
		t.Errorf("the forms have the tags %q and %q", a, b)
	}
	if tag := get(t, h, "GET", "/").Header.Get("ETag"); tag != "" {
		t.Errorf("the page, which is not kept, has the tag %q", tag)
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
			if _, err := fs.Stat(built(), name+".html.gz"); err != nil {
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
