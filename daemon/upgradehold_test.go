//go:build unix

package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/manifest"
)

// A worker that an upgrade keeps without a process gets none from the next
// daemon either, before the upgrade gives it one.
func TestUpgrade_heldAcrossAKill(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	first := spawnDaemon(t, dir, dieVar+"=upgrade/stop/done", upgradesVar+"=1")
	d := first.client(t, dir)
	d.pid(t, "w1")
	p.runningVersion(t, "w1", "1.0.0")
	_, _ = d.Upgrade(t.Context(), "w1", api.UpgradeRequest{Version: "1.2.0"}) // it may be killed before it answers
	<-first.ended
	h := &upgradeHost{p: p, dir: dir, o: upgradeOptions(dir)}
	h.running = startDaemon(t, h.o)
	if op := h.settled(t); op.Status != "succeeded" {
		t.Errorf("operation %+v", op)
	}
	h.as(t, "w1", "1.2.0", true, true)
	events, err := h.HostEvents(t.Context(), 0, "", 500)
	noError(t, err)
	started := 0
	for _, e := range events.Items {
		switch e.Type {
		case api.HostDaemonStarted:
			started = 0
		case api.HostWorkerStarted:
			started++
		}
	}
	if started != 1 {
		t.Errorf("the daemon started its process %d times", started)
	}
}

// A host that is revoked while it upgrades does not ask for ever: the upgrade
// ends, here all is as it was to be, and it says what is left to do. Nothing is
// held against the version.
func TestUpgrade_D11_revokedMeanwhile(t *testing.T) {
	t.Parallel()
	for point, want := range map[string]struct{ status, pin string }{
		"upgrade/verify/begun":  {"failed", ""},
		"upgrade/restore/begun": {"succeeded", "1.2.0"},
	} {
		t.Run(strings.ReplaceAll(point, "/", " "), func(t *testing.T) {
			t.Parallel()
			var h *upgradeHost
			var revoke func(bool)
			gone := func() bool {
				creds, err := enroll.LoadCredentials(h.dir.Credentials())
				return err == nil && !creds.Revoked(h.p.URL, "ws1").IsZero()
			}
			h = newUpgradeHostAt(t, func(p *plane) { revoke, _ = p.checkIns() }, func(o *Options) {
				o.reached = func(at string) {
					if at == point {
						revoke(true)
						until(t, "it was revoked", gone)
					}
				}
			})
			op := h.upgraded(t, "w1", api.UpgradeRequest{Version: "1.2.0"})
			if op.Status != want.status || !strings.Contains(op.Upgrade.Warning, "revoked the credential of this host") || !strings.Contains(op.Upgrade.Warning, "enable w1") {
				t.Errorf("operation %+v %+v", op, op.Upgrade)
			}
			if e := entryOf(t, h.dir, "w1"); e.Version != want.pin || !e.Running || !e.Enabled {
				t.Errorf("the worker is to be %+v", e)
			}
			m, err := manifest.Open(t.Context(), h.dir.Manifest())
			noError(t, err)
			defer func() { _ = m.Close() }()
			if _, err := m.Failed(context.Background(), "w1", api.ProgramWorker, "1.2.0"); !errors.Is(err, manifest.ErrNotFound) {
				t.Errorf("it is held against the version: %v", err)
			}
		})
	}
}
