package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/secret"
	"pipedai/store"
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
