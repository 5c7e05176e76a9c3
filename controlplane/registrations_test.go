package controlplane

import (
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/secret"
)

// TestRegistration walks a second worker of a host in: the host mints a token,
// the worker program trades it, once and in time.
func TestRegistration(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	host := b.enroll("box")
	ctx := t.Context()
	daemon, anybody := b.serve(secret.Text(host.OperatorToken)), b.serve("")

	minted, err := daemon.MintRegistration(ctx, host.WorkspaceID, api.MintRequest{Label: "pdf"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(minted.Token, "wrk_") || !strings.HasSuffix(minted.Token, minted.LastFour) || len(minted.LastFour) != 4 ||
		minted.ID == "" || minted.ExpiresAt.Sub(b.clock.Now()).Round(time.Second) != 15*time.Minute {
		t.Errorf("minted %+v", minted)
	}
	register := func(token, hostname string) (api.RegisteredWorker, error) {
		return anybody.RegisterWorker(ctx, api.RegisterWorkerRequest{Token: token, Hostname: hostname, OS: "linux", Version: "1.0.0"})
	}
	refusedWith := func(token, hostname string, want int, word string) {
		t.Helper()
		_, err := register(token, hostname)
		if status, text := refused(t, err); status != want || text != word {
			t.Errorf("got %d %s, want %d %s", status, text, want, word)
		}
	}
	got, err := register(minted.Token, "box-pdf")
	if err != nil {
		t.Fatal(err)
	}
	if got.WorkerID == host.WorkerID || !strings.HasPrefix(got.WorkerToken, "wkt_") || got.WorkspaceID != host.WorkspaceID || got.APIURL == "" {
		t.Errorf("registered %+v", got)
	}
	refusedWith(minted.Token, "box-pdf", 409, "already_consumed")

	// The host manages what it registered, and so with nothing of others.
	rows, err := daemon.Workers(ctx, host.WorkspaceID)
	if err != nil || len(rows) != 2 {
		t.Errorf("the host sees %+v, %v", rows, err)
	}
	if err := daemon.DisableWorker(ctx, host.WorkspaceID, got.WorkerID); err != nil {
		t.Errorf("disable: %v", err)
	}
	b.enroll("other-box")
	another, err := daemon.MintRegistration(ctx, host.WorkspaceID, api.MintRequest{})
	if err != nil {
		t.Fatal(err)
	}
	refusedWith(another.Token, "other-box", 403, "access_denied")

	b.clock.move(16 * time.Minute)
	refusedWith(another.Token, "box-pdf", 410, "expired_token")

	// Registering the same hostname again voids the token it had.
	third, err := daemon.MintRegistration(ctx, host.WorkspaceID, api.MintRequest{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := register(third.Token, "box-pdf")
	if err != nil || again.WorkerID != got.WorkerID || again.WorkerToken == got.WorkerToken {
		t.Errorf("again %+v, %v", again, err)
	}
	if _, err := b.serve(secret.Text(got.WorkerToken)).WorkerBeat(ctx, "1.0.0", api.WorkerBeatRequest{}); err == nil {
		t.Error("the earlier token still opens")
	}

	// Deleting the worker that the host came with leaves it the other one.
	if err := daemon.DeleteWorker(ctx, host.WorkspaceID, host.WorkerID); err != nil {
		t.Fatal(err)
	}
	if err := daemon.DeleteWorker(ctx, host.WorkspaceID, got.WorkerID); err != nil {
		t.Errorf("delete the other one: %v", err)
	}
	_, err = daemon.MintRegistration(ctx, host.WorkspaceID, api.MintRequest{})
	if status, _ := refused(t, err); status != 401 {
		t.Errorf("minted by a host that is gone: %d", status)
	}
}
