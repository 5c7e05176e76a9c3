//go:build unix

package daemon

import (
	"fmt"
	"strings"
	"testing"

	"pipedai/api"
)

// items says what became of each worker, in order.
func items(op api.Operation) string {
	var out []string
	if op.Upgrade != nil {
		for _, i := range op.Upgrade.Items {
			mark := ""
			if i.Canary {
				mark = "*"
			}
			out = append(out, mark+i.WorkerID+" "+i.Status)
		}
	}
	return strings.Join(out, ", ")
}

func TestUpgradeAll(t *testing.T) {
	t.Parallel()
	out := 0 // workers that are disabled
	var h *upgradeHost
	h = newUpgradeHost(t, func(o *Options) {
		o.reached = func(point string) {
			if !strings.HasPrefix(point, "upgrade/") {
				return
			}
			now := 0
			for _, id := range []string{"w1", "w2", "w3"} {
				if h.p.remote(id).Disabled {
					now++
				}
			}
			out = max(out, now)
		}
	}, "w1", "w2", "w3")
	h.p.run("w1", "trun_1") // the busy one is not the canary
	if _, err := h.Act(t.Context(), "w2", "stop"); err != nil {
		t.Fatal(err)
	}
	result, err := h.UpgradeAll(t.Context(), api.UpgradeAllRequest{Version: "1.2.0"})
	noError(t, err)
	until(t, "the busy one drains", func() bool { w := h.worker(t, "w1"); return w.Upgrade != nil && w.Upgrade.Step == "drain" })
	op, err := h.Operation(t.Context(), result.Operation.ID)
	if err != nil || items(op) != "*w3 upgraded, w1 running, w2 waiting" || !strings.Contains(op.Message, "label-w1 (2 of 3)") {
		t.Errorf("meanwhile: %s %q, %v", items(op), op.Message, err)
	}
	h.p.run("w1", "")
	op = h.over(t, result.Operation.ID)
	if op.Status != "succeeded" || items(op) != "*w3 upgraded, w1 upgraded, w2 upgraded" {
		t.Errorf("operation %+v: %s", op, items(op))
	}
	h.as(t, "w1", "1.2.0", true, true)
	h.as(t, "w2", "1.2.0", false, true)
	h.as(t, "w3", "1.2.0", true, true)
	if out != 1 {
		t.Errorf("%d workers were out at once", out)
	}
	again, err := h.UpgradeAll(t.Context(), api.UpgradeAllRequest{Version: "1.2.0"})
	noError(t, err)
	if op := h.over(t, again.Operation.ID); op.Status != "succeeded" || strings.Contains(items(op), "upgraded") {
		t.Errorf("again: %s", items(op))
	}
}

// The first that fails ends it: what comes after is not touched, what came
// before stays.
func TestUpgradeAll_stopsAtTheFirstFailure(t *testing.T) {
	t.Parallel()
	var h *upgradeHost
	h = newUpgradeHost(t, func(o *Options) {
		o.reached = func(point string) {
			if point == "upgrade-all/one" { // from the second on nobody is heard
				h.p.deafen(true)
			}
		}
	}, "w1", "w2", "w3")
	result, err := h.UpgradeAll(t.Context(), api.UpgradeAllRequest{Version: "1.2.0", UpgradeOptions: api.UpgradeOptions{TimeoutMs: 4000}})
	noError(t, err)
	op := h.over(t, result.Operation.ID)
	if op.Status != "failed" || items(op) != "*w1 upgraded, w2 failed, w3 skipped" || !strings.Contains(op.Error, "1 upgraded or up to date, 1 not touched") {
		t.Errorf("operation %+v: %s", op, items(op))
	}
	if op.Upgrade.Items[1].Failure != api.UpgradeFailedSilent {
		t.Errorf("item %+v", op.Upgrade.Items[1])
	}
	h.p.deafen(false)
	h.as(t, "w1", "1.2.0", true, true)
	h.as(t, "w2", "", true, true)
	h.as(t, "w3", "", true, true)
}

func TestUpgradeAll_cancelled(t *testing.T) {
	t.Parallel()
	h := newUpgradeHost(t, nil, "w1", "w2", "w3")
	h.p.run("w2", "trun_1")
	result, err := h.UpgradeAll(t.Context(), api.UpgradeAllRequest{Version: "1.2.0", Workers: []string{"w3", "w2", "w1"}})
	noError(t, err)
	until(t, "the second drains", func() bool { w := h.worker(t, "w2"); return w.Upgrade != nil && w.Upgrade.Step == "drain" })
	if _, err := h.CancelOperation(t.Context(), result.Operation.ID); err != nil {
		t.Fatal(err)
	}
	op := h.over(t, result.Operation.ID)
	if op.Status != "cancelled" || items(op) != "*w3 upgraded, w2 cancelled, w1 skipped" {
		t.Errorf("operation %+v: %s", op, items(op))
	}
	h.as(t, "w3", "1.2.0", true, true)
	h.as(t, "w2", "", true, true)
	h.as(t, "w1", "", true, true)
}

// A daemon that is killed anywhere in the middle leaves one that goes on where
// it was, with no worker upgraded twice.
func TestUpgradeAll_killedAnywhere(t *testing.T) {
	t.Parallel()
	for _, point := range []string{
		"upgrade-all/plan/begun", "upgrade-all/upgrade/begun", "upgrade-all/begin", "upgrade/check/begun", "upgrade/stop/done",
		"upgrade/ended", "upgrade-all/one", "upgrade-all/upgrade/done", "upgrade-all/ended",
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, "w1", "w2")
			dir := newHome(t, p.URL, "w1", "w2")
			first := spawnDaemon(t, dir, dieVar+"="+point, upgradesVar+"=1")
			d := first.client(t, dir)
			d.pid(t, "w1")
			d.pid(t, "w2")
			_, err := d.UpgradeAll(t.Context(), api.UpgradeAllRequest{Version: "1.2.0"})
			<-first.ended
			if err != nil && asAPI(t, err).Status != 0 {
				t.Fatalf("it was refused: %v", err)
			}
			o := upgradeOptions(dir)
			h := &upgradeHost{p: p, dir: dir, o: o, running: startDaemon(t, o)}
			h.settled(t)
			all, err := h.Operations(t.Context(), 10)
			if err != nil || len(all) != 3 {
				t.Errorf("%d operations, %v", len(all), err)
			}
			for _, op := range all {
				if op.Status != "succeeded" {
					t.Errorf("%s %s: %s", op.Kind, op.Status, op.Error)
				}
				if op.Kind == kindUpgradeAll && items(op) != "*w1 upgraded, w2 upgraded" {
					t.Error(items(op))
				}
			}
			for n := 1; n <= 2; n++ {
				h.as(t, fmt.Sprint("w", n), "1.2.0", true, true)
			}
		})
	}
}
