//go:build unix

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
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
			limit := 15 * time.Second
			if want.failure == api.UpgradeFailedSilent { // that is how long they are waited for
				limit = 3 * time.Second
			}
			req := api.UpgradeRequest{Version: "1.2.0-" + string(is), UpgradeOptions: api.UpgradeOptions{TimeoutMs: limit.Milliseconds()}}
			began := time.Now()
			op := h.upgraded(t, "w1", req)
			if took := time.Since(began); took > limit+20*time.Second {
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

// The last heartbeat of the process before may come in after it ended, and
// before the first of the new one. It says nothing about the new version.
func TestUpgrade_lastWordOfTheProcessBefore(t *testing.T) {
	t.Parallel()
	var h *upgradeHost
	h = newUpgradeHost(t, func(o *Options) {
		o.reached = func(point string) {
			switch point {
			case "upgrade/stop/done":
				h.p.deafen(true) // the new one takes its time
			case "upgrade/verify/begun":
				h.p.hears("w1", "1.0.0")
			}
		}
	})
	result, err := h.Upgrade(t.Context(), "w1", api.UpgradeRequest{Version: "1.2.0", UpgradeOptions: api.UpgradeOptions{TimeoutMs: 60_000}})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the old version is known for longer than a process has to stay", func() bool {
		op, err := h.Operation(t.Context(), result.Operation.ID)
		if err != nil || op.Status != "running" {
			t.Fatalf("operation %+v, %v", op, err)
		}
		var left int
		said, waits := strings.CutPrefix(op.Message, "waiting for it to report version 1.2.0, up to ")
		_, err = fmt.Sscanf(said, "%ds more", &left)
		return waits && err == nil && left <= 57
	})
	h.p.deafen(false)
	if op := h.over(t, result.Operation.ID); op.Status != "succeeded" {
		t.Errorf("operation %+v", op)
	}
	h.as(t, "w1", "1.2.0", true, true)
}

// A host that is offline itself cannot tell whether the version works: it goes
// back, says so, and does not hold it against the version. It is not left
// disabled when the control plane is there again.
func TestUpgrade_U9_hostOffline(t *testing.T) {
	t.Parallel()
	var h *upgradeHost
	var once sync.Once
	h = newUpgradeHost(t, func(o *Options) {
		o.askLimit = time.Second
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
