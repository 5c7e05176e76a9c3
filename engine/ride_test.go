package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"pipedai/pipeline"
	"pipedai/store"
)

// riding counts claims of both kinds. gate, when set, holds up those that go
// along, after their commit.
type riding struct {
	store.Store
	alone, along atomic.Int32
	gate         chan struct{}
}

func (r *riding) ClaimTasks(ctx context.Context, p store.ClaimTasks) ([]store.Claimed, error) {
	r.alone.Add(1)
	return r.Store.ClaimTasks(ctx, p)
}

func (r *riding) EndAndClaim(ctx context.Context, ends []store.EndAttempt, p store.ClaimTasks) ([]store.EndedAttempt, []store.Claimed, error) {
	r.along.Add(1)
	ended, claimed, err := r.Store.EndAndClaim(ctx, ends, p)
	if r.gate != nil {
		<-r.gate
	}
	return ended, claimed, err
}

func (r *riding) StartAndClaim(ctx context.Context, runs []store.StartRun, p store.ClaimTasks) ([]store.StartedRun, []store.Claimed, error) {
	r.along.Add(1)
	return r.Store.StartAndClaim(ctx, runs, p)
}

func TestRide(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, o Options) (*fixture, *riding) {
		f := newFixture(t, o)
		st := &riding{Store: f.store}
		f.store = st
		f.run()
		f.register(edges{"a": {"b"}, "b": {"c"}, "c": nil})
		f.trigger()
		synctest.Wait() // the first claim finds out that there is somebody to push to
		return f, st
	}
	inBubble(t, "a step costs one commit", func(t *testing.T) {
		f, st := start(t, Options{})
		alone, along := st.alone.Load(), st.along.Load()
		run := f.trigger()
		synctest.Wait()
		if got := f.ended(run.ID); got.Status != pipeline.RunCompleted {
			t.Errorf("got %s", got.Status)
		}
		if n := st.alone.Load() - alone; n != 0 {
			t.Errorf("%d claims of their own", n)
		}
		if n := st.along.Load() - along; n != 4 {
			t.Errorf("%d claims went along with a trigger and three reports", n)
		}
	})
	inBubble(t, "more than there is room for", func(t *testing.T) {
		f, _ := start(t, Options{MaxConcurrency: 1})
		for range 30 {
			f.trigger()
		}
		synctest.Wait()
		if n := len(f.fleet.tasks()); n != 31*3 {
			t.Errorf("%d of %d task runs were dispatched", n, 31*3)
		}
		if free := f.claimer.free(); free != 1 {
			t.Errorf("%d of 1 slots are free", free)
		}
	})
	inBubble(t, "out when the stop comes", func(t *testing.T) {
		f, st := start(t, Options{})
		st.gate = make(chan struct{})
		run := f.trigger()
		synctest.Wait() // the report of a is committed, with the claim of b
		go func() {
			synctest.Wait()
			close(st.gate)
		}()
		f.stop()
		if task := f.taskRun(run.ID, "b"); task.Status != pipeline.TaskPending || task.Attempt != 1 {
			t.Errorf("what was claimed during the stop is %s on attempt %d", task.Status, task.Attempt)
		}
	})
}
