package localapi

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/daemon/localapi/localclient"
)

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

// everyRoute lists each route with its wildcards filled in, and the page.
func everyRoute(s *Server) [][2]string {
	out := [][2]string{{"GET", "/"}, {"GET", "/assets/app.js"}, {"HEAD", "/"}, {"OPTIONS", "/api/workers"}, {"GET", "/no/such"}}
	for _, rt := range s.table() {
		path := strings.NewReplacer("{id}", "w1", "{run}", "r1").Replace(rt.path)
		out = append(out, [2]string{rt.method, path})
	}
	return out
}

func noCORS(t *testing.T, header http.Header) {
	t.Helper()
	for name := range header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("answered with %s", name)
		}
	}
}

func TestGuard_L1_L2_L3_foreignHost(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	port := fmt.Sprint(f.port)
	foreign := []string{
		"evil.test:" + port, "localhost.evil.com:" + port, "127.0.0.1.nip.io:" + port, "localhost.:" + port, "127.0.0.1",
		"localhost", "127.0.0.2:" + port, "0.0.0.0:" + port, "[::ffff:127.0.0.1]:" + port, "2130706433:" + port, "127.0.0.1:1",
	}
	for _, rt := range everyRoute(f.Server) {
		for _, host := range foreign {
			status, header, body := f.ask(t, f.plain(rt[0], rt[1], "Host: "+host))
			if status != http.StatusForbidden || strings.Contains(body, "the page") || strings.Contains(body, "build-box") {
				t.Errorf("%s %s with Host %s: %d %q", rt[0], rt[1], host, status, body)
			}
			noCORS(t, header)
		}
	}
	if did := f.backend.did(); did != "" {
		t.Errorf("a handler was reached: %s", did)
	}
	for _, host := range []string{"127.0.0.1:" + port, "localhost:" + port, "LOCALHOST:" + port, "[::1]:" + port} {
		if status, _, body := f.ask(t, f.plain("GET", "/api/workers", "Host: "+host)); status != http.StatusOK {
			t.Errorf("Host %s: %d %q", host, status, body)
		}
	}
	if status, _, _ := f.ask(t, "GET /api/workers HTTP/1.0\r\nAuthorization: Bearer "+testToken.Reveal()+"\r\n\r\n"); status != http.StatusForbidden {
		t.Errorf("no Host: %d", status)
	}
	if status, _, _ := f.ask(t, f.plain("GET", "/api/workers", "Host: 127.0.0.1:"+port, "Host: evil.test")); status != http.StatusBadRequest {
		t.Errorf("two Hosts: %d", status)
	}
	if status, _, _ := f.ask(t, f.plain("GET", "http://evil.test/api/workers")); status != http.StatusForbidden {
		t.Errorf("absolute form: %d", status)
	}
}

func TestGuard_L5_everyRouteNeedsTheToken(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	open := map[string]bool{"/": true, "/assets/app.js": true, "/no/such": true, "/api/healthz": true}
	var variants [][2]string
	for _, rt := range everyRoute(f.Server) {
		variants = append(variants, rt)
		if open[rt[1]] {
			continue
		}
		for _, path := range []string{
			rt[1] + "/", "/" + rt[1], "/x/.." + rt[1], "/%2e%2e" + rt[1], strings.ToUpper(rt[1]), "/./" + rt[1][1:],
			strings.Replace(rt[1], "/api", "/%61pi", 1), strings.Replace(rt[1], "/api/", "/api%2f", 1), rt[1] + "/health", rt[1] + "/ready", rt[1] + "/healthz",
		} {
			variants = append(variants, [2]string{rt[0], path}, [2]string{"HEAD", path}, [2]string{"OPTIONS", path})
		}
	}
	for _, v := range variants {
		status, header, body := f.ask(t, f.plain(v[0], v[1], "Authorization:"))
		noCORS(t, header)
		if open[v[1]] && (v[0] == "GET" || v[0] == "HEAD") {
			if status == http.StatusUnauthorized {
				t.Errorf("%s %s needs a token", v[0], v[1])
			}
			continue
		}
		if status != http.StatusUnauthorized && status != http.StatusTooManyRequests {
			t.Errorf("%s %s without a token: %d %q", v[0], v[1], status, body)
		}
	}
	if did := f.backend.did(); did != "" {
		t.Errorf("a handler was reached: %s", did)
	}
}

func TestGuard_L7_L9_L10_foreignOrigin(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	for _, rt := range everyRoute(f.Server) {
		for _, line := range []string{
			"Origin: https://evil.test", "Origin: null", "Origin: http://127.0.0.1:1", "Origin: http://localhost.evil.com:" + fmt.Sprint(f.port),
			fmt.Sprintf("Origin: https://127.0.0.1:%d", f.port), "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site",
		} {
			status, header, body := f.ask(t, f.plain(rt[0], rt[1], line))
			if status != http.StatusForbidden {
				t.Errorf("%s %s with %s: %d %q", rt[0], rt[1], line, status, body)
			}
			noCORS(t, header)
		}
	}
	own := fmt.Sprintf("Origin: http://127.0.0.1:%d", f.port)
	if status, _, body := f.ask(t, f.plain("GET", "/api/workers", own, "Sec-Fetch-Site: same-origin")); status != http.StatusOK {
		t.Errorf("our own page: %d %q", status, body)
	}
	preflight := f.plain("OPTIONS", "/api/workers/w1/stop", "Origin: https://evil.test", "Access-Control-Request-Method: POST", "Authorization:")
	if status, header, _ := f.ask(t, preflight); status != http.StatusForbidden {
		t.Errorf("preflight: %d", status)
	} else {
		noCORS(t, header)
	}
}

func TestGuard_L8_wrongTokensAreAllTheSame(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	token := testToken.Reveal()
	for _, lines := range [][]string{
		{"Authorization:"}, {"Authorization: Bearer "}, {"Authorization: Bearer x"}, {"Authorization: Bearer oct_"},
		{"Authorization: Bearer " + token[:20]}, {"Authorization: Bearer " + token + "x"}, {"Authorization: Bearer  " + token},
		{"Authorization: bearer " + token}, {"Authorization: " + token}, {"Authorization: Basic " + token},
		{"Authorization: Bearer " + token, "Authorization: Bearer " + token},
		{"Authorization: Bearer oct_another-installations-token-of-the-same-len"},
	} {
		status, _, body := f.ask(t, f.plain("GET", "/api/workers", lines...))
		body = body[:strings.Index(body, `"requestId"`)]
		want := `{"code":"unauthorized","error":"Unauthorized","fix":"open the page with: pipedai-orchestrator dashboard",`
		if status != http.StatusUnauthorized || body != want {
			t.Errorf("%q: %d %s", lines, status, body)
		}
	}
	for _, rt := range everyRoute(f.Server) {
		if !strings.HasPrefix(rt[1], "/api/") || rt[1] == pathHealthz || rt[1] == pathEvents {
			continue
		}
		// In the query it opens the WebSocket and nothing else.
		if status, _, _ := f.ask(t, f.plain(rt[0], rt[1]+"?token="+token, "Authorization:")); status != http.StatusUnauthorized {
			t.Errorf("%s %s took the token from the query: %d", rt[0], rt[1], status)
		}
	}
}

func TestGuard_L11_undeclaredBodies(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	for _, rt := range everyRoute(f.Server) {
		if rt[0] != "POST" && rt[0] != "PATCH" {
			continue
		}
		for _, line := range []string{
			"Content-Type: text/plain", "Content-Type: multipart/form-data; boundary=x",
			"Content-Type: application/x-www-form-urlencoded", "Content-Type:", "Content-Type: application/json-patch",
		} {
			if status, _, body := f.ask(t, f.plain(rt[0], rt[1], line)); status != http.StatusUnsupportedMediaType {
				t.Errorf("%s %s with %s: %d %q", rt[0], rt[1], line, status, body)
			}
		}
	}
	if did := f.backend.did(); did != "" || len(f.backend.reloads) > 0 {
		t.Errorf("something changed: %s", did)
	}
}

func TestGuard_L12_secretsReachNoLog(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	f.backend.broken = fmt.Errorf("the disk is gone")
	for _, path := range []string{"/api/workers?token=SECRET-IN-URL", "/api/self?token=SECRET-IN-URL", "/api/events?token=SECRET-IN-URL"} {
		status, _, body := f.ask(t, f.plain("GET", path, "Referer: http://127.0.0.1/?token=SECRET-IN-URL"))
		if status < 400 || strings.Contains(body, "SECRET") || strings.Contains(body, "disk") {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	_, _, _ = f.ask(t, f.plain("GET", "/api/events?token=SECRET-IN-URL", "Authorization:"))
	log := f.log.String()
	if !strings.Contains(log, "the disk is gone") {
		t.Errorf("the cause is not in the log: %s", log)
	}
	if strings.Contains(log, "SECRET") || strings.Contains(log, testToken.Reveal()) {
		t.Errorf("a secret is in the log: %s", log)
	}
}

func TestGuard_L15_oddNames(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	for _, id := range []string{
		"..%2fx", "%2e%2e", "start;id", "$(id)", "a%00b", "con", strings.Repeat("x", 300), "w1%2f..%2fw1", "%E2%80%AEw1", "w1%20",
	} {
		for _, rt := range [][2]string{{"POST", "/stop"}, {"GET", "/logs"}, {"GET", "/runs"}, {"GET", "/runs/r1/events"}, {"DELETE", ""}} {
			status, _, body := f.ask(t, f.plain(rt[0], "/api/workers/"+id+rt[1]))
			if status != http.StatusNotFound && status != http.StatusBadRequest {
				t.Errorf("%s %q%s: %d %q", rt[0], id, rt[1], status, body)
			}
		}
	}
	for _, verb := range []string{"__proto__", "supervisor.options", "..%2fx", "START", "reboot"} {
		if status, _, _ := f.ask(t, f.plain("POST", "/api/workers/w1/"+verb)); status != http.StatusNotFound {
			t.Errorf("verb %s: %d", verb, status)
		}
	}
	big := f.plain("POST", "/api/reload", "Content-Length: 10000000") + strings.Repeat(" ", 100<<10)
	if status, _, _ := f.ask(t, big); status != http.StatusRequestEntityTooLarge {
		t.Errorf("10 MB: %d", status)
	}
	deep := strings.Repeat("[", 10000)
	deepRequest := strings.TrimSuffix(f.plain("POST", "/api/reload", fmt.Sprintf("Content-Length: %d", len(deep))), "{}") + deep
	if status, _, _ := f.ask(t, deepRequest); status != http.StatusBadRequest {
		t.Errorf("10000 deep: %d", status)
	}
	if did := f.backend.did(); did != "" {
		t.Errorf("a handler was reached: %s", did)
	}
}

func TestGuard_L16_aChildHasNoToken(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	_, err := localclient.New(f.base(), "").Workers(t.Context())
	var answer *api.Error
	if !asError(err, &answer) || answer.Status != http.StatusUnauthorized {
		t.Errorf("without a token: %v", err)
	}
}

func TestGuard_L21_guessingIsSlowedDownAndTheOwnerIsNot(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	limited := 0
	for i := range 300 {
		status, _, _ := f.ask(t, f.plain("GET", "/api/workers", fmt.Sprintf("Authorization: Bearer oct_guess%d", i)))
		if status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited < 100 {
		t.Errorf("only %d of 300 guesses were held back", limited)
	}
	if _, err := f.client.Workers(t.Context()); err != nil {
		t.Errorf("the owner: %v", err)
	}
	if lines := strings.Count(f.log.String(), "\n"); lines > 10 {
		t.Errorf("%d log lines", lines)
	}
}

func TestGuard_headers(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	for _, rt := range everyRoute(f.Server) {
		_, header, _ := f.ask(t, f.plain(rt[0], rt[1]))
		for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "X-Request-Id"} {
			if header.Get(name) == "" {
				t.Errorf("%s %s has no %s", rt[0], rt[1], name)
			}
		}
	}
}
