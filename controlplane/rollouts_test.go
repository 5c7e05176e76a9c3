package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/secret"
	"pipedai/internal/sqlitefile"
	"pipedai/store"
	"pipedai/store/sqlite"
)

// publish makes a release of pipedai-worker that hosts could install.
func (b *bench) publish(version string, systems ...string) {
	b.t.Helper()
	b.publishOf(api.ProgramWorker, version, systems...)
}

func (b *bench) publishOf(program, version string, systems ...string) {
	b.t.Helper()
	ctx, st := b.t.Context(), b.o.Engine.Store()
	const key = "00000000000000k1"
	err := st.AddReleaseKey(ctx, "", store.ReleaseKey{ID: key, Public: "prk_1"})
	if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrKeyKnown) {
		b.t.Fatal(err)
	}
	all, err := st.Releases(ctx, store.ReleaseFilter{Program: program})
	if err != nil {
		b.t.Fatal(err)
	}
	r := store.Release{
		Program: program, Version: version, Channel: "stable", Sequence: int64(len(all)) + 1, KeyID: key, Digest: program + version,
		Envelope: []byte(`{}`), CreatedAt: time.Now(), ExpiresAt: time.Now().Add(24 * time.Hour),
	}
	if len(systems) == 0 {
		systems = []string{"linux/amd64"}
	}
	for _, system := range systems {
		os, arch, _ := strings.Cut(system, "/")
		r.Artifacts = append(r.Artifacts, store.ReleaseArtifact{Name: os + arch, OS: os, Arch: arch, Format: "binary", SHA256: program + version + system, Size: 1})
	}
	if _, err := st.AddRelease(ctx, r); err != nil {
		b.t.Fatal(err)
	}
	for _, a := range r.Artifacts {
		if _, err := st.StoreArtifact(ctx, store.StoredArtifact{Program: program, SHA256: a.SHA256, Size: 1, Backend: "local", Path: "releases/" + a.SHA256}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// machine is a simulated host: it checks in over HTTP as a daemon does, and
// carries orders out as behave says.
type machine struct {
	t      testing.TB
	name   string
	worker secret.Text
	asked  []*client.Client // replicas, in turn
	behave func(m *machine, o api.HostOrder) error
	fleet  *machines

	mu      sync.Mutex
	version string
	orders  map[string]*carried // by id
	news    chan struct{}       // capacity 1: something to report
}

// carried is an order in hand.
type carried struct {
	api.OrderReport
	cancel       context.CancelCauseFunc
	acknowledged bool
}

// machines counts what is out at once, as the machines see it.
type machines struct {
	mu       sync.Mutex
	out, max int
	began    []string // in the order they began
}

func (f *machines) enter(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.out++
	f.max = max(f.max, f.out)
	f.began = append(f.began, name)
}

func (f *machines) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.out--
}

// machine lets a host join that runs 1.0.0 and does whatever it is told.
func (b *bench) machine(f *machines, name string, asked func(secret.Text) []*client.Client) *machine {
	b.t.Helper()
	in := b.enroll(name)
	return &machine{
		t: b.t, name: name, worker: secret.Text(in.WorkerToken), asked: asked(secret.Text(in.OperatorToken)), fleet: f, version: "1.0.0",
		orders: map[string]*carried{}, news: make(chan struct{}, 1), behave: func(*machine, api.HostOrder) error { return nil },
	}
}

func (m *machine) now() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.version
}

// checkIn asks once. It reports what changed since, and begins what it is told,
// which ends with life.
func (m *machine) checkIn(ctx, life context.Context, turn int, wait time.Duration) error {
	req := api.CheckInRequest{
		Facts: api.CheckInFacts{
			OS: "linux", Arch: "amd64", Version: "1.0.0", Capabilities: []string{api.CapabilityUpgradeWorkers, api.CapabilityUpgradeSelf}, Time: api.At(time.Now()),
		},
		WaitMs: wait.Milliseconds(),
	}
	m.mu.Lock()
	for id, c := range m.orders {
		req.Known = append(req.Known, id)
		if c.cancel == nil {
			req.Known = append(req.Known, id+"/withdrawn")
		}
		if !c.acknowledged {
			req.Reports = append(req.Reports, c.OrderReport)
		}
	}
	m.mu.Unlock()
	got, err := m.asked[turn%len(m.asked)].CheckIn(ctx, req)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range got.Acknowledged {
		if c := m.orders[id]; c != nil && c.Ended() {
			c.acknowledged = true
		}
	}
	for _, o := range got.Orders {
		c := m.orders[o.ID]
		switch {
		case c == nil && o.Withdrawn:
			m.orders[o.ID] = &carried{OrderReport: api.OrderReport{ID: o.ID, Status: api.OrderWithdrawn}}
		case c == nil:
			m.begin(life, o)
		case o.Withdrawn && c.cancel != nil:
			c.cancel(errTakenBack)
			c.cancel = nil
		}
	}
	return nil
}

var errTakenBack = errors.New("taken back")

// begin carries an order out, beside the check-ins; the caller holds mu.
func (m *machine) begin(ctx context.Context, o api.HostOrder) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &carried{OrderReport: api.OrderReport{ID: o.ID, Status: api.OrderRunning, Step: "drain", Message: "1 run left", Progress: 30}, cancel: cancel}
	m.orders[o.ID] = c
	from, behave := m.version, m.behave
	m.fleet.enter(m.name)
	go func() {
		behaved := make(chan error, 1)
		go func() { behaved <- behave(m, o) }()
		end := api.OrderReport{ID: o.ID, Status: api.OrderSucceeded}
		select {
		case err := <-behaved:
			var no *refusal
			switch {
			case errors.As(err, &no):
				end.Status, end.Error = api.OrderRefused, no.Error()
			case err != nil:
				end.Status, end.Error = api.OrderFailed, err.Error()
			}
		case <-ctx.Done():
			if !errors.Is(context.Cause(ctx), errTakenBack) {
				return // the machine was switched off
			}
			end.Status = api.OrderWithdrawn
		}
		m.fleet.leave()
		m.mu.Lock()
		defer m.mu.Unlock()
		end.Workers = []api.OrderWorker{{WorkerID: "w", FromVersion: from, Version: o.Version, Status: end.Status}}
		if end.Status == api.OrderSucceeded {
			m.version = o.Version
		}
		c.OrderReport = end
		select {
		case m.news <- struct{}{}:
		default:
		}
	}()
}

type refusal struct{ error }

// run checks in until ctx ends, through failures of the server.
func (m *machine) run(ctx context.Context) {
	for turn := 0; ctx.Err() == nil; turn++ {
		asking, cancel := context.WithCancel(ctx)
		go func() { // as a daemon does: what is new is reported at once
			select {
			case <-m.news:
				cancel()
			case <-asking.Done():
			}
		}()
		err := m.checkIn(asking, ctx, turn, 5*time.Second)
		if err != nil && asking.Err() == nil {
			select { // the server is away, or has revoked us
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		cancel()
	}
}

// on starts machines, and returns what switches them off.
func on(t testing.TB, all ...*machine) (off func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, m := range all {
		group.Go(func() { m.run(ctx) })
	}
	off = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(off)
	return off
}

// fleetOf are machines h0, h1, ... that have checked in and are on.
func (b *bench) fleetOf(n int) ([]*machine, *machines) {
	b.t.Helper()
	f := &machines{}
	c := b.serve("")
	var out []*machine
	for i := range n {
		out = append(out, b.machine(f, fmt.Sprintf("h%d", i), func(token secret.Text) []*client.Client {
			return []*client.Client{client.New(c.BaseURL(), client.Options{Token: token})}
		}))
	}
	for _, m := range out {
		if err := m.checkIn(b.t.Context(), b.t.Context(), 0, 0); err != nil {
			b.t.Fatal(err)
		}
	}
	return out, f
}

func (b *bench) startRollout(body string) api.RolloutDetail {
	b.t.Helper()
	var out api.RolloutDetail
	b.as(b.operate, "POST", "/api/v1/rollouts", body, http.StatusCreated, &out)
	return out
}

func (b *bench) rolloutNow(id string) api.RolloutDetail {
	b.t.Helper()
	var out api.RolloutDetail
	b.as(b.view, "GET", "/api/v1/rollouts/"+id, "", 200, &out)
	return out
}

// until waits for a status, and gives rollouts their turn meanwhile, as the
// loop of a running engine does.
func (b *bench) until(id, status string) api.RolloutDetail {
	b.t.Helper()
	var last api.RolloutDetail
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if last = b.rolloutNow(id); last.Status == status {
			return last
		}
		if time.Now().After(end) {
			b.t.Fatalf("it is %s (%s), not %s: %+v", last.Status, last.Reason, status, statesOf(last))
		}
		b.turn()
	}
}

func (b *bench) turn() {
	b.t.Helper()
	moved, err := b.o.Engine.Store().AdvanceRollouts(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	b.o.Engine.RolloutsMoved(moved...)
}

func statesOf(r api.RolloutDetail) map[string]string {
	out := map[string]string{}
	for _, t := range r.Targets {
		out[t.Host] = t.State
	}
	return out
}

// Ten hosts, two of which fail: the rollout stops at its budget, says which and
// why, goes on when it is resumed, and everything can be taken back.
func TestRollout_U12_tenHostsTwoFail(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	all, fleet := b.fleetOf(10)
	b.publish("2.0.0")
	broken := func(why string) func(*machine, api.HostOrder) error {
		return func(*machine, api.HostOrder) error { return errors.New(why) }
	}
	all[3].behave = broken("2.0.0 crashed at start; 1.0.0 runs again")
	all[6].behave = broken("the disk is full")
	stopped := make(chan struct{})
	all[7].behave = func(*machine, api.HostOrder) error { <-stopped; return nil } // it drains as long as that
	on(t, all...)

	r := b.startRollout(`{"version":"2.0.0","canary":2,"maxUnavailable":2,"maxFailures":1}`)
	if len(r.Targets) != 10 || r.Status != "running" || r.Channel != "stable" || !slices.Equal(r.Targets[0].From, []string{"1.0.0"}) {
		t.Fatalf("started %+v", r)
	}
	paused := b.until(r.ID, "paused")
	if paused.Reason != "2 hosts failed, 1 allowed: h3, h6" || paused.Counts.Failed != 2 {
		t.Errorf("it stopped because %q: %+v", paused.Reason, paused.Counts)
	}
	for _, x := range paused.Targets {
		switch x.Host {
		case "h3":
			if x.State != "failed" || x.Error != "2.0.0 crashed at start; 1.0.0 runs again" || len(x.Workers) != 1 || x.Workers[0].FromVersion != "1.0.0" {
				t.Errorf("h3 is %+v", x)
			}
		case "h6":
			if x.Error != "the disk is full" {
				t.Errorf("h6 is %+v", x)
			}
		}
	}
	fleet.mu.Lock()
	if canaries := slices.Sorted(slices.Values(fleet.began[:2])); !slices.Equal(canaries, []string{"h0", "h1"}) || fleet.max > 2 {
		t.Errorf("the first were %v, and at most %d at once", canaries, fleet.max)
	}
	fleet.mu.Unlock()
	given := 10 - paused.Counts.Waiting
	if given > 8 { // both failures, and one that was out at that moment
		t.Errorf("%d hosts had orders", given)
	}
	close(stopped) // what was out goes on, or only begins, and nothing more is given
	eventually(t, func() bool { b.turn(); return b.rolloutNow(r.ID).Counts.Out == 0 })
	fleet.mu.Lock()
	if len(fleet.began) != given {
		t.Errorf("%v began, of %d with orders", fleet.began, given)
	}
	fleet.mu.Unlock()

	// Somebody mends the two.
	for _, m := range []*machine{all[3], all[6]} {
		m.mu.Lock()
		m.behave = all[0].behave
		m.mu.Unlock()
	}
	b.as(b.operate, "POST", "/api/v1/rollouts/"+r.ID+"/resume", `{"retry":true,"note":"disk cleaned"}`, 200, nil)
	done := b.until(r.ID, "succeeded")
	if done.Counts.Succeeded != 10 || done.Reason != "" || done.EndedAt.IsZero() {
		t.Errorf("ended %+v", done.Rollout)
	}
	for _, m := range all {
		if m.now() != "2.0.0" {
			t.Errorf("%s runs %s", m.name, m.now())
		}
	}

	var back api.RolloutDetail
	b.as(b.operate, "POST", "/api/v1/rollouts/"+r.ID+"/rollback", `{"maxUnavailable":3}`, http.StatusCreated, &back)
	if back.Kind != "rollback" || back.RollbackOf != r.ID || back.Version != "1.0.0" || len(back.Targets) != 10 || back.Targets[0].Host != "h9" {
		t.Errorf("rollback %+v", back)
	}
	b.until(back.ID, "succeeded")
	for _, m := range all {
		if m.now() != "1.0.0" {
			t.Errorf("after the rollback %s runs %s", m.name, m.now())
		}
	}
	if fleet.max > 3 {
		t.Errorf("%d hosts were out at once", fleet.max)
	}
}

func TestRollout_choosesHosts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	all, _ := b.fleetOf(4)
	b.publish("2.0.0")
	b.publish("0.9.0")
	b.publish("2.1.0", "darwin/arm64")
	b.enroll("never")
	// h3 is on it.
	b.as(all[3].worker, "POST", "/api/v1/workers/self/heartbeat", `{"version":"2.0.0"}`, 200, nil)
	w := b.do("POST", "/api/v1/workers/self/heartbeat", `{}`, append(bearer(all[3].worker), api.HeaderWorkerVersion, "2.0.0")...)
	if w.Code != 200 {
		t.Fatal(w.Body)
	}
	plan := func(body string) (names []string, p api.RolloutPlan) {
		t.Helper()
		b.as(b.view, "POST", "/api/v1/rollouts/plan", body, 200, &p)
		for _, x := range p.Targets {
			names = append(names, x.Host)
		}
		return names, p
	}
	names, p := plan(`{"version":"2.0.0"}`)
	left := map[string]string{}
	for _, l := range p.LeftOut {
		left[l.Host] = l.Why
	}
	if diff := cmp.Diff(map[string]string{"h3": "it is on 2.0.0", "never": "it never checked in"}, left); diff != "" || !slices.Equal(names, []string{"h0", "h1", "h2"}) {
		t.Errorf("all: %v, left out (-want +got):\n%s", names, diff)
	}
	if r := p.Release; r == nil || r.KeyID == "" || p.Targets[0].Size == 0 {
		t.Errorf("the plan does not say what would be installed: %+v, %+v", r, p.Targets[0])
	}
	if names, _ := plan(`{"version":"2.0.0","hosts":["h2","h0","h2"]}`); !slices.Equal(names, []string{"h2", "h0"}) {
		t.Errorf("named: %v", names)
	}
	if names, _ := plan(`{"version":"2.0.0","label":"nothing*"}`); len(names) != 0 {
		t.Errorf("by label: %v", names)
	}
	for body, want := range map[string]string{
		`{"version":"2.0.0","hosts":["h9"]}`: "There is no host h9",
		`{"version":"2.1.0"}`:                "has no artifact for h0 (linux/amd64), h1",
		`{"version":"3.0.0"}`:                "There is no release pipedai-worker 3.0.0",
		`{"version":"0.9.0"}`:                "is older than what runs on h0",
		`{"version":"2.0.0","hosts":["h3"]}`: "There is no host to bring to",
	} {
		w := b.do("POST", "/api/v1/rollouts", body, bearer(b.operate)...)
		if (w.Code != 409 && w.Code != 422) || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s, want %q", body, w.Code, w.Body, want)
		}
	}
	if _, err := b.o.Engine.Store().YankRelease(t.Context(), store.YankRelease{Program: api.ProgramWorker, Version: "2.0.0", Reason: "it eats files"}); err != nil {
		t.Fatal(err)
	}
	if w := b.do("POST", "/api/v1/rollouts", `{"version":"2.0.0"}`, bearer(b.operate)...); w.Code != 409 || !strings.Contains(w.Body.String(), "was yanked: it eats files") {
		t.Errorf("yanked: %d %s", w.Code, w.Body)
	}
}

// Two operators begin at the same time: one does, the other hears which.
func TestRollout_twoOperators(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	all, _ := b.fleetOf(2)
	b.publish("2.0.0")
	b.publish("2.0.1")
	gate := make(chan struct{})
	for _, m := range all {
		m.behave = func(*machine, api.HostOrder) error { <-gate; return nil }
	}
	on(t, all...)
	r := b.startRollout(`{"version":"2.0.0"}`)
	w := b.do("POST", "/api/v1/rollouts", `{"version":"2.0.1"}`, bearer(b.operate)...)
	if w.Code != 409 || !strings.Contains(w.Body.String(), r.ID) || !strings.Contains(w.Body.String(), "rollouts abort") {
		t.Errorf("the second heard %d %s", w.Code, w.Body)
	}
	for _, verb := range []string{"pause", "abort"} {
		codes := map[int]int{}
		for range 2 {
			codes[b.do("POST", "/api/v1/rollouts/"+r.ID+"/"+verb, "", bearer(b.operate)...).Code]++
		}
		if codes[200] != 1 || codes[409] != 1 {
			t.Errorf("%s twice: %v", verb, codes)
		}
	}
	b.until(r.ID, "aborted")
	close(gate)
}

// A host that is away for all of it is shown, holds up nobody, and gets its
// turn when it comes back.
func TestRollout_hostAway(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	st, err := sqlite.Open(t.Context(), path, sqlite.Options{Synchronous: "NORMAL"})
	if err != nil {
		t.Fatal(err)
	}
	b := newBenchOver(t, st)
	all, _ := b.fleetOf(3)
	b.publish("2.0.0")
	// h0 was heard of an hour ago.
	db, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Writer.ExecContext(t.Context(), `update hosts set last_seen_at = last_seen_at - 3600000000 where name = 'h0'`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	off := on(t, all[1:]...)
	r := b.startRollout(`{"version":"2.0.0"}`)
	eventually(t, func() bool { b.turn(); return b.rolloutNow(r.ID).Counts.Succeeded == 2 })
	now := b.rolloutNow(r.ID)
	if now.Status != "running" || now.Counts.Offline != 1 || now.Targets[0].State != "waiting" || now.Targets[0].Online {
		t.Errorf("with h0 away: %+v", now)
	}
	off()
	on(t, all...)
	b.until(r.ID, "succeeded")
	if all[0].now() != "2.0.0" {
		t.Errorf("h0 runs %s", all[0].now())
	}
}

// An order is taken back while the host drains: it stops, nothing is changed,
// and the rollout has ended once it has said so.
func TestRollout_withdrawnWhileDraining(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	all, _ := b.fleetOf(2)
	b.publish("2.0.0")
	drained := make(chan struct{})
	defer close(drained)
	all[0].behave = func(*machine, api.HostOrder) error { <-drained; return nil }
	on(t, all...)
	r := b.startRollout(`{"version":"2.0.0"}`)
	eventually(t, func() bool { return b.rolloutNow(r.ID).Targets[0].Message == "1 run left" })
	b.as(b.operate, "POST", "/api/v1/rollouts/"+r.ID+"/abort", `{"note":"wrong version"}`, 200, nil)
	got := b.until(r.ID, "aborted")
	if diff := cmp.Diff(map[string]string{"h0": "withdrawn", "h1": "withdrawn"}, statesOf(got)); diff != "" || !strings.Contains(got.Reason, "wrong version") {
		t.Errorf("reason %q, states (-want +got):\n%s", got.Reason, diff)
	}
	if all[0].now() != "1.0.0" {
		t.Errorf("h0 runs %s", all[0].now())
	}
}

// A host is switched off in the middle, and what it was doing is gone; when it
// is back it goes on, and its order is done once.
func TestRollout_hostKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	all, fleet := b.fleetOf(2)
	b.publish("2.0.0")
	stuck := make(chan struct{})
	defer close(stuck)
	all[0].behave = func(*machine, api.HostOrder) error { <-stuck; return nil }
	off := on(t, all[0])
	r := b.startRollout(`{"version":"2.0.0"}`)
	eventually(t, func() bool { return b.rolloutNow(r.ID).Targets[0].State == "running" })
	off()
	fleet.leave() // whatever ran there does not any more
	all[0].mu.Lock()
	all[0].orders = map[string]*carried{} // nothing in memory survives
	all[0].behave = func(*machine, api.HostOrder) error { return nil }
	all[0].mu.Unlock()
	on(t, all...)
	if got := b.until(r.ID, "succeeded"); got.Targets[0].Attempts != 1 {
		t.Errorf("h0 was told %d times", got.Targets[0].Attempts)
	}
}

// Two servers share a database, hosts ask them in turn, and operators pause and
// resume at the other one: no limit is passed, and it ends.
func TestRollout_twoReplicas(t *testing.T) {
	t.Parallel()
	one, two := twoReplicas(t, true)
	f := &machines{}
	urls := []*client.Client{one.serve(""), two.serve("")}
	var all []*machine
	for i := range 8 {
		all = append(all, one.machine(f, fmt.Sprintf("h%d", i), func(token secret.Text) []*client.Client {
			var out []*client.Client
			for _, u := range urls {
				out = append(out, client.New(u.BaseURL(), client.Options{Token: token}))
			}
			return out
		}))
	}
	for _, m := range all {
		if err := m.checkIn(t.Context(), t.Context(), 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	all[5].behave = func(*machine, api.HostOrder) error { return errors.New("no") }
	one.publish("2.0.0")
	on(t, all...)
	r := one.startRollout(`{"version":"2.0.0","canary":1,"maxUnavailable":2,"maxFailures":1}`)
	for _, steer := range []string{"pause", "resume", "pause", "resume"} {
		two.as(two.operate, "POST", "/api/v1/rollouts/"+r.ID+"/"+steer, "", 200, nil)
	}
	done := two.until(r.ID, "succeeded")
	if done.Counts.Succeeded != 7 || done.Counts.Failed != 1 {
		t.Errorf("ended %+v", done.Rollout)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.max > 2 || len(f.began) != 8 || f.began[0] != "h0" {
		t.Errorf("at most %d at once, in the order %v", f.max, f.began)
	}
}
