package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

// TestQueue follows one task run through the commands that show it: queued,
// run by a service, its logs, the history of its code.
func TestQueue(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, _, _, stop := s.serve()
	defer stop()
	dispatched := make(chan api.Dispatch, 1)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var d api.Dispatch
		_ = json.NewDecoder(r.Body).Decode(&d)
		w.WriteHeader(http.StatusAccepted)
		dispatched <- d
	}))
	defer service.Close()
	c := client.New(url, client.Options{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if _, err := c.Register(t.Context(), api.RegisterRequest{ServiceID: "s", Version: "1.0.0", BaseURL: service.URL, Tasks: []api.TaskRegistration{{ID: "t", CodeHash: strings.Repeat("a", 16), AllowedNext: []string{}}}}); err != nil {
		t.Fatal(err)
	}
	expect := func(want string, args ...string) string {
		t.Helper()
		code, out, errs := s.run(args...)
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("%v: got %d %s %s, want %q", args, code, out, errs, want)
		}
		return out
	}

	var queued api.QueuedTask
	if err := json.Unmarshal([]byte(expect(`"queued"`, "queue", "task", "t", "--input", `{"a":1}`, "--json")), &queued); err != nil {
		t.Fatal(err)
	}
	d := <-dispatched
	if code, _, errs := s.run("logs", queued.RunID); code != 0 || !strings.Contains(errs, "No logs yet") {
		t.Errorf("logs of a run under way: got %d %s", code, errs)
	}
	const stored = `{"timestamp":"2026-01-02T03:04:05.678Z","level":"info","message":"made \u001b[2J it","runId":"x","pages":3}` + "\nnot JSON\n"
	path := filepath.Join(s.env["PIPEWEAVE_HOME"], "storage", "runs", "logs.jsonl")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(stored), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Callback(t.Context(), d.RunID, api.CallbackRequest{Status: "failed", Error: "no \x1b[31mluck", LogsPath: "runs/logs.jsonl", Retryable: new(bool)}); err != nil {
		t.Fatal(err)
	}

	expect("Dead letters: 1", "queue", "status")
	expect(`no \x1b[31mluck`, "queue", "items", "--task", "t", "--status", "failed")
	expect(`no \x1b[31mluck`, "status", queued.RunID)
	expect(`no \x1b[31mluck`, "dlq", "show", queued.RunID)
	expect(`made \x1b[2J it  pages=3`, "logs", queued.RunID)
	expect("t  not JSON", "logs", queued.RunID)
	expect(stored, "logs", queued.RunID, "--json")
	expect("1 (aaaaaaaaaaaaaaaa)", "tasks", "list")
	expect("1.0.0", "tasks", "history", "t")
	_, once, _ := s.run("trigger", "t", "--idempotency-key", "k", "--json")
	_, again, _ := s.run("trigger", "t", "--idempotency-key", "k", "--json")
	if once == "" || once != again {
		t.Errorf("a key started two runs:\n%s%s", once, again)
	}

	later := decoded[api.QueuedTask](t, expect(`"queued"`, "queue", "task", "t", "--json")).RunID
	<-dispatched
	expect("is asked to stop", "cancel", later)
	if _, err := c.Callback(t.Context(), later, api.CallbackRequest{Status: "failed", Error: "stopped"}); err != nil {
		t.Fatal(err)
	}
	expect("Status:   cancelled", "status", later)

	for want, args := range map[string][]string{
		"Task run has ended":                {"cancel", queued.RunID},
		`there is no task run "trun_n"`:     {"cancel", "trun_n"},
		`there is no task "nope"`:           {"queue", "task", "nope"},
		`there is no task "none"`:           {"tasks", "history", "none"},
		`there is no run "prun_x"`:          {"cancel", "prun_x"},
		`there is no task run "trun_x"`:     {"logs", "trun_x"},
		"the input is not JSON":             {"queue", "task", "t", "--input", "{"},
		"--limit must be between 1 and 100": {"queue", "items", "--limit", "0"},
	} {
		if code, out, errs := s.run(args...); code == 0 || code == cliutil.ExitNotRunning || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%v: got %d %s %s, want %q", args, code, out, errs, want)
		}
	}

	expect("pipeweave maintenance", "maintenance", "request")
	if code, _, errs := s.run("queue", "task", "t"); code != cliutil.ExitConflict || !strings.Contains(errs, "see: pipeweave maintenance status") {
		t.Errorf("in maintenance: got %d %s", code, errs)
	}
}
