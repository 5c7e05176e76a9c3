package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

var idempotencyCases = []testCase{
	{name: "a result is used again", run: resultUsedAgain},
	{name: "an open run is shared", run: openRunShared},
	{name: "failures are forgotten", run: failuresForgotten},
	{name: "keys belong to their task", run: keysOfTasks},
	{name: "a result expires", run: resultExpires},
	{name: "enqueued at the same time", run: racingKeys},
	{name: "a trigger again", run: triggerAgain},
	{name: "triggers at the same time", run: racingTriggers},
	{name: "a worker asks before it works", run: workerAsks},
	{name: "a worker does not wait for a run that waits", run: workerNeedsNoWaiting},
	{name: "a worker hears what followed", run: workerHearsWhatFollowed},
	{name: "a retry keeps its key", run: retryKeepsKey},
	{name: "a cancelled run gives its key back", run: cancelGivesKeyBack},
}

func (f *fixture) keyed(task pipeline.TaskID, key string) store.TaskRun {
	f.Helper()
	return f.enqueueAs(store.EnqueueTask{Task: task, IdempotencyKey: key, Metadata: raw(`{"by":"` + key + `"}`)})
}

// ask asks for an attempt whether "k" was done before.
func (f *fixture) ask(c store.Claimed) store.IdempotencyAnswer {
	f.Helper()
	got, err := f.CheckIdempotency(f.ctx, ref(c), "k")
	f.must(err)
	return got
}

func doneWith(c store.Claimed) store.EndAttempt {
	e := done(c)
	e.OutputSHA256 = strings.Repeat("ab", 32)
	e.Assets = map[string]store.Asset{"k": {Path: "p", Size: 1, Type: "json"}}
	return e
}

func resultUsedAgain(f *fixture) {
	f.register(task("a"))
	one := f.keyed("a", "k")
	f.drain(ends{"a": doneWith})
	two := f.keyed("a", "k")
	if two.ID == one.ID || two.Status != pipeline.TaskCompleted || two.OutputPath != "out/a.json" {
		f.Errorf("answered with %+v", two)
	}
	got := f.taskRun(two.ID)
	if got.Status != pipeline.TaskCompleted || got.OutputPath != "out/a.json" || got.OutputSize != 7 || got.OutputSHA256 != strings.Repeat("ab", 32) ||
		got.CompletedAt.IsZero() || got.Assets["k"].Path != "p" || got.IdempotencyKey != "k" || !strings.Contains(string(got.Metadata), string(one.ID)) {
		f.Errorf("stored as %+v", got)
	}
	if names := f.claimNames(10); len(names) != 0 {
		f.Errorf("claimed %v", names)
	}
	if st, err := f.QueueStatus(f.ctx); err != nil || st.Completed != 2 || st.Pending != 0 {
		f.Errorf("status %+v, %v", st, err)
	}
	// Many at once are answered one by one; a new key runs once.
	var batch []store.EnqueueTask
	for i := range 400 { // enough for every way of inserting
		batch = append(batch, store.EnqueueTask{Task: "a", IdempotencyKey: []string{"k", "new", ""}[i%3]})
	}
	answers, err := f.EnqueueTasks(f.ctx, batch)
	f.must(err)
	fresh := map[pipeline.TaskRunID]bool{}
	for i, a := range answers {
		switch i % 3 {
		case 0:
			if f.taskRun(a.Run.ID).OutputPath != "out/a.json" {
				f.Fatalf("item %d: %+v", i, a.Run)
			}
		case 1:
			fresh[a.Run.ID] = true
		}
	}
	if len(fresh) != 1 {
		f.Errorf("%d runs for one key", len(fresh))
	}
}

func openRunShared(f *fixture) {
	f.register(task("a"))
	one := f.keyed("a", "k")
	if again := f.keyed("a", "k"); again.ID != one.ID || again.Status != pipeline.TaskPending {
		f.Errorf("while pending: %+v", again)
	}
	c := f.claim(10)
	if again := f.keyed("a", "k"); len(c) != 1 || again.ID != one.ID || again.Status != pipeline.TaskRunning {
		f.Errorf("while running: %+v", again)
	}
}

func failuresForgotten(f *fixture) {
	f.register(task("a"))
	one := f.keyed("a", "k")
	f.drain(ends{"a": finally})
	two := f.keyed("a", "k")
	if two.ID == one.ID || two.Status != pipeline.TaskPending {
		f.Errorf("after a failure: %+v", two)
	}
	f.drain(ends{"a": func(c store.Claimed) store.EndAttempt { e := done(c); e.OutputPath = ""; return e }})
	if three := f.keyed("a", "k"); three.Status != pipeline.TaskPending {
		f.Errorf("after a result without an output: %+v", three)
	}
}

func keysOfTasks(f *fixture) {
	f.register(task("a"), task("b"))
	f.keyed("a", "k")
	f.drain(nil)
	if b := f.keyed("b", "k"); b.Status != pipeline.TaskPending {
		f.Errorf("another task's key: %+v", b)
	}
	if other := f.keyed("a", "k\x00"); other.Status != pipeline.TaskPending {
		f.Errorf("another key: %+v", other)
	}
}

func resultExpires(f *fixture) {
	a := task("a")
	a.IdempotencyTTL = time.Second
	f.register(a)
	f.keyed("a", "k")
	f.drain(nil)
	until := time.Now().Add(20 * time.Second)
	for {
		if got := f.keyed("a", "k"); got.Status == pipeline.TaskPending {
			return
		}
		if time.Now().After(until) {
			f.Fatal("the result never expires")
		}
	}
}

func racingKeys(f *fixture) {
	f.register(task("a"))
	for round := range 3 {
		key := fmt.Sprint("k", round)
		var mu sync.Mutex
		got := map[pipeline.TaskRunID]pipeline.TaskStatus{}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				answers, err := f.EnqueueTasks(f.ctx, []store.EnqueueTask{
					{Task: "a", IdempotencyKey: key}, {Task: "a", IdempotencyKey: fmt.Sprint("other", round, i%2)},
				})
				if err != nil {
					f.Errorf("enqueue: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				got[answers[0].Run.ID] = answers[0].Run.Status
			})
			if i == 4 {
				wg.Go(func() { f.step(nil) }) // and some end meanwhile
			}
		}
		wg.Wait()
		ran := 0
		for id := range got {
			if !strings.Contains(string(f.taskRun(id).Metadata), "idempotentOf") {
				ran++
			}
		}
		if ran != 1 {
			f.Fatalf("round %d: %d runs of one key: %v", round, ran, got)
		}
		f.drain(nil)
	}
}

func triggerAgain(f *fixture) {
	f.register(task("a", "b"), task("b"))
	p := store.StartRun{Pipeline: "a", IdempotencyKey: "k", IdempotencyTTL: time.Hour}
	one := f.startAs(p)
	if again := f.startAs(p); again.Run.ID != one.Run.ID || len(again.Entries) != 1 || again.Entries[0].ID != one.Entries[0].ID {
		f.Errorf("while running: %+v", again)
	}
	f.drain(nil)
	if again := f.startAs(p); again.Run.ID != one.Run.ID || again.Run.Status != pipeline.RunCompleted {
		f.Errorf("completed: %+v", again.Run)
	}
	short := p
	short.IdempotencyTTL = time.Nanosecond
	two := f.startAs(short)
	if two.Run.ID == one.Run.ID {
		f.Error("an old run answers for ever")
	}
	f.drain(ends{"b": finally})
	if three := f.startAs(p); three.Run.ID == two.Run.ID || three.Run.ID == one.Run.ID {
		f.Error("a failed run answers")
	}
	if other := f.startAs(store.StartRun{Pipeline: "svc", IdempotencyKey: "k", IdempotencyTTL: time.Hour}); other.Run.Pipeline != "svc" {
		f.Errorf("another pipeline: %+v", other.Run)
	}
	got, err := f.StartRuns(f.ctx, []store.StartRun{
		{ID: "prun_x", Pipeline: "a", IdempotencyKey: "new"}, {ID: "prun_y", Pipeline: "a", IdempotencyKey: "new"}, {ID: "prun_z", Pipeline: "a"},
		{ID: "prun_none", Pipeline: "none", IdempotencyKey: "new"},
	})
	f.must(err)
	if diff := cmp.Diff([]pipeline.RunID{"prun_x", "prun_x", "prun_z", ""}, []pipeline.RunID{got[0].Run.ID, got[1].Run.ID, got[2].Run.ID, got[3].Run.ID}); diff != "" {
		f.Errorf("one batch (-want +got):\n%s", diff)
	}
	f.wantErr(got[3].Err, store.ErrNotFound)
}

func racingTriggers(f *fixture) {
	f.register(task("a"))
	var mu sync.Mutex
	got := map[pipeline.RunID]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			answers, err := f.StartRuns(f.ctx, []store.StartRun{{Pipeline: "a", IdempotencyKey: "k", IdempotencyTTL: time.Hour}})
			if err != nil || answers[0].Err != nil {
				f.Errorf("start: %v, %+v", err, answers)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			got[answers[0].Run.ID] = true
		})
	}
	wg.Wait()
	if len(got) != 1 {
		f.Errorf("%d runs of one key", len(got))
	}
}

func workerAsks(f *fixture) {
	f.register(task("a", "b"), task("b"))
	one, two := f.start("svc", ""), f.start("svc", "")
	c := f.claim(2)
	if got := f.ask(c[0]); got.Hit || got.InProgress {
		f.Errorf("first: %+v", got)
	}
	if got := f.ask(c[0]); got.Hit || got.InProgress {
		f.Errorf("the same again: %+v", got)
	}
	if got := f.ask(c[1]); !got.InProgress || got.Of != c[0].TaskRun.ID {
		f.Errorf("second: %+v", got)
	}
	f.end(doneWith(c[0]))
	got := f.ask(c[1])
	if !got.Hit || got.OutputPath != "out/a.json" || got.OutputSize != 7 || got.Assets["k"].Path != "p" || got.SHA256 == "" {
		f.Errorf("after the first completed: %+v", got)
	}
	end := done(c[1])
	end.OutputPath = got.OutputPath
	f.end(end)
	if of := f.taskRun(c[1].TaskRun.ID); !strings.Contains(string(of.Metadata), string(c[0].TaskRun.ID)) {
		f.Errorf("metadata %s", of.Metadata)
	}
	f.drain(nil)
	for _, run := range []pipeline.RunID{one.Run.ID, two.Run.ID} {
		f.wantCurrent(run, pipeline.RunCompleted, states{"a": "completed", "b": "completed"})
	}
	_, err := f.CheckIdempotency(f.ctx, ref(c[0]), "k")
	f.wantErr(err, store.ErrLeaseLost)
	_, err = f.CheckIdempotency(f.ctx, store.AttemptRef{ID: "trun_none\x00", Attempt: 1}, "k")
	f.wantErr(err, store.ErrNotFound)
}

// workerNeedsNoWaiting: a key of a task run that waits for a retry is taken
// over, because the retry may wait for the slot of whoever asks.
func workerNeedsNoWaiting(f *fixture) {
	a := task("a")
	a.Concurrency, a.Retry = 1, pipeline.RetryPolicy{Retries: 1, Delay: 100 * time.Millisecond}
	f.register(a)
	f.enqueue("a")
	one := f.claim(1)[0]
	if got := f.ask(one); got.Hit || got.InProgress {
		f.Fatalf("first: %+v", got)
	}
	f.end(failed(one, false))
	f.enqueue("a")
	two := f.claim(1)[0]
	if two.TaskRun.ID == one.TaskRun.ID {
		f.Fatal("claimed the retry before its time")
	}
	if got := f.ask(two); got.Hit || got.InProgress {
		f.Errorf("while the other waits: %+v", got)
	}
	f.end(doneWith(two))
	f.promote(1)
	again := f.claim(1)[0]
	if got := f.ask(again); !got.Hit || got.Of != two.TaskRun.ID {
		f.Errorf("the retry: %+v", got)
	}
}

// workerHearsWhatFollowed: who uses a result selects what its maker selected,
// and a result in another backend is not used.
func workerHearsWhatFollowed(f *fixture) {
	f.register(task("a", "b", "c"), task("b"), task("c"))
	at := func(backend string) store.Claimed {
		f.startAs(store.StartRun{Pipeline: "svc", Metadata: raw(`{"storageBackendId":"` + backend + `"}`)})
		return f.claim(1)[0]
	}
	first := at("one")
	f.ask(first)
	end := selecting("c")(first)
	end.OutputPath = "out/a.json"
	f.end(end)
	f.drain(nil)
	if got := f.ask(at("one")); !got.Hit || !slices.Equal(got.SelectedNext, ids("c")) {
		f.Errorf("in the same backend: %+v", got)
	}
	if got := f.ask(at("two")); got.Hit || got.InProgress {
		f.Errorf("in another backend: %+v", got)
	}
}

func retryKeepsKey(f *fixture) {
	f.register(task("a"))
	f.keyed("a", "k")
	f.drain(ends{"a": finally})
	again := f.retried(string(f.letters(store.DeadLetterFilter{})[0].ID))
	if other := f.keyed("a", "k"); other.ID != again.ID {
		f.Errorf("runs beside the retry: %+v", other)
	}
	f.drain(nil)
	if hit := f.keyed("a", "k"); hit.Status != pipeline.TaskCompleted {
		f.Errorf("the result of the retry is not used: %+v", hit)
	}
}

func cancelGivesKeyBack(f *fixture) {
	f.registerAs("svc", "1", task("a"), task("b"))
	one := f.keyed("a", "k")
	f.registerAs("svc", "2", task("b"))
	if got := f.taskRun(one.ID).Status; got != pipeline.TaskCancelled {
		f.Fatalf("the run of the removed task is %s", got)
	}
	f.registerAs("svc", "3", task("a"), task("b"))
	if two := f.keyed("a", "k"); two.ID == one.ID || two.Status != pipeline.TaskPending {
		f.Errorf("after the cancel: %+v", two)
	}
}
