//go:build unix

package daemon

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pipedai/api"
)

// Cases U11, H28 and H29: while it drains it gets no work, also when somebody
// enables it meanwhile; the run in hand is waited for by what the control plane
// says now; and one that does not end ends the upgrade, or with force the wait.
func TestUpgrade_U11_drains(t *testing.T) {
	t.Parallel()
	h := newUpgradeHost(t, nil)
	pid := h.pid(t, "w1")
	h.p.run("w1", "trun_1")
	result, err := h.Upgrade(t.Context(), "w1", api.UpgradeRequest{Version: "1.2.0"})
	noError(t, err)
	until(t, "it waits for the run", func() bool {
		w := h.worker(t, "w1")
		return w.Upgrade != nil && w.Upgrade.Step == "drain" && strings.Contains(w.Upgrade.Message, "trun_1")
	})
	h.p.mu.Lock()
	h.p.workers["w1"].Disabled = false // somebody enables it
	h.p.mu.Unlock()
	until(t, "it is disabled again", func() bool { return h.p.remote("w1").Disabled })
	if h.pid(t, "w1") != pid {
		t.Error("it was touched while it had a run")
	}
	h.p.run("w1", "")
	if op := h.over(t, result.Operation.ID); op.Status != "succeeded" {
		t.Errorf("operation %+v", op)
	}
	h.as(t, "w1", "1.2.0", true, true)

	h.p.run("w1", "trun_2")
	op := h.upgraded(t, "w1", api.UpgradeRequest{Version: "1.3.0", UpgradeOptions: api.UpgradeOptions{DrainTimeoutMs: 100}})
	if op.Status != "failed" || op.Upgrade.Failure != api.UpgradeFailedDrain || !strings.Contains(op.Error, "trun_2") {
		t.Errorf("operation %+v %+v", op, op.Upgrade)
	}
	h.as(t, "w1", "1.2.0", true, true)
	op = h.upgraded(t, "w1", api.UpgradeRequest{Version: "1.3.0", UpgradeOptions: api.UpgradeOptions{DrainTimeoutMs: 100, Force: true}})
	if op.Status != "succeeded" {
		t.Errorf("with force: %+v", op)
	}
	h.p.run("w1", "")
	h.as(t, "w1", "1.3.0", true, true)
}

// Contract 12, row 30: an outage during a drain was waited out in silence.
func TestUpgrade_H30_outageWhileDraining(t *testing.T) {
	t.Parallel()
	h := newUpgradeHost(t, func(o *Options) { o.askLimit = time.Second })
	h.p.run("w1", "trun_1")
	result, err := h.Upgrade(t.Context(), "w1", api.UpgradeRequest{Version: "1.2.0"})
	noError(t, err)
	until(t, "it drains", func() bool { w := h.worker(t, "w1"); return w.Upgrade != nil && w.Upgrade.Step == "drain" })
	h.p.offline(true)
	until(t, "it says so", func() bool {
		w := h.worker(t, "w1")
		return strings.Contains(w.Upgrade.Message, "waiting for the control plane to say")
	})
	h.p.run("w1", "")
	h.p.offline(false)
	if op := h.over(t, result.Operation.ID); op.Status != "succeeded" {
		t.Errorf("operation %+v", op)
	}
}

// Case U13: one upgrade at a time. Who asks for the same joins it; anything else
// is a conflict, and so are verbs that would undo it, or be undone. A stop is
// never refused, and stays.
func TestUpgrade_U13_oneAtATime(t *testing.T) {
	t.Parallel()
	h := newUpgradeHost(t, nil, "w1", "w2")
	h.p.run("w1", "trun_1")
	first, err := h.Upgrade(t.Context(), "w1", api.UpgradeRequest{Version: "1.2.0"})
	noError(t, err)
	until(t, "it drains", func() bool { w := h.worker(t, "w1"); return w.Upgrade != nil && w.Upgrade.Step == "drain" })
	same, err := h.Upgrade(t.Context(), "w1", api.UpgradeRequest{Version: "1.2.0"})
	if err != nil || same.Operation.ID != first.Operation.ID {
		t.Errorf("the same: %+v, %v", same, err)
	}
	for what, do := range map[string]func() error{
		"another version": func() error { _, err := h.Upgrade(t.Context(), "w1", api.UpgradeRequest{Version: "1.3.0"}); return err },
		"another worker":  func() error { _, err := h.Upgrade(t.Context(), "w2", api.UpgradeRequest{Version: "1.2.0"}); return err },
		"all":             func() error { _, err := h.UpgradeAll(t.Context(), api.UpgradeAllRequest{Version: "1.2.0"}); return err },
		"disable":         func() error { _, err := h.Act(t.Context(), "w1", "disable"); return err },
		"restart":         func() error { _, err := h.Act(t.Context(), "w1", "restart"); return err },
		"delete":          func() error { _, err := h.Delete(t.Context(), "w1"); return err },
	} {
		if err := do(); err == nil || asAPI(t, err).Status != http.StatusConflict {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := h.Act(t.Context(), "w1", "stop"); err != nil {
		t.Errorf("stop: %v", err)
	}
	h.p.run("w1", "")
	if op := h.over(t, first.Operation.ID); op.Status != "succeeded" {
		t.Errorf("operation %+v", op)
	}
	h.as(t, "w1", "1.2.0", false, true)
	if _, err := h.Act(t.Context(), "w1", "start"); err != nil {
		t.Error(err)
	}
	h.as(t, "w1", "1.2.0", true, true)
}

// What an operator did at the control plane is not undone: a worker that is
// disabled there though this host thinks otherwise stays disabled.
func TestUpgrade_disabledThere(t *testing.T) {
	t.Parallel()
	h := newUpgradeHost(t, nil)
	h.p.mu.Lock()
	h.p.workers["w1"].Disabled = true
	h.p.mu.Unlock()
	if op := h.upgraded(t, "w1", api.UpgradeRequest{Version: "1.2.0"}); op.Status != "succeeded" {
		t.Errorf("operation %+v", op)
	}
	if !h.p.remote("w1").Disabled {
		t.Error("it was enabled")
	}
}

// Started by a person while a stopped worker is upgraded: it starts, from the
// version that was asked for.
func TestUpgrade_startedMeanwhile(t *testing.T) {
	t.Parallel()
	var h *upgradeHost
	var once sync.Once
	h = newUpgradeHost(t, func(o *Options) {
		o.reached = func(point string) {
			if point == "upgrade/pin/begun" {
				once.Do(func() {
					if _, err := h.Act(context.Background(), "w1", "start"); err != nil {
						t.Error(err)
					}
					if w := h.worker(t, "w1"); w.Local.PID != nil {
						t.Error("it has a process")
					}
				})
			}
		}
	})
	if _, err := h.Act(t.Context(), "w1", "stop"); err != nil {
		t.Fatal(err)
	}
	if op := h.upgraded(t, "w1", api.UpgradeRequest{Version: "1.2.0"}); op.Status != "succeeded" {
		t.Errorf("operation %+v", op)
	}
	h.as(t, "w1", "1.2.0", true, true)
}
