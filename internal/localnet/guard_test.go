package localnet

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"pipedai/api"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	guard := Guard{Hosts: LoopbackHosts(4599)}
	handler := guard.Wrap(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
		func(w http.ResponseWriter, _ *http.Request, err *api.Error) { w.WriteHeader(err.Status) },
	)
	tests := []struct {
		name   string
		method string
		path   string
		host   string
		header map[string]string
		pass   bool
	}{
		{name: "program without browser headers", host: "127.0.0.1:4599", pass: true},
		{name: "localhost", host: "localhost:4599", pass: true},
		{name: "ipv6", host: "[::1]:4599", pass: true},
		{name: "upper case", host: "LOCALHOST:4599", pass: true},
		{name: "foreign host", host: "evil.test:4599"},
		{name: "suffix of a foreign host", host: "localhost.evil.test:4599"},
		{name: "name that resolves to loopback", host: "127.0.0.1.nip.io:4599"},
		{name: "trailing dot", host: "localhost.:4599"},
		{name: "no port", host: "127.0.0.1"},
		{name: "other port", host: "127.0.0.1:80"},
		{name: "other loopback address", host: "127.0.0.2:4599"},
		{name: "unspecified address", host: "0.0.0.0:4599"},
		{name: "mapped address", host: "[::ffff:127.0.0.1]:4599"},
		{name: "decimal address", host: "2130706433:4599"},
		{name: "no host", host: ""},
		{name: "own page", host: "localhost:4599", header: map[string]string{"Origin": "http://localhost:4599", "Sec-Fetch-Site": "same-origin"}, pass: true},
		{name: "foreign origin", host: "localhost:4599", header: map[string]string{"Origin": "https://evil.test"}},
		{name: "null origin", host: "localhost:4599", header: map[string]string{"Origin": "null"}},
		{name: "origin on another port", host: "127.0.0.1:4599", header: map[string]string{"Origin": "http://127.0.0.1:3000"}},
		{name: "rebound page", host: "evil.test:4599", header: map[string]string{"Origin": "http://evil.test:4599", "Sec-Fetch-Site": "same-origin"}},
		{name: "cross-site call", host: "localhost:4599", path: "/api/workers", header: map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}},
		{name: "same-site call", host: "localhost:4599", path: "/api/workers", header: map[string]string{"Sec-Fetch-Site": "same-site"}},
		{name: "cross-site post", method: http.MethodPost, host: "localhost:4599", header: map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}},
		{name: "link from another site", host: "localhost:4599", header: map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, pass: true},
		{name: "link into the api", host: "localhost:4599", path: "/api/workers", header: map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}},
		{name: "frame on another site", host: "localhost:4599", header: map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}},
		{name: "preflight", method: http.MethodOptions, host: "localhost:4599", header: map[string]string{"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			method, path := test.method, test.path
			if method == "" {
				method = http.MethodGet
			}
			if path == "" {
				path = "/"
			}
			r := httptest.NewRequest(method, path, nil)
			r.Host = test.host
			for k, v := range test.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			want := http.StatusForbidden
			if test.pass {
				want = http.StatusTeapot
			}
			if w.Code != want {
				t.Errorf("got status %d, want %d", w.Code, want)
			}
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("got CORS header %q, want none", got)
			}
		})
	}
}
