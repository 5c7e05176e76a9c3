//go:build unix

package daemon

import (
	"net/http"
	"testing"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/internal/secret"
)

// Case U13, an upgrade during a pairing: the new worker is there at once and the
// upgrade goes on; a second upgrade is refused, and possible when the first is
// over.
func TestUpgrade_U13_aWorkerJoinsMeanwhile(t *testing.T) {
	t.Parallel()
	h := newUpgradeHostAt(t, func(p *plane) { p.workers["w2"] = &api.RemoteWorker{ID: "w2", Status: "online"} }, nil, "w1")
	h.p.run("w1", "trun_1")
	first, err := h.Upgrade(t.Context(), "w1", api.UpgradeRequest{Version: "1.2.0"})
	noError(t, err)
	h.atStep(t, "w1", "drain")

	addWorker(t, h.dir, h.p.URL, "w2") // as connect does
	if _, err := h.Reload(t.Context(), api.ReloadRequest{}); err != nil {
		t.Fatalf("a worker joins while another one is upgraded: %v", err)
	}
	h.pid(t, "w2")
	if _, err := h.Upgrade(t.Context(), "w2", api.UpgradeRequest{Version: "1.2.0"}); err == nil || asAPI(t, err).Status != http.StatusConflict {
		t.Errorf("a second upgrade: %v, want a conflict", err)
	}
	h.p.run("w1", "")
	if op := h.over(t, first.Operation.ID); op.Status != "succeeded" {
		t.Errorf("operation %+v", op)
	}
	h.as(t, "w1", "1.2.0", true, true)
	if op := h.upgraded(t, "w2", api.UpgradeRequest{Version: "1.2.0"}); op.Status != "succeeded" {
		t.Errorf("the other one: %+v", op)
	}
	h.as(t, "w2", "1.2.0", true, true)
}

// Case U13, the worker that is upgraded is paired anew: it has its new token, and
// is upgraded all the same, in whatever step that comes.
func TestUpgrade_U13_itsWorkerJoinsAgain(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"drain", "verify"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			h := newUpgradeHost(t, nil)
			if step == "drain" {
				h.p.run("w1", "trun_1")
			} else {
				h.p.deafen(true) // nobody hears its heartbeats, so nothing is proved
			}
			begun, err := h.Upgrade(t.Context(), "w1", api.UpgradeRequest{Version: "1.2.0"})
			noError(t, err)
			h.atStep(t, "w1", step)

			addWorker(t, h.dir, h.p.URL, "w1") // as connect does
			file, err := enroll.ReadWorkerFile(h.dir.WorkerConfig("w1"))
			noError(t, err)
			file.WorkerToken = "wkt_another"
			noError(t, enroll.WriteWorkerFile(h.dir.WorkerConfig("w1"), file))
			if _, err := h.Reload(t.Context(), api.ReloadRequest{Restart: []string{"w1"}}); err != nil {
				t.Fatalf("it joins again: %v", err)
			}
			h.p.run("w1", "")
			h.p.deafen(false)
			if op := h.over(t, begun.Operation.ID); op.Status != "succeeded" {
				t.Errorf("operation %+v %+v", op, op.Upgrade)
			}
			h.as(t, "w1", "1.2.0", true, true)
			if file, err := enroll.ReadWorkerFile(h.dir.WorkerConfig("w1")); err != nil || file.WorkerToken != secret.Text("wkt_another") {
				t.Errorf("it has another token: %v", err)
			}
		})
	}
}

// atStep waits until the upgrade of a worker is at a step.
func (h *upgradeHost) atStep(t *testing.T, id, step string) {
	t.Helper()
	until(t, "the upgrade of "+id+" is at "+step, func() bool {
		w := h.worker(t, id)
		return w.Upgrade != nil && w.Upgrade.Step == step
	})
}
