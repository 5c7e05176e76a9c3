package storetest

import (
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

var upkeepCases = []testCase{
	{name: "what starves is lifted", run: liftsStarved},
	{name: "old keys are forgotten", run: forgetsKeys},
	{name: "old runs are deleted", run: deletesRuns},
}

func liftsStarved(f *fixture) {
	low, high, limited := task("low"), task("high"), task("limited")
	low.Priority, high.Priority, limited.Priority, limited.Concurrency = 200, 1, 300, 1
	f.register(low, high, limited)
	old := f.enqueue("low")
	run := f.start("limited", "").Entries[0]
	since := f.taskRun(run.ID).CreatedAt.Add(time.Millisecond)
	for !time.Now().After(since) {
		f.must(f.Ping(f.ctx)) // the store's clock is a real one
	}
	f.enqueue("high")
	if n, err := f.LiftStarved(f.ctx, since.Add(-time.Hour), 10); err != nil || n != 0 {
		f.Errorf("lifted %d that had not waited, %v", n, err)
	}
	n, err := f.LiftStarved(f.ctx, since, 10)
	f.must(err)
	if again, err := f.LiftStarved(f.ctx, since, 10); err != nil || n != 2 || again != 0 {
		f.Errorf("lifted %d and again %d, %v", n, again, err)
	}
	var got []pipeline.TaskID
	for range 3 {
		got = append(got, f.claimNames(1)...)
	}
	if diff := cmp.Diff(ids("low", "limited", "high"), got); diff != "" {
		f.Errorf("claimed (-want +got):\n%s", diff)
	}
	if got := f.taskRun(old.ID).Priority; got != 200 {
		f.Errorf("its priority became %d", got)
	}
}

func forgetsKeys(f *fixture) {
	a := task("a")
	a.IdempotencyTTL = time.Second
	f.register(a)
	f.keyed("a", "k")
	f.startAs(store.StartRun{Pipeline: "a", IdempotencyKey: "k", IdempotencyTTL: time.Hour})
	if n, err := f.ForgetKeys(f.ctx, time.Now().Add(time.Hour), 10); err != nil || n != 0 {
		f.Errorf("forgot %d keys of open runs, %v", n, err)
	}
	f.drain(nil)
	forgotten := 0
	for until := time.Now().Add(20 * time.Second); forgotten < 2; {
		n, err := f.ForgetKeys(f.ctx, time.Now().Add(time.Hour), 10)
		f.must(err)
		forgotten += n
		if time.Now().After(until) {
			f.Fatalf("forgot %d keys", forgotten)
		}
	}
}

// deleteRuns deletes all that ended, and wants so many of them.
func (f *fixture) deleteRuns(want int) store.DeletedRuns {
	f.Helper()
	got, err := f.DeleteRuns(f.ctx, time.Now().Add(time.Hour), 10)
	f.must(err)
	if got.Runs != want || got.More {
		f.Fatalf("deleted %+v, want %d runs", got, want)
	}
	return got
}

func deletesRuns(f *fixture) {
	f.register(task("a", "b"), task("b"), task("x"))
	input := store.Input{Path: "in/x.json", Data: []byte(`{}`)}
	gone := f.start("a", "").Run.ID
	alone := f.enqueueAs(store.EnqueueTask{Task: "x", Input: input}).ID
	elsewhere := store.EnqueueTask{Task: "x", Input: store.Input{Path: "in/y.json"}, Metadata: raw(`{"storageBackendId":"eu"}`)}
	f.enqueueAs(elsewhere)
	f.drain(nil)
	open := f.start("a", "").Run.ID
	waiting := f.enqueue("x").ID

	if got, err := f.DeleteRuns(f.ctx, time.Now().Add(-time.Hour), 10); err != nil || got.Runs != 0 || got.More {
		f.Errorf("deleted %+v, %v", got, err)
	}
	// An input that never left the database is no object.
	got := f.deleteRuns(3)
	if len(got.Inputs) != 2 || got.Inputs[0].Path != elsewhere.Input.Path || !strings.Contains(string(got.Inputs[0].Metadata), `"eu"`) {
		f.Errorf("inputs %s", got.Inputs)
	}
	_, err := f.PipelineRun(f.ctx, gone)
	f.wantErr(err, store.ErrNotFound)
	_, err = f.TaskRun(f.ctx, alone)
	f.wantErr(err, store.ErrNotFound)
	_, err = f.Input(f.ctx, input.Path)
	f.wantErr(err, store.ErrNotFound)
	if tasks, err := f.TasksOfRun(f.ctx, gone); err != nil || len(tasks) != 0 {
		f.Errorf("task runs left: %v, %v", tasks, err)
	}
	f.run(open)
	f.taskRun(waiting)
	if st, err := f.QueueStatus(f.ctx); err != nil || st.Completed != 0 || st.Failed != 0 || st.Pending != 2 {
		f.Errorf("status %+v, %v", st, err)
	}
	f.drain(nil)
	if got, err := f.DeleteRuns(f.ctx, time.Now().Add(time.Hour), 1); err != nil || got.Runs != 2 || !got.More {
		f.Errorf("deleted %+v, %v", got, err)
	}

	// What may be run again, or is, keeps its input.
	f.start("a", "")
	failing := f.enqueueAs(store.EnqueueTask{Task: "x", Input: input}).ID
	f.drain(ends{"b": finally, "x": finally})
	f.deleteRuns(0)
	f.retried(string(failing))
	f.deleteRuns(0)
	if c := f.claim(1); len(c) != 1 || string(c[0].InputInline) != `{}` {
		f.Fatalf("claimed %+v", c)
	} else {
		f.end(done(c[0]))
	}
	f.deleteRuns(1) // the retry; its first run is next
	f.must1(f.PurgeDeadLetters(f.ctx, time.Now().Add(time.Hour), 100))
	f.deleteRuns(2)
	if st, err := f.QueueStatus(f.ctx); err != nil || st.Completed != 0 || st.Failed != 0 || st.DeadLetters != 0 {
		f.Errorf("status %+v, %v", st, err)
	}
}
