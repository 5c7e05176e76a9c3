package engine

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"pipedai/store"
)

// failingRetries is a store whose retries fail after the first call.
type failingRetries struct {
	store.Store
	calls atomic.Int32
}

func (f *failingRetries) RetryDeadLetters(ctx context.Context, refs []string) ([]store.RetriedLetter, error) {
	if f.calls.Add(1) > 1 {
		return nil, errAway
	}
	return f.Store.RetryDeadLetters(ctx, refs)
}

// TestRetryDeadLetters_midway: when the database goes away between two batches,
// the first one is told as retried and the rest as left.
func TestRetryDeadLetters_midway(t *testing.T) {
	t.Parallel()
	inBubble(t, "two batches", func(t *testing.T) {
		base := newFixture(t, Options{})
		f := newFixtureOver(t, &failingRetries{Store: base.Store()}, Options{MaxConcurrency: 200}).run()
		f.register(edges{"a": nil})
		f.fleet.work["a"] = always(outcome{fail: &store.Failure{Error: "broken", Final: true}})
		const left = 3
		if _, err := f.Enqueue(t.Context(), slices.Repeat([]Enqueue{{Task: "a"}}, retryBatch+left)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.fleet.busy.Wait()
		got, err := f.RetryDeadLetters(t.Context(), store.DeadLetterFilter{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		retried, failed := 0, 0
		for _, l := range got {
			switch {
			case l.Err == nil && l.Run.ID != "":
				retried++
			case errors.Is(l.Err, errAway) && l.ID != "":
				failed++
			}
		}
		if retried != retryBatch || failed != left {
			t.Errorf("%d retried and %d left of %d", retried, failed, len(got))
		}
	})
}
