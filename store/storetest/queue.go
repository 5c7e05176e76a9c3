package storetest

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

var queueCases = []testCase{
	{name: "a task run lives", run: lifeOfATaskRun},
	{name: "unknown task", run: unknownTask},
	{name: "all or none", run: allOrNone},
	{name: "priority then age", run: priorityThenAge},
	{name: "only the services asked for", run: servicesAskedFor},
	{name: "inputs ride along", run: inputsRideAlong},
	{name: "scheduled", run: scheduled},
	{name: "retry", run: retry},
	{name: "final failure", run: finalFailure},
	{name: "reports that come late", run: lateReports},
	{name: "first run and changed code", run: firstRun},
}

func lifeOfATaskRun(f *fixture) {
	f.register(task("a"))
	queued := f.enqueueAs(store.EnqueueTask{
		Task: "a", Input: store.Input{Path: "standalone/x/input.json"}, IdempotencyKey: "key", Metadata: raw(`{"who":"me"}`),
	})
	if queued.Status != pipeline.TaskPending || queued.Attempt != 1 {
		f.Errorf("queued as %s, attempt %d", queued.Status, queued.Attempt)
	}
	got := f.claim(10)
	if len(got) != 1 || got[0].TaskRun.ID != queued.ID {
		f.Fatalf("claimed %v, want %s", names(got), queued.ID)
	}
	c := got[0]
	if c.Task.ID != "a" || c.Service.ID != "svc" || c.TaskRun.Status != pipeline.TaskRunning || c.TaskRun.StartedAt.IsZero() {
		f.Errorf("claimed %+v", c)
	}
	if c.TaskRun.CodeVersion != 1 || c.TaskRun.CodeHash != "hash-a" || c.TaskRun.InputPath != "standalone/x/input.json" {
		f.Errorf("claimed version %d, hash %s, input %s", c.TaskRun.CodeVersion, c.TaskRun.CodeHash, c.TaskRun.InputPath)
	}
	if again := f.claimNames(10); len(again) != 0 {
		f.Errorf("claimed %v twice", again)
	}

	e := done(c)
	e.Assets = map[string]store.Asset{"page": {Path: "p/page", Size: 3, Type: "text"}}
	e.LogsPath, e.OutputSize = "logs/x", 1<<40
	res := f.end(e)
	if res.Err != nil || res.Status != pipeline.TaskCompleted || res.Task != "a" || res.Run != "" {
		f.Errorf("ended as %+v", res)
	}
	tr := f.taskRun(queued.ID)
	want := store.TaskRun{
		ID: queued.ID, Task: "a", Status: pipeline.TaskCompleted, Attempt: 1, Priority: 100, CodeHash: "hash-a", CodeVersion: 1,
		FirstRun: true, InputPath: "standalone/x/input.json", OutputPath: e.OutputPath, OutputSize: 1 << 40, LogsPath: "logs/x",
		Assets: e.Assets, IdempotencyKey: "key",
		CreatedAt: tr.CreatedAt, StartedAt: tr.StartedAt, HeartbeatAt: tr.HeartbeatAt, CompletedAt: tr.CompletedAt, Metadata: tr.Metadata,
	}
	if diff := cmp.Diff(want, tr); diff != "" {
		f.Errorf("task run (-want +got):\n%s", diff)
	}
	if tr.CompletedAt.IsZero() || tr.CompletedAt.Before(tr.StartedAt) || tr.StartedAt.Before(tr.CreatedAt) {
		f.Errorf("created %v, started %v, completed %v", tr.CreatedAt, tr.StartedAt, tr.CompletedAt)
	}
}

func unknownTask(f *fixture) {
	f.register(task("a"))
	_, err := f.EnqueueTasks(f.ctx, []store.EnqueueTask{{ID: "trun_1", Task: "nope"}})
	f.wantErr(err, store.ErrNotFound)
	got, err := f.StartRuns(f.ctx, []store.StartRun{{ID: "prun_1", Pipeline: "nope"}, {ID: "prun_2", Pipeline: "a"}})
	f.must(err)
	f.wantErr(got[0].Err, store.ErrNotFound)
	f.must(got[1].Err)
	_, err = f.TaskRun(f.ctx, "trun_1")
	f.wantErr(err, store.ErrNotFound)
	_, err = f.PipelineRun(f.ctx, "prun_1")
	f.wantErr(err, store.ErrNotFound)
}

func allOrNone(f *fixture) {
	f.register(task("a"))
	_, err := f.EnqueueTasks(f.ctx, []store.EnqueueTask{{ID: "trun_1", Task: "a"}, {ID: "trun_2", Task: "nope"}})
	f.wantErr(err, store.ErrNotFound)
	if got := f.claimNames(10); len(got) != 0 {
		f.Errorf("claimed %v of a refused batch", got)
	}
}

func priorityThenAge(f *fixture) {
	low, high := task("low"), task("high")
	low.Priority, high.Priority = 200, 5
	f.register(task("a"), task("b"), low, high)
	f.enqueue("low")
	f.enqueue("a")
	f.enqueue("b")
	f.enqueue("high")
	first := 1
	f.enqueueAs(store.EnqueueTask{Task: "low", Priority: &first})
	if diff := cmp.Diff(ids("low", "high"), f.claimNames(2)); diff != "" {
		f.Errorf("first claim (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ids("a", "b", "low"), f.claimNames(10)); diff != "" {
		f.Errorf("second claim (-want +got):\n%s", diff)
	}
}

func servicesAskedFor(f *fixture) {
	f.registerAs("pushed", "1", task("a"))
	f.must1(f.Register(f.ctx, store.Register{Service: store.Service{ID: "pulled", Version: "1"}, Tasks: []store.Task{task("b")}}))
	f.enqueue("b")
	f.enqueue("a")
	if diff := cmp.Diff(ids("a"), f.claimNames(10)); diff != "" {
		f.Errorf("push claims (-want +got):\n%s", diff)
	}
	got, err := f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: "w", Services: []pipeline.ServiceID{"pulled"}, Limit: 10, Accepted: true})
	f.must(err)
	if diff := cmp.Diff(ids("b"), names(got)); diff != "" {
		f.Errorf("pull claims (-want +got):\n%s", diff)
	}
}

func inputsRideAlong(f *fixture) {
	f.register(task("a"))
	f.enqueueAs(store.EnqueueTask{Task: "a", Input: store.Input{Path: "p/1", Data: []byte(`{"n":1}`)}})
	f.enqueueAs(store.EnqueueTask{Task: "a", Input: store.Input{Path: "p/2"}})
	data, err := f.Input(f.ctx, "p/1")
	f.must(err)
	if string(data) != `{"n":1}` {
		f.Errorf("input is %s", data)
	}
	_, err = f.Input(f.ctx, "p/2")
	f.wantErr(err, store.ErrNotFound)

	got := f.claim(10)
	if string(got[0].InputInline) != `{"n":1}` || got[0].InputStored {
		f.Errorf("first: inline %q, stored %v", got[0].InputInline, got[0].InputStored)
	}
	if got[1].InputInline != nil || !got[1].InputStored {
		f.Errorf("second: inline %q, stored %v", got[1].InputInline, got[1].InputStored)
	}
	f.must(f.MarkInputStored(f.ctx, "p/1"))
	f.must(f.ReleaseAttempts(f.ctx, []store.AttemptRef{ref(got[0])}))
	if again := f.claim(1); !again[0].InputStored {
		f.Error("claimed again: not known to be stored")
	}
}

func scheduled(f *fixture) {
	f.register(task("a"))
	soon := time.Now().Add(300 * time.Millisecond)
	tr := f.enqueueAs(store.EnqueueTask{Task: "a", ScheduledFor: soon})
	run := f.startAs(store.StartRun{Pipeline: "a", ScheduledFor: soon})
	if run.Run.Status != pipeline.RunPending {
		f.Errorf("a scheduled run is %s", run.Run.Status)
	}
	later := f.enqueueAs(store.EnqueueTask{Task: "a", ScheduledFor: time.Now().Add(time.Hour)})
	f.promote(2)
	got := f.claim(10)
	if len(got) != 2 || got[0].TaskRun.ID != tr.ID {
		f.Errorf("claimed %v", names(got))
	}
	if r := f.run(run.Run.ID); r.Status != pipeline.RunRunning || r.StartedAt.Before(soon.Truncate(time.Millisecond)) {
		f.Errorf("run is %s, started %v, scheduled for %v", r.Status, r.StartedAt, soon)
	}
	_, next, err := f.PromoteDue(f.ctx, 10)
	f.must(err)
	if d := next.Sub(later.ScheduledFor).Abs(); d > time.Millisecond {
		f.Errorf("next is due %v, want %v", next, later.ScheduledFor)
	}
}

func retry(f *fixture) {
	a := task("a")
	a.Retry.Retries = 2
	f.register(a)
	tr := f.enqueue("a")
	progress := 40.0
	for attempt := 1; attempt <= 2; attempt++ {
		c := f.claim(1)
		if len(c) != 1 || c[0].TaskRun.Attempt != attempt {
			f.Fatalf("attempt %d: claimed %+v", attempt, c)
		}
		f.must1(f.ExtendLeases(f.ctx, []store.Heartbeat{{AttemptRef: ref(c[0]), Progress: &progress, Message: "on it"}}))
		if got := f.taskRun(tr.ID); got.Progress == nil || *got.Progress != 40 || got.ProgressMessage != "on it" {
			f.Errorf("attempt %d: progress %v %q", attempt, got.Progress, got.ProgressMessage)
		}
		res := f.end(failed(c[0], false))
		if res.Status != pipeline.TaskPending || res.RetryAt.IsZero() || res.DeadLetter != "" {
			f.Errorf("attempt %d ended as %+v", attempt, res)
		}
		got := f.taskRun(tr.ID)
		if got.Status != pipeline.TaskPending || got.Attempt != attempt+1 || len(got.PreviousAttempts) != attempt ||
			got.Error != "" || got.ErrorCode != "" || !got.StartedAt.IsZero() || !got.CompletedAt.IsZero() ||
			!got.HeartbeatAt.IsZero() || got.Progress != nil || got.ProgressMessage != "" {
			f.Errorf("after attempt %d: %+v", attempt, got)
		}
		f.promote(1)
	}
	c := f.claim(1)[0]
	past := c.TaskRun.PreviousAttempts
	if len(past) != 2 || past[1].Attempt != 2 || past[1].Error != "boom a" || past[1].ErrorCode != "BOOM" || past[1].Timestamp == "" ||
		past[1].StartedAt == "" || past[1].StartedAt > past[1].Timestamp || past[1].RetryAt < past[1].Timestamp {
		f.Errorf("previous attempts %+v", past)
	}
	if res := f.end(failed(c, false)); res.Status != pipeline.TaskFailed || res.DeadLetter == "" {
		f.Errorf("last attempt ended as %+v", res)
	}
	if got := f.taskRun(tr.ID); len(got.PreviousAttempts) != 3 || got.Error != "boom a" || got.ErrorCode != "BOOM" || got.CompletedAt.IsZero() {
		f.Errorf("in the end %+v", got)
	}
}

func finalFailure(f *fixture) {
	a := task("a")
	a.Retry.Retries = 5
	f.register(a)
	tr := f.enqueue("a")
	e := failed(f.claim(1)[0], true)
	e.Failure.Details = raw(`{"line":3}`)
	if res := f.end(e); res.Status != pipeline.TaskFailed || res.DeadLetter == "" || !res.RetryAt.IsZero() {
		f.Errorf("ended as %+v", res)
	}
	if got := f.taskRun(tr.ID); got.Status != pipeline.TaskFailed || got.Attempt != 1 || len(got.PreviousAttempts) != 1 {
		f.Errorf("task run %+v", got)
	}
	if got, err := f.QueueStatus(f.ctx); err != nil || got.DeadLetters != 1 || got.Failed != 1 {
		f.Errorf("status %+v, %v", got, err)
	}
}

func lateReports(f *fixture) {
	a := task("a")
	a.Retry.Retries = 1
	f.register(a)
	tr := f.enqueue("a")
	first := f.claim(1)[0]
	f.end(failed(first, false))
	f.wantErr(f.end(done(first)).Err, store.ErrLeaseLost) // not under lease at all
	f.promote(1)
	second := f.claim(1)[0]
	f.wantErr(f.end(done(first)).Err, store.ErrLeaseLost) // superseded
	both, err := f.EndAttempts(f.ctx, []store.EndAttempt{done(second), done(second), {AttemptRef: store.AttemptRef{ID: "trun_none", Attempt: 1}, AllNext: true}})
	f.must(err)
	f.must(both[0].Err)
	f.wantErr(both[1].Err, store.ErrLeaseLost)
	f.wantErr(both[2].Err, store.ErrNotFound)
	f.wantErr(f.end(failed(second, true)).Err, store.ErrLeaseLost)
	if got := f.taskRun(tr.ID); got.Status != pipeline.TaskCompleted || got.Attempt != 2 {
		f.Errorf("task run is %s, attempt %d", got.Status, got.Attempt)
	}
	beats, err := f.ExtendLeases(f.ctx, []store.Heartbeat{{AttemptRef: ref(second)}})
	f.must(err)
	if diff := cmp.Diff([]store.HeartbeatAnswer{{Known: false, Cancel: true}}, beats); diff != "" {
		f.Errorf("heartbeat of an ended attempt (-want +got):\n%s", diff)
	}
}

func firstRun(f *fixture) {
	f.register(task("a"))
	batch, err := f.EnqueueTasks(f.ctx, []store.EnqueueTask{{ID: "trun_1", Task: "a"}, {ID: "trun_2", Task: "a"}})
	f.must(err)
	changed := task("a")
	changed.CodeHash = "other"
	f.register(changed)
	got := []string{}
	for _, id := range []pipeline.TaskRunID{batch[0].Run.ID, batch[1].Run.ID, f.enqueue("a").ID, f.enqueue("a").ID} {
		t := f.taskRun(id)
		got = append(got, fmt.Sprintf("v%d first=%v changed=%v", t.CodeVersion, t.FirstRun, t.CodeChanged))
	}
	want := []string{"v1 first=true changed=false", "v1 first=false changed=false", "v2 first=false changed=true", "v2 first=false changed=false"}
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("task runs (-want +got):\n%s", diff)
	}
}
