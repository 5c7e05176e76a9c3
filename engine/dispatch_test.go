package engine

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/store"
)

// TestDispatch_removed: a run that was queued beside the registration that
// removed its task ends as if it had been cancelled with the others.
func TestDispatch_removed(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"push", "pull"} {
		inBubble(t, way, func(t *testing.T) {
			f := newFixture(t, Options{})
			f.register(edges{"a": nil, "b": nil})
			run := f.trigger(func(t *Trigger) { t.Pipeline = "b" })
			claim := store.ClaimTasks{Owner: f.o.Replica, Limit: 1, AcceptWithin: time.Minute, Accepted: way == "pull"}
			claimed, err := f.Store().ClaimTasks(t.Context(), claim)
			if err != nil || len(claimed) != 1 {
				t.Fatalf("claimed %d, %v", len(claimed), err)
			}
			f.register(edges{"a": nil}, func(r *store.Register) { r.Service.Version = "2" })
			claimed[0].Task.Removed = true // as a claim after that says
			if way == "push" {
				f.dispatch(t.Context(), claimed[0])
			} else if ds, err := f.prepareAll(t.Context(), claimed, Pull{Owner: f.o.Replica, Seal: f.o.Secret}); err != nil || len(ds) != 0 {
				t.Errorf("handed out %d, %v", len(ds), err)
			}
			const want = "Task type removed in version 2"
			if task := f.taskRun(run.ID, "b"); task.Status != pipeline.TaskCancelled || task.Error != want {
				t.Errorf("the task run is %s, %q", task.Status, task.Error)
			}
			if got, err := f.Store().PipelineRun(t.Context(), run.ID); err != nil || got.Status != pipeline.RunFailed || got.Error != want {
				t.Errorf("the run is %s, %q, %v", got.Status, got.Error, err)
			}
			if n := len(f.fleet.of("b")); n != 0 {
				t.Errorf("dispatched %d times", n)
			}
		})
	}
}

func TestDispatch_failures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		err      error
		attempts int
		text     string
	}{
		{"final", &DispatchError{Final: true, Message: "Worker returned 400: no such task"}, 1, "Worker returned 400: no such task"},
		{"passing", &DispatchError{Message: "Worker returned 503: starting"}, 3, "Worker returned 503: starting"},
		{"plain error", errors.New("connection refused"), 3, "connection refused"},
		{"very long", &DispatchError{Final: true, Message: strings.Repeat("ä", 5000)}, 1, truncated(strings.Repeat("ä", 5000), messageLimit)},
	}
	for _, tt := range tests {
		inBubble(t, tt.name, func(t *testing.T) {
			f := newFixture(t, Options{}).run()
			f.register(edges{"a": nil})
			var tries atomic.Int32
			f.fleet.refuse = func(context.Context, api.Dispatch) error { tries.Add(1); return tt.err }
			run := f.ended(f.trigger().ID)
			task := f.taskRun(run.ID, "a")
			if int(tries.Load()) != tt.attempts || task.Attempt != tt.attempts || task.Status != pipeline.TaskFailed {
				t.Errorf("got %s after attempt %d and %d dispatches", task.Status, task.Attempt, tries.Load())
			}
			if task.Error != tt.text || task.ErrorCode != api.CodeDispatchFailed {
				t.Errorf("got %q, code %q", task.Error, task.ErrorCode)
			}
		})
	}
	inBubble(t, "recovers when the worker does", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil})
		f.fleet.refuse = func(_ context.Context, d api.Dispatch) error {
			if d.Attempt == 1 {
				return &DispatchError{Message: "Worker returned 404: not here yet"}
			}
			return nil
		}
		if run := f.ended(f.trigger().ID); run.Status != pipeline.RunCompleted {
			t.Errorf("got %s", run.Status)
		}
	})
	inBubble(t, "a slow worker holds up nobody else", func(t *testing.T) {
		f := newFixture(t, Options{MaxConcurrency: 2}).run()
		f.register(edges{"slow": nil, "quick": nil})
		hanging := make(chan struct{})
		f.fleet.refuse = func(ctx context.Context, d api.Dispatch) error {
			if d.TaskID != "slow" || d.Attempt > 1 {
				return nil
			}
			close(hanging)
			<-ctx.Done()
			return ctx.Err()
		}
		slow := f.trigger(func(t *Trigger) { t.Pipeline = "slow" })
		<-hanging
		began := time.Now()
		for range 5 {
			f.ended(f.trigger(func(t *Trigger) { t.Pipeline = "quick" }).ID)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("five quick runs waited %s for a slow one", waited)
		}
		if run := f.ended(slow.ID); run.Status != pipeline.RunCompleted {
			t.Errorf("got %s", run.Status)
		}
		past := f.taskRun(slow.ID, "slow").PreviousAttempts
		if len(past) != 1 || past[0].Error != "worker did not answer within 5s" {
			t.Errorf("got %+v", past)
		}
	})
	inBubble(t, "limit of the installation", func(t *testing.T) {
		f := newFixture(t, Options{MaxConcurrency: 3}).run()
		f.register(edges{"a": nil})
		var under, most atomic.Int32
		f.fleet.work["a"] = func(api.Dispatch) outcome {
			most.Store(max(most.Load(), under.Add(1)))
			time.Sleep(time.Second)
			under.Add(-1)
			return outcome{}
		}
		var ids []pipeline.RunID
		began := time.Now()
		for range 9 {
			ids = append(ids, f.trigger().ID)
		}
		for _, id := range ids {
			f.ended(id)
		}
		// Full at once, and refilled as soon as a run ends.
		if most.Load() != 3 || time.Since(began) != 3*time.Second {
			t.Errorf("%d ran together; nine runs of 1 s took %s", most.Load(), time.Since(began))
		}
	})
}
