package cli

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/client"
)

// TestServe_logLevels: what each level of detail tells of the same work, and
// that none of them tells a secret.
func TestServe_logLevels(t *testing.T) {
	t.Parallel()
	const (
		ready, stopped = "level=INFO msg=ready", "level=INFO msg=stopped"
		mode           = `[maintenance] mode changed`
		tick           = `[engine] Tick completed" processed=1`
		request        = `[http] request answered" method=POST path=/api/queue/task`
		dispatched     = `[engine] task run" run="" task=t`
		failed         = "[engine] task run failed"
	)
	for level, want := range map[string]map[string]bool{
		"minimal":  {ready: true, stopped: true, mode: true, failed: true, tick: false, request: false, dispatched: false},
		"normal":   {ready: true, stopped: true, mode: true, failed: true, tick: true, request: false, dispatched: false},
		"detailed": {ready: true, stopped: true, mode: true, failed: true, tick: true, request: true, dispatched: true},
	} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			url, out, log, stop := s.serve("--mode", "serverless", "--log-level", level)
			c := client.New(url, client.Options{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
			dispatched := make(chan string, 1)
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusAccepted)
				dispatched <- ""
			}))
			defer service.Close()
			must := func(_ any, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(c.Register(t.Context(), api.RegisterRequest{ServiceID: "s", Version: "1", BaseURL: service.URL, Tasks: []api.TaskRegistration{{ID: "t", CodeHash: strings.Repeat("a", 16), AllowedNext: []string{}}}}))
			queued, err := c.QueueTask(t.Context(), api.QueueTaskRequest{TaskID: "t", Input: []byte(`{"password":"hush"}`)})
			must(nil, err)
			must(c.Tick(t.Context()))
			<-dispatched
			must(c.Callback(t.Context(), queued.RunID, api.CallbackRequest{Status: "failed", Error: "broken", Retryable: new(bool)}))
			if code, out, errs := s.run("maintenance", "request"); code != 0 {
				t.Fatalf("maintenance: got %d %s %s", code, out, errs)
			}
			must(c.Tick(t.Context()))
			if code := stop(); code != 0 {
				t.Errorf("stop: got %d", code)
			}
			text := log.String()
			for line, told := range want {
				if strings.Contains(text, line) != told {
					t.Errorf("%q told: %v, want %v\n%s", line, !told, told, text)
				}
			}
			_, token, _ := strings.Cut(out.String(), "?token=")
			token, _, _ = strings.Cut(token, "\n")
			for _, secret := range []string{"hush", token} {
				if secret == "" || strings.Contains(text, secret) {
					t.Errorf("the log tells %q", secret)
				}
			}
		})
	}
}
