package storetest

import (
	"errors"
	"slices"
	"sync"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// Row E16: whoever meets whom, there is one legal end, and it is told to one
// of them. Each case lets the same steps meet several times, because no order
// of them can be asked for.
var raceCases = []testCase{
	{name: "E16 cancel and complete", run: cancelMeetsEnd},
	{name: "E16 timeout and complete", run: timeoutMeetsEnd},
	{name: "E16 retry, retry and purge", run: retryMeetsPurge},
	{name: "E16 replay, retry and cancel", run: replayMeetsCancel},
	{name: "E16 release and complete", run: releaseMeetsEnd},
}

const raceRounds = 12

// meet runs each step several times, all at once, and says how many of each
// succeeded. What they fail with is one of the refusals there are.
func (f *fixture) meet(steps ...func() error) []int {
	f.Helper()
	const each = 3
	won := make([]int, len(steps))
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range each {
		for i, step := range steps {
			wg.Go(func() {
				<-start
				err := step()
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won[i]++
				case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrLeaseLost), errors.Is(err, store.ErrNotFound):
				default:
					f.Errorf("step %d: %v", i, err)
				}
			})
		}
	}
	close(start)
	wg.Wait()
	return won
}

// ending is an end as a step.
func (f *fixture) ending(e store.EndAttempt) func() error {
	return func() error {
		got, err := f.EndAttempts(f.ctx, []store.EndAttempt{e})
		return errors.Join(err, got[0].Err)
	}
}

func (f *fixture) cancelling(id pipeline.RunID) func() error {
	return func() error {
		_, err := f.CancelRun(f.ctx, id, "enough")
		return err
	}
}

// settled works off what is left and wants the run to have ended as one of
// some, with nothing of it open or counted.
func (f *fixture) settled(id pipeline.RunID, legal ...pipeline.RunStatus) pipeline.RunStatus {
	f.Helper()
	f.drain(nil)
	status := f.run(id).Status
	if !slices.Contains(legal, status) {
		f.Errorf("the run is %s (%v), want one of %v", status, f.states(id), legal)
	}
	for task, state := range f.current(id) {
		if !state.Terminal() {
			f.Errorf("%s is still %s in a run that is %s", task, state, status)
		}
	}
	f.nothingOpen()
	return status
}

func (f *fixture) nothingOpen() {
	f.Helper()
	kept, err := f.QueueStatus(f.ctx)
	f.must(err)
	if kept.Pending != 0 || kept.Running != 0 {
		f.Errorf("counted as pending %d, as running %d, with nothing left", kept.Pending, kept.Running)
	}
}

func cancelMeetsEnd(f *fixture) {
	f.register(task("a", "b"), task("b"))
	for round := range raceRounds {
		id := f.start("a", "").Run.ID
		a := f.claim(1)[0]
		steps := []func() error{f.cancelling(id), f.ending(done(a))}
		if round%2 == 1 {
			steps = append(steps, f.ending(failed(a, true)))
		}
		won := f.meet(steps...)
		ends := 0
		for _, n := range won[1:] {
			ends += n
		}
		if ends != 1 {
			f.Errorf("%d reports ended one attempt", ends)
		}
		status := f.settled(id, pipeline.RunCompleted, pipeline.RunCancelled, pipeline.RunFailed)
		if status == pipeline.RunCompleted && won[0] > 0 {
			f.Errorf("the run completed although it was cancelled (%v)", f.states(id))
		}
		f.wantErr(f.cancelling(id)(), store.ErrConflict) // it has ended
	}
}

func timeoutMeetsEnd(f *fixture) {
	f.register(task("a", "b"), task("b"))
	for range raceRounds {
		id := f.start("a", "").Run.ID
		a := f.claim(1)[0]
		rescued := 0
		var mu sync.Mutex
		won := f.meet(f.ending(done(a)), func() error {
			got, err := f.Rescue(f.ctx, store.Rescue{Now: time.Now().Add(time.Hour), Limit: 10})
			mu.Lock()
			defer mu.Unlock()
			rescued += len(got.Ended)
			return err
		})
		if won[0]+rescued != 1 {
			f.Errorf("one attempt ended %d times by a report and %d times by silence", won[0], rescued)
		}
		want := pipeline.RunCompleted
		if rescued == 1 {
			want = pipeline.RunFailed
		}
		f.settled(id, want)
	}
}

func retryMeetsPurge(f *fixture) {
	f.register(task("a"))
	for range raceRounds {
		old := f.enqueue("a")
		f.end(failed(f.claim(1)[0], true))
		letter := string(f.letters(store.DeadLetterFilter{})[0].ID)
		purged := 0
		var mu sync.Mutex
		won := f.meet(func() error {
			got, err := f.RetryDeadLetters(f.ctx, []string{letter})
			return errors.Join(err, got[0].Err)
		}, func() error {
			n, err := f.PurgeDeadLetters(f.ctx, time.Now().Add(time.Hour), 10)
			mu.Lock()
			defer mu.Unlock()
			purged += n
			return err
		})
		// A purge passes over what a retry is at; the next one does not.
		n, err := f.PurgeDeadLetters(f.ctx, time.Now().Add(time.Hour), 10)
		f.must(err)
		purged += n
		if won[0] > 1 || purged != 1 {
			f.Errorf("one dead letter was retried %d times and deleted %d times", won[0], purged)
		}
		claimed := f.claim(10)
		if len(claimed) != won[0] {
			f.Errorf("%d retries led to %d task runs", won[0], len(claimed))
		}
		for _, c := range claimed {
			if c.TaskRun.ID == old.ID {
				f.Errorf("%s runs again under its old id", old.ID)
			}
			f.end(done(c))
		}
		f.wantLetters(0)
		f.nothingOpen()
	}
}

func replayMeetsCancel(f *fixture) {
	f.register(task("a", "b", "c"), task("b", "d"), task("c", "d"), task("d"))
	for range raceRounds {
		id := f.start("a", pipeline.PartialMerge).Run.ID
		f.drain(ends{"b": finally})
		if status := f.run(id).Status; status != pipeline.RunPartial {
			f.Fatalf("the run to be replayed is %s", status)
		}
		letter := string(f.letters(store.DeadLetterFilter{})[0].ID)
		won := f.meet(func() error {
			_, err := f.ReplayRun(f.ctx, id)
			return err
		}, func() error {
			got, err := f.RetryDeadLetters(f.ctx, []string{letter})
			return errors.Join(err, got[0].Err)
		}, f.cancelling(id))
		if won[0]+won[1] == 0 {
			f.Error("nobody took the run up again")
		}
		seen := map[pipeline.TaskID]bool{}
		claimed := f.claim(10)
		var ended []store.EndAttempt
		for _, c := range claimed {
			if seen[c.TaskRun.Task] {
				f.Errorf("%s was queued twice in one run", c.TaskRun.Task)
			}
			seen[c.TaskRun.Task] = true
			ended = append(ended, done(c))
		}
		f.must1(f.EndAttempts(f.ctx, ended))
		legal := []pipeline.RunStatus{pipeline.RunCompleted, pipeline.RunCancelled}
		if won[2] == 0 {
			legal = legal[:1]
		}
		f.settled(id, legal...)
	}
}

func releaseMeetsEnd(f *fixture) {
	f.register(task("a"))
	for range raceRounds {
		run := f.enqueue("a")
		a := f.claim(1)[0]
		won := f.meet(f.ending(done(a)), func() error {
			return f.ReleaseAttempts(f.ctx, []store.AttemptRef{ref(a)})
		}, func() error {
			_, err := f.ExtendLeases(f.ctx, []store.Heartbeat{{AttemptRef: ref(a)}})
			return err
		})
		again := f.claim(10)
		if len(again)+won[0] != 1 {
			f.Errorf("ended %d times and given back %d times", won[0], len(again))
		}
		for _, c := range again {
			f.end(done(c))
		}
		if got := f.taskRun(run.ID); got.Status != pipeline.TaskCompleted || len(got.PreviousAttempts) != 0 {
			f.Errorf("%s after %v", got.Status, got.PreviousAttempts)
		}
		f.nothingOpen()
	}
}
