package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/store"
)

// faulty is a store that fails on command.
type faulty struct {
	store.Store
	ends   atomic.Int32 // this many calls of EndAttempts fail
	claims atomic.Int32
}

var errAway = errors.New("database is away")

func (f *faulty) EndAttempts(ctx context.Context, ends []store.EndAttempt) ([]store.EndedAttempt, error) {
	if f.ends.Add(-1) >= 0 {
		return nil, errAway
	}
	return f.Store.EndAttempts(ctx, ends)
}

func (f *faulty) EndAndClaim(ctx context.Context, ends []store.EndAttempt, p store.ClaimTasks) ([]store.EndedAttempt, []store.Claimed, error) {
	if f.ends.Add(-1) >= 0 {
		return nil, nil, errAway
	}
	return f.Store.EndAndClaim(ctx, ends, p)
}

func (f *faulty) ClaimTasks(ctx context.Context, p store.ClaimTasks) ([]store.Claimed, error) {
	if f.claims.Add(-1) >= 0 {
		return nil, errAway
	}
	return f.Store.ClaimTasks(ctx, p)
}

func ref(d api.Dispatch) store.AttemptRef {
	id, attempt := pipeline.ParseWire(d.RunID)
	return store.AttemptRef{ID: id, Attempt: attempt}
}

func TestRescue(t *testing.T) {
	t.Parallel()
	inBubble(t, "a worker falls silent and comes back late", func(t *testing.T) {
		f := newFixture(t, Options{})
		f.register(edges{"a": nil})
		f.fleet.reply = make(chan reported, 10)
		late := make(chan struct{})
		second := make(chan struct{})
		f.fleet.work["a"] = func(d api.Dispatch) outcome {
			if d.Attempt == 1 {
				<-late // reports after the second attempt started
				return outcome{}
			}
			close(second)
			<-late
			time.Sleep(time.Second) // after the late one
			return outcome{}
		}
		f.run()
		run := f.trigger()
		<-second
		close(late)
		f.ended(run.ID)

		got := <-f.fleet.reply
		if got.wire != string(f.taskRun(run.ID, "a").ID) || !errors.Is(got.err, store.ErrLeaseLost) {
			t.Errorf("the late report of attempt 1 (%s) was answered with %v", got.wire, got.err)
		}
		if got := <-f.fleet.reply; got.err != nil {
			t.Errorf("the report of attempt 2: %v", got.err)
		}
		task := f.taskRun(run.ID, "a")
		if task.Status != pipeline.TaskCompleted || task.Attempt != 2 || task.PreviousAttempts[0].ErrorCode != api.CodeTimeout {
			t.Errorf("got %s after attempt %d: %+v", task.Status, task.Attempt, task.PreviousAttempts)
		}
	})
	inBubble(t, "silent until no attempt is left", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil})
		f.fleet.work["a"] = always(outcome{silent: true})
		began := time.Now()
		run := f.ended(f.trigger().ID)
		task := f.taskRun(run.ID, "a")
		if task.Status != pipeline.TaskTimeout || task.Attempt != 3 || run.Status != pipeline.RunFailed {
			t.Errorf("got %s after attempt %d, run %s", task.Status, task.Attempt, run.Status)
		}
		// Three windows of twice 10 s with their grace, two delays, and the sweeps.
		if took := time.Since(began); took < time.Minute || took > 90*time.Second {
			t.Errorf("took %s", took)
		}
	})
	inBubble(t, "heartbeats keep a run alive", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil})
		f.fleet.work["a"] = func(d api.Dispatch) outcome {
			half := 50.0
			for range 12 {
				time.Sleep(10 * time.Second)
				answer, err := f.Heartbeat(t.Context(), store.Heartbeat{AttemptRef: ref(d), Progress: &half, Message: "half way"})
				if err != nil || !answer.Known || answer.Cancel {
					t.Errorf("got %+v, %v", answer, err)
				}
			}
			return outcome{}
		}
		run := f.ended(f.trigger().ID)
		task := f.taskRun(run.ID, "a")
		if run.Status != pipeline.RunCompleted || task.Attempt != 1 || task.ProgressMessage != "half way" {
			t.Errorf("got %s after attempt %d, %q", run.Status, task.Attempt, task.ProgressMessage)
		}
	})
	inBubble(t, "an engine died between claim and dispatch", func(t *testing.T) {
		f := newFixture(t, Options{})
		f.register(edges{"a": nil})
		run := f.trigger()
		lost, err := f.Store().ClaimTasks(t.Context(), store.ClaimTasks{Owner: "dead", Limit: 10, AcceptWithin: 15 * time.Second})
		if err != nil || len(lost) != 1 {
			t.Fatalf("got %d, %v", len(lost), err)
		}
		f.run()
		if got := f.ended(run.ID); got.Status != pipeline.RunCompleted {
			t.Errorf("got %s", got.Status)
		}
		// Nothing counts as failed, but a worker that had the first one after all
		// is not mistaken for the one that has it now.
		if task := f.taskRun(run.ID, "a"); task.Attempt != 2 || task.MaxRetries != lost[0].TaskRun.MaxRetries+1 || len(task.PreviousAttempts) != 0 {
			t.Errorf("a run that nobody knows to have reached a worker is on attempt %d of %d retries, after %d failures",
				task.Attempt, task.MaxRetries, len(task.PreviousAttempts))
		}
		late := store.EndAttempt{AttemptRef: store.AttemptRef{ID: lost[0].TaskRun.ID, Attempt: 1}, OutputPath: "late"}
		if _, err := f.Report(t.Context(), late); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("the report of the first worker: got %v", err)
		}
	})
}

func TestReport_twice(t *testing.T) {
	t.Parallel()
	inBubble(t, "only the first counts", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": {"b"}, "b": nil})
		run := f.ended(f.trigger().ID)
		d := f.fleet.of("a")[0]
		// An existing worker whose success did not get through says it failed.
		for _, o := range []outcome{{}, {fail: &store.Failure{Error: "fetch failed"}}} {
			if _, err := f.Report(t.Context(), endOf(d, o)); !errors.Is(err, store.ErrLeaseLost) {
				t.Errorf("got %v", err)
			}
		}
		if _, err := f.Report(t.Context(), store.EndAttempt{AttemptRef: store.AttemptRef{ID: "trun_nobody", Attempt: 1}}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown run: got %v", err)
		}
		if answer, err := f.Heartbeat(t.Context(), store.Heartbeat{AttemptRef: ref(d)}); err != nil || answer.Known || !answer.Cancel {
			t.Errorf("a heartbeat of an ended run: got %+v, %v", answer, err)
		}
		if got, err := f.Store().PipelineRun(t.Context(), run.ID); err != nil || got.Status != pipeline.RunCompleted || len(f.fleet.of("b")) != 1 {
			t.Errorf("got %s, %v, b ran %d times", got.Status, err, len(f.fleet.of("b")))
		}
	})
}

func TestEngine_faultsOfTheStore(t *testing.T) {
	t.Parallel()
	inBubble(t, "pass", func(t *testing.T) {
		base := newFixture(t, Options{})
		st := &faulty{Store: base.Store()}
		f := newFixtureOver(t, st, Options{}).run()
		f.register(edges{"a": {"b"}, "b": nil})
		synctest.Wait()
		st.claims.Store(3)
		st.ends.Store(reportTries - 1)
		if got := f.ended(f.trigger().ID); got.Status != pipeline.RunCompleted {
			t.Errorf("got %s: %s", got.Status, got.Error)
		}
		if got := len(f.fleet.tasks()); got != 2 {
			t.Errorf("%d attempts for two tasks", got)
		}
	})
	inBubble(t, "reach the reporter when they last", func(t *testing.T) {
		base := newFixture(t, Options{})
		st := &faulty{Store: base.Store()}
		f := newFixtureOver(t, st, Options{})
		st.ends.Store(reportTries)
		if _, err := f.Report(t.Context(), store.EndAttempt{}); !errors.Is(err, errAway) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCancelRun(t *testing.T) {
	t.Parallel()
	inBubble(t, "running tasks are asked to stop", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": {"b"}, "b": nil})
		began := make(chan struct{})
		cancelled := make(chan struct{})
		f.fleet.work["a"] = func(d api.Dispatch) outcome {
			close(began)
			<-cancelled
			if answer, err := f.Heartbeat(t.Context(), store.Heartbeat{AttemptRef: ref(d)}); err != nil || !answer.Cancel {
				t.Errorf("got %+v, %v", answer, err)
			}
			return outcome{fail: &store.Failure{Error: "stopped", Code: "CANCELLED"}}
		}
		id := f.trigger().ID
		<-began
		run, err := f.CancelRun(t.Context(), id, "not needed any more")
		if err != nil || run.ID != id {
			t.Fatalf("got %+v, %v", run, err)
		}
		close(cancelled)
		f.fleet.busy.Wait()
		if got := f.ended(id); got.Status != pipeline.RunCancelled {
			t.Errorf("got %s", got.Status)
		}
		if got := f.statuses(id); len(got) != 1 || got["a"] != pipeline.TaskCancelled {
			t.Errorf("got %v", got)
		}
		if _, err := f.CancelRun(t.Context(), id, ""); !errors.Is(err, store.ErrConflict) {
			t.Errorf("a second cancellation: got %v", err)
		}
		if _, err := f.CancelRun(t.Context(), "prun_nobody", ""); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown run: got %v", err)
		}
	})
}

func TestRun_stop(t *testing.T) {
	t.Parallel()
	inBubble(t, "a dispatch under way may arrive", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil})
		hanging := make(chan struct{})
		f.fleet.refuse = func(context.Context, api.Dispatch) error {
			close(hanging)
			time.Sleep(3 * time.Second)
			return nil
		}
		run := f.trigger()
		<-hanging
		began := time.Now()
		f.stop()
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("the stop took %s", took)
		}
		if got := f.ended(run.ID); got.Status != pipeline.RunCompleted {
			t.Errorf("got %s: what was accepted before the stop is lost", got.Status)
		}
	})
	inBubble(t, "a dispatch that hangs is given up", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil})
		hanging := make(chan struct{})
		f.fleet.refuse = func(ctx context.Context, _ api.Dispatch) error {
			close(hanging)
			<-ctx.Done()
			return ctx.Err()
		}
		run := f.trigger()
		<-hanging
		began := time.Now()
		f.stop()
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("the stop took %s", took)
		}
		if task := f.taskRun(run.ID, "a"); task.Status != pipeline.TaskPending || task.Attempt != 2 {
			t.Errorf("got %s on attempt %d, want a retry for whoever runs next", task.Status, task.Attempt)
		}
	})
	inBubble(t, "what never reached a worker is given back", func(t *testing.T) {
		f := newFixture(t, Options{})
		f.register(edges{"a": nil})
		run := f.trigger()
		claimed, err := f.Store().ClaimTasks(t.Context(), store.ClaimTasks{Owner: f.o.Replica, Limit: 1, AcceptWithin: time.Minute})
		if err != nil || len(claimed) != 1 {
			t.Fatal(err)
		}
		f.stopNow()
		f.claimer.start(claimed[0], nil) // as a claim does that was out when the stop came
		if err := f.shutdown(); err != nil {
			t.Fatal(err)
		}
		if task := f.taskRun(run.ID, "a"); task.Status != pipeline.TaskPending || task.Attempt != 1 {
			t.Errorf("got %s on attempt %d", task.Status, task.Attempt)
		}
		if got := f.fleet.tasks(); len(got) != 0 {
			t.Errorf("%v were dispatched by an engine that stops", got)
		}
		if n, _, err := f.Tick(t.Context()); n != 0 || err != nil {
			t.Errorf("a stopped engine took %d, %v", n, err)
		}
	})
}

// A claim that took too long was taken back and given to another engine. The
// first one must not fail, accept or release what is not its own any more.
func TestDispatch_claimTakenBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{Replica: "slow"})
	f.register(edges{"a": nil})
	f.trigger()
	claim := func(owner string) store.Claimed {
		runs, err := f.Store().ClaimTasks(t.Context(), store.ClaimTasks{Owner: owner, Limit: 1, AcceptWithin: time.Second})
		if err != nil || len(runs) != 1 {
			t.Fatalf("claimed %d runs, %v", len(runs), err)
		}
		return runs[0]
	}
	late := claim("slow")
	if _, err := f.Store().Rescue(t.Context(), store.Rescue{Now: time.Now().Add(time.Minute), Limit: 1}); err != nil {
		t.Fatal(err)
	}
	now := claim("quick")
	f.fleet.refuse = func(context.Context, api.Dispatch) error { return &DispatchError{Final: true, Message: "no"} }
	f.dispatch(t.Context(), late)
	answers, err := f.Store().ExtendLeases(t.Context(), []store.Heartbeat{{AttemptRef: refOf(now, "quick")}})
	if err != nil || !answers[0].Known {
		t.Errorf("the lease of the second claim is gone: %+v, %v", answers, err)
	}
}

// A task that takes every worker down with it is given up after its last try,
// and holds up nobody else meanwhile.
func TestDispatch_E18_poison(t *testing.T) {
	t.Parallel()
	inBubble(t, "silent for ever", func(t *testing.T) {
		f := newFixture(t, Options{MaxConcurrency: 4}).run()
		f.register(edges{"poison": nil, "good": nil})
		f.fleet.work["poison"] = always(outcome{silent: true})
		run := f.trigger(func(t *Trigger) { t.Pipeline = "poison" })
		began := time.Now()
		for range 20 {
			if got := f.ended(f.trigger(func(t *Trigger) { t.Pipeline = "good" }).ID); got.Status != pipeline.RunCompleted {
				t.Errorf("beside the poison: %s", got.Status)
			}
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the others waited %s", waited)
		}
		got := f.ended(run.ID)
		task := f.taskRun(run.ID, "poison")
		if got.Status != pipeline.RunFailed || task.Status != pipeline.TaskTimeout || task.Attempt != 3 || len(f.fleet.of("poison")) != 3 {
			t.Errorf("the run is %s, the task %s at attempt %d after %d dispatches", got.Status, task.Status, task.Attempt, len(f.fleet.of("poison")))
		}
		letters, total, err := f.Store().DeadLetters(t.Context(), store.DeadLetterFilter{})
		if err != nil || total != 1 || letters[0].Attempts != 3 {
			t.Errorf("%d dead letters, %v: %+v", total, err, letters)
		}
	})
	inBubble(t, "crashing before it answers", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"poison": nil, "good": nil})
		f.fleet.refuse = func(_ context.Context, d api.Dispatch) error {
			if d.TaskID == "poison" {
				return &DispatchError{Unreached: true, Message: "the connection was closed without an answer"}
			}
			return nil
		}
		run := f.trigger(func(t *Trigger) { t.Pipeline = "poison" })
		if got := f.ended(f.trigger(func(t *Trigger) { t.Pipeline = "good" }).ID); got.Status != pipeline.RunCompleted {
			t.Errorf("beside the poison: %s", got.Status)
		}
		if got := f.ended(run.ID); got.Status != pipeline.RunFailed {
			t.Errorf("the run is %s", got.Status)
		}
	})
}

// unsure keeps the first ends it is given and loses the answer.
type unsure struct {
	store.Store
	lost atomic.Bool
}

func (u *unsure) EndAttempts(ctx context.Context, ends []store.EndAttempt) ([]store.EndedAttempt, error) {
	ended, err := u.Store.EndAttempts(ctx, ends)
	if err == nil && u.lost.CompareAndSwap(false, true) {
		err = fmt.Errorf("commit: %w", store.ErrUnsure)
	}
	return ended, err
}

func (u *unsure) EndAndClaim(ctx context.Context, ends []store.EndAttempt, _ store.ClaimTasks) ([]store.EndedAttempt, []store.Claimed, error) {
	ended, err := u.EndAttempts(ctx, ends)
	return ended, nil, err
}

// TestReport_unsure: a report that was kept, and whose commit was not heard of,
// counts, and counts once.
func TestReport_unsure(t *testing.T) {
	t.Parallel()
	inBubble(t, "kept", func(t *testing.T) {
		base := newFixture(t, Options{})
		f := newFixtureOver(t, &unsure{Store: base.Store()}, Options{})
		f.register(edges{"a": {"b"}, "b": nil})
		f.fleet.reply = make(chan reported, 10)
		f.run()
		if got := f.ended(f.trigger().ID); got.Status != pipeline.RunCompleted {
			t.Errorf("got %s: %s", got.Status, got.Error)
		}
		for range 2 {
			if got := <-f.fleet.reply; got.err != nil {
				t.Errorf("the report of %s was answered with %v", got.wire, got.err)
			}
		}
	})
}
