package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
	"pipedai/internal/secret"
)

// A walk through what an operator does with a host, from its joining to its end.
func TestHosts(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, _, _, stop := s.serve()
	defer stop()
	c := client.New(url, client.Options{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	join := func() api.RedeemResult {
		code, out, errs := s.run("enrollments", "issue", "--label", "desk")
		if code != 0 {
			t.Fatalf("issue: %d %s", code, errs)
		}
		in, err := c.Redeem(t.Context(), api.RedeemRequest{Code: strings.TrimSpace(out), Hostname: "box", OS: "linux", Version: "1.0.0"})
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	in := join()
	step := func(want int, has string, args ...string) {
		t.Helper()
		code, out, errs := s.run(args...)
		if code != want || !strings.Contains(out+errs, has) {
			t.Errorf("%q: got %d %s %s, want %d and %q", args, code, out, errs, want, has)
		}
		for _, arg := range args {
			if arg == "--json" && !json.Valid([]byte(out)) {
				t.Errorf("%q: no JSON: %s", args, out)
			}
		}
	}
	step(0, "never", "hosts")
	step(0, `"name": "box"`, "hosts", "list", "--json")
	step(0, in.WorkerID, "hosts", "show", "BOX")
	step(0, `"items"`, "hosts", "show", "box", "--json")
	step(cliutil.ExitFailed, "pipeweave hosts list", "hosts", "show", "nothing")
	step(cliutil.ExitUsage, "", "hosts", "show")
	step(0, "Noted", "hosts", "note", "box", "under the desk")
	step(0, "under the desk", "hosts", "list")
	step(cliutil.ExitUsage, "--for", "hosts", "pause", "box", "--for", "-1h")
	step(0, "Next: pipeweave hosts resume box", "hosts", "pause", "box", "--note", "new disk", "--for", "2h")
	step(0, "paused", "hosts")
	step(0, "new disk", "workers", "show", "box")
	step(0, "Drained", "hosts", "drain", "box", "--timeout", "5s")
	step(0, "Disabled", "workers", "disable", in.WorkerID, "--note", "it overheats")
	step(0, "1 worker of it disabled for another reason", "hosts", "resume", "box")
	step(0, "it overheats", "workers", "show", "box")
	step(0, "Enabled", "workers", "enable", "desk")
	step(cliutil.ExitFailed, "no worker", "workers", "enable", "nothing")
	step(0, "No events", "workers", "events", "box")
	step(0, `"items": []`, "workers", "events", "box", "--json")
	step(cliutil.ExitUsage, "--limit", "workers", "events", "box", "--limit", "0")
	step(0, "No workers", "workers", "list", "--host", "another")
	step(0, in.WorkerID, "workers", "list", "--host", "box")

	step(cliutil.ExitUsage, "--yes", "hosts", "revoke", "box") // nobody to ask
	step(0, "never", "hosts", "list")                          // still trusted
	step(0, "connect --api-url", "hosts", "revoke", "box", "--yes")
	step(0, "1 revoked", "hosts")
	step(0, "revoked", "hosts", "--all")
	join()
	step(0, "box", "hosts")
	step(cliutil.ExitUsage, "--yes", "workers", "delete", "box")
	step(0, "Deleted", "workers", "delete", "box", "--yes")

	code, out, _ := s.run("enrollments", "issue", "--json")
	var issued api.IssuedCode
	if err := json.Unmarshal([]byte(out), &issued); code != 0 || err != nil {
		t.Fatalf("issue: %d %s", code, out)
	}
	step(0, "Revoked", "enrollments", "revoke", issued.ID)
	step(0, issued.ID, "enrollments", "list", "--status", "revoked")
	step(cliutil.ExitFailed, "no enrollment", "enrollments", "revoke", "ent_none")

	start, err := c.DeviceStart(t.Context(), api.DeviceStartRequest{Hostname: "stranger", OS: "linux"})
	if err != nil {
		t.Fatal(err)
	}
	step(cliutil.ExitFailed, "", "enrollments", "deny", "ZZZZ-ZZZZ")
	step(0, "stranger", "enrollments", "deny", start.UserCode)
	var refused *api.Error
	_, err = c.Redeem(t.Context(), api.RedeemRequest{DeviceCode: start.DeviceCode, Hostname: "stranger", OS: "linux", Version: "1.0.0"})
	if !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		t.Errorf("redeemed after it was denied: %v", err)
	}
	step(cliutil.ExitConflict, "denied by admin", "enrollments", "approve", start.UserCode)
}

// A drain waits for the runs in hand, says so when they take too long, and
// leaves the host paused either way.
func TestHosts_drainBusy(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, _, _, stop := s.serve()
	defer stop()
	asks := func(token string) *client.Client {
		return client.New(url, client.Options{Token: secret.Text(token), HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	}
	_, code, _ := s.run("enrollments", "issue")
	in, err := asks("").Redeem(t.Context(), api.RedeemRequest{Code: strings.TrimSpace(code), Hostname: "box", OS: "linux", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	worker := asks(in.WorkerToken)
	if _, err := worker.RegisterSelf(t.Context(), api.RegisterRequest{
		ServiceID: "slow", Version: "1.0.0", Tasks: []api.TaskRegistration{{ID: "wait", CodeHash: "a1"}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := asks("").QueueTask(t.Context(), api.QueueTaskRequest{TaskID: "wait"}); err != nil {
		t.Fatal(err)
	}
	got, err := worker.Claim(t.Context(), api.ClaimRequest{ServiceID: "slow", Max: 1, WaitMs: 10_000})
	if err != nil || len(got.Runs) != 1 {
		t.Fatalf("claimed %+v, %v", got, err)
	}
	if code, out, errs := s.run("hosts", "drain", "box", "--timeout", "1s"); code != cliutil.ExitTimeout || !strings.Contains(errs, "it stays paused") {
		t.Errorf("while it is busy: %d %s %s", code, out, errs)
	}
	ended := make(chan string, 1)
	go func() {
		code, out, errs := s.run("hosts", "drain", "box", "--timeout", "1m")
		ended <- fmt.Sprint(code, out, errs)
	}()
	if _, err := worker.Callback(t.Context(), got.Runs[0].RunID, api.CallbackRequest{Status: "success"}); err != nil {
		t.Fatal(err)
	}
	if text := <-ended; !strings.HasPrefix(text, "0") || !strings.Contains(text, "Drained") {
		t.Errorf("once the run had ended: %s", text)
	}
	if _, out, _ := s.run("hosts"); !strings.Contains(out, "paused") {
		t.Errorf("afterwards %s", out)
	}
}

// Whoever is asked and types something else changes nothing.
func TestConfirm(t *testing.T) {
	t.Parallel()
	var errs strings.Builder
	d := &deps{Streams: cliutil.Streams{In: strings.NewReader("no\n"), Err: &errs, InTTY: true}}
	if err := d.confirm(t.Context(), false, "It ends.", "box"); err == nil || !strings.Contains(errs.String(), "Type box to go on") {
		t.Errorf("got %v after %q", err, errs.String())
	}
	d.In = strings.NewReader("Box\n")
	if err := d.confirm(t.Context(), false, "It ends.", "box"); err != nil {
		t.Error(err)
	}
}
