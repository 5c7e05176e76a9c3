package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

var leaseCases = []testCase{
	{name: "release keeps the place and counts nothing", run: release},
	{name: "rescue of a claim nobody accepted", run: rescueUnaccepted},
	{name: "a worker whose dispatch nobody remembers is fenced off", run: rescueFences},
	{name: "rescue of a silent attempt", run: rescueSilent},
	{name: "rescue at the task's own timeout", run: rescueOverdue},
	{name: "rescue of a batch", run: rescueBatch},
	{name: "only the owner speaks for an attempt", run: ownerOnly},
	{name: "what an owner has in hand", run: held},
}

func release(f *fixture) {
	a := task("a")
	a.Concurrency = 1
	f.register(a)
	first, second := f.enqueue("a"), f.enqueue("a")
	c := f.claim(1)[0]
	f.must(f.ReleaseAttempts(f.ctx, []store.AttemptRef{ref(c), {ID: second.ID, Attempt: 1}}))
	got := f.taskRun(first.ID)
	if got.Status != pipeline.TaskPending || got.Attempt != 1 || !got.StartedAt.IsZero() || len(got.PreviousAttempts) != 0 {
		f.Errorf("released %+v", got)
	}
	if again := f.claim(1); len(again) != 1 || again[0].TaskRun.ID != first.ID {
		f.Errorf("claimed %v, want the released one first", again)
	}
	f.wantErr(f.end(store.EndAttempt{AttemptRef: store.AttemptRef{ID: first.ID, Attempt: 2}}).Err, store.ErrLeaseLost)

	// A run that was cancelled meanwhile does not come back into the queue.
	f.register(task("b"))
	run := f.start("b", "")
	cb := f.claim(1)[0]
	f.must1(f.CancelRun(f.ctx, run.Run.ID, ""))
	f.must(f.ReleaseAttempts(f.ctx, []store.AttemptRef{ref(cb)}))
	f.wantStates(run.Run.ID, pipeline.RunCancelled, "b=cancelled")
}

func rescueUnaccepted(f *fixture) {
	f.register(task("a"))
	tr := f.enqueue("a")
	claim := func() []store.Claimed {
		got, err := f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: "w", Limit: 1, AcceptWithin: 10 * time.Second})
		f.must(err)
		return got
	}
	claim()
	got, err := f.Rescue(f.ctx, store.Rescue{Now: time.Now().Add(5 * time.Second), Limit: 10})
	f.must(err)
	if got.Released != 0 {
		f.Fatalf("released %d before their time", got.Released)
	}
	got, err = f.Rescue(f.ctx, store.Rescue{Now: time.Now().Add(11 * time.Second), Limit: 10})
	f.must(err)
	if got.Released != 1 || len(got.Ended) != 0 {
		f.Fatalf("rescued %+v", got)
	}
	if r := f.taskRun(tr.ID); r.Status != pipeline.TaskPending || len(r.PreviousAttempts) != 0 {
		f.Errorf("task run %+v", r)
	}

	c := claim()
	if got := c[0].TaskRun; got.Attempt != 2 || got.MaxRetries != 1 {
		f.Errorf("claimed attempt %d of %d retries, want a number that nobody was given before", got.Attempt, got.MaxRetries)
	}
	f.must(f.AcceptAttempts(f.ctx, []store.AttemptRef{ref(c[0]), {ID: "trun_none", Attempt: 1}}))
	if f.taskRun(tr.ID).HeartbeatAt.IsZero() {
		f.Error("accepting did not start the heartbeat window")
	}
	got, err = f.Rescue(f.ctx, store.Rescue{Now: time.Now().Add(11 * time.Second), Limit: 10})
	f.must(err)
	if got.Released != 0 || len(got.Ended) != 0 {
		f.Errorf("an accepted attempt was rescued: %+v", got)
	}
}

// rescueFences is about a worker that took an attempt of an engine that died
// before it wrote so down. The attempt is taken back as if nobody had it; what
// that worker says from then on must not pass for the next attempt.
func rescueFences(f *fixture) {
	a := task("a")
	a.Retry = pipeline.RetryPolicy{Retries: 1, Backoff: pipeline.BackoffFixed}
	f.register(a)
	run := f.start("a", "")
	claim := func() store.Claimed {
		got, err := f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: "w", Limit: 1, AcceptWithin: 10 * time.Second})
		f.must(err)
		return got[0]
	}
	lost := claim()
	back, err := f.Rescue(f.ctx, store.Rescue{Now: time.Now().Add(11 * time.Second), Limit: 10})
	f.must(err)
	if back.Released != 1 {
		f.Fatalf("rescued %+v", back)
	}
	f.wantErr(f.end(done(lost)).Err, store.ErrLeaseLost) // while it waits

	first := claim()
	f.wantErr(f.end(done(lost)).Err, store.ErrLeaseLost) // while the next one runs
	f.must(f.ReleaseAttempts(f.ctx, []store.AttemptRef{ref(lost)}))
	beats, err := f.ExtendLeases(f.ctx, []store.Heartbeat{{AttemptRef: ref(lost)}})
	f.must(err)
	if beats[0].Known || !beats[0].Cancel {
		f.Errorf("the lost worker's heartbeat was answered %+v, want that it stops", beats[0])
	}

	// No retry was lost: after the one that failed there is another, and that was it.
	if got := f.end(failed(first, false)); got.Status != pipeline.TaskPending {
		f.Fatalf("the first failure was answered %+v, want a retry", got)
	}
	second := claim()
	if got := f.end(failed(second, false)); got.Status != pipeline.TaskFailed {
		f.Errorf("the second failure was answered %+v, want the end", got)
	}
	tr := f.taskRun(first.TaskRun.ID)
	if len(tr.PreviousAttempts) != 2 || tr.PreviousAttempts[0].Attempt != first.TaskRun.Attempt {
		f.Errorf("previous attempts %+v, want the two that failed", tr.PreviousAttempts)
	}
	f.wantStates(run.Run.ID, pipeline.RunFailed, "a=failed")
}

func rescueSilent(f *fixture) {
	a := task("a")
	a.Retry.Retries, a.HeartbeatInterval, a.Timeout = 1, 10*time.Second, time.Hour
	f.register(a)
	run := f.start("a", "")
	c := f.claim(1)[0]
	early, err := f.Rescue(f.ctx, store.Rescue{Now: time.Now().Add(20 * time.Second), Limit: 10})
	f.must(err)
	if len(early.Ended) != 0 {
		f.Fatalf("rescued inside the grace: %+v", early)
	}
	got, err := f.Rescue(f.ctx, store.Rescue{Now: time.Now().Add(30 * time.Second), Limit: 10})
	f.must(err)
	if len(got.Ended) != 1 || got.Ended[0].Status != pipeline.TaskPending || got.Ended[0].RetryAt.IsZero() {
		f.Fatalf("rescued %+v", got)
	}
	f.wantErr(f.end(done(c)).Err, store.ErrLeaseLost)
	tr := f.taskRun(c.TaskRun.ID)
	if len(tr.PreviousAttempts) != 1 || tr.PreviousAttempts[0].Error != "Task heartbeat timeout" || tr.PreviousAttempts[0].ErrorCode != "TIMEOUT" {
		f.Errorf("previous attempts %+v", tr.PreviousAttempts)
	}

	f.promote(1)
	if got := f.claim(1); len(got) != 1 || got[0].TaskRun.Attempt != 2 {
		f.Fatalf("claimed %+v", got)
	}
	got, err = f.Rescue(f.ctx, store.Rescue{Now: time.Now().Add(90 * time.Second), Limit: 10})
	f.must(err)
	if len(got.Ended) != 1 || got.Ended[0].Status != pipeline.TaskTimeout || got.Ended[0].RunEnded != pipeline.RunFailed || got.Ended[0].DeadLetter == "" {
		f.Fatalf("rescued %+v", got)
	}
	f.wantStates(run.Run.ID, pipeline.RunFailed, "a=timeout")
}

func rescueOverdue(f *fixture) {
	a := task("a")
	a.Timeout = 30 * time.Second
	f.register(a)
	tr := f.enqueue("a")
	f.claim(1)
	got, err := f.Rescue(f.ctx, store.Rescue{Now: time.Now().Add(40 * time.Second), Limit: 10})
	f.must(err)
	if len(got.Ended) != 1 || got.Ended[0].Status != pipeline.TaskTimeout {
		f.Fatalf("rescued %+v", got)
	}
	if r := f.taskRun(tr.ID); r.Status != pipeline.TaskTimeout || r.Error != "Task exceeded timeout of 30s" || r.ErrorCode != "TIMEOUT" {
		f.Errorf("task run %+v", r)
	}
}

func rescueBatch(f *fixture) {
	f.register(task("a"))
	for range 5 {
		f.enqueue("a")
	}
	f.claim(5)
	at := time.Now().Add(time.Hour)
	counts := []int{}
	for range 3 {
		got, err := f.Rescue(f.ctx, store.Rescue{Now: at, Limit: 2})
		f.must(err)
		counts = append(counts, len(got.Ended))
		if got.More != (len(got.Ended) == 2) {
			f.Errorf("rescued %d, more %v", len(got.Ended), got.More)
		}
	}
	if diff := cmp.Diff([]int{2, 2, 1}, counts); diff != "" {
		f.Errorf("rescued (-want +got):\n%s", diff)
	}
}

func held(f *fixture) {
	f.register(task("a"))
	for range 4 {
		f.enqueue("a")
	}
	claim := func(owner string) store.Held {
		c := f.claimAs(store.ClaimTasks{Owner: owner, Limit: 1, AcceptWithin: time.Minute})[0]
		return store.Held{AttemptRef: store.AttemptRef{ID: c.TaskRun.ID, Attempt: c.TaskRun.Attempt, Owner: owner}, Task: c.TaskRun.Task, Run: c.TaskRun.Run}
	}
	one, two, three := claim("w1"), claim("w2"), claim("w2")
	claim("w3")
	want := []store.Held{one, two, three}
	if two.ID > three.ID {
		want[1], want[2] = three, two
	}
	got, err := f.Held(f.ctx, []string{"w1", "w2", "nobody"})
	f.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("held (-want +got):\n%s", diff)
	}
	f.must(f.end(store.EndAttempt{AttemptRef: one.AttemptRef, AllNext: true}).Err)
	f.must(f.ReleaseAttempts(f.ctx, []store.AttemptRef{two.AttemptRef}))
	got, err = f.Held(f.ctx, []string{"w1", "w2"})
	f.must(err)
	if diff := cmp.Diff([]store.Held{three}, got); diff != "" {
		f.Errorf("after an end and a release (-want +got):\n%s", diff)
	}
}

func ownerOnly(f *fixture) {
	f.register(task("a"))
	run := f.start("a", "")
	mine := ref(f.claim(1)[0])
	mine.Owner = "test"
	other := mine
	other.Owner = "somebody else"

	f.must(f.AcceptAttempts(f.ctx, []store.AttemptRef{other}))
	f.must(f.ReleaseAttempts(f.ctx, []store.AttemptRef{other}))
	anybody := store.AttemptRef{ID: mine.ID, Attempt: mine.Attempt}
	answers, err := f.ExtendLeases(f.ctx, []store.Heartbeat{{AttemptRef: other}, {AttemptRef: mine}, {AttemptRef: anybody}})
	f.must(err)
	known := store.HeartbeatAnswer{Known: true, Run: run.Run.ID, Task: "a"}
	if diff := cmp.Diff([]store.HeartbeatAnswer{{Cancel: true}, known, known}, answers); diff != "" {
		f.Errorf("heartbeats (-want +got):\n%s", diff)
	}
	// In one batch, and the wrong one first.
	ended, err := f.EndAttempts(f.ctx, []store.EndAttempt{
		{AttemptRef: other, Failure: &store.Failure{Error: "no", Final: true}}, {AttemptRef: mine, AllNext: true},
	})
	f.must(err)
	f.wantErr(ended[0].Err, store.ErrLeaseLost)
	f.must(ended[1].Err)
	for _, e := range ended {
		if e.ID != mine.ID || e.Attempt != 1 {
			f.Errorf("ended attempt %d of %q", e.Attempt, e.ID)
		}
	}
	f.wantStates(run.Run.ID, pipeline.RunCompleted, "a=completed")
}
