package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLoop(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, wake <-chan struct{}, once func(context.Context) (time.Duration, error), rest time.Duration) (stop func()) {
		e := &Engine{log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.loop(ctx, "test", wake, once, rest) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("got %v", err)
			}
		}
	}
	t.Run("is woken", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var steps atomic.Int32
			wake := newSignal()
			stop := run(t, wake, func(context.Context) (time.Duration, error) { steps.Add(1); return time.Hour, nil }, 0)
			defer stop()
			synctest.Wait()
			wake.set()
			synctest.Wait()
			if got := steps.Load(); got != 2 {
				t.Errorf("took %d steps, want 2", got)
			}
		})
	})
	t.Run("polls when nobody wakes it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var steps atomic.Int32
			stop := run(t, nil, func(context.Context) (time.Duration, error) { steps.Add(1); return time.Second, nil }, 0)
			defer stop()
			time.Sleep(3500 * time.Millisecond)
			if got := steps.Load(); got != 4 {
				t.Errorf("took %d steps, want 4", got)
			}
		})
	})
	t.Run("goes on after a fault, without a storm", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var steps atomic.Int32
			wake := newSignal()
			stop := run(t, wake, func(context.Context) (time.Duration, error) {
				if steps.Add(1) <= 10 {
					wake.set()
					return 0, errors.New("database is away")
				}
				return time.Hour, nil
			}, 0)
			defer stop()
			time.Sleep(time.Second)
			if got := steps.Load(); got > 6 {
				t.Errorf("took %d steps in the first second of a fault", got)
			}
			time.Sleep(time.Minute)
			if got := steps.Load(); got < 11 {
				t.Errorf("took %d steps in a minute", got)
			}
		})
	})
	t.Run("rests between steps", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var steps atomic.Int32
			wake := newSignal()
			stop := run(t, wake, func(context.Context) (time.Duration, error) {
				steps.Add(1)
				wake.set()
				return time.Hour, nil
			}, 100*time.Millisecond)
			defer stop()
			time.Sleep(950 * time.Millisecond)
			if got := steps.Load(); got != 10 {
				t.Errorf("took %d steps, want 10", got)
			}
		})
	})
}
