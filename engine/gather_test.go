package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// double answers with twice the item.
func double(_ context.Context, items []int) ([]int, error) {
	out := make([]int, len(items))
	for i, item := range items {
		out[i] = 2 * item
	}
	return out, nil
}

func TestGather_answersEachItem(t *testing.T) {
	t.Parallel()
	g := newGather(7, double)
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			got, err := g.do(context.Background(), i)
			if err != nil || got != 2*i {
				t.Errorf("item %d: got %d, %v", i, got, err)
			}
		})
	}
	wg.Wait()
}

// An item that comes alone is flushed at once: no clock is involved.
func TestGather_idleWaitsForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGather(10, double)
		began := time.Now()
		if _, err := g.do(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %s", waited)
		}
	})
}

func TestGather_batchesWhatArrivesMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var mu sync.Mutex
		var batches []int
		var under, most int
		g := newGather(100, func(ctx context.Context, items []int) ([]int, error) {
			mu.Lock()
			batches = append(batches, len(items))
			under++
			most = max(most, under)
			mu.Unlock()
			<-gate
			mu.Lock()
			under--
			mu.Unlock()
			return double(ctx, items)
		})
		var wg sync.WaitGroup
		for i := range 2 + 250 {
			wg.Go(func() { _, _ = g.do(context.Background(), i) })
			if i < 2 {
				synctest.Wait() // the first two find a flight free
			}
		}
		synctest.Wait()
		close(gate)
		wg.Wait()
		if most != flights {
			t.Errorf("%d flushes were under way together, want %d", most, flights)
		}
		if len(batches) != 5 || batches[0] != 1 || batches[1] != 1 {
			t.Errorf("got batches of %v, want two of 1, then 250 in batches of at most 100", batches)
		}
	})
}

func TestGather_failureReachesTheWholeBatch(t *testing.T) {
	t.Parallel()
	fault := errors.New("disk full")
	g := newGather(10, func(context.Context, []int) ([]int, error) { return nil, fault })
	if _, err := g.do(t.Context(), 1); !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
	short := newGather(10, func(context.Context, []int) ([]int, error) { return nil, nil })
	if _, err := short.do(t.Context(), 1); err == nil {
		t.Error("a missing answer passed for one")
	}
}

// A caller that leaves neither takes its item back nor disturbs the others.
func TestGather_callerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var committed atomic.Int32
		g := newGather(10, func(ctx context.Context, items []int) ([]int, error) {
			select {
			case <-gate:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			committed.Add(int32(len(items)))
			return double(ctx, items)
		})
		leaving, leave := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { _, err := g.do(leaving, 1); gone <- err }()
		synctest.Wait()
		leave()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if _, err := g.do(leaving, 2); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that had left: got %v", err)
		}
		close(gate)
		if err := g.drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := committed.Load(); got != 1 {
			t.Errorf("committed %d items, want the one that was queued", got)
		}
	})
}

func TestGather_drainLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var committed atomic.Int32
		g := newGather(3, func(ctx context.Context, items []int) ([]int, error) {
			<-gate
			committed.Add(int32(len(items)))
			return double(ctx, items)
		})
		for i := range 20 {
			go func() { _, _ = g.do(context.Background(), i) }()
		}
		synctest.Wait()

		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.drain(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drained while flushes were under way: %v", err)
		}
		close(gate)
		if err := g.drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := committed.Load(); got != 20 {
			t.Errorf("committed %d of 20", got)
		}
		if err := g.drain(t.Context()); err != nil {
			t.Errorf("an idle gather: %v", err)
		}
	})
}
