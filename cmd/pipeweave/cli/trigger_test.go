package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

// pushed is a worker that takes dispatches and reports what outcome says; nil
// is a worker that never reports.
func pushed(t testing.TB, engineURL func() string, outcome func(api.Dispatch) *api.CallbackRequest) *http.Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var reports sync.WaitGroup
	server := &http.Server{Addr: "http://" + listener.Addr().String(), ReadHeaderTimeout: time.Minute}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var d api.Dispatch
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = fmt.Fprintf(w, `{"acknowledged":true,"runId":%q}`, d.RunID)
		outcome := outcome(d)
		if outcome == nil {
			return // never to be heard of again
		}
		reports.Go(func() {
			c := client.New(engineURL(), client.Options{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
			if _, err := c.Callback(context.Background(), d.RunID, *outcome); err != nil {
				t.Error(err)
			}
		})
	})
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-ended; reports.Wait() })
	return server
}

// TestTrigger_wait: the exit code and the words tell how a run ended.
func TestTrigger_wait(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, _, _, stop := s.serve()
	worker := pushed(t, func() string { return url }, func(d api.Dispatch) *api.CallbackRequest {
		switch d.TaskID {
		case "bad":
			no := false
			return &api.CallbackRequest{Status: "failed", Error: "the paper is blank", Retryable: &no}
		case "slow":
			return nil
		}
		return &api.CallbackRequest{Status: "success"}
	})
	defer stop()

	register := fmt.Sprintf(`{"serviceId":"svc","version":"1","baseUrl":%q,"tasks":[
		{"id":"good","codeHash":"1","allowedNext":["after"]},{"id":"after","codeHash":"1"},
		{"id":"bad","codeHash":"1"},{"id":"slow","codeHash":"1"}]}`, worker.Addr)
	resp, err := http.Post(url+"/api/register", "application/json", strings.NewReader(register))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("register: got %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()

	code, out, errs := s.run("trigger", "good", "--wait", "--timeout", "30s", "--input", `{"a":1}`)
	if code != 0 || !strings.Contains(out, "completed in") || !strings.Contains(errs, "good          completed  ") || !strings.Contains(errs, "after         completed  ") {
		t.Errorf("completed: got %d\n%s\n%s", code, out, errs)
	}
	code, out, errs = s.run("trigger", "bad", "--wait", "--timeout", "30s")
	if code != 1 || !strings.Contains(out, "failed in") || !strings.Contains(errs, "bad           failed  the paper is blank") {
		t.Errorf("failed: got %d\n%s\n%s", code, out, errs)
	}
	code, out, _ = s.run("trigger", "svc", "--wait", "--timeout", "1s", "--failure-mode", "continue", "--json")
	if code != exitWaitOver || out != "" {
		t.Errorf("not over in time: got %d\n%s", code, out)
	}
	code, out, _ = s.runWith(`{"from":"stdin"}`, "trigger", "good", "--file", "-", "--wait", "--json", "--timeout", "30s")
	var run api.RunDetail
	if err := json.Unmarshal([]byte(out), &run); code != 0 || err != nil || run.Status != "completed" {
		t.Fatalf("json: got %d, %v\n%s", code, err, out)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"status", run.ID}, 0, "completed in"},
		{[]string{"status", run.Tasks[0].ID}, 0, "Task:     good (code version 1)"},
		{[]string{"status", "prun_none"}, 1, `there is no run "prun_none"`},
		{[]string{"runs", "--status", "failed"}, 0, "failed"},
		{[]string{"runs", "--version", "1"}, 0, run.ID},
		{[]string{"runs", "--version", "2"}, 0, "No runs."},
		{[]string{"pipelines", "show", "good"}, 0, "1. good (entry)\n  2. after (end)"},
		{[]string{"services"}, 0, "• svc (1)  4 tasks  last seen just now\n  serving\n    http://127.0.0.1:"},
		{[]string{"trigger", "none"}, 1, `there is no pipeline "none"`},
		{[]string{"trigger", "good", "--input", "{"}, cliutil.ExitUsage, "the input is not JSON"},
	} {
		code, out, errs := s.run(test.args...)
		if code != test.code || !strings.Contains(out+errs, test.want) {
			t.Errorf("%v: got %d\n%s%s\nwant %d %q", test.args, code, out, errs, test.code, test.want)
		}
	}
	// The Tab key would rather offer nothing than keep somebody waiting: on a
	// busy machine it takes another press.
	for until := time.Now().Add(30 * time.Second); ; {
		if code, out, errs = s.run("__complete", "trigger", ""); strings.Contains(out, "good\n") {
			break
		}
		if code != 0 || !strings.HasPrefix(out, ":4") || time.Now().After(until) {
			t.Fatalf("the Tab key offers %d\n%s%s", code, out, errs)
		}
	}
}

// TestTrigger_flags: what the flags mean.
func TestTrigger_flags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args string
		code int
		want triggerOptions
	}{
		{"pdf", 0, triggerOptions{pipeline: "pdf"}},
		{"pdf -i {} -w --timeout 5m", 0, triggerOptions{pipeline: "pdf", input: inputFlags{text: "{}"}, wait: true, timeout: 5 * time.Minute}},
		{"pdf -p 0", 0, triggerOptions{pipeline: "pdf", hasPriority: true}},
		{"pdf -f in.json -u http://h --json", 0, triggerOptions{pipeline: "pdf", input: inputFlags{file: "in.json"}, json: true, remote: remote{url: "http://h"}}},
		{"", cliutil.ExitUsage, triggerOptions{}},
		{"a b", cliutil.ExitUsage, triggerOptions{}},
		{"pdf -i {} -f x", cliutil.ExitUsage, triggerOptions{}},
		{"pdf --timeout -1s", cliutil.ExitUsage, triggerOptions{}},
		{"pdf --timeout soon", cliutil.ExitUsage, triggerOptions{}},
	} {
		var got triggerOptions
		s := newShell(t)
		d := s.deps("", io.Discard, io.Discard)
		cmd := newTriggerCmdFunc(d, func(_ context.Context, _ *deps, o triggerOptions) error { got = o; return nil })
		code := cliutil.Run(t.Context(), cmd, d.Streams, strings.Fields(test.args))
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(triggerOptions{}, remote{}, inputFlags{})); code != test.code || diff != "" {
			t.Errorf("%q: got %d (-want +got):\n%s", test.args, code, diff)
		}
	}
}
