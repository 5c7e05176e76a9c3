package controlplane

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pipedai/internal/secret"
)

// TestAccess is the matrix of who may use what. A letter per caller: L a local
// program without a token (where none is required), v o a the roles of an
// operator token, h a host, w a worker, s the shared secret. With tokens
// required, L may do nothing that is not open to everybody (*).
func TestAccess(t *testing.T) {
	t.Parallel()
	matrix := map[string]string{
		"GET /health":                                             "*",
		"GET /api/info":                                           "Lvoa",
		"GET /api/stream":                                         "Lvoa",
		"GET /metrics":                                            "Lvoa",
		"GET /api/openapi.json":                                   "Lvoa",
		"GET /api/maintenance":                                    "Lvoa",
		"POST /api/maintenance/request":                           "Loa",
		"POST /api/maintenance/enter":                             "Loa",
		"POST /api/maintenance/exit":                              "Loa",
		"POST /api/register":                                      "Loaws",
		"GET /api/services":                                       "Lvoa",
		"GET /api/services/{id}":                                  "Lvoa",
		"GET /api/services/{id}/tasks":                            "Lvoa",
		"GET /api/tasks/{id}/history":                             "Lvoa",
		"GET /api/tasks/{id}/input-schema":                        "Lvoa",
		"POST /api/tasks/{id}/validate-input":                     "Lvoa",
		"GET /api/pipelines":                                      "Lvoa",
		"GET /api/pipelines/{id}":                                 "Lvoa",
		"PUT /api/pipelines/{id}":                                 "Loa",
		"DELETE /api/pipelines/{id}":                              "Loa",
		"POST /api/pipelines/{id}/trigger":                        "Loa",
		"POST /api/pipelines/{id}/dry-run":                        "Lvoa",
		"GET /api/recent-runs":                                    "Lvoa",
		"GET /api/run-counts":                                     "Lvoa",
		"GET /api/runs":                                           "Lvoa",
		"GET /api/runs/{id}":                                      "Lvoa",
		"GET /api/runs/{id}/changes":                              "Lvoa",
		"POST /api/runs/{id}/cancel":                              "Loa",
		"GET /api/runs/{id}/replay":                               "Lvoa",
		"POST /api/runs/{id}/replay":                              "Loa",
		"GET /api/dlq":                                            "Lvoa",
		"GET /api/dlq/groups":                                     "Lvoa",
		"GET /api/dlq/ids":                                        "Lvoa",
		"GET /api/dlq/{id}":                                       "Lvoa",
		"POST /api/dlq/{id}/retry":                                "Loa",
		"POST /api/dlq/retry-all":                                 "Loa",
		"POST /api/dlq/purge":                                     "Loa",
		"GET /api/task-runs/{id}":                                 "Lvoa",
		"GET /api/task-runs/{id}/logs":                            "Lvoa",
		"GET /api/task-runs/{id}/logs/download":                   "Lvoa",
		"GET /api/task-runs/{id}/events":                          "Lvoa",
		"POST /api/task-runs/{id}/cancel":                         "Loa",
		"POST /api/queue/task":                                    "Loa",
		"POST /api/queue/batch":                                   "Loa",
		"GET /api/queue/status":                                   "Lvoa",
		"GET /api/queue/items":                                    "Lvoa",
		"POST /api/tick":                                          "Loas",
		"POST /api/process":                                       "Loas",
		"POST /api/heartbeat":                                     "Loaws",
		"POST /api/progress":                                      "Loaws",
		"POST /api/idempotency/check":                             "Loaws",
		"POST /api/callback/{id}":                                 "Loaws",
		"GET /api/storage/backends":                               "Lvoa",
		"GET /api/storage":                                        "Lvoa",
		"GET /api/storage/{path...}":                              "Lvoa",
		"POST /api/upload/temp":                                   "Loa",
		"GET /api/upload/temp/{id}":                               "Lvoa",
		"DELETE /api/upload/temp/{id}":                            "Loa",
		"GET /api/upload/stats":                                   "Lvoa",
		"POST /api/v1/enrollments/device":                         "*",
		"POST /api/v1/enrollments/redeem":                         "*",
		"GET /api/v1/enrollments":                                 "voa",
		"GET /api/v1/enrollments/lookup":                          "voa",
		"POST /api/v1/enrollments/codes":                          "a",
		"POST /api/v1/enrollments/{id}/approve":                   "a",
		"POST /api/v1/enrollments/{id}/deny":                      "a",
		"POST /api/v1/enrollments/{id}/revoke":                    "a",
		"POST /api/v1/hosts/self/checkin":                         "h",
		"GET /api/v1/hosts":                                       "voa",
		"GET /api/v1/hosts/{id}":                                  "voa",
		"POST /api/v1/hosts/{id}/note":                            "oa",
		"POST /api/v1/hosts/{id}/pause":                           "oa",
		"POST /api/v1/hosts/{id}/resume":                          "oa",
		"POST /api/v1/hosts/{id}/revoke":                          "a",
		"GET /api/v1/rollouts":                                    "voa",
		"POST /api/v1/rollouts":                                   "oa",
		"POST /api/v1/rollouts/plan":                              "voa",
		"GET /api/v1/rollouts/{id}":                               "voa",
		"POST /api/v1/rollouts/{id}/pause":                        "oa",
		"POST /api/v1/rollouts/{id}/resume":                       "oa",
		"POST /api/v1/rollouts/{id}/abort":                        "oa",
		"POST /api/v1/rollouts/{id}/rollback":                     "oa",
		"POST /api/v1/rollouts/{id}/rollback/plan":                "voa",
		"GET /api/v1/workspaces/{ws}/workers":                     "voah",
		"POST /api/v1/workspaces/{ws}/workers/{id}/disable":       "oah",
		"POST /api/v1/workspaces/{ws}/workers/{id}/enable":        "oah",
		"POST /api/v1/workspaces/{ws}/workers/{id}/rotate-token":  "oah",
		"DELETE /api/v1/workspaces/{ws}/workers/{id}":             "ah",
		"POST /api/v1/workspaces/{ws}/workers/registration-token": "ah",
		"POST /api/v1/workers/register":                           "*",
		"GET /api/v1/workers/{id}/events":                         "voah",
		"GET /api/v1/workers/{id}/events/stream":                  "voah",
		"POST /api/v1/workers/self/register":                      "w",
		"POST /api/v1/workers/self/claim":                         "w",
		"POST /api/v1/workers/self/heartbeat":                     "w",
		"POST /api/v1/workers/self/callbacks":                     "w",
		"POST /api/v1/workers/self/events":                        "w",
		"POST /api/v1/workers/self/run-events":                    "w",
		"POST /api/v1/workers/self/rotate":                        "w",
		"GET /api/v1/tokens":                                      "a",
		"POST /api/v1/tokens":                                     "a",
		"DELETE /api/v1/tokens/{id}":                              "a",
		"GET /api/v1/pool-workers":                                "p",
		"GET /api/v1/admin/pool-workers":                          "voa",
		"POST /api/v1/admin/pool-workers/{id}/disable":            "a",
		"POST /api/v1/admin/pool-workers/{id}/enable":             "a",
		"DELETE /api/v1/admin/pool-workers/{id}":                  "a",
		"POST /api/v1/pool-workers/{id}/self-disable":             "w",
		"POST /api/v1/pool-workers/{id}/self-enable":              "w",
		"GET /api/v1/workspaces":                                  "voa",
		"POST /api/v1/workspaces":                                 "a",
		"PATCH /api/v1/workspaces/{ws}":                           "a",
		"GET /api/v1/workspaces/{ws}/environments":                "voa",
		"POST /api/v1/workspaces/{ws}/environments":               "a",
		"GET /api/v1/audit":                                       "a",
		"GET /api/v1/session":                                     "voah",
		"GET /api/v1/health":                                      "*",
		"GET /api/v1/releases/latest":                             "*",

		"GET /api/v1/releases":                                      "voahw",
		"GET /api/v1/releases/{program}/{version}":                  "voahw",
		"POST /api/v1/releases/{program}/{version}":                 "oa",
		"PUT /api/v1/releases/{program}/{version}/artifacts/{name}": "oa",
		"GET /api/v1/releases/{program}/{version}/artifacts/{name}": "voahw",
		"POST /api/v1/releases/{program}/{version}/yank":            "oa",
		"GET /api/v1/release-keys":                                  "voahw",
		"POST /api/v1/release-keys":                                 "a",
	}
	for _, required := range []bool{false, true} {
		b := newBench(t, func(o *Options) { o.RequireToken = required })
		host := b.enroll("box")
		callers := map[string]secret.Text{
			"L": "", "v": b.view, "o": b.operate, "a": b.admin,
			"h": secret.Text(host.OperatorToken), "w": secret.Text(host.WorkerToken), "s": testSecret,
			"p": b.poolRead(),
		}
		for _, route := range b.routes() {
			who, known := matrix[route.pattern]
			if !known {
				t.Errorf("%s is not in the matrix", route.pattern)
			}
			for letter, token := range callers {
				want := strings.Contains(who, letter) && (letter != "L" || !required) || who == "*"
				r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
				if token != "" {
					r.Header.Set("Authorization", "Bearer "+token.Reveal())
				}
				_, err := b.admit(r, route.access)
				if got := err == nil; got != want {
					t.Errorf("%s by %s (tokens required: %v): got %v, want %v", route.pattern, letter, required, got, want)
				}
			}
		}
		if got, want := len(matrix), len(b.routes()); got != want {
			t.Errorf("the matrix has %d routes, the server %d", got, want)
		}
	}
}

// TestCapability: the path prefix stands for the shared secret, and for
// nothing else.
func TestCapability(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) { o.RequireToken = true })
	prefix := CapabilityPath(testSecret)
	if strings.Contains(prefix, testSecret.Reveal()) {
		t.Error("the secret is in the path")
	}
	for path, want := range map[string]int{
		prefix + "/api/register":          200,
		prefix + "//api/register":         200,
		"/api/register":                   401,
		"/cap/wrong/api/register":         404,
		"/cap/" + "/api/register":         404,
		prefix + prefix + "/api/register": 404,
	} {
		if w := b.do("POST", path, pdf); w.Code != want {
			t.Errorf("%s: got %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
	if w := b.do("GET", prefix+"/api/runs", ""); w.Code != http.StatusForbidden {
		t.Errorf("reading runs: got %d, want 403", w.Code)
	}
}

// TestWorkspace: a token is good in its own workspace, a host's for its own
// host.
func TestWorkspace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	one, two := b.enroll("one"), b.enroll("two")
	base := "/api/v1/workspaces/" + one.WorkspaceID + "/workers/"
	hosted := secret.Text(one.OperatorToken)

	b.as(b.operate, "GET", "/api/v1/workspaces/other/workers", "", http.StatusForbidden, nil)
	b.as(b.operate, "POST", "/api/v1/workspaces/other/workers/"+one.WorkerID+"/disable", "", http.StatusForbidden, nil)
	b.as(b.admin, "GET", "/api/v1/workspaces/other/workers", "", http.StatusNotFound, nil)
	b.as(hosted, "POST", base+one.WorkerID+"/disable", "", http.StatusOK, nil)
	b.as(hosted, "POST", base+two.WorkerID+"/disable", "", http.StatusNotFound, nil)
	b.as(hosted, "DELETE", base+two.WorkerID, "", http.StatusNotFound, nil)
	b.as(hosted, "GET", "/api/v1/workers/"+two.WorkerID+"/events/stream", "", http.StatusNotFound, nil)

	w := b.do("GET", strings.TrimSuffix(base, "/"), "", bearer(hosted)...)
	if body := w.Body.String(); !strings.Contains(body, one.WorkerID) || strings.Contains(body, two.WorkerID) {
		t.Errorf("a host sees %s", body)
	}
}
