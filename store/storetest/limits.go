package storetest

import (
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

var limitCases = []testCase{
	{name: "N claimers, each run once", run: manyClaimers},
	{name: "a limit holds for many claimers", run: limitHolds},
	{name: "a task at its limit holds nobody back", run: limitHoldsNobodyBack},
	{name: "changed limit", run: changedLimit},
	{name: "limit of the installation", run: maxRunning},
}

// claimAll claims with n claimers at once until total runs were claimed, and
// tells each claim before it is ended.
func (f *fixture) claimAll(n, total int, claimed func(store.Claimed), ended func(store.Claimed)) {
	f.Helper()
	var mu sync.Mutex
	count := 0
	until := time.Now().Add(30 * time.Second)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for {
				mu.Lock()
				stop := count >= total || time.Now().After(until)
				mu.Unlock()
				if stop {
					return
				}
				got, err := f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: "w", Limit: 3, AcceptWithin: time.Minute, Accepted: true})
				if err != nil {
					f.Errorf("claim: %v", err)
					return
				}
				mu.Lock()
				for _, c := range got {
					claimed(c)
				}
				mu.Unlock()
				var ends []store.EndAttempt
				for _, c := range got {
					ends = append(ends, done(c))
				}
				mu.Lock()
				for _, c := range got {
					ended(c)
				}
				mu.Unlock()
				res, err := f.EndAttempts(f.ctx, ends)
				if err != nil {
					f.Errorf("end: %v", err)
					return
				}
				for _, r := range res {
					if r.Err != nil {
						f.Errorf("end: %v", r.Err)
					}
				}
				mu.Lock()
				count += len(got)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if count != total {
		f.Fatalf("claimed %d runs, want %d", count, total)
	}
}

func manyClaimers(f *fixture) {
	f.register(task("a"), task("b"))
	const total = 60
	var batch []store.EnqueueTask
	for i := range total {
		batch = append(batch, store.EnqueueTask{ID: pipeline.NewTaskRunID(time.Now()), Task: []pipeline.TaskID{"a", "b"}[i%2]})
	}
	f.must1(f.EnqueueTasks(f.ctx, batch))
	seen := map[pipeline.TaskRunID]int{}
	f.claimAll(4, total, func(c store.Claimed) { seen[c.TaskRun.ID]++ }, func(store.Claimed) {})
	for id, n := range seen {
		if n != 1 {
			f.Errorf("%s was claimed %d times", id, n)
		}
	}
}

func limitHolds(f *fixture) {
	a := task("a")
	a.Concurrency = 2
	f.register(a, task("b"))
	const total = 40
	var batch []store.EnqueueTask
	for i := range total {
		batch = append(batch, store.EnqueueTask{ID: pipeline.NewTaskRunID(time.Now()), Task: []pipeline.TaskID{"a", "b"}[i%2]})
	}
	f.must1(f.EnqueueTasks(f.ctx, batch))
	running, most := 0, 0
	count := func(by int) func(store.Claimed) {
		return func(c store.Claimed) {
			if c.TaskRun.Task == "a" {
				running += by
				most = max(most, running)
			}
		}
	}
	f.claimAll(4, total, count(1), count(-1))
	if most > 2 {
		f.Errorf("%d of task a ran at once, want at most 2", most)
	}
}

func limitHoldsNobodyBack(f *fixture) {
	a := task("a")
	a.Concurrency, a.Priority = 1, 1
	f.register(a, task("b"))
	for range 5 {
		f.enqueue("a")
	}
	f.enqueue("b")
	got := f.claim(10)
	if diff := cmp.Diff(ids("a", "b"), names(got)); diff != "" {
		f.Fatalf("claimed (-want +got):\n%s", diff)
	}
	if more := f.claimNames(10); len(more) != 0 {
		f.Errorf("claimed %v above the limit", more)
	}
	f.end(done(got[0]))
	if diff := cmp.Diff(ids("a"), f.claimNames(10)); diff != "" {
		f.Errorf("after one ended (-want +got):\n%s", diff)
	}
}

func changedLimit(f *fixture) {
	f.register(task("a"))
	for range 6 {
		f.enqueue("a")
	}
	first := f.claim(1)
	a := task("a")
	a.Concurrency = 2
	f.register(a)
	if got := f.claimNames(10); len(got) != 1 {
		f.Fatalf("one runs and the limit became 2: claimed %v", got)
	}
	f.end(done(first[0]))
	if got := f.claimNames(10); len(got) != 1 {
		f.Fatalf("one ended: claimed %v", got)
	}
	a.Concurrency = 0
	f.register(a)
	if got := f.claimNames(10); len(got) != 3 {
		f.Fatalf("no limit any more: claimed %v, want the 3 left", got)
	}
}

func maxRunning(f *fixture) {
	f.register(task("a"))
	for range 5 {
		f.enqueue("a")
	}
	claim := func() int {
		got, err := f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: "w", Limit: 10, MaxRunning: 3, AcceptWithin: time.Minute})
		f.must(err)
		return len(got)
	}
	if got := claim(); got != 3 {
		f.Errorf("claimed %d, want 3", got)
	}
	if got := claim(); got != 0 {
		f.Errorf("claimed %d more, want 0", got)
	}
}
