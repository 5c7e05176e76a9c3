package controlplane

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// everywhere are one path of each kind: nothing is served before the guard.
var everywhere = []string{"/", "/activate", "/assets/app.js", "/health", "/metrics", "/api/info", "/api/stream", "/api/none", "/api/v1/health", "/api/v1/session", "/cap/x/api/register"}

// TestGuard_L1_foreignHost: a good credential does not help under a foreign
// name, anywhere.
func TestGuard_L1_foreignHost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, path := range everywhere {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS"} {
			w := b.do(method, path, "", append(bearer(b.admin), "Host", "evil.test:3000")...)
			if w.Code != http.StatusForbidden {
				t.Errorf("%s %s: got %d, want 403", method, path, w.Code)
			}
			if strings.Contains(w.Body.String(), "console") {
				t.Errorf("%s %s: the handler was reached", method, path)
			}
		}
	}
}

// TestGuard_L2_hostSpellings: only the exact names pass, in any case.
func TestGuard_L2_hostSpellings(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for host, want := range map[string]int{
		"127.0.0.1:3000": 200, "localhost:3000": 200, "LOCALHOST:3000": 200,
		"localhost.evil.com:3000": 403, "127.0.0.1.nip.io:3000": 403, "localhost.:3000": 403,
		"127.0.0.1": 403, "localhost": 403, "127.0.0.2:3000": 403, "0.0.0.0:3000": 403,
		"[::ffff:127.0.0.1]:3000": 403, "2130706433:3000": 403, "127.0.0.1:3001": 403, "": 403,
	} {
		if w := b.do("GET", "/health", "", "Host", host); w.Code != want {
			t.Errorf("Host %q: got %d, want %d", host, w.Code, want)
		}
	}
}

// TestGuard_L3_oddRequestLines: no Host, two, or another one in the request
// line.
func TestGuard_L3_oddRequestLines(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	for _, request := range []string{
		"GET /health HTTP/1.0\r\n\r\n",
		"GET /health HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nHost: evil.test\r\nConnection: close\r\n\r\n",
		"GET http://evil.test/health HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nConnection: close\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != http.StatusBadRequest && answer.StatusCode != http.StatusForbidden {
			t.Errorf("%q: got %d, want 400 or 403", request, answer.StatusCode)
		}
		_ = answer.Body.Close()
		_ = conn.Close()
	}
}

// TestGuard_L7_foreignOrigin and the preflight of L9: a page of another site
// gets nothing, and no header that would let it.
func TestGuard_L7_foreignOrigin(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, origin := range []string{"https://evil.test", "null", "http://127.0.0.1:8080", "http://localhost.evil.com:3000", "https://localhost:3000"} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			w := b.do(method, "/api/info", "", append(bearer(b.admin), "Origin", origin, "Access-Control-Request-Method", "POST")...)
			if w.Code != http.StatusForbidden {
				t.Errorf("%s from %s: got %d, want 403", method, origin, w.Code)
			}
			for name := range w.Header() {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s from %s: answered with %s", method, origin, name)
				}
			}
		}
	}
	if w := b.do("GET", "/api/info", "", "Origin", "http://localhost:3000", "Sec-Fetch-Site", "same-origin"); w.Code != http.StatusOK {
		t.Errorf("the console's own request: got %d, want 200", w.Code)
	}
}

// TestGuard_L10_fetchMetadata: what a browser says about a request counts,
// also with a good credential.
func TestGuard_L10_fetchMetadata(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, site := range []string{"cross-site", "same-site"} {
		for _, method := range []string{"GET", "POST"} {
			w := b.do(method, "/api/tick", "", append(bearer(b.admin), "Sec-Fetch-Site", site)...)
			if w.Code != http.StatusForbidden {
				t.Errorf("%s %s: got %d, want 403", site, method, w.Code)
			}
		}
	}
	// Programs say nothing of the kind.
	if w := b.do("POST", "/api/tick", ""); w.Code != http.StatusOK {
		t.Errorf("curl: got %d, want 200", w.Code)
	}
}

// TestGuard_L5_spellings: no spelling of a protected route is let through.
func TestGuard_L5_spellings(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) { o.RequireToken = true })
	for _, path := range []string{
		"/api/info", "/api/info/", "//api//info", "/API/INFO", "/api/%69nfo", "/metrics", "/metrics/", "/%6detrics",
		"/api/services", "/api/services/health", "/api/services/ready", "/api/runs/health", "/api/storage/health", "/api/stream",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			if w := b.do(method, path, ""); w.Code != http.StatusUnauthorized {
				t.Errorf("%s %s: got %d, want 401", method, path, w.Code)
			}
		}
	}
}

// TestGuard_L8_credentials: every way to be wrong looks the same.
func TestGuard_L8_credentials(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	good := b.admin.Reveal()
	for name, header := range map[string][]string{
		"none":         nil,
		"empty":        {"Authorization", ""},
		"no scheme":    {"Authorization", good},
		"other scheme": {"Authorization", "Basic " + good},
		"wrong":        {"Authorization", "Bearer pwk_wrong"},
		"prefix only":  {"Authorization", "Bearer " + good[:len(good)-1]},
		"with a space": {"Authorization", "Bearer " + good + " "},
		"two":          {"Authorization", "Bearer " + good, "Authorization", "Bearer " + good},
	} {
		w := b.do("GET", "/api/v1/session", "", header...)
		body := w.Body.String()
		if id := w.Header().Get("X-Request-Id"); id != "" {
			body = strings.ReplaceAll(body, id, "ID")
		}
		want := `{"code":"unauthorized","error":"unauthorized","message":"a valid token is needed","requestId":"ID"}` + "\n"
		if w.Code != http.StatusUnauthorized || body != want {
			t.Errorf("%s: got %d %s", name, w.Code, body)
		}
	}
	// A wrong credential is refused even where none is needed.
	if w := b.do("GET", "/api/info", "", "Authorization", "Bearer pwk_wrong"); w.Code != http.StatusUnauthorized {
		t.Errorf("wrong token on an open route: got %d, want 401", w.Code)
	}
}

// TestGuard_L21_guessing: whoever guesses is slowed down, the owner is not.
func TestGuard_L21_guessing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	last := 0
	for range 150 {
		last = b.do("GET", "/api/v1/session", "", "Authorization", "Bearer pwk_guess").Code
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("got %d after 150 guesses, want 429", last)
	}
	if w := b.do("GET", "/api/v1/session", "", bearer(b.admin)...); w.Code != http.StatusOK {
		t.Errorf("the owner: got %d, want 200", w.Code)
	}
}
