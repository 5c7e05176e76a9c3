package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/internal/pgserver"
	"pipedai/internal/secret"
	"pipedai/store"
	"pipedai/store/postgres"
	"pipedai/store/sqlite"
)

// oneHost is the only host there is, as an operator sees it.
func (b *bench) oneHost() api.Host {
	b.t.Helper()
	var all api.Hosts
	b.as(b.view, "GET", "/api/v1/hosts", "", 200, &all)
	if len(all.Items) != 1 {
		b.t.Fatalf("hosts %+v, want one", all.Items)
	}
	return all.Items[0]
}

func TestHosts_checkIn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := b.enroll("box")
	hos := secret.Text(in.OperatorToken)
	if h := b.oneHost(); h.Name != "box" || h.Status != "never" || h.Workers != 1 || h.ID == "" || h.Paused != nil || len(h.Warnings) != 0 {
		t.Errorf("after it joined %+v", h)
	}
	var got api.CheckInResponse
	ahead := api.At(b.clock.Now().Add(5 * time.Minute)).String()
	b.as(hos, "POST", "/api/v1/hosts/self/checkin",
		`{"facts":{"os":"linux","arch":"arm64","osVersion":"13","version":"1.4.0","label":"desk","capabilities":["upgrade-workers"],"time":"`+ahead+`"},
		"reports":[{"id":"ord_1","status":"running"},{"id":"ord_2","status":"failed"}]}`, 200, &got)
	if got.HostID != b.oneHost().ID || len(got.Orders) != 0 || got.ServerTime.IsZero() || len(got.Acknowledged) != 1 || got.Acknowledged[0] != "ord_2" {
		t.Errorf("answer %+v", got)
	}
	h := b.oneHost()
	if h.Status != "online" || h.Arch != "arm64" || h.Version != "1.4.0" || h.Label != "desk" || h.ClockSkewMs < 299_000 || len(h.Warnings) != 1 ||
		!strings.Contains(h.Warnings[0], "5m0s ahead") {
		t.Errorf("after it checked in %+v", h)
	}
	b.clock.move(2 * time.Minute)
	if h := b.oneHost(); h.Status != "offline" || len(h.Warnings) != 2 {
		t.Errorf("two minutes later %+v", h)
	}
	for _, body := range []string{`{"waitMs":30001}`, `{"reports":[{"id":"x","status":"done"}]}`, `{"reports":[{"status":"running"}]}`, `{"facts":7}`} {
		b.as(hos, "POST", "/api/v1/hosts/self/checkin", body, 400, nil)
	}
	for _, token := range []secret.Text{b.admin, secret.Text(in.WorkerToken)} { // a host's alone
		b.as(token, "POST", "/api/v1/hosts/self/checkin", `{}`, 403, nil)
	}
	for _, path := range []string{"", "/" + h.ID} { // not a host's
		b.as(hos, "GET", "/api/v1/hosts"+path, "", 403, nil)
	}
	b.as(hos, "POST", "/api/v1/hosts/"+h.ID+"/pause", "", 403, nil)
	b.as(b.view, "POST", "/api/v1/hosts/"+h.ID+"/pause", "", 403, nil)
	b.as(b.operate, "POST", "/api/v1/hosts/"+h.ID+"/revoke", "", 403, nil)
}

// A check-in that waits costs nobody anything, and ends when its time is over.
func TestHosts_checkInWaits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c := b.serve(secret.Text(b.enroll("box").OperatorToken))
	began := time.Now()
	if _, err := c.CheckIn(t.Context(), api.CheckInRequest{WaitMs: 150}); err != nil || time.Since(began) < 150*time.Millisecond {
		t.Errorf("it came back after %s with %v", time.Since(began), err)
	}
}

// countingStore counts the looks for orders.
type countingStore struct {
	store.Store
	looks atomic.Int64
}

func (c *countingStore) HostOrders(ctx context.Context, id store.HostID) ([]store.HostOrder, error) {
	c.looks.Add(1)
	return c.Store.HostOrders(ctx, id)
}

// A host that checks in again and again, and for which there is nothing, costs
// the check-in and no look for orders; one that is woken looks.
func TestHosts_checkInIsCheap(t *testing.T) {
	t.Parallel()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Options{Synchronous: "NORMAL"})
	if err != nil {
		t.Fatal(err)
	}
	counted := &countingStore{Store: st}
	b := newBenchOver(t, counted)
	c := b.serve(secret.Text(b.enroll("box").OperatorToken))
	for range 3 {
		if _, err := c.CheckIn(t.Context(), api.CheckInRequest{WaitMs: 20}); err != nil {
			t.Fatal(err)
		}
	}
	if n := counted.looks.Load(); n != 0 {
		t.Errorf("it looked %d times for orders", n)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := c.CheckIn(t.Context(), api.CheckInRequest{WaitMs: 30_000})
		ended <- err
	}()
	eventually(t, func() bool { hosts, _ := b.waiting.who(); return len(hosts) == 1 })
	hosts, _ := b.waiting.who()
	b.waiting.wake(waitHost(hosts[0]))
	eventually(t, func() bool { return counted.looks.Load() == 1 })
	b.waiting.tell(hosts[0], -1) // another replica had something for it
	eventually(t, func() bool { return counted.looks.Load() == 2 })
	b.Drain()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestHosts_pause(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := b.enroll("box")
	id := b.oneHost().ID
	var got api.HostDetail
	path := "/api/v1/hosts/" + id
	worker := "/api/v1/workspaces/" + in.WorkspaceID + "/workers/" + in.WorkerID

	b.as(b.operate, "POST", path+"/note", `{"note":"under the desk"}`, 200, &got)
	if got.Note != "under the desk" {
		t.Errorf("noted %+v", got)
	}
	soon := api.At(time.Now().Add(time.Hour)).String()
	b.as(b.operate, "POST", path+"/pause", `{"note":"new disk","until":"`+soon+`"}`, 200, &got)
	if got.Paused == nil || got.Paused.Note != "new disk" || got.Paused.Until.IsZero() || got.Disabled != 1 || !got.Items[0].Disabled {
		t.Errorf("paused %+v", got)
	}
	var claimed api.ClaimResponse
	b.as(secret.Text(in.WorkerToken), "POST", "/api/v1/workers/self/claim", `{"serviceId":"pulled","max":1,"waitMs":0}`, 200, &claimed)
	if !claimed.Disabled {
		t.Error("a worker of a paused host may claim")
	}
	// An upgrade of the worker comes and goes; the pause stays.
	b.as(secret.Text(in.OperatorToken), "POST", worker+"/disable", `{"by":"op_1"}`, 200, nil)
	b.as(secret.Text(in.OperatorToken), "POST", worker+"/enable", `{"by":"op_1"}`, 200, nil)
	b.as(b.view, "GET", path, "", 200, &got)
	if got.Paused == nil || got.Disabled != 1 {
		t.Errorf("after an upgrade %+v", got)
	}
	// An operator disables the worker meanwhile: the resume does not enable it.
	b.as(b.operate, "POST", worker+"/disable", `{"note":"it overheats"}`, 200, nil)
	b.as(b.operate, "POST", path+"/resume", "", 200, &got)
	if got.Paused != nil || got.Disabled != 1 || got.Items[0].Holds[0].Note != "it overheats" || got.Items[0].Holds[0].Who == "" {
		t.Errorf("resumed %+v", got)
	}
	var one api.RemoteWorker
	b.as(b.operate, "POST", worker+"/enable", "", 200, &one)
	if one.Disabled || len(one.Holds) != 0 {
		t.Errorf("enabled %+v", one)
	}
	past := api.At(b.clock.Now().Add(-time.Minute)).String()
	b.as(b.operate, "POST", path+"/pause", `{"until":"`+past+`"}`, 400, nil)
	b.as(b.operate, "POST", worker+"/disable", `{"until":"`+past+`"}`, 400, nil)
	b.as(b.operate, "POST", "/api/v1/hosts/host_none/pause", ``, 404, nil)
	b.as(b.operate, "POST", path+"/note", `{"note":"`+strings.Repeat("x", 1001)+`"}`, 400, nil)
}

// A pause whose time is over is over, whoever looks first.
func TestHosts_pauseEndsByItself(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := b.enroll("box")
	soon := api.At(time.Now().Add(300 * time.Millisecond)).String()
	b.as(b.operate, "POST", "/api/v1/hosts/"+b.oneHost().ID+"/pause", `{"until":"`+soon+`"}`, 200, nil)
	eventually(t, func() bool {
		var beat api.WorkerBeatResponse
		b.as(secret.Text(in.WorkerToken), "POST", "/api/v1/workers/self/heartbeat", `{}`, 200, &beat)
		return !beat.Disabled
	})
	if h := b.oneHost(); h.Paused != nil || h.Disabled != 0 {
		t.Errorf("afterwards %+v", h)
	}
}

// Revoking a host ends what it holds open at once, and leaves other hosts alone.
func TestHosts_D11_revoke(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in, other := b.enroll("box"), b.enroll("other")
	ended := map[string]chan error{}
	hold := func(name string, call func() error) {
		end := make(chan error, 1)
		ended[name] = end
		go func() { end <- call() }()
	}
	host, worker := b.serve(secret.Text(in.OperatorToken)), b.serve(secret.Text(in.WorkerToken))
	hold("check-in", func() error {
		_, err := host.CheckIn(t.Context(), api.CheckInRequest{WaitMs: 30_000})
		return err
	})
	hold("claim", func() error {
		_, err := worker.Claim(t.Context(), api.ClaimRequest{ServiceID: "pulled", Max: 1, WaitMs: 30_000})
		return err
	})
	hold("stream", func() error {
		return host.WorkerEvents(t.Context(), in.WorkerID, 0, func(int64, api.LifecycleEvent) {})
	})
	eventually(t, func() bool { hosts, workers := b.waiting.who(); return len(hosts) == 1 && len(workers) == 1 })

	var all api.Hosts
	b.as(b.view, "GET", "/api/v1/hosts", "", 200, &all)
	began := time.Now()
	b.as(b.admin, "POST", "/api/v1/hosts/"+all.Items[0].ID+"/revoke", "", 200, nil)
	for name, end := range ended {
		select {
		case err := <-end:
			var refused *api.Error
			if name != "stream" && (!errors.As(err, &refused) || refused.Status != 401 || refused.Code != api.CodeRevoked || refused.Message != "unauthorized") {
				t.Errorf("the %s ended with %v", name, err)
			}
		case <-time.After(5*time.Second - time.Since(began)):
			t.Errorf("the %s goes on", name)
		}
	}
	for _, token := range []string{in.OperatorToken, in.WorkerToken} {
		w := b.do("GET", "/api/v1/session", "", bearer(secret.Text(token))...)
		if w.Code != 401 || !strings.Contains(w.Body.String(), `"code":"credential_revoked"`) {
			t.Errorf("afterwards: %d %s", w.Code, w.Body)
		}
	}
	b.as(secret.Text(other.OperatorToken), "POST", "/api/v1/hosts/self/checkin", `{}`, 200, nil)
	if w := b.do("GET", "/api/v1/session", "", bearer("hos_nobody")...); w.Code != 401 || !strings.Contains(w.Body.String(), `"code":"unauthorized"`) {
		t.Errorf("a token nobody knows: %d %s", w.Code, w.Body)
	}

	// A person may let it in again.
	back := b.enroll("box")
	b.as(secret.Text(back.OperatorToken), "POST", "/api/v1/hosts/self/checkin", `{}`, 200, nil)
	b.as(b.view, "GET", "/api/v1/hosts?status=online", "", 200, &all)
	if len(all.Items) != 2 || back.WorkerID != in.WorkerID {
		t.Errorf("hosts %+v", all.Items)
	}
}

// What one replica revokes, pauses or has for a host, those that wait at
// another one hear of within seconds, without any notice between the two.
func TestHosts_D11_otherReplica(t *testing.T) {
	t.Parallel()
	for name, notices := range map[string]bool{"with notices": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there := twoReplicas(t, notices)
			in := here.enroll("box")
			host, worker := there.serve(secret.Text(in.OperatorToken)), there.serve(secret.Text(in.WorkerToken))
			claim := func() chan api.ClaimResponse {
				out := make(chan api.ClaimResponse, 1)
				go func() {
					got, err := worker.Claim(t.Context(), api.ClaimRequest{ServiceID: "pulled", Max: 1, WaitMs: 30_000})
					var refused *api.Error
					if errors.As(err, &refused) && refused.Code == api.CodeRevoked {
						close(out)
						return
					}
					out <- got
				}()
				return out
			}
			waits := claim()
			eventually(t, func() bool { _, workers := there.waiting.who(); return len(workers) == 1 })
			var all api.Hosts
			here.as(here.view, "GET", "/api/v1/hosts", "", 200, &all)
			path := "/api/v1/hosts/" + all.Items[0].ID
			began := time.Now()
			here.as(here.operate, "POST", path+"/pause", "", 200, nil)
			if got := <-waits; !got.Disabled || time.Since(began) > 5*time.Second {
				t.Errorf("paused elsewhere: %+v after %s", got, time.Since(began))
			}
			here.as(here.operate, "POST", path+"/resume", "", 200, nil)

			waits = claim()
			checkIn := make(chan error, 1)
			go func() {
				_, err := host.CheckIn(t.Context(), api.CheckInRequest{WaitMs: 30_000})
				checkIn <- err
			}()
			stream := make(chan error, 1)
			go func() { stream <- host.WorkerEvents(t.Context(), in.WorkerID, 0, func(int64, api.LifecycleEvent) {}) }()
			eventually(t, func() bool { hosts, workers := there.waiting.who(); return len(hosts) == 1 && len(workers) == 1 })
			began = time.Now()
			here.as(here.admin, "POST", path+"/revoke", "", 200, nil)
			if _, more := <-waits; more {
				t.Error("the claim ended with something else than the revocation")
			}
			var refused *api.Error
			if err := <-checkIn; !errors.As(err, &refused) || refused.Code != api.CodeRevoked {
				t.Errorf("the check-in ended with %v", err)
			}
			<-stream
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestEnrollments_revoke(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var code api.IssuedCode
	b.as(b.admin, "POST", "/api/v1/enrollments/codes", `{}`, http.StatusCreated, &code)
	b.as(b.operate, "POST", "/api/v1/enrollments/"+code.ID+"/revoke", "", 403, nil)
	var got api.Enrollment
	b.as(b.admin, "POST", "/api/v1/enrollments/"+code.ID+"/revoke", "", 200, &got)
	if got.Status != "revoked" {
		t.Errorf("revoked %+v", got)
	}
	if w := b.do("POST", "/api/v1/enrollments/redeem", `{"code":"`+code.Code+`","hostname":"h","os":"linux","version":"1"}`); w.Code != 403 {
		t.Errorf("redeemed afterwards: %d %s", w.Code, w.Body)
	}
	b.enroll("box")
	var all api.Enrollments
	b.as(b.admin, "GET", "/api/v1/enrollments?status=redeemed", "", 200, &all)
	w := b.do("POST", "/api/v1/enrollments/"+all.Items[0].ID+"/revoke", "", bearer(b.admin)...)
	if w.Code != 409 || !strings.Contains(w.Body.String(), "revoke the host") {
		t.Errorf("a redeemed one: %d %s", w.Code, w.Body)
	}
	b.as(b.admin, "POST", "/api/v1/enrollments/ent_none/revoke", "", 404, nil)
}

func TestWorkerEvents_list(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in, other := b.enroll("box"), b.enroll("other")
	for i := range 5 {
		b.as(secret.Text(in.WorkerToken), "POST", "/api/v1/workers/self/events", fmt.Sprintf(`{"type":"e%d","data":{"n":%d}}`, i, i), 204, nil)
	}
	path := "/api/v1/workers/" + in.WorkerID + "/events"
	types := func(query string) (string, int64) {
		var got api.WorkerEvents
		b.as(secret.Text(in.OperatorToken), "GET", path+query, "", 200, &got)
		var out []string
		for _, e := range got.Items {
			out = append(out, e.Type)
		}
		return strings.Join(out, " "), got.Next
	}
	last, next := types("?limit=2")
	if last != "e3 e4" {
		t.Errorf("the newest two are %s", last)
	}
	if more, _ := types(fmt.Sprintf("?since=%d", next)); more != "" {
		t.Errorf("after the last there is %s", more)
	}
	if rest, _ := types(fmt.Sprintf("?since=%d&limit=1", next-2)); rest != "e3" {
		t.Errorf("one after the third is %s", rest)
	}
	if all, _ := types(""); all != "e0 e1 e2 e3 e4" {
		t.Errorf("all are %s", all)
	}
	b.as(secret.Text(other.OperatorToken), "GET", path, "", 404, nil)
	for _, query := range []string{"?limit=0", "?limit=501", "?since=x"} {
		b.as(b.view, "GET", path+query, "", 400, nil)
	}
}

// twoReplicas are two servers on one PostgreSQL, at the pace of real ones. With
// notices their engines run and tell each other of changes.
func twoReplicas(t *testing.T, notices bool) (one, two *bench) {
	t.Helper()
	database, err := pgserver.Start(pgserver.Options{})
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(database.Stop)
	replica := func() *bench {
		st, err := postgres.Open(t.Context(), database.DSN("postgres"), postgres.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var e *engine.Engine
		b := newBenchOver(t, st, func(o *Options) {
			o.Now, o.StreamCheck = time.Now, 2*time.Second
			if !notices {
				return
			}
			e, err = engine.New(st, refuser{}, engine.Options{
				Secret: testSecret, Backends: []engine.Backend{{Config: o.Backends[0], Bucket: nil}},
			})
			if err != nil {
				t.Fatal(err)
			}
			o.Engine = e
		})
		if e != nil {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- e.Run(ctx) }()
			t.Cleanup(func() {
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		}
		return b
	}
	return replica(), replica()
}

// eventually waits for something that another goroutine is about to do.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come about within a minute")
		}
	}
}
