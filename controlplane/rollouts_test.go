package controlplane

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/secret"
	"pipedai/internal/sqlitefile"
	"pipedai/store"
	"pipedai/store/sqlite"
)

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
	steered := make(chan struct{})
	letEnd := sync.OnceFunc(func() { close(steered) })
	defer letEnd()
	all[7].behave = func(*machine, api.HostOrder) error { <-steered; return nil } // it does not end before
	one.publish("2.0.0")
	on(t, all...)
	r := one.startRollout(`{"version":"2.0.0","canary":1,"maxUnavailable":2,"maxFailures":1}`)
	for _, steer := range []string{"pause", "resume", "pause", "resume"} {
		two.as(two.operate, "POST", "/api/v1/rollouts/"+r.ID+"/"+steer, "", 200, nil)
	}
	letEnd()
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
