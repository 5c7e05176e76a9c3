package engine

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// What a request finds goes on to its end, retries and successors included,
// and then maintenance begins by itself.
func TestMaintenance_drains(t *testing.T) {
	t.Parallel()
	inBubble(t, "by itself", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		defer f.stop()
		f.register(diamond)
		f.fleet.work["b"] = failing(2, store.Failure{Error: "try"})
		_, changes, leave := f.Changes().Subscribe(0)
		defer leave()
		run := f.trigger()
		m, err := f.RequestMaintenance(t.Context(), store.ModeReason{})
		if err != nil || m.Mode != store.ModeWaiting || m.Message != fmt.Sprintf("Waiting for %d tasks to complete", m.Active()) || m.CanEnter() {
			t.Fatalf("request: got %+v, %v", m, err)
		}
		again, err := f.RequestMaintenance(t.Context(), store.ModeReason{})
		if err != nil || again.Mode != store.ModeWaiting {
			t.Errorf("request again: got %+v, %v", again, err)
		}
		if m, err = f.EnterMaintenance(t.Context()); err != nil || m.Mode != store.ModeWaiting || m.Message != fmt.Sprintf("Cannot enter maintenance: %d tasks still active", m.Active()) {
			t.Errorf("enter too early: got %+v, %v", m, err)
		}
		if _, err := f.Trigger(t.Context(), Trigger{Pipeline: "svc"}); !errors.Is(err, store.ErrMaintenance) {
			t.Errorf("trigger while waiting: got %v", err)
		}
		if got := f.ended(run.ID); got.Status != pipeline.RunCompleted {
			t.Errorf("the run came to %s", got.Status)
		}
		synctest.Wait()
		mode, err := f.Store().Mode(t.Context())
		if err != nil || mode.Mode != store.ModeMaintenance {
			t.Errorf("nothing is left, and the mode is %s, %v", mode.Mode, err)
		}
		var seen []string
		for len(changes) > 0 {
			if change := <-changes; change.Type == "mode" {
				seen = append(seen, change.Status)
			}
		}
		if want := "[waiting_for_maintenance maintenance]"; fmt.Sprint(seen) != want {
			t.Errorf("the feed told %v, want %s", seen, want)
		}
	})
	inBubble(t, "by ticks alone", func(t *testing.T) {
		f := newFixture(t, Options{Mode: Serverless})
		f.register(edges{"a": {"b"}, "b": nil})
		f.trigger()
		if _, err := f.RequestMaintenance(t.Context(), store.ModeReason{}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, _, err := f.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.fleet.busy.Wait()
		}
		if mode, err := f.Store().Mode(t.Context()); err != nil || mode.Mode != store.ModeMaintenance {
			t.Errorf("got %+v, %v", mode, err)
		}
	})
	inBubble(t, "with nothing to do", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		defer f.stop()
		m, err := f.RequestMaintenance(t.Context(), store.ModeReason{})
		if err != nil || m.Mode != store.ModeWaiting || !m.CanEnter() {
			t.Errorf("got %+v, %v", m, err)
		}
		synctest.Wait()
		if mode, err := f.Store().Mode(t.Context()); err != nil || mode.Mode != store.ModeMaintenance {
			t.Errorf("got %+v, %v", mode, err)
		}
	})
	inBubble(t, "when the rest is cancelled", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		defer f.stop()
		f.register(edges{"a": nil})
		later := f.trigger(func(tr *Trigger) { tr.ScheduledFor = time.Now().Add(240 * time.Hour) })
		m, err := f.RequestMaintenance(t.Context(), store.ModeReason{})
		if err != nil || m.Pending != 1 {
			t.Fatalf("what is scheduled far ahead counts: got %+v, %v", m, err)
		}
		if _, err := f.CancelRun(t.Context(), later.ID, "not now"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if mode, err := f.Store().Mode(t.Context()); err != nil || mode.Mode != store.ModeMaintenance {
			t.Errorf("got %+v, %v", mode, err)
		}
	})
}

// The moves of the contract, with their words.
func TestMaintenance_moves(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{Mode: Serverless})
	ctx := t.Context()
	says := func(m Maintenance, err error, mode store.Mode, message string) {
		t.Helper()
		if err != nil || m.Mode != mode || m.Message != message || m.ChangedAt.IsZero() {
			t.Errorf("got %+v, %v, want %s: %s", m, err, mode, message)
		}
	}
	m, err := f.Maintenance(ctx)
	says(m, err, store.ModeRunning, "Orchestrator is running normally")
	if m, err = f.EnterMaintenance(ctx); !errors.Is(err, ErrNotRequested) || m.Mode != store.ModeRunning {
		t.Errorf("enter from running: got %+v, %v", m, err)
	}
	m, err = f.ExitMaintenance(ctx)
	says(m, err, store.ModeRunning, "Orchestrator is running normally")
	m, err = f.RequestMaintenance(ctx, store.ModeReason{})
	says(m, err, store.ModeWaiting, "Waiting for 0 tasks to complete")
	m, err = f.EnterMaintenance(ctx)
	says(m, err, store.ModeMaintenance, "Maintenance mode active")
	m, err = f.EnterMaintenance(ctx)
	says(m, err, store.ModeMaintenance, "Already in maintenance mode")
	m, err = f.RequestMaintenance(ctx, store.ModeReason{})
	says(m, err, store.ModeMaintenance, "Already in maintenance mode")
	m, err = f.Maintenance(ctx)
	says(m, err, store.ModeMaintenance, "Maintenance mode active - no new tasks accepted")
	m, err = f.ExitMaintenance(ctx)
	says(m, err, store.ModeRunning, "Orchestrator is running normally")
	m, err = f.RequestMaintenance(ctx, store.ModeReason{})
	says(m, err, store.ModeWaiting, "Waiting for 0 tasks to complete")
	m, err = f.ExitMaintenance(ctx)
	says(m, err, store.ModeRunning, "Orchestrator is running normally")
}

// Another program writes the row; a running engine tells within a poll.
func TestMaintenance_changedElsewhere(t *testing.T) {
	t.Parallel()
	inBubble(t, "noticed", func(t *testing.T) {
		f := newFixture(t, Options{PollInterval: time.Second}).run()
		defer f.stop()
		synctest.Wait()
		_, changes, leave := f.Changes().Subscribe(0)
		defer leave()
		f.mode(store.ModeRunning, store.ModeWaiting)
		time.Sleep(1300 * time.Millisecond)
		synctest.Wait()
		var seen []string
		for len(changes) > 0 {
			seen = append(seen, (<-changes).Status)
		}
		// It also found that there is nothing to wait for.
		if fmt.Sprint(seen) != "[waiting_for_maintenance maintenance]" {
			t.Errorf("the feed told %v", seen)
		}
		f.mode(store.ModeMaintenance, store.ModeRunning)
		time.Sleep(1300 * time.Millisecond)
		synctest.Wait()
		if change := <-changes; change.Type != "mode" || change.Status != "running" {
			t.Errorf("the feed told %+v", change)
		}
	})
}
