package daemon

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/manifest"
)

// checkIns has a fake control plane answer check-ins: with a wait, or, from revoke
// on, with the word that the credential was revoked.
func (p *plane) checkIns() (revoke func(bool), asked *atomic.Int64) {
	var revoked atomic.Bool
	asked = &atomic.Int64{}
	next := p.Config.Handler
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/hosts/self/checkin" {
			next.ServeHTTP(w, r)
			return
		}
		asked.Add(1)
		if r.Header.Get("Authorization") == "Bearer hos_the-host-operator-token" && revoked.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":"unauthorized","code":"credential_revoked"}`))
			return
		}
		_ = json.NewEncoder(w).Encode(api.CheckInResponse{HostID: "host_1", ServerTime: api.At(time.Now())})
	})
	return revoked.Store, asked
}

// runs reports whether a worker has a process.
func (r running) runs(t *testing.T, id string) bool {
	w := r.worker(t, id)
	return w.Local != nil && w.Local.PID != nil
}

// A revoked host says so, lets its workers finish what they have in hand, wipes
// the credential and asks nobody any more; a person brings it back, and what ran
// before runs again.
func TestHost_D11_revoked(t *testing.T) {
	t.Parallel()
	p, other := newPlane(t, "w1", "w2"), newPlane(t, "o1")
	revoke, asked := p.checkIns()
	dir := newHome(t, p.URL, "w1", "w2")
	if err := enroll.PutOperator(dir.Credentials(), other.URL, "ws1", "hos_the-other-token"); err != nil {
		t.Fatal(err)
	}
	addWorker(t, dir, other.URL, "o1")
	o := testOptions(dir)
	o.WorkerEnv = append(o.WorkerEnv, drainVar+"=300ms")
	d := startDaemon(t, o)
	until(t, "all run", func() bool { return d.runs(t, "w1") && d.runs(t, "w2") && d.runs(t, "o1") })
	counting(t, dir, "w1")
	before := d.pid(t, "o1")

	revoke(true)
	until(t, "the workers of that control plane have ended", func() bool { return !d.runs(t, "w1") && !d.runs(t, "w2") })
	logs, err := os.ReadFile(dir.Log("w1"))
	noError(t, err)
	if !strings.HasSuffix(strings.TrimSpace(string(logs)), "done") {
		t.Errorf("it did not finish the run it had in hand: …%.100s", logs[max(0, len(logs)-100):])
	}
	if d.pid(t, "o1") != before {
		t.Error("a worker of another control plane was touched")
	}
	creds, err := enroll.LoadCredentials(dir.Credentials())
	noError(t, err)
	raw, err := os.ReadFile(dir.Credentials())
	noError(t, err)
	if creds.Revoked(p.URL, "ws1").IsZero() || strings.Contains(string(raw), "hos_the-host-operator-token") || creds.Operator(other.URL, "ws1") == "" {
		t.Errorf("credentials afterwards: revoked at %s", creds.Revoked(p.URL, "ws1"))
	}
	status := func() (state, health string, plane api.RemoteState) {
		self, err := d.Self(t.Context())
		noError(t, err)
		for _, item := range self.Health {
			health += item.Code + " "
		}
		for _, c := range self.ControlPlanes {
			if c.APIURL == p.URL {
				plane = c
			}
		}
		return self.State, health, plane
	}
	if state, health, plane := status(); state != StateRevoked || !strings.Contains(health, "host_revoked") || plane.RevokedAt.IsZero() {
		t.Errorf("status %s with %s, %+v", state, health, plane)
	}
	_, err = d.Act(t.Context(), "w1", "start")
	if e := asAPI(t, err); e.Status != http.StatusConflict || !strings.Contains(e.Fix, "connect --api-url") {
		t.Errorf("a start is answered with %+v", e)
	}
	events, err := d.HostEvents(t.Context(), 0, "", 500)
	noError(t, err)
	told := 0
	for _, e := range events.Items {
		if e.Type == api.HostRevoked {
			told++
		}
	}
	if told != 1 {
		t.Errorf("%d events of it", told)
	}

	// It outlives the daemon, and no request is made with what was wiped.
	noError(t, d.stop())
	n := asked.Load()
	d = startDaemon(t, o)
	until(t, "the other worker runs", func() bool { return d.runs(t, "o1") })
	if state, _, _ := status(); state != StateRevoked || d.runs(t, "w1") {
		t.Errorf("after a restart: %s", state)
	}
	if asked.Load() != n {
		t.Error("it checked in without a credential")
	}

	// Connect brings a new credential and tells the daemon.
	if err := enroll.PutOperator(dir.Credentials(), p.URL, "ws1", "hos_a-new-token"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Reload(t.Context(), api.ReloadRequest{}); err != nil {
		t.Fatal(err)
	}
	until(t, "its workers run again", func() bool { return d.runs(t, "w1") && d.runs(t, "w2") })
	until(t, "it checks in again", func() bool { return asked.Load() > n })
	until(t, "it is not revoked any more", func() bool {
		_, health, plane := status()
		return plane.RevokedAt.IsZero() && !strings.Contains(health, "revoked")
	})
}

// With the setting, runs in hand are not waited for.
func TestHost_D11_killed(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	revoke, _ := p.checkIns()
	dir := newHome(t, p.URL, "w1")
	o := testOptions(dir)
	o.KillRevoked = true
	o.WorkerEnv = append(o.WorkerEnv, drainVar+"=1h")
	d := startDaemon(t, o)
	counting(t, dir, "w1")
	pid := d.pid(t, "w1")
	revoke(true)
	until(t, "the worker has ended", func() bool { return !d.runs(t, "w1") })
	if alive(pid) {
		t.Error("its process goes on")
		if process, err := os.FindProcess(pid); err == nil {
			_ = process.Kill()
		}
	}
	m, err := manifest.Open(t.Context(), dir.Manifest())
	noError(t, err)
	defer func() { _ = m.Close() }()
	if e, err := m.Entry(t.Context(), "w1"); err != nil || !e.Running || !e.Enabled {
		t.Errorf("what it is to do was forgotten: %+v, %v", e, err)
	}
}

// A bare 401 is no revocation: a proxy may have said it, or a server that lost
// its memory. Nothing is wiped, nothing stopped.
func TestHost_D11_bareRefusalIsNone(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	next := p.Config.Handler
	var refused atomic.Int64
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/checkin") {
			refused.Add(1)
			http.Error(w, `{"error":"unauthorized"}`, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
	dir := newHome(t, p.URL, "w1")
	d := startDaemon(t, testOptions(dir))
	until(t, "it was refused", func() bool { return refused.Load() > 0 })
	counting(t, dir, "w1")
	creds, err := enroll.LoadCredentials(dir.Credentials())
	noError(t, err)
	if !d.runs(t, "w1") || creds.Operator(p.URL, "ws1").Empty() || !creds.Revoked(p.URL, "ws1").IsZero() {
		t.Error("it was taken for a revocation")
	}
}
