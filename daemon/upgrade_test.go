//go:build unix

package daemon

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

// upgradeHost is a daemon in the test whose worker w1 runs the default program.
type upgradeHost struct {
	running
	p   *plane
	dir hostdir.Dir
	o   Options
}

func newUpgradeHost(t *testing.T, change func(*Options), ids ...string) *upgradeHost {
	t.Helper()
	return newUpgradeHostAt(t, func(*plane) {}, change, ids...)
}

// newUpgradeHostAt is newUpgradeHost at a control plane that at prepares.
func newUpgradeHostAt(t *testing.T, at func(*plane), change func(*Options), ids ...string) *upgradeHost {
	t.Helper()
	if len(ids) == 0 {
		ids = []string{"w1"}
	}
	h := &upgradeHost{p: newPlane(t, ids...)}
	at(h.p)
	h.dir = newHome(t, h.p.URL, ids...)
	h.o = upgradeOptions(h.dir)
	if change != nil {
		change(&h.o)
	}
	h.running = startDaemon(t, h.o)
	for _, id := range ids {
		if entryOf(t, h.dir, id).Running {
			h.pid(t, id)
			h.p.runningVersion(t, id, "1.0.0")
		}
	}
	return h
}

// upgraded asks for an upgrade and waits for its end.
func (h *upgradeHost) upgraded(t *testing.T, id string, req api.UpgradeRequest) api.Operation {
	t.Helper()
	result, err := h.Upgrade(t.Context(), id, req)
	if err != nil {
		t.Fatalf("upgrade: %v", err)
	}
	return h.over(t, result.Operation.ID)
}

func (h *upgradeHost) over(t *testing.T, id string) (op api.Operation) {
	t.Helper()
	until(t, "the upgrade ends", func() bool {
		var err error
		op, err = h.Operation(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return op.Status != "running"
	})
	return op
}

// as says what is not as it should be of a worker: its pin, both desired
// states, and the process.
func (h *upgradeHost) as(t *testing.T, id, pin string, up, enabled bool) {
	t.Helper()
	e := entryOf(t, h.dir, id)
	if e.Version != pin || e.Running != up || e.Enabled != enabled {
		t.Errorf("%s: pin %q, running %v, enabled %v; want %q, %v, %v", id, e.Version, e.Running, e.Enabled, pin, up, enabled)
	}
	if r := h.p.remote(id); r.Disabled == enabled {
		t.Errorf("%s: the control plane has disabled %v", id, r.Disabled)
	}
	if !up {
		if w := h.worker(t, id); w.Local == nil || w.Local.PID != nil {
			t.Errorf("%s has a process", id)
		}
		return
	}
	h.pid(t, id)
	version := pin
	if pin == "" {
		version = "1.0.0"
	}
	h.p.runningVersion(t, id, version)
}

func TestUpgrade_andRollBack(t *testing.T) {
	t.Parallel()
	h := newUpgradeHost(t, nil)
	before := h.pid(t, "w1")
	op := h.upgraded(t, "w1", api.UpgradeRequest{Version: "1.2.0"})
	if op.Status != "succeeded" || op.Upgrade == nil || op.Upgrade.From != "1.0.0" || op.Upgrade.To != "1.2.0" || op.Upgrade.Notes != "notes of 1.2.0" {
		t.Fatalf("operation %+v %+v", op, op.Upgrade)
	}
	h.as(t, "w1", "1.2.0", true, true)
	if h.pid(t, "w1") == before {
		t.Error("it is the old process")
	}
	w := h.worker(t, "w1")
	if w.Pin != "1.2.0" || w.PreviousPin == nil || *w.PreviousPin != "" || w.Upgrade != nil {
		t.Errorf("worker %+v", w)
	}
	if did := h.p.did(); did != "POST w1/disable,POST w1/enable" {
		t.Errorf("the control plane was asked: %s", did)
	}

	// The same again is nothing, and disturbs nobody.
	before = h.pid(t, "w1")
	if op := h.upgraded(t, "w1", api.UpgradeRequest{Version: "1.2.0"}); op.Status != "succeeded" || h.pid(t, "w1") != before {
		t.Errorf("again: %+v", op)
	}
	if did := h.p.did(); did != "POST w1/disable,POST w1/enable" {
		t.Errorf("the control plane was asked: %s", did)
	}

	if op := h.upgraded(t, "w1", api.UpgradeRequest{Version: "1.3.0"}); op.Status != "succeeded" {
		t.Fatalf("the next: %+v", op)
	}
	if keep := h.o.versions.(*fakeVersions).pruned; !slices.Equal(keep, []string{"1.3.0", "1.2.0"}) {
		t.Errorf("pruned all but %v", keep)
	}
	for _, pin := range []string{"1.2.0", "1.3.0"} {
		if op := h.upgraded(t, "w1", api.UpgradeRequest{Rollback: true}); op.Status != "succeeded" {
			t.Fatalf("back to %s: %+v", pin, op)
		}
		h.as(t, "w1", pin, true, true)
	}
}

// Contract 12, row 27: an upgrade started what was stopped and enabled what was
// disabled. Both desired states are as before, whichever they were, and however
// the upgrade ends.
func TestUpgrade_H27_restoresBothStates(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.2.0", "1.2.0-crashes"} {
		for _, up := range []bool{true, false} {
			for _, enabled := range []bool{true, false} {
				t.Run(version+name(up, " up")+name(enabled, " enabled"), func(t *testing.T) {
					t.Parallel()
					p := newPlane(t, "w1")
					dir := newHome(t, p.URL, "w1")
					p.workers["w1"].Disabled = !enabled
					m, err := manifest.Open(t.Context(), dir.Manifest())
					noError(t, err)
					noError(t, m.SetEnabled(t.Context(), "w1", enabled))
					noError(t, m.SetRunning(t.Context(), "w1", up))
					_ = m.Close()
					h := &upgradeHost{p: p, dir: dir, o: upgradeOptions(dir)}
					h.running = startDaemon(t, h.o)
					if up {
						p.runningVersion(t, "w1", "1.0.0")
					}
					op := h.upgraded(t, "w1", api.UpgradeRequest{Version: version})
					want, pin := "succeeded", version
					if up && strings.Contains(version, "crashes") {
						want, pin = "failed", ""
					}
					if op.Status != want {
						t.Errorf("operation %+v", op)
					}
					h.as(t, "w1", pin, up, enabled)
				})
			}
		}
	}
}

func name(is bool, what string) string {
	if is {
		return what
	}
	return " not" + what
}

// Case U9: a version that does not work is taken back within its deadline, the
// operation says what was wrong, and nothing tries it again by itself.
func TestUpgrade_U9_takenBack(t *testing.T) {
	t.Parallel()
	for is, want := range map[behaviour]struct{ failure, text string }{
		crashes:    {api.UpgradeFailedCrash, "ended by itself with exit code 3"},
		crashesNow: {api.UpgradeFailedCrash, "cannot open the database"},
		late:       {api.UpgradeFailedCrash, "exit code 4"},
		hangs:      {api.UpgradeFailedSilent, "it hangs, or cannot reach the control plane"},
		cutOffRun:  {api.UpgradeFailedSilent, "it hangs, or cannot reach the control plane; the last it wrote: "},
		lies:       {api.UpgradeFailedVersion, "it reports version 0.0.7, not 1.2.0-lies"},
		mute:       {api.UpgradeFailedProbe, "no such library"},
		pretends:   {api.UpgradeFailedProbe, "it says that it is version 0.0.7"},
	} {
		t.Run(string(is), func(t *testing.T) {
			t.Parallel()
			h := newUpgradeHost(t, nil)
			pid := h.pid(t, "w1")
			req := api.UpgradeRequest{Version: "1.2.0-" + string(is), UpgradeOptions: api.UpgradeOptions{TimeoutMs: 3000}}
			began := time.Now()
			op := h.upgraded(t, "w1", req)
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("it took %v", took)
			}
			if op.Status != "failed" || op.Upgrade.Failure != want.failure || !strings.Contains(op.Error, want.text) {
				t.Fatalf("operation %+v %+v", op, op.Upgrade)
			}
			h.as(t, "w1", "", true, true)
			if undisturbed := h.pid(t, "w1") == pid; undisturbed != (want.failure == api.UpgradeFailedProbe) {
				t.Errorf("the old process is there: %v", undisturbed)
			}
			// Not again by itself, but if a person insists.
			again := h.upgraded(t, "w1", req)
			if again.Status != "failed" || !strings.Contains(again.Error, "is not tried again by itself") || !strings.Contains(again.Fix, "--force") || len(h.p.calls) > 2 {
				t.Errorf("again: %+v, %s", again, h.p.did())
			}
			req.Force = true
			if again = h.upgraded(t, "w1", req); again.Upgrade.Failure != want.failure {
				t.Errorf("with force: %+v %+v", again, again.Upgrade)
			}
			h.as(t, "w1", "", true, true)
		})
	}
}

// A host that is offline itself cannot tell whether the version works: it goes
// back, says so, and does not hold it against the version. It is not left
// disabled when the control plane is there again.
func TestUpgrade_U9_hostOffline(t *testing.T) {
	t.Parallel()
	var h *upgradeHost
	var once sync.Once
	h = newUpgradeHost(t, func(o *Options) {
		o.askLimit = 200 * time.Millisecond
		o.reached = func(point string) {
			switch point {
			case "upgrade/verify/begun":
				once.Do(func() { h.p.offline(true) })
			case "upgrade/disable/undoing":
				h.p.offline(false)
			}
		}
	})
	op := h.upgraded(t, "w1", api.UpgradeRequest{Version: "1.2.0", UpgradeOptions: api.UpgradeOptions{TimeoutMs: 1000}})
	if op.Status != "failed" || op.Upgrade.Failure != api.UpgradeFailedHostOffline || !strings.Contains(op.Error, "this host itself did not reach") {
		t.Fatalf("operation %+v %+v", op, op.Upgrade)
	}
	h.as(t, "w1", "", true, true)
	if op := h.upgraded(t, "w1", api.UpgradeRequest{Version: "1.2.0"}); op.Status != "succeeded" {
		t.Errorf("again: %+v", op)
	}
}

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
	h := newUpgradeHost(t, func(o *Options) { o.askLimit = 200 * time.Millisecond })
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

// Contract 12, row 26: what cannot be fetched leaves nothing disabled. Nobody
// was even asked.
func TestUpgrade_H26_nothingToFetch(t *testing.T) {
	t.Parallel()
	h := newUpgradeHost(t, func(o *Options) {
		o.versions.(*fakeVersions).fetch1 = func(context.Context) error { return errors.New("the disk is full") }
	})
	pid := h.pid(t, "w1")
	for version, text := range map[string]string{"404.0.0": "no such release", "1.2.0": "the disk is full"} {
		if op := h.upgraded(t, "w1", api.UpgradeRequest{Version: version}); op.Status != "failed" || !strings.Contains(op.Error, text) {
			t.Errorf("%s: %+v", version, op)
		}
	}
	h.as(t, "w1", "", true, true)
	if did := h.p.did(); did != "" || h.pid(t, "w1") != pid {
		t.Errorf("it was disturbed: %s", did)
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

func TestUpgrade_badRequests(t *testing.T) {
	t.Parallel()
	h := newUpgradeHost(t, nil)
	for name, req := range map[string]api.UpgradeRequest{
		"nothing":        {},
		"both":           {Version: "1.2.0", FromLocal: "/tmp/x"},
		"three":          {Version: "1.2.0", Rollback: true},
		"relative":       {FromLocal: "../x"},
		"a tag":          {Version: "next"},
		"a URL":          {Version: "https://example.com/x.tgz"},
		"an alias":       {Version: "npm:other@1.0.0"},
		"a shell's word": {Version: "1.2.0;reboot"},
		"a path":         {Version: "1.2.0/../../x"},
		"unknown":        {Version: "unknown"},
	} {
		_, err := h.Upgrade(t.Context(), "w1", req)
		if answer := asAPI(t, err); answer.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %+v", name, answer)
		}
	}
	if _, err := h.Upgrade(t.Context(), "nobody", api.UpgradeRequest{Version: "1.2.0"}); asAPI(t, err).Status != http.StatusNotFound {
		t.Errorf("unknown worker: %v", err)
	}
	if _, err := h.Upgrade(t.Context(), "w1", api.UpgradeRequest{Rollback: true}); asAPI(t, err).Status != http.StatusConflict {
		t.Errorf("nothing to go back to: %v", err)
	}
	dry, err := h.Upgrade(t.Context(), "w1", api.UpgradeRequest{Version: "latest", UpgradeOptions: api.UpgradeOptions{DryRun: true}})
	if err != nil || dry.Operation != nil || dry.Upgrade.To != "2.0.0" || *dry.OldVersion != "1.0.0" || dry.Target != "@pipedai/worker@2.0.0" {
		t.Errorf("dry run: %+v, %v", dry, err)
	}
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
