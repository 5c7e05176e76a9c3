package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/store"
)

// What a service does is seen in its status, a few seconds later and with one
// write for all of it.
func TestLiveness(t *testing.T) {
	t.Parallel()
	status := func(f *fixture) string {
		f.t.Helper()
		s, err := f.Store().Service(f.t.Context(), "svc")
		if err != nil {
			f.t.Fatal(err)
		}
		return s.Status
	}
	settle := func(d time.Duration) {
		time.Sleep(d)
		synctest.Wait()
	}
	inBubble(t, "a dispatch that reaches nobody, and one that does", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		defer f.stop()
		f.register(edges{"a": nil})
		gone := true
		f.fleet.refuse = func(context.Context, api.Dispatch) error {
			if gone {
				return &DispatchError{Unreached: true, Message: "connection refused"}
			}
			return nil
		}
		f.trigger()
		settle(liveEvery * 2)
		if got := status(f); got != "disconnected" {
			t.Errorf("nobody was reached, and the service is %s", got)
		}
		f.fleet.mu.Lock()
		gone = false
		f.fleet.mu.Unlock()
		f.ended(f.trigger().ID)
		settle(liveEvery * 2)
		if got := status(f); got != "active" {
			t.Errorf("a run ended well, and the service is %s", got)
		}
		settle(pushInactive + liveSweep*2)
		if got := status(f); got != "inactive" {
			t.Errorf("silent for %s, and the service is %s", pushInactive, got)
		}
	})
	inBubble(t, "a refusal is no absence", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		defer f.stop()
		f.register(edges{"a": nil})
		f.fleet.refuse = func(context.Context, api.Dispatch) error {
			return &DispatchError{Final: true, Message: "Worker returned 400: no"}
		}
		f.ended(f.trigger().ID)
		settle(liveEvery * 2)
		if got := status(f); got != "active" {
			t.Errorf("got %s", got)
		}
	})
	inBubble(t, "a worker that only beats", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		defer f.stop()
		f.register(edges{"a": nil}, func(r *store.Register) { r.Tasks[0].Timeout = 4 * time.Hour })
		f.fleet.work["a"] = always(outcome{silent: true})
		f.trigger()
		settle(time.Second)
		id, attempt := pipeline.ParseWire(f.fleet.of("a")[0].RunID)
		const beat = 15 * time.Second
		for range 2 * pushInactive / beat {
			answer, err := f.Heartbeat(t.Context(), store.Heartbeat{AttemptRef: store.AttemptRef{ID: id, Attempt: attempt}})
			if err != nil || !answer.Known {
				t.Fatalf("heartbeat: got %+v, %v", answer, err)
			}
			settle(beat)
		}
		if got := status(f); got != "active" {
			t.Errorf("heard of all the time, and the service is %s", got)
		}
	})
}
