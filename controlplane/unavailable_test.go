package controlplane

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pipedai/internal/pgserver"
	"pipedai/store/postgres"
)

// TestUnavailable_E21_everyRoute: while the database is away, every route that
// needs it says "not now" and when to come back, and none says that something
// is broken; with the database, everything is back, without a restart.
func TestUnavailable_E21_everyRoute(t *testing.T) {
	t.Parallel()
	database, err := pgserver.Start(pgserver.Options{})
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(database.Stop)
	st, err := postgres.Open(t.Context(), database.DSN("postgres"), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := newBenchOver(t, st)
	b.post("/api/register", pdf, nil)
	in := b.enroll("box")

	wildcard := regexp.MustCompile(`\{\w+(\.\.\.)?\}`)
	// What no column can hold is in no column.
	for _, odd := range []string{"a%00b", "%ff"} {
		for _, r := range b.routes() {
			method, path, _ := strings.Cut(r.pattern, " ")
			if !strings.HasPrefix(path, "/api/v1/") || !strings.Contains(path, "{") || strings.HasSuffix(path, "/stream") {
				continue
			}
			w := b.do(method, wildcard.ReplaceAllString(path, odd), `{}`, "Authorization", "Bearer "+b.admin.Reveal())
			if w.Code >= http.StatusInternalServerError || method == http.MethodGet && w.Code == http.StatusOK {
				t.Errorf("%s with %s: %d %s", r.pattern, odd, w.Code, w.Body)
			}
		}
		for _, query := range []string{"audit?actor=", "enrollments?workspaceId=", "tokens?workspaceId=", "releases?program=", "enrollments/lookup?code="} {
			if w := b.do("GET", "/api/v1/"+query+odd, "", "Authorization", "Bearer "+b.admin.Reveal()); w.Code >= http.StatusInternalServerError {
				t.Errorf("%s%s: %d %s", query, odd, w.Code, w.Body)
			}
		}
		w := b.do("POST", "/api/v1/enrollments/device", `{}`, "User-Agent", "x\xff")
		if w.Code != http.StatusCreated {
			t.Errorf("a device with an odd name: %d %s", w.Code, w.Body)
		}
	}

	database.Halt(pgserver.Fast)
	// A token that was seen a moment ago is believed for that moment.
	b.Server.tokens.forget()
	b.clock.move(tokenCacheFor * 10)
	fixed := map[string]bool{ // answered without the database
		"GET /api/v1/health": true,
	}
	bodies := map[string]string{
		"POST /api/register": pdf, "POST /api/queue/task": `{"taskId":"text"}`, "POST /api/queue/batch": `{"tasks":[{"taskId":"text"}]}`,
	}
	for _, r := range b.routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		token := b.admin.Reveal()
		if strings.Contains(path, "/workers/self/") {
			token = in.WorkerToken
		}
		if strings.Contains(path, "/hosts/self/") {
			token = in.OperatorToken
		}
		w := b.do(method, wildcard.ReplaceAllString(path, "x"), bodies[r.pattern], "Authorization", "Bearer "+token)
		if fixed[r.pattern] && w.Code == http.StatusOK || r.access.role == "" && w.Code == http.StatusBadRequest {
			continue
		}
		wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if w.Code != http.StatusServiceUnavailable || err != nil || wait < 1 {
			t.Errorf("%s: %d %s, Retry-After %q; want 503 with a time to come back", r.pattern, w.Code, w.Body, w.Header().Get("Retry-After"))
		}
		if text := w.Body.String(); strings.Contains(text, "connect") || strings.Contains(text, ".s.PGSQL") {
			t.Errorf("%s tells of the inside: %s", r.pattern, text)
		}
	}

	// Where nobody needs a token, it is the step itself that fails.
	for _, request := range []string{
		"POST /api/callback/trun_x", "POST /api/heartbeat", "POST /api/register", "POST /api/queue/task", "POST /api/pipelines/pdf/trigger",
		"GET /api/runs", "GET /api/runs/prun_x", "POST /api/tick", "GET /metrics",
	} {
		method, path, _ := strings.Cut(request, " ")
		body := map[string]string{
			"/api/callback/trun_x": `{"status":"success"}`, "/api/heartbeat": `{"runId":"trun_x"}`, "/api/register": pdf, "/api/queue/task": `{"taskId":"text"}`,
		}[path]
		if w := b.do(method, path, body); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s without a token: %d %s", request, w.Code, w.Body)
		}
	}

	if err := database.Restart(pgserver.Fast); err != nil {
		t.Fatal(err)
	}
	b.post("/api/pipelines/pdf/trigger", `{}`, nil)
	if w := b.do("GET", "/health", ""); w.Code != http.StatusOK {
		t.Errorf("health: %d %s", w.Code, w.Body)
	}
}
