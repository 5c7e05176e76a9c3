package controlplane

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/internal/secret"
)

// TestTokens: while nobody has a token, local programs need none; from the
// first one on they do, and workers that cannot send one have their path.
func TestTokens(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	admin := "Bearer " + b.admin.Reveal()
	want := func(status int, method, path, body string, header ...string) string {
		t.Helper()
		got := b.do(method, path, body, header...)
		if got.Code != status {
			t.Errorf("%s %s: got %d %s, want %d", method, path, got.Code, got.Body, status)
		}
		return got.Body.String()
	}
	want(200, "GET", "/api/info", "")

	var made api.CreatedToken
	if err := json.Unmarshal([]byte(want(200, "POST", "/api/v1/tokens", `{"name":"ci","role":"viewer","expiresInSec":3600}`, "Authorization", admin)), &made); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(made.Secret, "pwk_") || made.LastFour != made.Secret[len(made.Secret)-4:] || made.ExpiresAt.IsZero() {
		t.Errorf("made %+v", made)
	}
	ci := "Bearer " + made.Secret
	want(200, "GET", "/api/info", "", "Authorization", ci)
	want(403, "POST", "/api/pipelines/p/trigger", "{}", "Authorization", ci)
	want(401, "GET", "/api/info", "")
	want(401, "POST", "/api/heartbeat", `{"runId":"trun_x"}`)
	want(200, "POST", made.WorkerPath+"/api/heartbeat", `{"runId":"trun_x"}`)
	if list := want(200, "GET", "/api/v1/tokens", "", "Authorization", admin); strings.Contains(list, made.Secret) || !strings.Contains(list, made.ID) {
		t.Errorf("the list: %s", list)
	}

	want(200, "DELETE", "/api/v1/tokens/"+made.ID, "", "Authorization", admin)
	want(401, "GET", "/api/info", "", "Authorization", ci)
	want(200, "GET", "/api/info", "")

	for status, request := range map[int][3]string{
		404: {"DELETE", "/api/v1/tokens/tok_none"},
		409: {"POST", "/api/v1/tokens", `{"name":"admin","role":"viewer"}`},
		400: {"POST", "/api/v1/tokens", `{"name":"x","role":"king"}`},
	} {
		want(status, request[0], request[1], request[2], "Authorization", admin)
	}
	for _, token := range []secret.Text{b.view, b.operate} {
		want(403, "GET", "/api/v1/tokens", "", "Authorization", "Bearer "+token.Reveal())
	}
	var list api.Tokens
	if err := json.Unmarshal([]byte(want(200, "GET", "/api/v1/tokens", "", "Authorization", admin)), &list); err != nil {
		t.Fatal(err)
	}
	for _, own := range list.Items {
		if strings.HasSuffix(b.admin.Reveal(), own.LastFour) || own.Role == "admin" {
			want(http.StatusConflict, "DELETE", "/api/v1/tokens/"+own.ID, "", "Authorization", admin)
		}
	}
}
