package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
	"pipedai/internal/release"
	"pipedai/internal/secret"
)

// publishTest makes and publishes a release of pipedai-worker for linux/amd64.
func publishTest(t *testing.T, c *client.Client, key release.PrivateKey, version string, sequence int64) {
	t.Helper()
	data := []byte("the program " + version)
	sum := sha256.Sum256(data)
	envelope, err := release.Sign(api.ReleaseManifest{
		Program: api.ProgramWorker, Version: version, Channel: "stable", Sequence: sequence,
		CreatedAt: api.At(time.Now()), ExpiresAt: api.At(time.Now().Add(time.Hour)),
		Artifacts: []api.Artifact{{OS: "linux", Arch: "amd64", Name: "worker", Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), Format: "binary"}},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PublishRelease(t.Context(), api.ProgramWorker, version, envelope); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutArtifact(t.Context(), api.ProgramWorker, version, "worker", bytes.NewReader(data), int64(len(data))); err != nil {
		t.Fatal(err)
	}
}

// TestRollouts takes a rollout through the commands about it.
func TestRollouts(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, _, _, stop := s.serve()
	defer stop()
	token, err := os.ReadFile(filepath.Join(s.env["PIPEWEAVE_HOME"], "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	dial := func(token string) *client.Client {
		return client.New(url, client.Options{Token: secret.Text(strings.TrimSpace(token)), HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	}
	admin := dial(string(token))
	key := release.NewKey()
	if _, err := admin.SetReleaseKey(t.Context(), api.SetReleaseKeyRequest{First: key.Public().String()}); err != nil {
		t.Fatal(err)
	}
	publishTest(t, admin, key, "2.0.0", 1)

	hosts := map[string]*client.Client{}
	for _, name := range []string{"box-1", "box-2", "box-3"} {
		code, err := admin.IssueCode(t.Context(), api.IssueCodeRequest{})
		if err != nil {
			t.Fatal(err)
		}
		in, err := admin.Redeem(t.Context(), api.RedeemRequest{Code: code.Code, Hostname: name, OS: "linux", Version: "1.0.0"})
		if err != nil {
			t.Fatal(err)
		}
		hosts[name] = dial(in.OperatorToken)
	}
	// asks has a host check in, and say how its orders ended.
	asks := func(name, status, why string) int {
		t.Helper()
		req := api.CheckInRequest{Facts: api.CheckInFacts{
			OS: "linux", Arch: "amd64", Version: "1.0.0", Capabilities: []string{api.CapabilityUpgradeWorkers}, Time: api.At(time.Now()),
		}}
		got, err := hosts[name].CheckIn(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range got.Orders {
			if o.Withdrawn {
				status = api.OrderWithdrawn
			}
			req.Reports = append(req.Reports, api.OrderReport{ID: o.ID, Status: status, Error: why})
		}
		if _, err := hosts[name].CheckIn(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		return len(got.Orders)
	}
	expect := func(code int, want string, args ...string) string {
		t.Helper()
		got, out, errs := s.run(append([]string{"rollouts"}, args...)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("%v: got %d\n%s%s\nwant %d and %q", args, got, out, errs, code, want)
		}
		return out
	}
	expect(0, "No rollouts.", "list")
	expect(cliutil.ExitFailed, "there are no rollouts", "status")
	expect(cliutil.ExitUsage, "--to VERSION is missing", "start")
	expect(cliutil.ExitUsage, "--max-unavailable must be at least 1", "start", "--to", "2.0.0", "--max-unavailable", "0")
	expect(cliutil.ExitFailed, "There is no release pipedai-worker 3.0.0", "start", "--to", "3.0.0", "--dry-run")
	expect(0, "box-1\tit never checked in", "start", "--to", "2.0.0", "--dry-run")
	for name := range hosts {
		asks(name, "", "")
	}
	expect(0, "would go to 3 hosts", "start", "--to", "2.0.0", "--dry-run")

	// Every host is meant, and nobody can be asked here.
	expect(cliutil.ExitUsage, "say --yes", "start", "--to", "2.0.0")
	typed := func(line string) (int, string) {
		var out, errs bytes.Buffer
		d := s.deps(line+"\n", &out, &errs)
		d.InTTY = true
		code := run(t.Context(), []string{"rollouts", "start", "--to", "2.0.0", "--max-failures", "0", "--note", "the big one"}, d)
		return code, out.String() + errs.String()
	}
	if code, text := typed("yes"); code != cliutil.ExitFailed || !strings.Contains(text, "Type 2.0.0 to go on") {
		t.Errorf("another word: %d %s", code, text)
	}
	if code, text := typed("2.0.0"); code != 0 || !strings.Contains(text, "pipedai-worker to 2.0.0 on 3 hosts, 1 at a time") || !strings.Contains(text, "Next: pipeweave rollouts status --watch roll_") {
		t.Fatalf("started: %d %s", code, text)
	}
	id := decoded[api.Rollouts](t, expect(0, "", "list", "--json")).Items[0].ID
	expect(cliutil.ExitConflict, "pipeweave rollouts abort "+id, "start", "--to", "2.0.0", "--yes")
	expect(0, "the big one", "status")
	if n := asks("box-1", api.OrderFailed, "it crashed \x1b[31mat start"); n != 1 {
		t.Fatalf("the canary has %d orders", n)
	}
	out := expect(0, `it crashed \x1b[31mat start`, "status", id)
	for _, want := range []string{"paused: 1 host failed, 0 allowed: box-1", "0 of 3 done, 1 failed, 2 waiting", "failed (canary)", "rollouts resume " + id} {
		if !strings.Contains(out, want) {
			t.Errorf("status lacks %q:\n%s", want, out)
		}
	}
	expect(cliutil.ExitFailed, "the rollout paused: 1 host failed", "status", id, "--watch")
	expect(0, "is running", "resume", id, "--retry")
	expect(cliutil.ExitConflict, "The rollout is running", "resume", id)
	expect(0, "is paused", "pause", id, "--note", "lunch")
	expect(0, "is running", "resume", id)

	// Somebody watches until it succeeds.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watched := make(chan string, 1)
	go func() {
		var out, errs bytes.Buffer
		code := run(ctx, []string{"rollouts", "status", id, "--watch"}, s.deps("", &out, &errs))
		watched <- fmt.Sprint(code, " ", errs.String(), out.String())
	}()
	for _, name := range []string{"box-1", "box-2", "box-3"} {
		asks(name, api.OrderSucceeded, "")
	}
	if text := <-watched; !strings.HasPrefix(text, "0 ") || !strings.Contains(text, "3 of 3 done") || !strings.Contains(text, "rollouts rollback "+id) {
		t.Errorf("watched: %s", text)
	}
	expect(cliutil.ExitConflict, "The rollout is succeeded", "abort", id)
	expect(cliutil.ExitFailed, `there is no rollout "roll_x"`, "pause", "roll_x")

	// And all the way back.
	expect(0, "would go to 3 hosts", "rollback", id, "--dry-run")
	expect(cliutil.ExitUsage, "say --yes", "rollback", id)
	expect(0, "pipedai-worker to 1.0.0 on 3 hosts", "rollback", id, "--yes", "--canary", "0", "--max-unavailable", "3")
	expect(0, "1.0.0 (back)", "list")
	expect(0, "is aborting", "abort", decoded[api.Rollouts](t, expect(0, "", "list", "--json")).Items[0].ID)
	for name := range hosts {
		asks(name, "", "")
	}
	expect(0, "3 withdrawn", "status")
}
