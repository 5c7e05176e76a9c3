package daemon

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pipedai/api"
	"pipedai/daemon/localapi"
	"pipedai/enroll"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

// wanted reads both desired states from the manifest.
func wanted(t *testing.T, dir hostdir.Dir, id string) (running, enabled bool) {
	t.Helper()
	m, err := manifest.Open(t.Context(), dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	e, err := m.Entry(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return e.Running, e.Enabled
}

func TestAct_stopAndStartAreThisHostsBusiness(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	d := startDaemon(t, testOptions(dir))
	pid := d.pid(t, "w1")
	for range 2 { // idempotent
		result, err := d.Act(t.Context(), "w1", "stop")
		if err != nil || !result.OK || result.Draining || result.Action != "stop" {
			t.Fatalf("stop: %+v, %v", result, err)
		}
	}
	if alive(pid) {
		t.Error("stop answered before the process ended")
	}
	if w := d.worker(t, "w1"); w.Local.State != "stopped" || w.DesiredState != "disabled" || !w.Enabled {
		t.Errorf("after stop: %+v %+v", w, w.Local)
	}
	for range 2 {
		if _, err := d.Act(t.Context(), "w1", "start"); err != nil {
			t.Fatal(err)
		}
	}
	if again := d.pid(t, "w1"); again == pid {
		t.Error("the old process runs again")
	}
	if up, enabled := wanted(t, dir, "w1"); !up || !enabled {
		t.Errorf("manifest: running %v, enabled %v", up, enabled)
	}
	if did := p.did(); did != "" {
		t.Errorf("the control plane was asked: %s", did)
	}
}

func TestAct_disableAndEnableAskTheControlPlaneFirst(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	d := startDaemon(t, testOptions(dir))
	pid := d.pid(t, "w1")

	for _, status := range []int{http.StatusInternalServerError, http.StatusForbidden} {
		p.set(status)
		_, err := d.Act(t.Context(), "w1", "disable")
		if answer := asAPI(t, err); answer.Status != http.StatusBadGateway || !strings.Contains(answer.Message, "nothing was changed") {
			t.Errorf("refused with %d: %+v", status, answer)
		}
		if _, enabled := wanted(t, dir, "w1"); !enabled {
			t.Error("the manifest changed although the control plane refused")
		}
	}
	p.set(0)
	if _, err := d.Act(t.Context(), "w1", "disable"); err != nil {
		t.Fatal(err)
	}
	if w := d.worker(t, "w1"); w.Remote == nil || !w.Remote.Disabled || w.Enabled || !w.Running {
		t.Errorf("the answer came before the fresh status: %+v", w)
	}
	if now := d.pid(t, "w1"); now != pid {
		t.Errorf("disable touched the process: %d, then %d", pid, now)
	}
	// Stopping and starting a disabled worker leaves it disabled.
	for _, verb := range []string{"stop", "start"} {
		if _, err := d.Act(t.Context(), "w1", verb); err != nil {
			t.Fatal(err)
		}
	}
	if up, enabled := wanted(t, dir, "w1"); !up || enabled {
		t.Errorf("manifest: running %v, enabled %v", up, enabled)
	}
	if _, err := d.Act(t.Context(), "w1", "enable"); err != nil {
		t.Fatal(err)
	}
	if w := d.worker(t, "w1"); w.Remote.Disabled || !w.Enabled {
		t.Errorf("after enable: %+v", w)
	}
}

func TestAct_delete(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1", "w2")
	dir := newHome(t, p.URL, "w1", "w2", "gone")
	d := startDaemon(t, testOptions(dir))
	pid, other := d.pid(t, "w1"), d.pid(t, "w2")

	p.set(http.StatusInternalServerError)
	if _, err := d.Act(t.Context(), "w1", "stop"); err != nil { // needs nobody
		t.Fatal(err)
	}
	if _, err := d.Delete(t.Context(), "w1"); asAPI(t, err).Status != http.StatusBadGateway {
		t.Errorf("refused: %v", err)
	}
	p.set(0)
	for range 2 { // the second time it is gone already
		if result, err := d.Delete(t.Context(), "w1"); err != nil || !result.OK {
			t.Fatalf("delete: %+v, %v", result, err)
		}
	}
	if w := d.worker(t, "w1"); w.ID != "" {
		t.Errorf("still listed: %+v", w)
	}
	if alive(pid) {
		t.Error("the process is still there")
	}
	if _, err := os.Stat(dir.WorkerConfig("w1")); err == nil {
		t.Error("its configuration is still there")
	}
	// The control plane does not know it: as good as deleted.
	if _, err := d.Delete(t.Context(), "gone"); err != nil {
		t.Errorf("404: %v", err)
	}
	if now := d.pid(t, "w2"); now != other {
		t.Error("another worker was touched")
	}
}

func TestAct_deleteKeepsFilesThatAreNotOurs(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	own := filepath.Join(t.TempDir(), "worker.json")
	if err := enroll.WriteWorkerFile(own, enroll.WorkerFile{WorkerID: "w1", WorkerToken: "wkt_x", APIURL: p.URL}); err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Open(t.Context(), dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.Entry(t.Context(), "w1")
	if err != nil {
		t.Fatal(err)
	}
	e.ConfigPath = own
	if err := m.Upsert(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	_ = m.Close()
	d := startDaemon(t, testOptions(dir))
	if _, err := d.Delete(t.Context(), "w1"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(own); err != nil {
		t.Errorf("an adopted configuration was removed: %v", err)
	}
}

func TestAct_unknownWorkerAndMissingCredential(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	d := startDaemon(t, testOptions(dir))
	for _, verb := range []string{"start", "stop", "enable", "disable"} {
		if _, err := d.Act(t.Context(), "nobody", verb); asAPI(t, err).Status != http.StatusNotFound {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if err := os.WriteFile(dir.Credentials(), []byte(`{"version":1,"localToken":"x","operators":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := d.Act(t.Context(), "w1", "disable")
	if answer := asAPI(t, err); answer.Status != http.StatusConflict || !strings.Contains(answer.Fix, "connect --api-url "+p.URL) {
		t.Errorf("without a credential: %+v", answer)
	}
}

// A start that comes while a stop still drains must not be lost.
func TestAct_startDuringADrain(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	o := testOptions(dir)
	o.WorkerEnv = append(o.WorkerEnv, drainVar+"=500ms")
	d := startDaemon(t, o)
	pid := d.pid(t, "w1")
	counting(t, dir, "w1")
	stopped := make(chan error, 1)
	go func() {
		_, err := d.Act(context.Background(), "w1", "stop")
		stopped <- err
	}()
	until(t, "it drains", func() bool { return d.worker(t, "w1").Local.Draining })
	if _, err := d.Act(t.Context(), "w1", "start"); err != nil {
		t.Fatal(err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if again := d.pid(t, "w1"); again == pid {
		t.Error("the draining process was taken for the started one")
	}
	if up, _ := wanted(t, dir, "w1"); !up {
		t.Error("the start was lost")
	}
}

func TestAct_manyAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	d := startDaemon(t, testOptions(dir))
	var all sync.WaitGroup
	for i := range 20 {
		verb := []string{"start", "stop", "disable", "enable"}[i%4]
		all.Go(func() {
			if _, err := d.Act(context.Background(), "w1", verb); err != nil {
				t.Errorf("%s: %v", verb, err)
			}
		})
	}
	all.Wait()
	if _, err := d.Act(t.Context(), "w1", "start"); err != nil {
		t.Fatal(err)
	}
	d.pid(t, "w1")
}

func TestReload_takesUpNewWorkersAndRestartsChangedOnes(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1", "w2")
	dir := newHome(t, p.URL, "w1")
	d := startDaemon(t, testOptions(dir))
	first := d.pid(t, "w1")
	addWorker(t, dir, p.URL, "w2")
	answer, err := d.Reload(t.Context(), api.ReloadRequest{})
	if err != nil || answer.Workers != 2 {
		t.Fatalf("reload: %+v, %v", answer, err)
	}
	second := d.pid(t, "w2")
	if now := d.pid(t, "w1"); now != first {
		t.Error("a worker that did not change was touched")
	}
	if _, err := d.Reload(t.Context(), api.ReloadRequest{Restart: []string{"w1"}}); err != nil {
		t.Fatal(err)
	}
	until(t, "w1 is another process", func() bool {
		w := d.worker(t, "w1")
		return w.Local.PID != nil && *w.Local.PID != first && w.Local.State == "running"
	})
	if now := d.pid(t, "w2"); now != second {
		t.Error("a worker that did not change was touched")
	}
}

func TestStatus_fusesAndBroadcasts(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	d := startDaemon(t, testOptions(dir))
	d.pid(t, "w1")
	until(t, "all sources spoke", func() bool {
		w := d.worker(t, "w1")
		return w.Remote != nil && w.LastEvent != nil && w.LatestWorkerVersion != nil && !w.RemoteFetchedAt.IsZero()
	})
	w := d.worker(t, "w1")
	if w.Remote.Status != "online" || w.LastEvent.Type != "worker.started" || *w.LatestWorkerVersion != "9.0.0" {
		t.Errorf("worker %+v", w)
	}

	// A process that dies is told without anybody asking.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pid, killed, seen := d.pid(t, "w1"), false, false
	_ = d.Events(ctx, 0, func(f api.LocalFrame) {
		switch {
		case f.Kind == "log" && !killed: // its output is told, too
			killed = true
			process, err := os.FindProcess(pid)
			if err != nil || process.Kill() != nil {
				t.Error("the worker could not be killed")
				cancel()
			}
		case f.Kind == "status" && f.Items[0].Local.LastExit != nil:
			seen = true
			cancel()
		}
	})
	if !killed || !seen {
		t.Errorf("a line was told: %v; the exit was told: %v", killed, seen)
	}
}

func TestWorker_L16_seesNoSecretOfOurs(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	o := testOptions(dir)
	o.WorkerArgs = []string{"hos_the-host-operator-token"} // it prints its arguments
	d := startDaemon(t, o)
	d.pid(t, "w1")
	var first string
	until(t, "its first line", func() bool {
		data, err := os.ReadFile(dir.Log("w1"))
		first, _, _ = strings.Cut(string(data), "\n")
		return err == nil && first != ""
	})
	if strings.Contains(first, "hos_") || !strings.Contains(first, "token  args *** run --config") {
		t.Errorf("it wrote %q", first)
	}
}

// A daemon that ends cuts actions off, and says so: not a fault of its own, and
// not before it could have said so otherwise.
func TestAct_cutOffByTheEndOfTheDaemon(t *testing.T) {
	t.Parallel()
	o := testOptions(newHome(t, "https://a.test", "w1"))
	o.defaults()
	hosts, err := manifest.Open(t.Context(), o.Dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hosts.Close() })
	h := newHost(o, hosts)
	h.phase.Store(phaseReady) // the end has only just begun
	h.lanes.cancel()
	_, err = h.Act(t.Context(), "w1", localapi.ActRequest{Verb: localapi.ActionStop})
	if got := asAPI(t, err); got.Status != http.StatusServiceUnavailable || got.Code != api.CodeNotReady {
		t.Errorf("%+v", got)
	}
}
