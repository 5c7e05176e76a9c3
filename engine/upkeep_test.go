package engine

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/storage"
	"pipedai/store"
)

func TestUpkeep(t *testing.T) {
	t.Parallel()
	inBubble(t, "retention of dead letters and runs", func(t *testing.T) {
		f := newFixture(t, Options{Mode: Serverless, DeadLetterRetention: 48 * time.Hour, RunRetention: 24 * time.Hour})
		f.register(edges{"a": nil})
		f.fleet.work["a"] = failingOnce()
		tick := func() {
			t.Helper()
			if _, _, err := f.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.fleet.busy.Wait()
		}
		failed := f.trigger()
		tick()
		completed := f.trigger()
		tick()
		kept := func(id pipeline.RunID) bool {
			t.Helper()
			_, err := f.Store().PipelineRun(t.Context(), id)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			return err == nil
		}
		time.Sleep(25 * time.Hour)
		tick()
		if !kept(failed.ID) || kept(completed.ID) {
			t.Errorf("after a day: the failed run is kept %v, the other %v", kept(failed.ID), kept(completed.ID))
		}
		time.Sleep(24 * time.Hour)
		tick()
		time.Sleep(2 * time.Minute)
		tick()
		if _, total, err := f.Store().DeadLetters(t.Context(), store.DeadLetterFilter{}); err != nil || total != 0 || kept(failed.ID) {
			t.Errorf("after two days: %d dead letters, %v; the run is kept %v", total, err, kept(failed.ID))
		}
	})
	inBubble(t, "the audit log", func(t *testing.T) {
		f := newFixture(t, Options{Mode: Serverless, AuditRetention: 24 * time.Hour})
		for range 2 {
			if err := f.Store().AddAudit(t.Context(), store.AuditLine{Action: "a.b", Outcome: "ok"}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(23 * time.Hour)
		}
		time.Sleep(2 * time.Hour)
		if _, _, err := f.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left, err := f.Store().AuditLines(t.Context(), store.AuditFilter{}); err != nil || len(left) != 0 {
			t.Errorf("left %+v, %v", left, err)
		}
	})
	inBubble(t, "inputs go from the backend they are in", func(t *testing.T) {
		o := two(t)
		o.Mode, o.RunRetention, o.InlineLimit = Serverless, 24*time.Hour, -1
		f := newFixture(t, o)
		f.register(edges{"a": nil})
		run := f.trigger(func(tr *Trigger) { tr.Backend = "second" })
		for range 2 {
			if _, _, err := f.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.fleet.busy.Wait()
			if _, err := f.Stat(t.Context(), run.InputPath, "second"); err != nil {
				t.Fatalf("the input before its time: %v", err)
			}
			time.Sleep(13 * time.Hour)
		}
		if _, _, err := f.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Stat(t.Context(), run.InputPath, "second"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("the input stays: %v", err)
		}
	})
	inBubble(t, "a dead letter runs again and its run goes on", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(diamond)
		f.fleet.work["b"] = failingOnce()
		run := f.trigger()
		if got := f.ended(run.ID); got.Status != pipeline.RunFailed {
			t.Fatalf("run %s", got.Status)
		}
		time.Sleep(time.Minute) // what was asked to stop has ended
		if got, err := f.RetryDeadLetters(t.Context(), store.DeadLetterFilter{Pipeline: run.Pipeline}); err != nil || len(got) != 1 || got[0].Err != nil {
			t.Fatalf("got %+v, %v", got, err)
		}
		if got := f.ended(run.ID); got.Status != pipeline.RunCompleted {
			t.Errorf("run %s: %s", got.Status, got.Error)
		}
	})
}

// failingOnce fails the first task run for good, and completes later ones.
func failingOnce() func(api.Dispatch) outcome {
	var failed atomic.Bool
	return func(api.Dispatch) outcome {
		if failed.CompareAndSwap(false, true) {
			return outcome{fail: &store.Failure{Error: "no", Final: true}}
		}
		return outcome{}
	}
}
