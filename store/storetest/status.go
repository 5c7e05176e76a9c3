package storetest

import (
	"context"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/store"
)

var statusCases = []testCase{
	{name: "counts", run: counts},
	{name: "maintenance", run: maintenance},
	{name: "refreshes the counts of the mode", run: refreshedMode},
	{name: "says what it is", run: info},
}

func counts(f *fixture) {
	a := task("a")
	a.Retry.Retries = 1
	a.Retry.Delay = time.Hour
	f.register(a, task("b"))
	oldest := f.enqueue("a")
	for range 3 {
		f.enqueue("b")
	}
	want := func(pending, running, completed, failed, dead int) {
		f.Helper()
		got, err := f.QueueStatus(f.ctx)
		f.must(err)
		got.OldestPending = time.Time{}
		if diff := cmp.Diff(store.QueueStatus{Pending: pending, Running: running, Completed: completed, Failed: failed, DeadLetters: dead}, got); diff != "" {
			f.Errorf("status (-want +got):\n%s", diff)
		}
	}
	want(4, 0, 0, 0, 0)
	// Ids order by the millisecond, and so does this.
	if st, _ := f.QueueStatus(f.ctx); st.OldestPending.Sub(oldest.CreatedAt).Abs() > time.Millisecond {
		f.Errorf("oldest pending %v, want %v", st.OldestPending, oldest.CreatedAt)
	}
	got := f.claim(3)
	want(1, 3, 0, 0, 0)
	f.end(failed(got[0], false)) // retried in an hour: pending
	f.end(done(got[1]))
	f.end(failed(got[2], true))
	want(2, 0, 1, 1, 1)
	// Ids order by the millisecond, and so does this.
	if st, _ := f.QueueStatus(f.ctx); st.OldestPending.Sub(oldest.CreatedAt).Abs() > time.Millisecond {
		f.Errorf("oldest pending %v, want %v", st.OldestPending, oldest.CreatedAt)
	}
	f.end(done(f.claim(1)[0]))
	want(1, 0, 2, 1, 1)
}

func maintenance(f *fixture) {
	f.register(task("a"))
	f.enqueue("a")
	got, err := f.Mode(f.ctx)
	f.must(err)
	if got.Mode != store.ModeRunning || got.Pending != 1 || got.ChangedAt.IsZero() {
		f.Errorf("mode %+v", got)
	}
	_, err = f.SetMode(f.ctx, []store.Mode{store.ModeWaiting}, store.ModeMaintenance, store.ModeReason{})
	f.wantErr(err, store.ErrConflict)
	why := store.ModeReason{By: "ada", Text: `new "disk"`}
	got, err = f.SetMode(f.ctx, []store.Mode{store.ModeRunning, store.ModeWaiting}, store.ModeWaiting, why)
	f.must(err)
	if got.Mode != store.ModeWaiting || got.Pending != 1 || got.Reason != why {
		f.Errorf("mode %+v", got)
	}
	_, err = f.EnqueueTasks(f.ctx, []store.EnqueueTask{{ID: "trun_1", Task: "a"}})
	f.wantErr(err, store.ErrMaintenance)
	_, err = f.StartRuns(f.ctx, []store.StartRun{{ID: "prun_1", Pipeline: "a"}})
	f.wantErr(err, store.ErrMaintenance)
	f.register(task("a"), task("b")) // registration is always accepted

	_, err = f.SetMode(f.ctx, []store.Mode{store.ModeWaiting}, store.ModeMaintenance, store.ModeReason{})
	f.wantErr(err, store.ErrConflict) // one task is left
	f.drain(nil)
	got, err = f.SetMode(f.ctx, []store.Mode{store.ModeWaiting}, store.ModeMaintenance, store.ModeReason{})
	f.must(err)
	if got.Mode != store.ModeMaintenance || got.Reason != why {
		f.Errorf("mode %+v", got)
	}
	if got, err = f.RefreshMode(f.ctx); err != nil || got.Reason != why {
		f.Errorf("mode %+v, %v", got, err)
	}
	f.must1(f.SetMode(f.ctx, []store.Mode{store.ModeWaiting, store.ModeMaintenance}, store.ModeRunning, store.ModeReason{}))
	if got, err = f.Mode(f.ctx); err != nil || got.Reason != (store.ModeReason{}) {
		f.Errorf("over: %+v, %v", got, err)
	}
	f.enqueue("a")
}

// A refused move says how things are, and looking changes nothing but the
// counts that other programs read.
func refreshedMode(f *fixture) {
	f.register(task("a"))
	f.enqueue("a")
	look := func() store.ModeStatus {
		f.Helper()
		got, err := f.RefreshMode(f.ctx)
		f.must(err)
		return got
	}
	first := look()
	if first.Mode != store.ModeRunning || first.Pending != 1 || first.Running != 0 || first.ChangedAt.IsZero() {
		f.Errorf("mode %+v", first)
	}
	run := f.claim(1)[0]
	got := look()
	want := first
	want.Pending, want.Running = 0, 1
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("mode (-want +got):\n%s", diff)
	}
	f.must1(f.SetMode(f.ctx, []store.Mode{store.ModeRunning}, store.ModeWaiting, store.ModeReason{}))
	got, err := f.SetMode(f.ctx, []store.Mode{store.ModeWaiting}, store.ModeMaintenance, store.ModeReason{})
	f.wantErr(err, store.ErrConflict)
	if got.Mode != store.ModeWaiting || got.Running != 1 {
		f.Errorf("a refused move says %+v", got)
	}
	f.end(done(run))
	got = look()
	if got.Mode != store.ModeWaiting || got.Pending+got.Running != 0 {
		f.Errorf("mode %+v", got)
	}
}

func info(f *fixture) {
	f.must(f.Ping(f.ctx))
	if got := f.Info(); got.Name == "" || got.Target == "" {
		f.Errorf("info %+v", got)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	woken := make(chan struct{}, 16)
	ended := make(chan error)
	go func() {
		ended <- f.Listen(ctx, func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		})
	}()
	if f.Info().Shared {
		<-woken // connected
	}
	f.must(f.Notify(f.ctx))
	cancel()
	f.must(<-ended)
}
