package cli

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

// TestDLQ takes what failed through the commands about it, until it completes.
func TestDLQ(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, _, _, stop := s.serve()
	var works atomic.Bool
	worker := pushed(t, func() string { return url }, func(d api.Dispatch) *api.CallbackRequest {
		if d.TaskID == "check" && !works.Load() {
			no := false
			return &api.CallbackRequest{Status: "failed", Error: "no \x1b[31msuch page", ErrorCode: "NO_PAGE", Retryable: &no}
		}
		return &api.CallbackRequest{Status: "success"}
	})
	defer stop()
	c := client.New(url, client.Options{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	tasks := []api.TaskRegistration{
		{ID: "fetch", CodeHash: "1", AllowedNext: []string{"check"}}, {ID: "check", CodeHash: "1", AllowedNext: []string{"publish"}},
		{ID: "publish", CodeHash: "1", AllowedNext: []string{}},
	}
	if _, err := c.Register(t.Context(), api.RegisterRequest{ServiceID: "pages", Version: "1", BaseURL: worker.Addr, Tasks: tasks}); err != nil {
		t.Fatal(err)
	}
	expect := func(code int, want string, args ...string) string {
		t.Helper()
		got, out, errs := s.run(args...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("%v: got %d\n%s%s\nwant %d and %q", args, got, out, errs, code, want)
		}
		return out
	}
	letters := func(args ...string) []api.DeadLetter {
		t.Helper()
		return decoded[api.DeadLetters](t, expect(0, "", append([]string{"dlq", "list", "--json"}, args...)...)).Items
	}
	fail := func() api.RunDetail {
		t.Helper()
		_, out, errs := s.run("trigger", "pages", "--input", `{"page":7}`, "--wait", "--timeout", "30s", "--json")
		if out == "" {
			t.Fatal(errs)
		}
		return decoded[api.RunDetail](t, out)
	}

	expect(0, "No dead letters.", "dlq", "list")
	run := fail()
	one := letters()
	if len(one) != 1 || one[0].PipelineRunID != run.ID || one[0].TaskID != "check" {
		t.Fatalf("dead letters %+v", one)
	}
	id, failed := one[0].ID, one[0].TaskRunID
	expect(0, `no \x1b[31msuch page`, "dlq", "list")
	expect(0, "No dead letters.", "dlq", "list", "--task", "fetch")
	expect(0, "Pipeline:    pages", "dlq", "show", id)
	expect(0, "NO_PAGE", "dlq", "show", failed)
	expect(0, `"page": 7`, "dlq", "show", id, "--json")
	expect(cliutil.ExitFailed, `there is no dead letter "dlq_x"`, "dlq", "show", "dlq_x")
	expect(cliutil.ExitUsage, "--limit must be", "dlq", "list", "--limit", "0")

	// Retried in vain, and again when it works: the run goes on to its end.
	if code, out, errs := s.run("dlq", "retry", id); code != 0 || !strings.Contains(out, "Queued again as trun_") {
		t.Fatalf("retry: got %d %s%s", code, out, errs)
	}
	expect(cliutil.ExitConflict, "dlq show "+id, "dlq", "retry", id)
	s.until(t, "the retry failed", func() bool { return len(letters()) == 1 && letters()[0].ID != id })
	expect(0, ", retried", "dlq", "list", "--include-retried")
	works.Store(true)
	again := decoded[api.RetriedDeadLetter](t, expect(0, "newRunId", "dlq", "retry", letters()[0].TaskRunID, "--json"))
	s.until(t, "the run completed", func() bool {
		return strings.Contains(expect(0, run.ID, "status", run.ID), "Run "+run.ID+" completed")
	})
	expect(0, "No dead letters.", "dlq", "list")
	status := expect(0, "failed, replaced", "status", run.ID)
	if n := strings.Count(status, "replaced"); n != 2 || strings.Contains(status, "Error:") {
		t.Errorf("%d task runs are replaced:\n%s", n, status)
	}
	expect(0, "Replaced: trun_", "status", failed)
	expect(0, "completed", "status", again.NewRunID)

	// Many at once, of one pipeline.
	works.Store(false)
	for range 3 {
		fail()
	}
	expect(0, "0 retried, 0 could not be", "dlq", "retry-all", "--pipeline", "none")
	works.Store(true)
	all := decoded[api.RetriedAll](t, expect(0, "", "dlq", "retry-all", "--pipeline", "pages", "--limit", "2", "--json"))
	if all.Retried != 2 || len(letters()) != 1 {
		t.Errorf("retried %+v, left %d", all, len(letters()))
	}
	expect(0, "1 retried, 0 could not be", "dlq", "retry-all")

	s.until(t, "all runs completed", func() bool {
		return len(decoded[api.Runs](t, expect(0, "", "runs", "--status", "completed", "--json")).Runs) == 4
	})
	kept := letters("--include-retried")
	expect(0, "Purged 0 dead letters older than 30d", "dlq", "purge")
	expect(cliutil.ExitUsage, "whole number", "dlq", "purge", "--older-than", "soon")
	expect(0, fmt.Sprintf("Purged %d dead letters older than 0s", len(kept)), "dlq", "purge", "--older-than", "0s")
	if left := letters("--include-retried"); len(kept) != 5 || len(left) != 0 {
		t.Errorf("%d were purged, %d are left", len(kept), len(left))
	}
}

// TestReplay: what broke runs again, and only that is news to who waits.
func TestReplay(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, _, _, stop := s.serve()
	var works atomic.Bool
	worker := pushed(t, func() string { return url }, func(d api.Dispatch) *api.CallbackRequest {
		if d.TaskID == "left" && !works.Load() {
			no := false
			return &api.CallbackRequest{Status: "failed", Error: "left is broken", Retryable: &no}
		}
		return &api.CallbackRequest{Status: "success"}
	})
	defer stop()
	c := client.New(url, client.Options{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	tasks := []api.TaskRegistration{
		{ID: "top", CodeHash: "1", AllowedNext: []string{"left", "right"}}, {ID: "left", CodeHash: "1", AllowedNext: []string{"merge"}},
		{ID: "right", CodeHash: "1", AllowedNext: []string{"merge"}}, {ID: "merge", CodeHash: "1", AllowedNext: []string{}},
	}
	if _, err := c.Register(t.Context(), api.RegisterRequest{ServiceID: "dia", Version: "1", BaseURL: worker.Addr, Tasks: tasks}); err != nil {
		t.Fatal(err)
	}
	_, out, errs := s.run("trigger", "dia", "--failure-mode", "partial-merge", "--wait", "--timeout", "30s", "--json")
	if out == "" {
		t.Fatal(errs)
	}
	run := decoded[api.RunDetail](t, out)
	if run.Status != "partial" {
		t.Fatalf("the run is %s", run.Status)
	}
	code, out, errs := s.run("replay", run.ID, "--dry-run")
	if code != 0 || !strings.Contains(out, "2 completed task runs stay. These would run again: left\nAfter them, made without them before: merge\n") {
		t.Errorf("dry run: got %d %s%s", code, out, errs)
	}
	works.Store(true)
	code, out, errs = s.run("replay", run.ID, "--wait", "--timeout", "30s")
	if code != 0 || !strings.Contains(out, "Run "+run.ID+" completed") || strings.Contains(out+errs, "broken") {
		t.Errorf("replay: got %d\n%s\n%s", code, out, errs)
	}
	if strings.Count(errs, "merge ") != 1 || strings.Count(errs, "left ") != 1 {
		t.Errorf("what was told:\n%s", errs)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"replay", run.ID}, cliutil.ExitConflict, "Run is completed"},
		{[]string{"replay", "prun_x"}, cliutil.ExitFailed, `there is no run "prun_x"`},
		{[]string{"replay", run.ID, "--dry-run", "--wait"}, cliutil.ExitUsage, "cannot be given together"},
		{[]string{"replay", run.ID, "--timeout", "-1s"}, cliutil.ExitUsage, "must not be negative"},
	} {
		if code, out, errs := s.run(test.args...); code != test.code || out != "" || !strings.Contains(errs, test.want) {
			t.Errorf("%v: got %d %s%s", test.args, code, out, errs)
		}
	}
}
