package storetest

import (
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

// Claims that go along with another step.
var alongCases = []testCase{
	{name: "what a step made claimable", run: alongTakesWhatFollows},
	{name: "the most urgent first", run: alongMostUrgent},
	{name: "limits", run: alongLimits},
	{name: "a limit of the installation", run: alongMaxRunning},
	{name: "a step that changes nothing", run: alongNothing},
	{name: "leases like any other", run: alongLeases},
	{name: "refused in maintenance", run: alongMaintenance},
	{name: "many at once", run: alongMany},
}

func along(limit int) store.ClaimTasks {
	return store.ClaimTasks{Owner: "w", Limit: limit, AcceptWithin: 10 * time.Second}
}

func (f *fixture) endAlong(p store.ClaimTasks, ends ...store.EndAttempt) ([]store.EndedAttempt, []store.Claimed) {
	f.Helper()
	ended, claimed, err := f.EndAndClaim(f.ctx, ends, p)
	f.must(err)
	return ended, claimed
}

func (f *fixture) startAlong(id pipeline.ID, p store.ClaimTasks) (store.StartedRun, []store.Claimed) {
	f.Helper()
	run := pipeline.NewRunID(time.Now())
	started, claimed, err := f.StartAndClaim(f.ctx, []store.StartRun{{ID: run, Pipeline: id, Input: store.Input{Path: "runs/" + string(run)}}}, p)
	f.must(err)
	f.must(started[0].Err)
	return started[0], claimed
}

func (f *fixture) wantClaimed(got []store.Claimed, want ...pipeline.TaskID) {
	f.Helper()
	if diff := cmp.Diff(ids(want...), names(got)); diff != "" {
		f.Errorf("claimed (-want +got)\n%s", diff)
	}
}

func alongTakesWhatFollows(f *fixture) {
	f.register(task("a", "b", "c"), task("b", "d"), task("c", "d"), task("d"))
	run, got := f.startAlong("svc", along(10))
	f.wantClaimed(got, "a")
	ended, next := f.endAlong(along(10), done(got[0]))
	f.must(ended[0].Err)
	f.wantClaimed(next, "b", "c")
	for _, c := range next {
		if c.Task.ID != c.TaskRun.Task || c.Service.ID != "svc" || c.TaskRun.Status != pipeline.TaskRunning || len(c.TaskRun.UpstreamRefs) != 1 {
			f.Errorf("a dispatch of %+v lacks something", c)
		}
	}
	_, none := f.endAlong(along(10), done(next[0]))
	f.wantClaimed(none)
	_, last := f.endAlong(along(10), done(next[1]))
	f.wantClaimed(last, "d")
	ended, none = f.endAlong(along(10), done(last[0]))
	f.wantClaimed(none)
	if ended[0].RunEnded != pipeline.RunCompleted {
		f.Errorf("the end was answered %+v", ended[0])
	}
	f.wantStates(run.Run.ID, pipeline.RunCompleted, "a=completed", "b=completed", "c=completed", "d=completed")
}

func alongMostUrgent(f *fixture) {
	urgent := task("urgent")
	urgent.Priority = 1
	f.register(task("a", "b"), task("b"), urgent)
	f.start("a", "")
	a := f.claim(1)[0]
	waiting := f.enqueue("urgent")
	_, got := f.endAlong(along(1), done(a))
	if len(got) != 1 || got[0].TaskRun.ID != waiting.ID {
		f.Fatalf("claimed %v before what is more urgent", names(got))
	}
	_, got = f.startAlong("a", along(1))
	f.wantClaimed(got, "b") // it waits for longer
}

func alongLimits(f *fixture) {
	limited := task("b")
	limited.Concurrency = 1
	f.register(task("a", "b"), limited)
	for range 3 {
		f.start("a", "")
	}
	first := f.claim(3)
	_, got := f.endAlong(along(10), done(first[0]), done(first[1]))
	f.wantClaimed(got, "b")
	_, none := f.endAlong(along(10), done(first[2]))
	f.wantClaimed(none)
	_, again := f.endAlong(along(10), done(got[0])) // which frees the slot
	f.wantClaimed(again, "b")
}

func alongMaxRunning(f *fixture) {
	f.register(task("a"))
	for range 4 {
		f.enqueue("a")
	}
	p := along(10)
	p.MaxRunning = 2
	got, err := f.ClaimTasks(f.ctx, p)
	f.must(err)
	if len(got) != 2 {
		f.Fatalf("claimed %d", len(got))
	}
	_, next := f.endAlong(p, done(got[0]))
	f.wantClaimed(next, "a")
	_, none := f.startAlong("a", p)
	f.wantClaimed(none)
}

func alongNothing(f *fixture) {
	f.register(task("a"))
	f.enqueue("a")
	ended, got := f.endAlong(along(10), store.EndAttempt{AttemptRef: store.AttemptRef{ID: "no", Attempt: 1}})
	f.wantErr(ended[0].Err, store.ErrNotFound)
	f.wantClaimed(got, "a")
	ended, none := f.endAlong(along(10), done(got[0]))
	f.must(ended[0].Err)
	f.wantClaimed(none)
	ended, none = f.endAlong(along(10), done(got[0]))
	f.wantErr(ended[0].Err, store.ErrLeaseLost)
	f.wantClaimed(none)

	f.enqueue("a")
	started, got, err := f.StartAndClaim(f.ctx, []store.StartRun{{Pipeline: "no"}}, along(10))
	f.must(err)
	f.wantErr(started[0].Err, store.ErrNotFound)
	f.wantClaimed(got, "a")
}

func alongLeases(f *fixture) {
	f.register(task("a", "b"), task("b"))
	_, got := f.startAlong("a", along(1))
	_, next := f.endAlong(along(1), done(got[0]))
	other := done(next[0])
	other.Owner = "somebody else"
	ended, _ := f.endAlong(along(1), other)
	f.wantErr(ended[0].Err, store.ErrLeaseLost)

	rescued, err := f.Rescue(f.ctx, store.Rescue{Now: time.Now().Add(5 * time.Second), Limit: 10})
	f.must(err)
	if rescued.Released != 0 {
		f.Errorf("released before its time")
	}
	rescued, err = f.Rescue(f.ctx, store.Rescue{Now: time.Now().Add(11 * time.Second), Limit: 10})
	f.must(err)
	if rescued.Released != 1 {
		f.Errorf("rescued %+v, want what nobody accepted", rescued)
	}
	f.wantClaimed(f.claim(10), "b")
}

func alongMaintenance(f *fixture) {
	f.register(task("a"))
	waiting := f.enqueue("a")
	f.must1(f.SetMode(f.ctx, []store.Mode{store.ModeRunning}, store.ModeWaiting, store.ModeReason{}))
	_, _, err := f.StartAndClaim(f.ctx, []store.StartRun{{Pipeline: "a"}}, along(10))
	f.wantErr(err, store.ErrMaintenance)
	if got := f.taskRun(waiting.ID); got.Status != pipeline.TaskPending {
		f.Errorf("a refused step left %s", got.Status)
	}
}

// alongMany has many replicas move runs on by such steps alone.
func alongMany(f *fixture) {
	limited := task("b", "d")
	limited.Concurrency = 2
	f.register(task("a", "b", "c"), limited, task("c", "d"), task("d"))
	const runs, replicas = 30, 6
	for range runs {
		f.start("svc", "")
	}
	var mu sync.Mutex
	claimed, limitedNow := map[pipeline.TaskRunID]bool{}, 0
	until := time.Now().Add(30 * time.Second)
	var wg sync.WaitGroup
	for range replicas {
		wg.Go(func() {
			var ends []store.EndAttempt
			held := 0 // of the limited task
			for {
				mu.Lock()
				stop := len(claimed) == 4*runs && len(ends) == 0 || time.Now().After(until)
				limitedNow -= held
				mu.Unlock()
				if stop {
					return
				}
				ended, got, err := f.EndAndClaim(f.ctx, ends, along(3))
				if err != nil {
					f.Errorf("end and claim: %v", err)
					return
				}
				for _, e := range ended {
					if e.Err != nil {
						f.Errorf("end: %v", e.Err)
					}
				}
				ends, held = nil, 0
				mu.Lock()
				for _, c := range got {
					if claimed[c.TaskRun.ID] {
						f.Errorf("%s was claimed twice", c.TaskRun.ID)
					}
					claimed[c.TaskRun.ID] = true
					if c.TaskRun.Task == "b" {
						held++
					}
					ends = append(ends, done(c))
				}
				if limitedNow += held; limitedNow > limited.Concurrency {
					f.Errorf("%d runs of a task with a limit of %d", limitedNow, limited.Concurrency)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(claimed) != 4*runs {
		f.Errorf("claimed %d task runs, want %d", len(claimed), 4*runs)
	}
}
