package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

func TestRegister_parse(t *testing.T) {
	t.Parallel()
	s, _, _ := streams("", map[string]string{"AUTH_MODE": "api-key"})
	var got registerOptions
	cmd := newRegisterCmd(s, func(_ context.Context, o registerOptions) error { got = o; return nil })
	if code := cliutil.Run(t.Context(), cmd, s, []string{"--token", "enr_x", "--api-url", "http://x", "--config", "c", "--hostname", "h", "--pool"}); code != 0 {
		t.Fatal(code)
	}
	want := registerOptions{token: "enr_x", apiURL: "http://x", config: "c", hostname: "h", pool: true, authMode: "api-key"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, args := range [][]string{
		{"--api-url", "http://x", "--config", "c"},
		{"--token", "t", "--token-stdin", "--api-url", "http://x", "--config", "c"},
		{"--token", "t", "--config", "c"},
		{"--token", "t", "--api-url", "http://x"},
		{"--token", "t", "--api-url", "http://x", "--config", "c", "extra"},
		{"--token", "pool_t", "--api-url", "http://x", "--config", "c"},
		{"--token", "wrk_t", "--pool", "--api-url", "http://x", "--config", "c"},
		{"--token", "enr_t", "--pool", "--api-url", "http://x", "--config", "c"},
	} {
		if code, _, _ := execute(t, "", nil, append([]string{"register"}, args...)...); code != cliutil.ExitUsage {
			t.Errorf("%v: exit code %d, want %d", args, code, cliutil.ExitUsage)
		}
	}
}

func redeemer(t testing.TB, status int, answer any) (url string, asked *api.RedeemRequest) {
	t.Helper()
	asked = &api.RedeemRequest{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/enrollments/redeem" || r.Header.Get("Authorization") != "" {
			t.Errorf("unexpected call of %s", r.URL.Path)
		}
		_ = json.NewDecoder(r.Body).Decode(asked)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(func() {
		server.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return server.URL, asked
}

func TestRegister(t *testing.T) {
	t.Parallel()
	url, asked := redeemer(t, 200, api.RedeemResult{WorkerID: "w-1", WorkerToken: token, OperatorToken: "hos_x", APIURL: "http://other", WorkspaceID: "ws"})
	config := write(t, filepath.Join(t.TempDir(), "worker.json"), `{"workerId":"old","tasks":["a.yaml"],"custom":{"x":1}}`, 0o644)
	code, out, errs := execute(t, "enr_code\n", nil, "register", "--token-stdin", "--api-url", url+"/", "--config", config, "--hostname", "h")
	if code != 0 || !strings.Contains(out, "w-1") || strings.Contains(out+errs, token) {
		t.Fatalf("%d %q %q", code, out, errs)
	}
	if asked.Code != "enr_code" || asked.Hostname != "h" || asked.Version == "" {
		t.Errorf("asked %+v", asked)
	}
	info, err := os.Stat(config)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	var got map[string]any
	data, _ := os.ReadFile(config)
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"workerId": "w-1", "workerToken": token, "apiUrl": "http://other", "workspaceId": "ws", "isPool": false,
		"tasks": []any{"a.yaml"}, "custom": map[string]any{"x": 1.0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRegister_failures(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct {
		code int
		says string
	}{
		400: {4, "refused"}, 403: {4, "refused"}, 404: {4, "refused"}, 409: {4, "used before"}, 410: {4, "expired"}, 500: {1, "no luck"}, 200: {1, "is it a control plane?"},
	} {
		url, _ := redeemer(t, status, map[string]string{"error": "no luck"})
		config := filepath.Join(t.TempDir(), "worker.json")
		code, _, errs := execute(t, "", nil, "register", "--token", "enr_secret-code", "--api-url", url, "--config", config)
		if code != want.code || !strings.Contains(errs, want.says) || strings.Contains(errs, "enr_secret-code") {
			t.Errorf("%d: got %d %q, want %d saying %q", status, code, errs, want.code, want.says)
		}
		if _, err := os.Stat(config); err == nil {
			t.Errorf("%d: a configuration was written", status)
		}
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	code, _, errs := execute(t, "", nil, "register", "--token", "x", "--api-url", closed.URL, "--config", filepath.Join(t.TempDir(), "w.json"))
	if code != cliutil.ExitNotRunning || !strings.Contains(errs, "does not answer") {
		t.Errorf("no server: %d %q", code, errs)
	}
	// The code must not be used up when its result cannot be kept.
	url, asked := redeemer(t, 200, api.RedeemResult{WorkerID: "w", WorkerToken: token})
	folder := t.TempDir()
	code, _, errs = execute(t, "", nil, "register", "--token", "x", "--api-url", url, "--config", folder)
	if code == 0 || asked.Code != "" || !strings.Contains(errs, "is a folder") {
		t.Errorf("a folder as configuration: %d %q, asked %+v", code, errs, asked)
	}
}
