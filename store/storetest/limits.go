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
	{name: "slots change hands", run: slotsChangeHands},
	{name: "slots that must not change hands", run: slotsStay},
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

// handOver ends attempts and tells what of task a runs next: by what was handed
// over, and by a claim after it, which must find the rest and no more.
func (f *fixture) handOver(p store.ClaimTasks, running ...store.Claimed) (handed, all []store.Claimed) {
	f.Helper()
	ends := make([]store.EndAttempt, len(running))
	for i, c := range running {
		ends[i] = done(c)
	}
	ended, handed, err := f.EndAndClaim(f.ctx, ends, p)
	f.must(err)
	for _, e := range ended {
		f.must(e.Err)
	}
	for _, c := range handed {
		if got := f.taskRun(c.TaskRun.ID); got.Status != pipeline.TaskRunning || c.Task.ID != c.TaskRun.Task || c.Service.ID != "svc" {
			f.Errorf("handed over %+v, which is %s", c, got.Status)
		}
	}
	return handed, append(handed[:len(handed):len(handed)], f.claimAs(p)...)
}

func (f *fixture) claimAs(p store.ClaimTasks) []store.Claimed {
	f.Helper()
	got, err := f.ClaimTasks(f.ctx, p)
	f.must(err)
	return got
}

func slotsChangeHands(f *fixture) {
	a := task("a")
	a.Concurrency = 2
	f.register(a)
	const total = 9
	var queued []pipeline.TaskRunID
	for range total {
		queued = append(queued, f.enqueue("a").ID)
	}
	p := store.ClaimTasks{Owner: "w", Limit: 10, AcceptWithin: time.Minute, SlotsOnly: true}
	running := f.claimAs(p)
	var order []pipeline.TaskRunID
	for len(running) > 0 {
		for _, c := range running {
			order = append(order, c.TaskRun.ID)
		}
		left := total - len(order)
		if _, running = f.handOver(p, running...); len(running) != min(2, left) {
			f.Fatalf("%d run while %d waited, want 2 at most", len(running), left)
		}
	}
	if diff := cmp.Diff(queued, order); diff != "" {
		f.Errorf("each runs once, the oldest first (-queued +ran):\n%s", diff)
	}
	f.enqueue("a")
	f.enqueue("a")
	f.enqueue("a")
	if got := f.claimNames(10); len(got) != 2 {
		f.Errorf("in the end 2 slots are free: claimed %v", got)
	}
}

func slotsStay(f *fixture) {
	a := task("a")
	a.Concurrency = 3
	f.register(a, task("b"))
	for range 9 {
		f.enqueue("a")
	}
	p := store.ClaimTasks{Owner: "w", Limit: 10, MaxRunning: 3, AcceptWithin: time.Minute, SlotsOnly: true}
	running := f.claimAs(p)
	urgent := 1
	f.must1(f.EnqueueTasks(f.ctx, []store.EnqueueTask{{ID: pipeline.NewTaskRunID(time.Now()), Task: "b", Priority: &urgent}}))
	handed, all := f.handOver(p, running[0])
	if diff := cmp.Diff(ids("b"), names(all)); len(handed) > 0 || diff != "" {
		f.Errorf("at the limit of the installation the most urgent is next; handed over %v, then (-want +got):\n%s", names(handed), diff)
	}
	p.MaxRunning = 0
	a.Concurrency = 1
	f.register(a, task("b"))
	if handed, all = f.handOver(p, running[1]); len(all) > 0 {
		f.Errorf("one runs and the limit became 1: handed over %v, then claimed %v", names(handed), names(all))
	}
	if _, all = f.handOver(p, running[2]); len(all) != 1 {
		f.Errorf("none runs and the limit is 1: %v run next", names(all))
	}
}

func maxRunning(f *fixture) {
	f.register(task("a"))
	for range 5 {
		f.enqueue("a")
	}
	claim := func() int {
		got, err := f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: "w", Limit: 10, MaxRunning: 3, AcceptWithin: time.Minute, SlotsOnly: true})
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
