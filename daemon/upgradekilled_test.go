//go:build unix

package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pipedai/api"
)

func TestUpgrade_cancelledAnywhere(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"fetch", "disable", "drain", "pin", "stop", "start", "verify", "restore"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			var h *upgradeHost
			var late error
			h = newUpgradeHost(t, func(o *Options) {
				o.reached = func(point string) {
					if point == "upgrade/"+step+"/begun" {
						op := h.operation(t)
						_, late = h.CancelOperation(context.Background(), op)
					}
				}
			})
			op := h.upgraded(t, "w1", api.UpgradeRequest{Version: "1.2.0"})
			if step == "restore" {
				if op.Status != "succeeded" || late == nil {
					t.Errorf("operation %+v, %v", op, late)
				}
				h.as(t, "w1", "1.2.0", true, true)
				return
			}
			if op.Status != "cancelled" || late != nil {
				t.Errorf("operation %+v, %v", op, late)
			}
			h.as(t, "w1", "", true, true)
		})
	}
}

// operation is the id of the one that runs.
func (h *upgradeHost) operation(t *testing.T) string {
	t.Helper()
	all, err := h.Operations(context.Background(), 1)
	if err != nil || len(all) == 0 {
		t.Errorf("operations: %v", err)
		return ""
	}
	return all[0].ID
}

// A daemon that is killed at any step of an upgrade, whichever way it goes,
// leaves nothing that the next one does not bring to an end: upgraded, or
// exactly as before. There are never two processes.
func TestUpgrade_killedAtEveryStep(t *testing.T) {
	t.Parallel()
	steps := []string{"check", "fetch", "disable", "drain", "pin", "stop", "start", "verify", "restore", "prune"}
	var points []string
	for _, s := range steps {
		points = append(points, "upgrade/"+s+"/begun", "upgrade/"+s+"/done")
	}
	points = append(points, "upgrade/ended")
	for _, point := range points {
		t.Run("good/"+point, func(t *testing.T) {
			t.Parallel()
			upgradeKilledAt(t, "1.2.0", point)
		})
	}
	for _, s := range []string{"start", "pin", "disable"} {
		for _, at := range []string{"/undoing", "/undone"} {
			t.Run("bad/upgrade/"+s+at, func(t *testing.T) {
				t.Parallel()
				upgradeKilledAt(t, "1.2.0-crashes", "upgrade/"+s+at)
			})
		}
	}
}

func upgradeKilledAt(t *testing.T, version, point string) {
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	only := t.TempDir()
	first := spawnDaemon(t, dir, dieVar+"="+point, upgradesVar+"=1", onlyVar+"="+only)
	d := first.client(t, dir)
	pid := d.pid(t, "w1")
	noError(t, syscall.Kill(pid, syscall.SIGKILL)) // that it ended by itself before is not held against the version
	until(t, "it runs again", func() bool { return d.pid(t, "w1") != pid })
	p.runningVersion(t, "w1", "1.0.0")
	_, err := d.Upgrade(t.Context(), "w1", api.UpgradeRequest{Version: version})
	<-first.ended
	if err != nil && asAPI(t, err).Status != 0 {
		t.Fatalf("it was refused: %v", err)
	}
	o := upgradeOptions(dir)
	o.WorkerEnv = append(o.WorkerEnv, onlyVar+"="+only)
	h := &upgradeHost{p: p, dir: dir, o: o, running: startDaemon(t, o)}
	op := h.settled(t)
	want, pin := "succeeded", version
	if strings.Contains(version, "crashes") {
		want, pin = "failed", ""
	}
	if op.Status != want {
		t.Errorf("the operation ended %s: %+v", op.Status, op)
	}
	h.as(t, "w1", pin, true, true)
	if twice, _ := filepath.Glob(filepath.Join(only, "twice-*")); len(twice) > 0 {
		data, _ := os.ReadFile(twice[0])
		t.Errorf("two processes at once: %s", data)
	}
}
