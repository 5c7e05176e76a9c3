package storetest

import (
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

var graphCases = []testCase{
	{name: "a pipeline runs to its end", run: runsToItsEnd},
	{name: "selected, none and unknown successors", run: selections},
	{name: "an optional predecessor does not block a join", run: optionalPredecessor},
	{name: "racing predecessors fire a join once", run: racingJoins},
	{name: "fail-fast", run: failFast},
	{name: "fail-fast and a retry in one batch", run: failFastBatch},
	{name: "continue", run: continues},
	{name: "partial-merge", run: partialMerge},
	{name: "upstream refs keep their order", run: upstreamOrder},
	{name: "one priority for a whole run", run: runPriority},
	{name: "cancelled by request", run: cancelled},
	{name: "a task run cancelled by request", run: cancelledAlone},
	{name: "removed successor", run: removedSuccessor},
	{name: "lists", run: lists},
}

type ends = map[pipeline.TaskID]func(store.Claimed) store.EndAttempt

func finally(c store.Claimed) store.EndAttempt { return failed(c, true) }

func selecting(next ...pipeline.TaskID) func(store.Claimed) store.EndAttempt {
	return func(c store.Claimed) store.EndAttempt {
		e := done(c)
		e.AllNext, e.SelectedNext = false, next
		return e
	}
}

// diamond is a -> b, c -> d.
func diamond() []store.Task {
	return []store.Task{task("a", "b", "c"), task("b", "d"), task("c", "d"), task("d")}
}

func (f *fixture) wantStates(id pipeline.RunID, status pipeline.RunStatus, want ...string) {
	f.Helper()
	if got := f.run(id).Status; got != status {
		f.Errorf("run is %s, want %s", got, status)
	}
	if diff := cmp.Diff(want, f.states(id)); diff != "" {
		f.Errorf("task runs (-want +got):\n%s", diff)
	}
}

func runsToItsEnd(f *fixture) {
	f.register(diamond()...)
	started := f.startAs(store.StartRun{Pipeline: "svc", Metadata: raw(`{"k":1}`)})
	id := started.Run.ID
	if len(started.Entries) != 1 || started.Entries[0].Task != "a" || started.Run.Status != pipeline.RunRunning {
		f.Fatalf("started %+v", started)
	}
	res := f.step(nil)
	if diff := cmp.Diff(ids("b", "c"), res[0].Queued); diff != "" {
		f.Errorf("queued (-want +got):\n%s", diff)
	}
	f.drain(nil)
	f.wantStates(id, pipeline.RunCompleted, "a=completed", "b=completed", "c=completed", "d=completed")
	r := f.run(id)
	if r.OutputPath != "out/d.json" || r.CompletedAt.IsZero() || r.StartedAt.IsZero() || r.Version != "1.0.0" || r.FailureMode != pipeline.FailFast {
		f.Errorf("run %+v", r)
	}
	if diff := cmp.Diff(ids("a"), r.EntryTasks); diff != "" {
		f.Errorf("entries (-want +got):\n%s", diff)
	}
	if len(r.Structure) != 4 || len(r.Structure["a"].AllowedNext) != 2 {
		f.Errorf("snapshot %v", r.Structure)
	}
	tasks, err := f.TasksOfRun(f.ctx, id)
	f.must(err)
	for _, t := range tasks {
		if t.InputPath != r.InputPath {
			f.Errorf("task %s has input %s, want the run's", t.Task, t.InputPath)
		}
	}
}

func selections(f *fixture) {
	f.register(task("a", "b", "c"), task("b"), task("c"))
	one := f.start("svc", "")
	res := f.step(ends{"a": selecting("c", "zzz")})
	if diff := cmp.Diff(ids("zzz"), res[0].Unknown); diff != "" {
		f.Errorf("unknown (-want +got):\n%s", diff)
	}
	f.drain(nil)
	f.wantStates(one.Run.ID, pipeline.RunCompleted, "a=completed", "c=completed")

	none := f.start("svc", "")
	res = f.step(ends{"a": selecting()})
	if res[0].RunEnded != pipeline.RunCompleted {
		f.Errorf("run ended as %q", res[0].RunEnded)
	}
	f.wantStates(none.Run.ID, pipeline.RunCompleted, "a=completed")
	if got := f.taskRun(none.Entries[0].ID).SelectedNext; got == nil || len(got) != 0 {
		f.Errorf("selected nothing: read back as %v, want an empty list", got)
	}
	all := f.start("svc", "")
	f.drain(nil)
	f.wantStates(all.Run.ID, pipeline.RunCompleted, "a=completed", "b=completed", "c=completed")
	if got := f.taskRun(all.Entries[0].ID).SelectedNext; got != nil {
		f.Errorf("selected all: read back as %v, want nil", got)
	}
}

func optionalPredecessor(f *fixture) {
	f.register(diamond()...)
	run := f.start("svc", "")
	f.drain(ends{"a": selecting("b")})
	f.wantStates(run.Run.ID, pipeline.RunCompleted, "a=completed", "b=completed", "d=completed")
}

func racingJoins(f *fixture) {
	f.register(diamond()...)
	for range 5 {
		run := f.start("svc", "")
		f.step(nil)
		got := f.claim(10)
		if len(got) != 2 {
			f.Fatalf("claimed %v", names(got))
		}
		var wg sync.WaitGroup
		for _, c := range got {
			wg.Go(func() {
				if _, err := f.EndAttempts(f.ctx, []store.EndAttempt{done(c)}); err != nil {
					f.Errorf("end: %v", err)
				}
			})
		}
		wg.Wait()
		f.drain(nil)
		f.wantStates(run.Run.ID, pipeline.RunCompleted, "a=completed", "b=completed", "c=completed", "d=completed")
	}
}

func failFast(f *fixture) {
	f.register(task("a", "b", "c", "d"), task("b"), task("c", "e"), task("d"), task("e"))
	run := f.start("svc", pipeline.FailFast)
	f.step(nil)
	two := f.claim(2)
	res := f.end(failed(two[0], true))
	if res.RunEnded != pipeline.RunFailed || !res.CancelAsked || res.DeadLetter == "" {
		f.Errorf("ended as %+v", res)
	}
	f.wantStates(run.Run.ID, pipeline.RunFailed, "a=completed", "b=failed", "c=running", "d=cancelled")
	if got := f.run(run.Run.ID); got.Error != "boom b" || got.CompletedAt.IsZero() {
		f.Errorf("run %+v", got)
	}
	if !f.taskRun(two[1].TaskRun.ID).CancelRequested {
		f.Error("the running task was not asked to stop")
	}
	beats, err := f.ExtendLeases(f.ctx, []store.Heartbeat{{AttemptRef: ref(two[1])}})
	f.must(err)
	if !beats[0].Known || !beats[0].Cancel {
		f.Errorf("heartbeat answered %+v", beats[0])
	}
	// Its late result is recorded and leads nowhere.
	if res := f.end(done(two[1])); res.Err != nil || len(res.Queued) != 0 || res.RunEnded != "" {
		f.Errorf("late result: %+v", res)
	}
	f.wantStates(run.Run.ID, pipeline.RunFailed, "a=completed", "b=failed", "c=completed", "d=cancelled")
	if got := f.claimNames(10); len(got) != 0 {
		f.Errorf("claimed %v of a failed run", got)
	}
}

func failFastBatch(f *fixture) {
	b, c := task("b"), task("c")
	b.Retry.Retries = 3
	f.register(task("a", "b", "c", "d"), b, c, task("d", "e"), task("e"))
	run := f.start("svc", pipeline.FailFast)
	f.step(nil)
	res := f.step(ends{"b": func(c store.Claimed) store.EndAttempt { return failed(c, false) }, "c": finally})
	f.wantStates(run.Run.ID, pipeline.RunFailed, "a=completed", "b=cancelled", "c=failed", "d=completed")
	if res[0].Status != pipeline.TaskCancelled || !res[0].RetryAt.IsZero() {
		f.Errorf("the retry that the abort took back: %+v", res[0])
	}
	if st, err := f.QueueStatus(f.ctx); err != nil || st.Pending != 0 || st.Running != 0 {
		f.Errorf("status %+v, %v", st, err)
	}
}

func continues(f *fixture) {
	f.register(append(diamond(), task("x", "y"), task("y"))...)
	run := f.start("svc", pipeline.Continue)
	f.drain(ends{"b": finally})
	f.wantStates(run.Run.ID, pipeline.RunPartial, "a=completed", "b=failed", "c=completed", "x=completed", "y=completed")

	again := f.start("svc", pipeline.Continue)
	f.drain(ends{"b": finally, "y": finally})
	f.wantStates(again.Run.ID, pipeline.RunFailed, "a=completed", "b=failed", "c=completed", "x=completed", "y=failed")
}

func partialMerge(f *fixture) {
	f.register(diamond()...)
	run := f.start("svc", pipeline.PartialMerge)
	f.drain(ends{"b": finally})
	f.wantStates(run.Run.ID, pipeline.RunPartial, "a=completed", "b=failed", "c=completed", "d=completed")
}

func upstreamOrder(f *fixture) {
	// z comes first by distance though last by name; both of d's direct
	// predecessors come after it.
	f.register(task("z", "y"), task("y", "b", "c"), task("b", "d"), task("c", "d"), task("d"))
	f.start("svc", "")
	f.step(nil)
	f.step(nil)
	f.step(ends{"b": func(c store.Claimed) store.EndAttempt {
		e := done(c)
		e.Assets = map[string]store.Asset{"k": {Path: "p", Size: 1, Type: "json"}}
		return e
	}})
	got := f.claim(1)[0].TaskRun
	want := store.UpstreamRefs{
		{Task: "y", OutputPath: "out/y.json"},
		{Task: "z", OutputPath: "out/z.json"},
		{Task: "b", OutputPath: "out/b.json", Assets: map[string]store.Asset{"k": {Path: "p", Size: 1, Type: "json"}}},
		{Task: "c", OutputPath: "out/c.json"},
	}
	for _, refs := range []store.UpstreamRefs{got.UpstreamRefs, f.taskRun(got.ID).UpstreamRefs} {
		for i := range refs {
			if len(refs[i].Assets) == 0 {
				refs[i].Assets = nil
			}
		}
		if diff := cmp.Diff(want, refs); diff != "" {
			f.Errorf("upstream refs (-want +got):\n%s", diff)
		}
	}
}

func runPriority(f *fixture) {
	b := task("b")
	b.Priority = 7
	f.register(task("a", "b"), b)
	given := 3
	f.startAs(store.StartRun{Pipeline: "svc", Priority: &given})
	f.start("svc", "")
	got := []int{}
	for range 4 {
		c := f.claim(1)[0]
		got = append(got, c.TaskRun.Priority)
		f.end(done(c))
	}
	if diff := cmp.Diff([]int{3, 3, 100, 7}, got); diff != "" {
		f.Errorf("priorities (-want +got):\n%s", diff)
	}
}

func cancelled(f *fixture) {
	f.register(task("a", "b", "c"), task("b"), task("c"))
	run := f.start("svc", "")
	f.step(nil)
	c := f.claim(1)[0]
	got, err := f.CancelRun(f.ctx, run.Run.ID, "not needed")
	f.must(err)
	if got.Status != pipeline.RunCancelled || got.Error != "not needed" || got.CompletedAt.IsZero() {
		f.Errorf("run %+v", got)
	}
	f.wantStates(run.Run.ID, pipeline.RunCancelled, "a=completed", "b=running", "c=cancelled")
	_, err = f.CancelRun(f.ctx, run.Run.ID, "again")
	f.wantErr(err, store.ErrConflict)
	_, err = f.CancelRun(f.ctx, "prun_none", "")
	f.wantErr(err, store.ErrNotFound)
	// A failure after the request is a cancelled task, not a dead letter.
	if res := f.end(failed(c, false)); res.Status != pipeline.TaskCancelled || res.DeadLetter != "" {
		f.Errorf("ended as %+v", res)
	}
	f.wantStates(run.Run.ID, pipeline.RunCancelled, "a=completed", "b=cancelled", "c=cancelled")

	waiting := f.startAs(store.StartRun{Pipeline: "svc", ScheduledFor: time.Now().Add(time.Hour)})
	f.must1(f.CancelRun(f.ctx, waiting.Run.ID, ""))
	f.wantStates(waiting.Run.ID, pipeline.RunCancelled, "a=cancelled")
	if _, next, err := f.PromoteDue(f.ctx, 10); err != nil || !next.IsZero() {
		f.Errorf("a timer is left: %v, %v", next, err)
	}
}

func removedSuccessor(f *fixture) {
	f.registerAs("svc", "1", task("a", "b"), task("b", "c"), task("c"))
	run := f.start("svc", pipeline.Continue)
	c := f.claim(1)[0]
	f.registerAs("svc", "2", task("a"), task("c"))
	if res := f.end(done(c)); len(res.Queued) != 0 {
		f.Errorf("queued %v", res.Queued)
	}
	f.wantStates(run.Run.ID, pipeline.RunFailed, "a=completed", "b=cancelled")
}

func lists(f *fixture) {
	f.register(task("a"))
	var runs []pipeline.RunID
	for range 3 {
		runs = append(runs, f.startAs(store.StartRun{Pipeline: "a", TriggeredBy: "ada"}).Run.ID)
	}
	if by := f.run(runs[0]).TriggeredBy; by != "ada" {
		f.Errorf("triggered by %q", by)
	}
	f.end(done(f.claim(1)[0]))
	page, total, err := f.PipelineRuns(f.ctx, store.RunFilter{Limit: 2})
	f.must(err)
	if total != 3 || len(page) != 2 || page[0].ID != runs[2] || page[1].ID != runs[1] {
		f.Errorf("page of %d of %d: %+v", len(page), total, page)
	}
	page, total, err = f.PipelineRuns(f.ctx, store.RunFilter{Pipeline: "a", Status: pipeline.RunCompleted, From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)})
	f.must(err)
	if total != 1 || len(page) != 1 || page[0].ID != runs[0] {
		f.Errorf("completed: %d %+v", total, page)
	}
	tasks, total, err := f.TaskRuns(f.ctx, store.TaskRunFilter{Status: pipeline.TaskPending, Task: "a", Limit: 1, Offset: 1})
	f.must(err)
	if total != 2 || len(tasks) != 1 || tasks[0].Run != runs[2] {
		f.Errorf("pending: %d %+v", total, tasks)
	}
	tasks, total, err = f.TaskRuns(f.ctx, store.TaskRunFilter{Task: "a", Code: 1, Newest: true, Limit: 1})
	f.must(err)
	if total != 3 || len(tasks) != 1 || tasks[0].Run != runs[2] {
		f.Errorf("of version 1, newest first: %d %+v", total, tasks)
	}
	if _, total, err = f.TaskRuns(f.ctx, store.TaskRunFilter{Task: "a", Code: 2}); err != nil || total != 0 {
		f.Errorf("of version 2: %d, %v", total, err)
	}
	for text, want := range map[string]int{strings.ToUpper(string(runs[1])): 1, "a": 3, "no such thing": 0, "%": 0, "\x00'": 0} {
		if _, total, err = f.PipelineRuns(f.ctx, store.RunFilter{Text: text}); err != nil || total != want {
			f.Errorf("with %q: %d runs, want %d (%v)", text, total, want, err)
		}
	}
	version := f.run(runs[0]).Version
	for v, want := range map[string]int{version: 3, version + "x": 0} {
		if _, total, err = f.PipelineRuns(f.ctx, store.RunFilter{Version: v}); v != "" && (err != nil || total != want) {
			f.Errorf("of version %q: %d runs, want %d (%v)", v, total, want, err)
		}
	}
	recent, err := f.RecentRuns(f.ctx, 2)
	f.must(err)
	if len(recent) != 2 || recent[0].ID != runs[2] || recent[1].ID != runs[1] || recent[0].Pipeline != "a" || recent[0].CreatedAt.IsZero() {
		f.Errorf("recent %+v", recent)
	}
}

// cancelledAlone: a standalone task run ends at once while it waits, and with
// its attempt while it runs.
func cancelledAlone(f *fixture) {
	a := task("a")
	a.Retry = pipeline.RetryPolicy{Retries: 1, Backoff: pipeline.BackoffFixed}
	f.register(a)
	cancel := func(id pipeline.TaskRunID) store.TaskRun {
		f.Helper()
		got, err := f.CancelTaskRun(f.ctx, id, "enough")
		f.must(err)
		return got
	}
	waits := f.enqueue("a")
	later := f.enqueueAs(store.EnqueueTask{Task: "a", ScheduledFor: time.Now().Add(time.Hour), IdempotencyKey: "k"})
	for _, id := range []pipeline.TaskRunID{waits.ID, later.ID} {
		if got := cancel(id); got.Status != pipeline.TaskCancelled || got.Error != "enough" || got.CompletedAt.IsZero() {
			f.Errorf("cancelled as %+v", got)
		}
	}
	if again := f.keyed("a", "k"); again.ID == later.ID {
		f.Error("the cancelled one kept its key")
	}
	_, err := f.CancelTaskRun(f.ctx, waits.ID, "")
	f.wantErr(err, store.ErrConflict)
	_, err = f.CancelTaskRun(f.ctx, "trun_none\x00", "")
	f.wantErr(err, store.ErrNotFound)

	c := f.claim(10)
	if len(c) != 1 {
		f.Fatalf("claimed %v", names(c))
	}
	if got := cancel(c[0].TaskRun.ID); got.Status != pipeline.TaskRunning || !got.CancelRequested {
		f.Errorf("the running one is %+v", got)
	}
	beats, err := f.ExtendLeases(f.ctx, []store.Heartbeat{{AttemptRef: ref(c[0])}})
	f.must(err)
	if !beats[0].Cancel {
		f.Error("its worker is not told")
	}
	if got := f.end(failed(c[0], false)); got.Status != pipeline.TaskCancelled || got.DeadLetter != "" {
		f.Errorf("it ended as %+v", got)
	}
	run := f.start("a", "")
	_, err = f.CancelTaskRun(f.ctx, run.Entries[0].ID, "")
	f.wantErr(err, store.ErrConflict)
	if st, err := f.QueueStatus(f.ctx); err != nil || st.Pending != 1 || st.Running != 0 {
		f.Errorf("status %+v, %v", st, err)
	}
}
