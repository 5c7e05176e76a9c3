package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/api"
	"pipedai/store"
)

// noting counts the acceptances that reach the store.
type noting struct {
	store.Store
	noted atomic.Int32
}

func (n *noting) AcceptAttempts(ctx context.Context, refs []store.AttemptRef) error {
	n.noted.Add(int32(len(refs)))
	return n.Store.AcceptAttempts(ctx, refs)
}

// The acceptance of a task that is over soon is not worth a commit; that of any
// other is noted soon, and before a stop.
func TestAcceptances(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, lasting time.Duration) (*fixture, *noting) {
		f := newFixture(t, Options{MaxConcurrency: 100})
		st := &noting{Store: f.store}
		f.store = st
		f.accepts.flush = answerless(st.AcceptAttempts)
		f.run()
		f.register(edges{"a": nil})
		f.fleet.work["a"] = func(api.Dispatch) outcome {
			time.Sleep(lasting)
			return outcome{}
		}
		for range 50 {
			f.trigger()
		}
		synctest.Wait()
		return f, st
	}
	inBubble(t, "short", func(t *testing.T) {
		_, st := start(t, acceptAfter/2)
		time.Sleep(time.Minute)
		if n := st.noted.Load(); n != 0 {
			t.Errorf("noted %d acceptances of tasks that were over", n)
		}
	})
	inBubble(t, "long", func(t *testing.T) {
		f, st := start(t, 10*time.Second)
		time.Sleep(acceptAfter)
		synctest.Wait()
		if n := st.noted.Load(); n != 50 {
			t.Errorf("noted %d acceptances in time, want 50", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		f.acceptances.mu.Lock()
		defer f.acceptances.mu.Unlock()
		if n := st.noted.Load(); n != 50 || len(f.acceptances.open)+len(f.acceptances.queue) != 0 {
			t.Errorf("noted %d acceptances, keeps %d and %d", n, len(f.acceptances.open), len(f.acceptances.queue))
		}
	})
	inBubble(t, "stopped", func(t *testing.T) {
		f, st := start(t, 10*time.Second)
		f.stop()
		if n := st.noted.Load(); n != 50 {
			t.Errorf("noted %d acceptances before the stop, want 50", n)
		}
	})
}
