package storetest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

var orphanCases = []testCase{
	{name: "another version without the task", run: orphans},
	{name: "their runs end by their failure mode", run: orphanRuns},
	{name: "what waits for its time, or a retry", run: orphansOfTheTimer},
	{name: "a join that nobody reached yet", run: orphanedJoin},
	{name: "a removed task is not started", run: orphansAreRefused},
	{name: "a removed task comes back", run: orphanReturns},
	{name: "a task that moved away is no orphan", run: orphanMoved},
	{name: "queued beside the registration", run: orphanRace},
	{name: "lifted beside the registration", run: orphanLiftRace},
}

func orphans(f *fixture) {
	gone := task("gone")
	gone.Retry.Retries = 3
	f.registerAs("svc", "1", task("a"), gone)
	waiting := f.enqueue("gone")
	running := f.enqueueAs(store.EnqueueTask{Task: "gone", Priority: new(int)})
	c := f.claim(1)[0]
	if c.TaskRun.ID != running.ID {
		f.Fatalf("claimed %s", c.TaskRun.ID)
	}
	if got := f.registerAs("svc", "1", task("a")); len(got.Orphaned) != 0 {
		f.Errorf("the same version removed %v", got.Orphaned)
	}
	got := f.registerAs("svc", "2", task("a"))
	if diff := cmp.Diff(ids("gone"), got.Orphaned); diff != "" {
		f.Errorf("orphaned (-want +got):\n%s", diff)
	}
	if tr := f.taskRun(waiting.ID); tr.Status != pipeline.TaskCancelled || tr.Error != "Task type removed in version 2" || tr.CompletedAt.IsZero() {
		f.Errorf("task run %+v", tr)
	}
	if tr := f.taskRun(running.ID); tr.Status != pipeline.TaskRunning {
		f.Errorf("the running one is %s", tr.Status)
	}
	if res := f.end(failed(c, false)); res.Status != pipeline.TaskFailed {
		f.Errorf("a removed task is retried: %+v", res)
	}
	if got := f.registerAs("svc", "3", task("a")); len(got.Orphaned) != 0 {
		f.Errorf("reported twice: %v", got.Orphaned)
	}
	if t, err := f.Task(f.ctx, "gone"); err != nil || !t.Removed {
		f.Errorf("task %+v, %v", t, err)
	}
	_, err := f.EnqueueTasks(f.ctx, []store.EnqueueTask{{ID: "trun_x", Task: "gone"}})
	f.wantErr(err, store.ErrNotFound)
}

func orphanRuns(f *fixture) {
	f.registerAs("svc", "1", task("a", "b"), task("b"), task("x"))
	fast, going := f.start("svc", pipeline.FailFast), f.start("svc", pipeline.Continue)
	f.step(nil)
	reg := f.registerAs("svc", "2", task("a"), task("x"))
	want := []pipeline.RunID{fast.Run.ID, going.Run.ID}
	slices.Sort(reg.Runs)
	slices.Sort(want)
	if diff := cmp.Diff(want, reg.Runs); diff != "" {
		f.Errorf("runs (-want +got):\n%s", diff)
	}
	f.wantStates(fast.Run.ID, pipeline.RunFailed, "a=completed", "b=cancelled", "x=completed")
	f.wantStates(going.Run.ID, pipeline.RunPartial, "a=completed", "b=cancelled", "x=completed")
	if st, err := f.QueueStatus(f.ctx); err != nil || st.Pending != 0 || st.Running != 0 {
		f.Errorf("status %+v, %v", st, err)
	}
}

// orphansOfTheTimer: what is pending need not be claimable.
func orphansOfTheTimer(f *fixture) {
	gone := task("gone")
	gone.Retry = pipeline.RetryPolicy{Retries: 3, Delay: time.Hour}
	f.registerAs("svc", "1", task("a"), gone)
	run := f.start("gone", "")
	if got := f.end(failed(f.claim(1)[0], false)); got.RetryAt.IsZero() {
		f.Fatalf("no retry waits: %+v", got)
	}
	later := f.enqueueAs(store.EnqueueTask{Task: "gone", ScheduledFor: time.Now().Add(time.Hour)})
	f.registerAs("svc", "2", task("a"))
	f.wantStates(run.Run.ID, pipeline.RunFailed, "gone=cancelled")
	if got := f.run(run.Run.ID); got.Error != "Task type removed in version 2" {
		f.Errorf("the run failed with %q", got.Error)
	}
	tr := f.taskRun(later.ID)
	if tr.Status != pipeline.TaskCancelled || tr.Error != "Task type removed in version 2" || tr.CompletedAt.IsZero() {
		f.Errorf("the scheduled one: %+v", tr)
	}
	if got := f.taskRun(run.Entries[0].ID); len(got.PreviousAttempts) != 1 || got.Error != "Task type removed in version 2" {
		f.Errorf("the retry: %+v", got)
	}
	if st, err := f.QueueStatus(f.ctx); err != nil || st.Pending != 0 || st.DeadLetters != 0 {
		f.Errorf("status %+v, %v", st, err)
	}
}

// orphanedJoin: a join that waits for its predecessors is no row yet; it ends
// when its turn comes.
func orphanedJoin(f *fixture) {
	f.registerAs("svc", "1", task("a", "c"), task("b", "c"), task("c"))
	run := f.start("svc", pipeline.Continue)
	cs := f.claim(2)
	f.end(done(cs[0]))
	if reg := f.registerAs("svc", "2", task("a", "c"), task("b", "c")); len(reg.Orphaned) != 1 || len(reg.Runs) != 0 {
		f.Errorf("registered %+v", reg)
	}
	f.end(done(cs[1]))
	f.wantStates(run.Run.ID, pipeline.RunFailed, "a=completed", "b=completed", "c=cancelled")
	if got := f.run(run.Run.ID); got.Error != "Task type removed in version 2" {
		f.Errorf("the run failed with %q", got.Error)
	}
}

func orphansAreRefused(f *fixture) {
	f.registerAs("svc", "1", task("a"), task("gone"))
	f.must1(f.PutPipeline(f.ctx, store.Pipeline{ID: "mine", EntryTasks: ids("gone"), Structure: pipeline.Structure{"gone": {}}}))
	failed := f.start("mine", "")
	f.step(ends{"gone": finally})
	f.registerAs("svc", "2", task("a"))
	_, err := f.EnqueueTasks(f.ctx, []store.EnqueueTask{{Task: "a"}, {Task: "gone"}})
	f.wantErr(err, store.ErrNotFound)
	for _, id := range []pipeline.ID{"mine", "gone"} {
		got, err := f.StartRuns(f.ctx, []store.StartRun{{Pipeline: id}})
		f.must(err)
		f.wantErr(got[0].Err, store.ErrNotFound)
	}
	_, err = f.ReplayRun(f.ctx, failed.Run.ID)
	f.wantErr(err, store.ErrConflict)
	if got := f.claimNames(10); len(got) != 0 {
		f.Errorf("claimed %v", got)
	}
}

func orphanReturns(f *fixture) {
	f.registerAs("svc", "1", task("a"), task("gone"))
	f.registerAs("svc", "2", task("a"))
	f.registerAs("svc", "3", task("a"), task("gone"))
	if t, err := f.Task(f.ctx, "gone"); err != nil || t.Removed || t.CodeVersion != 1 {
		f.Errorf("task %+v, %v", t, err)
	}
	alone, run := f.enqueue("gone"), f.start("gone", "")
	f.drain(nil)
	if got := f.taskRun(alone.ID); got.Status != pipeline.TaskCompleted {
		f.Errorf("the task run is %s", got.Status)
	}
	f.wantStates(run.Run.ID, pipeline.RunCompleted, "gone=completed")
	if got := f.registerAs("svc", "4", task("a")); !slices.Equal(got.Orphaned, ids("gone")) {
		f.Errorf("removed again, it is not reported again: %v", got.Orphaned)
	}
}

func orphanMoved(f *fixture) {
	f.registerAs("one", "1", task("a"), task("b"))
	tr := f.enqueue("a")
	f.registerAs("two", "1", task("a"))
	if got := f.registerAs("one", "2", task("b")); len(got.Orphaned) != 0 {
		f.Errorf("orphaned %v", got.Orphaned)
	}
	if got := f.taskRun(tr.ID); got.Status != pipeline.TaskPending {
		f.Errorf("what waits for it is %s", got.Status)
	}
}

// announce is registerAs beside other calls.
func (f *fixture) announce(version string, tasks ...store.Task) {
	_, err := f.Register(f.ctx, store.Register{Service: store.Service{ID: "svc", Version: version, BaseURL: "http://w"}, Tasks: tasks})
	if err != nil {
		f.Errorf("register: %v", err)
	}
}

// orphanRace: what is queued while the task is removed may be queued after the
// look for it. Whoever claims it is told, and its release ends it.
func orphanRace(f *fixture) {
	with, without := []store.Task{task("a"), task("gone")}, []store.Task{task("a")}
	f.registerAs("svc", "0", with...)
	for round := range 5 {
		var wg sync.WaitGroup
		for range 3 {
			id := pipeline.NewTaskRunID(time.Now())
			wg.Go(func() {
				if _, err := f.EnqueueTasks(f.ctx, []store.EnqueueTask{{ID: id, Task: "gone"}}); err != nil && !errors.Is(err, store.ErrNotFound) {
					f.Errorf("enqueue: %v", err)
				}
			})
		}
		wg.Go(func() { f.announce(string(rune('a'+2*round)), without...) })
		wg.Wait()
		for _, c := range f.claim(10) {
			if !c.Task.Removed {
				f.Errorf("claimed %s, and its task is not said to be gone", c.TaskRun.ID)
			}
			f.must(f.ReleaseAttempts(f.ctx, []store.AttemptRef{ref(c)}))
			if got := f.taskRun(c.TaskRun.ID); got.Status != pipeline.TaskCancelled || !strings.HasPrefix(got.Error, "Task type removed in version ") {
				f.Errorf("released, it is %s: %s", got.Status, got.Error)
			}
		}
		f.registerAs("svc", string(rune('b'+2*round)), with...)
	}
	if st, err := f.QueueStatus(f.ctx); err != nil || st.Pending != 0 || st.Running != 0 {
		f.Errorf("status %+v, %v", st, err)
	}
}

// orphanLiftRace: lifting what waited too long replaces it in the queue, and a
// cleanup at that moment must not look past it.
func orphanLiftRace(f *fixture) {
	const rounds, each = 10, 5
	for range rounds {
		f.registerAs("svc", "1", task("a"), task("gone"))
		for range each {
			f.enqueue("gone")
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := f.LiftStarved(f.ctx, time.Now().Add(time.Hour), 100); err != nil {
					f.Errorf("lift: %v", err)
				}
			})
		}
		wg.Go(func() { f.announce("2", task("a")) })
		wg.Wait()
		if got := f.claim(each); len(got) != 0 {
			f.Fatalf("%d of a removed task are left in the queue", len(got))
		}
	}
}
