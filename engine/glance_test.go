package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// counted counts what an idle engine asks of its store.
type counted struct {
	store.Store
	looks, steps atomic.Int32
}

func (c *counted) Glance(ctx context.Context) (store.Glance, error) {
	c.looks.Add(1)
	return c.Store.Glance(ctx)
}

func (c *counted) ClaimTasks(ctx context.Context, p store.ClaimTasks) ([]store.Claimed, error) {
	c.steps.Add(1)
	return c.Store.ClaimTasks(ctx, p)
}

func (c *counted) PromoteDue(ctx context.Context, limit int) (int, time.Time, error) {
	c.steps.Add(1)
	return c.Store.PromoteDue(ctx, limit)
}

func (c *counted) Rescue(ctx context.Context, p store.Rescue) (store.Rescued, error) {
	c.steps.Add(1)
	return c.Store.Rescue(ctx, p)
}

// An idle engine takes one look per poll interval and no step at all, however
// many workers wait for work.
func TestWatcher_idle(t *testing.T) {
	t.Parallel()
	inBubble(t, "idle", func(t *testing.T) {
		f := newFixture(t, Options{PollInterval: time.Second})
		st := &counted{Store: f.store}
		f.store = st
		f.run()
		f.register(edges{"a": nil})
		waiting, done := context.WithCancel(t.Context())
		for range 50 {
			go func() {
				_, _ = f.Claim(waiting, Pull{Owner: "w", Services: []pipeline.ServiceID{"svc"}, Max: 1, Wait: time.Hour, Seal: testSecret})
			}()
		}
		synctest.Wait()
		time.Sleep(5 * time.Second)
		st.looks.Store(0)
		st.steps.Store(0)
		time.Sleep(time.Minute)
		if looks, steps := st.looks.Load(), st.steps.Load(); looks < 50 || looks > 75 || steps != 0 {
			t.Errorf("%d looks and %d steps in an idle minute", looks, steps)
		}
		done()
		synctest.Wait()
	})
}

// What somebody else put into the database, without a word, is found by looking:
// work for those who are pushed to, work for those who ask, and times that come.
func TestWatcher_nobodyTold(t *testing.T) {
	t.Parallel()
	inBubble(t, "untold", func(t *testing.T) {
		f := newFixture(t, Options{PollInterval: time.Second})
		f.run()
		f.register(edges{"a": nil})
		if _, err := f.Register(t.Context(), store.Register{
			Service: store.Service{ID: "pulling", Version: "1"}, Tasks: []store.Task{{ID: "p", CodeHash: "1", Timeout: time.Minute, HeartbeatInterval: time.Minute}},
		}); err != nil {
			t.Fatal(err)
		}
		got := make(chan int, 1)
		go func() {
			runs, err := f.Claim(t.Context(), Pull{Owner: "w", Services: []pipeline.ServiceID{"pulling"}, Max: 1, Wait: time.Hour, Seal: testSecret})
			if err != nil {
				t.Error(err)
			}
			got <- len(runs)
		}()
		time.Sleep(10 * time.Second)
		enqueue := func(task pipeline.TaskID, at time.Time) {
			t.Helper()
			if _, err := f.Store().EnqueueTasks(t.Context(), []store.EnqueueTask{{
				ID: pipeline.NewTaskRunID(time.Now()), Task: task, ScheduledFor: at, Input: store.Input{Path: "p", Data: []byte("{}")},
			}}); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		enqueue("p", time.Time{})
		if n := <-got; n != 1 || time.Since(began) > 2*time.Second {
			t.Errorf("a waiting worker got %d runs after %s", n, time.Since(began))
		}
		enqueue("a", time.Time{})
		time.Sleep(2 * time.Second)
		if len(f.fleet.tasks()) != 1 {
			t.Error("work to push was not found in two poll intervals")
		}
		enqueue("a", time.Now().Add(10*time.Second))
		time.Sleep(10*time.Second + 2*dueLeast)
		if len(f.fleet.tasks()) != 2 {
			t.Error("a run was not pushed when its time came")
		}
	})
}
