package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

var deadLetterCases = []testCase{
	{name: "list, filters and total", run: deadLetterLists},
	{name: "heads, page by page", run: deadLetterHeads},
	{name: "retry of a standalone run", run: retryAlone},
	{name: "retry takes a failed run up again", run: retryFailFast},
	{name: "retry in a run that goes on", run: retryWhileRunning},
	{name: "retry makes a partial merge again", run: retryPartialMerge},
	{name: "retries at the same time", run: racingRetries},
	{name: "refused retries", run: refusedRetries},
	{name: "several of one run in one call", run: retryTogether},
	{name: "purge", run: purge},
	{name: "deletes the ones that are named", run: deletesLetters},
	{name: "replay of a failed run", run: replayFailed},
	{name: "replay of a cancelled run", run: replayCancelled},
	{name: "refused replays", run: refusedReplays},
	{name: "the first failure stays a run's error", run: firstFailure},
}

// letters lists what is in the dead letters, newest first.
func (f *fixture) letters(filter store.DeadLetterFilter) []store.DeadLetter {
	f.Helper()
	page, _, err := f.DeadLetters(f.ctx, filter)
	f.must(err)
	return page
}

func (f *fixture) wantLetters(n int) {
	f.Helper()
	_, total, err := f.DeadLetters(f.ctx, store.DeadLetterFilter{})
	f.must(err)
	status, err := f.QueueStatus(f.ctx)
	f.must(err)
	if got := len(f.letters(store.DeadLetterFilter{})); got != n || total != n || status.DeadLetters != n {
		f.Errorf("%d dead letters listed, %d in total, %d in the status, want %d", got, total, status.DeadLetters, n)
	}
}

// deadLetterHeads: pages of heads follow each other without a gap, also where
// many failed in the same moment, and what was retried is not among them.
func deadLetterHeads(f *fixture) {
	f.register(task("a", "b"), task("b"), task("x"))
	for range 4 {
		f.enqueue("x")
	}
	f.start("a", "")
	f.drain(ends{"x": finally, "b": finally})
	f.retried(string(f.letters(store.DeadLetterFilter{Task: "x"})[2].ID))

	read := func(filter store.DeadLetterFilter) (out []pipeline.DeadLetterID) {
		var after store.DeadLetterHead
		for {
			page, err := f.DeadLetterHeads(f.ctx, filter, after, 2)
			f.must(err)
			for _, h := range page {
				if h.Error != "boom "+string(h.Task) {
					f.Errorf("head %+v", h)
				}
				out = append(out, h.ID)
			}
			if len(page) < 2 {
				return out
			}
			after = page[1]
		}
	}
	for name, filter := range map[string]store.DeadLetterFilter{
		"all": {}, "of a task": {Task: "x"}, "of a pipeline": {Pipeline: "a"}, "retried ones, too": {IncludeRetried: true}, "none": {Task: "none"},
	} {
		var want []pipeline.DeadLetterID
		for _, l := range f.letters(filter) {
			want = append(want, l.ID)
		}
		if diff := cmp.Diff(want, read(filter)); diff != "" {
			f.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// retry runs one dead letter again.
func (f *fixture) retry(ref string) store.RetriedLetter {
	f.Helper()
	got, err := f.RetryDeadLetters(f.ctx, []string{ref})
	f.must(err)
	if len(got) != 1 {
		f.Fatalf("%d answers for one dead letter", len(got))
	}
	return got[0]
}

func (f *fixture) retried(ref string) store.TaskRun {
	f.Helper()
	got := f.retry(ref)
	f.must(got.Err)
	return got.Run
}

// current are the states of a run's tasks without those that were replaced.
func (f *fixture) current(id pipeline.RunID) map[pipeline.TaskID]pipeline.TaskStatus {
	f.Helper()
	tasks, err := f.TasksOfRun(f.ctx, id)
	f.must(err)
	out := map[pipeline.TaskID]pipeline.TaskStatus{}
	for _, t := range tasks {
		if t.SupersededBy != "" {
			continue
		}
		if _, twice := out[t.Task]; twice {
			f.Errorf("two task runs of %s count", t.Task)
		}
		out[t.Task] = t.Status
	}
	return out
}

func (f *fixture) wantCurrent(id pipeline.RunID, status pipeline.RunStatus, want map[pipeline.TaskID]pipeline.TaskStatus) {
	f.Helper()
	if got := f.run(id).Status; got != status {
		f.Errorf("run is %s, want %s", got, status)
	}
	if diff := cmp.Diff(want, f.current(id)); diff != "" {
		f.Errorf("tasks (-want +got):\n%s", diff)
	}
}

type states = map[pipeline.TaskID]pipeline.TaskStatus

func deadLetterLists(f *fixture) {
	f.register(task("a", "b"), task("b"), task("x"))
	f.enqueue("x")
	f.drain(ends{"x": finally})
	run := f.start("svc", "")
	f.drain(ends{"b": finally, "x": finally})
	_ = run
	other := f.start("a", "")
	f.drain(ends{"b": finally})

	got := f.letters(store.DeadLetterFilter{})
	if len(got) < 3 || got[0].Run != other.Run.ID || got[0].Pipeline != "a" {
		f.Fatalf("newest first: %+v", got)
	}
	l := got[0]
	if l.Error != "boom b" || l.Attempts != 1 || l.CodeVersion != 1 || l.CodeHash != "hash-b" || l.InputPath != other.Run.InputPath ||
		len(l.PreviousAttempts) != 1 || len(l.UpstreamRefs) != 1 || l.FailedAt.IsZero() || !l.RetriedAt.IsZero() {
		f.Errorf("dead letter %+v", l)
	}
	byRun, err := f.DeadLetter(f.ctx, string(l.TaskRun))
	f.must(err)
	byID, err := f.DeadLetter(f.ctx, string(l.ID))
	f.must(err)
	if diff := cmp.Diff(byID, byRun); diff != "" || byID.ID != l.ID {
		f.Errorf("by either id: %s", diff)
	}
	_, err = f.DeadLetter(f.ctx, "dlq_none\x00")
	f.wantErr(err, store.ErrNotFound)

	for name, c := range map[string]struct {
		filter store.DeadLetterFilter
		want   int
	}{
		"pipeline": {store.DeadLetterFilter{Pipeline: "a"}, 1},
		"task":     {store.DeadLetterFilter{Task: "b"}, 1},
		"before":   {store.DeadLetterFilter{To: l.FailedAt.Add(-time.Hour)}, 0},
		"from":     {store.DeadLetterFilter{From: l.FailedAt}, 1},
		"named":    {store.DeadLetterFilter{IDs: []pipeline.DeadLetterID{l.ID, "dlq_none"}}, 1},
		"nobody":   {store.DeadLetterFilter{IDs: []pipeline.DeadLetterID{}}, 0},
	} {
		page, total, err := f.DeadLetters(f.ctx, c.filter)
		f.must(err)
		if len(page) != c.want || total != c.want {
			f.Errorf("%s: %d of %d, want %d", name, len(page), total, c.want)
		}
	}
	page, total, err := f.DeadLetters(f.ctx, store.DeadLetterFilter{Limit: 1, Offset: 1})
	f.must(err)
	if len(page) != 1 || page[0].ID != got[1].ID || total != len(got) {
		f.Errorf("second page: %d of %d", len(page), total)
	}
	f.wantLetters(len(got))
}

func retryAlone(f *fixture) {
	f.register(task("a"))
	low := 7
	old := f.enqueueAs(store.EnqueueTask{
		Task: "a", Priority: &low, Input: store.Input{Path: "in.json", Data: []byte(`{"n":1}`)}, Metadata: raw(`{"who":"me"}`),
	})
	f.drain(ends{"a": finally})
	f.wantLetters(1)
	changed := task("a")
	changed.CodeHash, changed.Retry.Retries = "new", 2
	f.register(changed)

	got := f.retried(string(old.ID))
	if got.ID == old.ID || got.Status != pipeline.TaskPending || got.Attempt != 1 || got.MaxRetries != 2 || got.CodeVersion != 2 ||
		got.Priority != 7 || got.InputPath != "in.json" {
		f.Errorf("new run %+v", got)
	}
	stored := f.taskRun(got.ID)
	if stored.CodeVersion != 2 || stored.Priority != 7 || string(stored.Metadata) == "{}" {
		f.Errorf("stored as %+v", stored)
	}
	f.wantLetters(0)
	all := f.letters(store.DeadLetterFilter{IncludeRetried: true})
	if len(all) != 1 || all[0].RetryRun != got.ID || all[0].RetriedAt.IsZero() {
		f.Errorf("with those retried: %+v", all)
	}
	c := f.claim(10)
	if len(c) != 1 || c[0].TaskRun.ID != got.ID || string(c[0].InputInline) != `{"n":1}` {
		f.Fatalf("claimed %+v", c)
	}
	f.end(failed(c[0], true))
	f.wantLetters(1) // a failure of its own
	if was := f.taskRun(old.ID); was.Status != pipeline.TaskFailed || was.SupersededBy != got.ID {
		f.Errorf("the old task run is %s, superseded by %q", was.Status, was.SupersededBy)
	}
}

func retryFailFast(f *fixture) {
	f.register(task("a", "b", "c"), task("b", "d"), task("c", "d"), task("d"))
	run := f.start("svc", pipeline.FailFast).Run.ID
	f.step(nil)
	two := f.claim(1)
	if two[0].TaskRun.Task != "b" {
		f.Fatalf("claimed %v", names(two))
	}
	letter := f.end(failed(two[0], true)).DeadLetter
	f.wantCurrent(run, pipeline.RunFailed, states{"a": "completed", "b": "failed", "c": "cancelled"})

	again := f.retried(string(letter))
	if again.Run != run || len(again.UpstreamRefs) != 1 {
		f.Errorf("new run %+v", again)
	}
	if r := f.run(run); r.Status != pipeline.RunRunning || r.Error != "" || !r.CompletedAt.IsZero() {
		f.Errorf("run %+v", r)
	}
	f.wantCurrent(run, pipeline.RunRunning, states{"a": "completed", "b": "pending", "c": "pending"})
	f.drain(nil)
	f.wantCurrent(run, pipeline.RunCompleted, states{"a": "completed", "b": "completed", "c": "completed", "d": "completed"})
	if r := f.run(run); r.OutputPath != "out/d.json" || r.Error != "" || r.CompletedAt.IsZero() {
		f.Errorf("run %+v", r)
	}
	f.wantLetters(0)
}

func retryWhileRunning(f *fixture) {
	f.register(task("a", "b", "c"), task("b", "d"), task("c"), task("d"))
	run := f.start("svc", pipeline.Continue).Run.ID
	f.step(nil)
	two := f.claim(2)
	letter := f.end(failed(two[0], true)).DeadLetter
	f.wantCurrent(run, pipeline.RunRunning, states{"a": "completed", "b": "failed", "c": "running"})
	f.retried(string(letter))
	f.end(done(two[1]))
	if got := f.run(run); got.Status != pipeline.RunRunning {
		f.Errorf("run is %s while the retry is pending", got.Status)
	}
	f.drain(nil)
	f.wantCurrent(run, pipeline.RunCompleted, states{"a": "completed", "b": "completed", "c": "completed", "d": "completed"})
	if got := f.run(run); got.Error != "" {
		f.Errorf("error %q", got.Error)
	}
}

func retryPartialMerge(f *fixture) {
	f.register(diamond()...)
	run := f.start("svc", pipeline.PartialMerge).Run.ID
	f.drain(ends{"b": finally})
	f.wantCurrent(run, pipeline.RunPartial, states{"a": "completed", "b": "failed", "c": "completed", "d": "completed"})
	f.retried(string(f.letters(store.DeadLetterFilter{})[0].ID))
	f.step(nil)
	merge := f.claim(1)
	if len(merge) != 1 || merge[0].TaskRun.Task != "d" || len(merge[0].TaskRun.UpstreamRefs) != 3 {
		f.Fatalf("claimed %+v", merge)
	}
	f.end(done(merge[0]))
	f.wantCurrent(run, pipeline.RunCompleted, states{"a": "completed", "b": "completed", "c": "completed", "d": "completed"})
	if tasks := f.states(run); len(tasks) != 6 {
		f.Errorf("the history of the run: %v", tasks)
	}
}

func racingRetries(f *fixture) {
	f.register(task("a"))
	for _, run := range []bool{true, false} {
		if run {
			f.start("a", "")
		} else {
			f.enqueue("a")
		}
		f.drain(ends{"a": finally})
		id := string(f.letters(store.DeadLetterFilter{})[0].ID)
		var mu sync.Mutex
		won := 0
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				got, err := f.RetryDeadLetters(f.ctx, []string{id})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					f.Errorf("retry: %v", err)
				} else if got[0].Err == nil {
					won++
				}
			})
		}
		wg.Wait()
		if claimed := f.claim(10); won != 1 || len(claimed) != 1 {
			f.Fatalf("%d retries won, %d runs were queued", won, len(claimed))
		} else {
			f.end(done(claimed[0]))
		}
	}
}

func refusedRetries(f *fixture) {
	f.registerAs("svc", "1", task("a", "b", "c"), task("b"), task("c"), task("x"))
	run := f.start("a", pipeline.FailFast).Run.ID
	f.step(nil)
	two := f.claim(2)
	letter := string(f.end(failed(two[0], true)).DeadLetter)
	f.wantErr(f.retry(letter).Err, store.ErrConflict) // c has not ended
	f.end(done(two[1]))

	answers, err := f.RetryDeadLetters(f.ctx, []string{"dlq_none", "\x00", letter, letter})
	f.must(err)
	f.wantErr(answers[0].Err, store.ErrNotFound)
	f.wantErr(answers[1].Err, store.ErrNotFound)
	f.must(answers[2].Err)
	f.wantErr(answers[3].Err, store.ErrConflict)
	f.drain(nil)
	f.wantCurrent(run, pipeline.RunCompleted, states{"a": "completed", "b": "completed", "c": "completed"})
	f.wantErr(f.retry(letter).Err, store.ErrConflict)

	f.enqueue("x")
	f.drain(ends{"x": finally})
	letter = string(f.letters(store.DeadLetterFilter{})[0].ID)
	f.registerAs("svc", "2", task("a", "b", "c"), task("b"), task("c"))
	f.wantErr(f.retry(letter).Err, store.ErrConflict)
	f.wantLetters(1)

	f.must1(f.SetMode(f.ctx, []store.Mode{store.ModeRunning}, store.ModeWaiting, store.ModeReason{}))
	_, err = f.RetryDeadLetters(f.ctx, []string{letter})
	f.wantErr(err, store.ErrMaintenance)
}

func retryTogether(f *fixture) {
	f.register(task("a", "b", "c"), task("b", "d"), task("c", "d"), task("d"))
	run := f.start("svc", pipeline.Continue).Run.ID
	f.drain(ends{"b": finally, "c": finally})
	f.wantCurrent(run, pipeline.RunFailed, states{"a": "completed", "b": "failed", "c": "failed"})
	var refs []string
	for _, l := range f.letters(store.DeadLetterFilter{}) {
		refs = append(refs, string(l.ID))
	}
	answers, err := f.RetryDeadLetters(f.ctx, refs)
	f.must(err)
	for _, a := range answers {
		f.must(a.Err)
	}
	f.drain(nil)
	f.wantCurrent(run, pipeline.RunCompleted, states{"a": "completed", "b": "completed", "c": "completed", "d": "completed"})
	f.wantLetters(0)
}

func purge(f *fixture) {
	f.register(task("a"))
	for range 3 {
		f.enqueue("a")
	}
	f.drain(ends{"a": finally})
	f.retried(string(f.letters(store.DeadLetterFilter{})[0].ID))
	for _, c := range []struct {
		before time.Time
		limit  int
		want   int
	}{{time.Now().Add(-time.Hour), 10, 0}, {time.Now().Add(time.Hour), 2, 2}, {time.Now().Add(time.Hour), 2, 1}} {
		n, err := f.PurgeDeadLetters(f.ctx, c.before, c.limit)
		f.must(err)
		if n != c.want {
			f.Errorf("purged %d before %s, want %d", n, c.before, c.want)
		}
	}
	f.wantLetters(0)
}

// deletesLetters: exactly those that are named go, and the count of what is
// left follows.
func deletesLetters(f *fixture) {
	f.register(task("a"))
	for range 3 {
		f.enqueue("a")
	}
	f.drain(ends{"a": finally})
	letters := f.letters(store.DeadLetterFilter{})
	n, err := f.DeleteDeadLetters(f.ctx, []pipeline.DeadLetterID{letters[0].ID, letters[2].ID, letters[0].ID, "dlq_none", "\x00"})
	f.must(err)
	if n != 2 {
		f.Errorf("deleted %d, want 2", n)
	}
	left := f.letters(store.DeadLetterFilter{})
	if len(left) != 1 || left[0].ID != letters[1].ID {
		f.Errorf("left %+v", left)
	}
	f.wantLetters(1)
}

func replayFailed(f *fixture) {
	f.register(task("a", "b", "c"), task("b", "d"), task("c", "e"), task("d"), task("e"))
	run := f.start("svc", pipeline.FailFast).Run.ID
	f.step(nil)
	two := f.claim(2)
	f.end(failed(two[0], true))
	_, err := f.ReplayRun(f.ctx, run)
	f.wantErr(err, store.ErrConflict) // c is on its way to stop
	f.end(done(two[1]))

	plan, err := f.ReplayPlan(f.ctx, run)
	f.must(err)
	if diff := cmp.Diff(ids("b", "e"), plan.Queued); diff != "" || plan.Kept != 2 || len(plan.Later) != 0 {
		f.Errorf("plan %+v", plan)
	}
	if got := f.run(run).Status; got != pipeline.RunFailed {
		f.Errorf("planning made the run %s", got)
	}
	did, err := f.ReplayRun(f.ctx, run)
	f.must(err)
	if diff := cmp.Diff(plan.Queued, did.Queued); diff != "" || did.Run.Status != pipeline.RunRunning {
		f.Errorf("replayed %+v", did)
	}
	f.drain(nil)
	f.wantCurrent(run, pipeline.RunCompleted, states{"a": "completed", "b": "completed", "c": "completed", "d": "completed", "e": "completed"})
	f.wantLetters(0)
	if st, err := f.QueueStatus(f.ctx); err != nil || st.Pending != 0 || st.Running != 0 {
		f.Errorf("status %+v, %v", st, err)
	}
}

func replayCancelled(f *fixture) {
	f.register(task("a", "b", "c"), task("b", "d"), task("c", "d"), task("d"))
	run := f.start("svc", pipeline.Continue).Run.ID
	f.step(nil)
	c := f.claim(1)
	f.must1(f.CancelRun(f.ctx, run, "enough"))
	f.end(done(c[0]))
	did, err := f.ReplayRun(f.ctx, run)
	f.must(err)
	if diff := cmp.Diff(ids("c"), did.Queued); diff != "" || did.Run.Error != "" {
		f.Errorf("replayed %+v", did)
	}
	f.drain(nil)
	f.wantCurrent(run, pipeline.RunCompleted, states{"a": "completed", "b": "completed", "c": "completed", "d": "completed"})
}

func refusedReplays(f *fixture) {
	f.registerAs("svc", "1", task("a", "b"), task("b"))
	run := f.start("a", "").Run.ID
	for _, plan := range []func() error{
		func() error { _, err := f.ReplayRun(f.ctx, run); return err },
		func() error { _, err := f.ReplayPlan(f.ctx, run); return err },
	} {
		f.wantErr(plan(), store.ErrConflict)
	}
	f.drain(nil)
	_, err := f.ReplayRun(f.ctx, run)
	f.wantErr(err, store.ErrConflict)
	_, err = f.ReplayRun(f.ctx, "prun_none")
	f.wantErr(err, store.ErrNotFound)
	_, err = f.ReplayPlan(f.ctx, "prun_none")
	f.wantErr(err, store.ErrNotFound)

	gone := f.start("a", "").Run.ID
	f.drain(ends{"b": finally})
	f.registerAs("svc", "2", task("a"))
	_, err = f.ReplayRun(f.ctx, gone)
	f.wantErr(err, store.ErrConflict)
	f.wantCurrent(gone, pipeline.RunFailed, states{"a": "completed", "b": "failed"})
	f.must1(f.SetMode(f.ctx, []store.Mode{store.ModeRunning}, store.ModeWaiting, store.ModeReason{}))
	_, err = f.ReplayRun(f.ctx, gone)
	f.wantErr(err, store.ErrMaintenance)
}

func firstFailure(f *fixture) {
	f.register(task("a", "b", "c", "d"), task("b"), task("c"), task("d"))
	run := f.start("a", pipeline.Continue).Run.ID
	f.step(nil)
	for i, c := range f.claim(3) {
		end := done(c)
		if i < 2 {
			end = failed(c, true)
			end.Failure.Error = fmt.Sprint("failure ", i)
		}
		f.end(end)
	}
	if got := f.run(run); got.Status != pipeline.RunPartial || got.Error != "failure 0" {
		f.Errorf("run is %s with %q", got.Status, got.Error)
	}
}
